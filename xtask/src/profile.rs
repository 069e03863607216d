//! `train --profile`: where the time of a run went.

use crate::console;
use crate::failure::Failure;
use crate::table::Table;
use ganlet_trainer::exec::profile::{Total, folded, totals};
use ganlet_trainer::run::Run;

/// Most kinds of work in one layer that are listed.
const LISTED: usize = 12;
/// The file for flame-graph programs.
const FILE: &str = "profile.folded";

/// Prints the profile of a run and leaves its trace in the run's folder.
pub(crate) fn tell(run: &mut Run<'_>) -> Result<(), Failure> {
    let waited = run.trainer.waited();
    let timings = run.trainer.executor().profile();
    let computed: f64 = timings.iter().map(|t| t.seconds).sum();
    let all = (computed + waited).max(1e-9);
    let headings = ["", ">seconds", ">share", ">calls", ">GFLOP/s", ">GB/s"];
    let mut table = Table::new(&headings);
    let row = |table: &mut Table, name: &str, t: &Total| {
        let rate = |n: f64| if n > 0.0 { format!("{:.1}", n / t.seconds.max(1e-12) / 1e9) } else { String::new() };
        table.row([
            name.to_owned(),
            format!("{:.3}", t.seconds),
            format!("{:.1} %", 100.0 * t.seconds / all),
            if t.calls > 0 { t.calls.to_string() } else { String::new() },
            rate(t.flops),
            rate(t.bytes),
        ]);
    };
    row(&mut table, "waiting for data", &Total { seconds: waited, ..Total::default() });
    for total in totals(&timings, |t| t.kernel.clone()).iter().filter(|t| t.calls > 0) {
        row(&mut table, &total.name, total);
    }
    let mut slowest = Table::new(&headings);
    for total in totals(&timings, |t| format!("{}: {} in {}", t.program, t.kernel, t.scope)).iter().take(LISTED) {
        row(&mut slowest, &total.name, total);
    }
    let mut trace = folded(&timings);
    if waited > 0.0 {
        trace += &format!("train;waiting for data {:.0}\n", (1e6 * waited).max(1.0));
    }
    let path = run.folder.path().join(FILE);
    std::fs::write(&path, trace).map_err(|e| Failure::file(&path, e))?;
    console::print(&format!("{}\n{}", table.lines(), slowest.lines()))?;
    if waited > 0.1 * all {
        console::note(
            "more than a tenth of the time went by waiting for data: a faster disk, or pictures in memory, would help",
        );
    }
    console::note(&format!(
        "{}: for flame-graph programs (inferno-flamegraph, flamegraph.pl, speedscope)",
        path.display()
    ));
    Ok(())
}
