//! The part of the tests that compares images, instruction counts and RAM on emulated cores with the committed ones.

use super::checks::Checks;
use crate::bench::device::{self, Extras, Layout};
use crate::bench::measure::MeasuredModel;
use crate::bench::record;
use crate::failure::Failure;
use crate::firmware::machines;
use crate::process;
use crate::toolchain::Toolchain;
use ganlet_sim::host::{Core, DeviceCounts, ImageCount, MeasuredLayout};
use ganlet_trainer::quantize::random_models::RandomNet;

/// Tolerance of counts with the compiler that the committed counts were measured with.
const TOLERANCE_PERCENT: f64 = 1.0;
/// Tolerance of counts with another compiler.
const OTHER_COMPILER_PERCENT: f64 = 15.0;
/// Largest arena of a streamed image, by model.
const ARENA_BUDGETS: [(&str, u64); 3] = [("digits28", 6 << 10), ("dcgan64-16", 14 << 10), ("dcgan64-64", 54 << 10)];
/// Most RAM of any reference generator, stack included.
const RAM_BUDGET: u64 = 64 << 10;

/// Sets up compiler and emulator if that needs no questions; else returns the remedy.
pub(super) fn prepare(core: Core, report: &dyn Fn(&str)) -> Result<(), String> {
    Toolchain::require(machines::target(core), report)?;
    process::require_emulator(machines::machine(core, 0).emulator, report)
}

/// Draws the reference generators on a core and compares counts, images and RAM.
pub(super) fn images(core: Core) -> Result<Checks, Failure> {
    let (costs, _) = device::measure_all(&[core], &device::models(&[], &Layout::ALL)?, &Extras::default())?;
    let mut checks = Checks::default();
    for cost in &costs {
        compare(DeviceCounts::committed(), &record::count_of(cost), &mut checks);
    }
    random_nets(core, &mut checks)?;
    Ok(checks)
}

/// Number of random networks that cores also draw: every kind of layer, odd sizes, some with extreme weights, each in both layouts.
const RANDOM_NETS: u64 = 12;

/// Draws random networks on a core: each image must equal that of the portable kernels on this machine.
fn random_nets(core: Core, checks: &mut Checks) -> Result<(), Failure> {
    let models =
        (0..RANDOM_NETS).flat_map(|seed| {
            let net = if seed % 3 == 2 { RandomNet::extreme(seed) } else { RandomNet::new(seed) };
            [(MeasuredLayout::Compact, net.file), (MeasuredLayout::Fast, net.fast)]
                .map(|(layout, bytes)| MeasuredModel { name: format!("random-{seed}"), layout, bytes })
        });
    let (costs, _) = device::measure_all(&[core], &models.collect::<Vec<_>>(), &Extras::default())?;
    // A different image would have been an error.
    costs.iter().for_each(|_| checks.check(true, String::new));
    Ok(())
}

fn compare(committed: &DeviceCounts, found: &ImageCount, checks: &mut Checks) {
    let name = format!("{} {} {}", found.core, found.model, found.layout);
    let record = "if that is intended: cargo xtask bench device --record";
    let Some(row) = committed.rows.iter().find(|row| row.key() == found.key()) else {
        checks.check(false, || format!("{name}: no committed counts; {record}"));
        return;
    };
    let same = row.compiler == found.compiler;
    let percent = if same { TOLERANCE_PERCENT } else { OTHER_COMPILER_PERCENT };
    let counts = [
        ("instructions", row.instructions, found.instructions),
        ("instructions to load", row.load_instructions, found.load_instructions),
    ];
    for (what, was, is) in counts {
        let change = (is as f64 / was as f64 - 1.0) * 100.0;
        let by = if same { String::new() } else { format!(" by {} instead of {}", found.compiler, row.compiler) };
        checks.check(change.abs() <= percent, || format!("{name}: {is} {what}{by}, {change:+.1} % of {was}; {record}"));
    }
    checks.check(row.checksum == found.checksum, || {
        format!("{name}: the image's checksum is {}, committed is {}; {record}", found.checksum, row.checksum)
    });
    checks.check(row.ram_bytes == found.ram_bytes, || {
        format!("{name}: {} bytes of arena, committed are {}; {record}", found.ram_bytes, row.ram_bytes)
    });
    if let Some((_, budget)) = ARENA_BUDGETS.iter().find(|(model, _)| *model == found.model) {
        checks.check(found.ram_bytes <= *budget, || {
            format!("{name}: {} bytes of arena, the budget is {budget}", found.ram_bytes)
        });
    }
    let all = found.ram_bytes + found.stack_bytes;
    checks.check(all <= RAM_BUDGET, || format!("{name}: {all} bytes of RAM and stack, the budget is {RAM_BUDGET}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(instructions: u64) -> ImageCount {
        ImageCount {
            core: Core::M4,
            model: "digits28".into(),
            layout: MeasuredLayout::Compact,
            compiler: "rustc 1.95.0".into(),
            macs: 50_000,
            instructions,
            cycles: None,
            cycles_on_m3: None,
            load_instructions: 500,
            ram_bytes: 4000,
            stack_bytes: 5000,
            checksum: "0123".into(),
        }
    }

    fn failures(found: &ImageCount) -> Vec<String> {
        let mut checks = Checks::default();
        compare(&DeviceCounts { rows: vec![row(100_000)] }, found, &mut checks);
        assert_eq!(checks.passed + checks.failures.len(), 6);
        checks.failures
    }

    #[test]
    fn counts_may_change_by_one_percent_and_not_more() {
        assert!(failures(&row(100_000)).is_empty() && failures(&row(100_999)).is_empty());
        assert!(failures(&row(101_100))[0].contains("+1.1 % of 100000"), "{:?}", failures(&row(101_100)));
        assert!(failures(&row(98_000))[0].contains("--record"), "an improvement is reported as well");
        let other = ImageCount { compiler: "rustc 1.99.0".into(), ..row(110_000) };
        assert!(failures(&other).is_empty());
        assert!(
            failures(&ImageCount { instructions: 120_000, ..other })[0]
                .contains("by rustc 1.99.0 instead of rustc 1.95.0")
        );
    }

    #[test]
    fn another_image_and_more_ram_are_failures() {
        assert!(
            failures(&ImageCount { checksum: "4567".into(), ..row(100_000) })[0].contains("4567, committed is 0123")
        );
        let found = failures(&ImageCount { ram_bytes: 7000, stack_bytes: 60_000, ..row(100_000) });
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn a_model_without_committed_counts_is_a_failure() {
        let mut checks = Checks::default();
        compare(&DeviceCounts::default(), &row(1), &mut checks);
        assert_eq!((checks.passed, checks.failures.len()), (0, 1));
    }
}
