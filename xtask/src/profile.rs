//! `train --profile`: prints how the time of a run was spent.

use crate::console;
use crate::failure::Failure;
use crate::table::Table;
use ganlet_trainer::exec::profile::{TimingTotal, folded_stacks, totals};
use ganlet_trainer::run::Run;

/// Largest number of rows in the table of slowest layers.
const LISTED: usize = 12;
/// The file for flame graphs.
const FILE: &str = "profile.folded";

/// Prints the profile of a run and writes its trace into the run folder.
pub(crate) fn print(run: &mut Run<'_>) -> Result<(), Failure> {
    let waited = run.trainer.waited();
    let timings = run.trainer.executor().profile();
    let computed: f64 = timings.iter().map(|t| t.seconds).sum();
    let total = (computed + waited).max(1e-9);
    let headings = ["", ">seconds", ">share", ">calls", ">GFLOP/s", ">GB/s"];
    let mut table = Table::new(&headings);
    let row = |table: &mut Table, name: &str, t: &TimingTotal| {
        let rate = |n: f64| if n > 0.0 { format!("{:.1}", n / t.seconds.max(1e-12) / 1e9) } else { String::new() };
        table.row([
            name.to_owned(),
            format!("{:.3}", t.seconds),
            format!("{:.1} %", 100.0 * t.seconds / total),
            if t.calls > 0 { t.calls.to_string() } else { String::new() },
            rate(t.flops),
            rate(t.bytes),
        ]);
    };
    row(&mut table, "waiting for data", &TimingTotal { seconds: waited, ..TimingTotal::default() });
    for kernel in totals(&timings, |t| t.kernel.clone()).iter().filter(|t| t.calls > 0) {
        row(&mut table, &kernel.name, kernel);
    }
    let mut slowest = Table::new(&headings);
    for layer in totals(&timings, |t| format!("{}: {} in {}", t.program, t.kernel, t.scope)).iter().take(LISTED) {
        row(&mut slowest, &layer.name, layer);
    }
    let mut trace = folded_stacks(&timings);
    if waited > 0.0 {
        trace += &format!("train;waiting for data {:.0}\n", (1e6 * waited).max(1.0));
    }
    let path = run.folder.path().join(FILE);
    run.folder.write(FILE, trace)?;
    console::print(&format!("{}\n{}", table.lines(), slowest.lines()))?;
    if waited > 0.1 * total {
        console::note(
            "more than a tenth of the time was spent waiting for data: a faster disk, or a data set in memory, would help",
        );
    }
    console::note(&format!(
        "{}: input for flame graphs (inferno-flamegraph, flamegraph.pl, speedscope)",
        path.display()
    ));
    Ok(())
}
