//! Time profile of a run: seconds, floating-point operations and memory traffic of every kernel call.
use std::collections::BTreeMap;
use std::fmt::Write;

/// Sum over all runs of one kernel call of one program.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelTiming {
    /// Name of the program, such as "discriminator step".
    pub program: String,
    /// Name of the kernel, such as "conv" or "fused".
    pub kernel: String,
    /// Part of the network, such as "discriminator layer 3". Empty if the graph names none.
    pub scope: String,
    /// Description of the node that the call is named after.
    pub node: String,
    /// Number of runs.
    pub calls: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Floating-point operations of matrix products and convolutions.
    pub flops: f64,
    /// Bytes read and written, counting every operand once per run.
    pub bytes: f64,
}

/// Sum of several timings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimingTotal {
    /// What the timings have in common.
    pub name: String,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Number of runs.
    pub calls: u64,
    /// Floating-point operations of matrix products and convolutions.
    pub flops: f64,
    /// Bytes read and written.
    pub bytes: f64,
}

/// Groups `timings` by `name` and sums each group. The longest comes first.
pub fn totals(timings: &[KernelTiming], name: impl Fn(&KernelTiming) -> String) -> Vec<TimingTotal> {
    let mut by_name: BTreeMap<String, TimingTotal> = BTreeMap::new();
    for t in timings {
        let total = by_name.entry(name(t)).or_default();
        total.seconds += t.seconds;
        total.calls += t.calls;
        total.flops += t.flops;
        total.bytes += t.bytes;
    }
    let mut totals: Vec<_> = by_name.into_iter().map(|(name, t)| TimingTotal { name, ..t }).collect();
    totals.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    totals
}

/// The timings as folded stacks for flame-graph tools: one line each, frames joined by `;`, then microseconds.
pub fn folded_stacks(timings: &[KernelTiming]) -> String {
    let clean = |frame: &str| frame.replace(';', ",");
    timings.iter().filter(|t| t.seconds > 0.0).fold(String::new(), |mut out, t| {
        let scope = if t.scope.is_empty() { "unnamed" } else { &t.scope };
        let micros = (1e6 * t.seconds).round().max(1.0);
        let _ =
            writeln!(out, "train;{};{};{};{} {micros:.0}", clean(&t.program), clean(scope), t.kernel, clean(&t.node));
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(kernel: &str, seconds: f64) -> KernelTiming {
        KernelTiming {
            program: "discriminator step".into(),
            kernel: kernel.into(),
            scope: "discriminator layer 0".into(),
            node: "node 3 (a; b)".into(),
            calls: 2,
            seconds,
            flops: 8.0,
            bytes: 4.0,
        }
    }

    #[test]
    fn timings_are_summed_by_name_and_sorted_by_time() {
        let all = [timing("conv", 1.0), timing("fused", 5.0), timing("conv", 2.0)];
        let totals = totals(&all, |t| t.kernel.clone());
        assert_eq!(
            totals.iter().map(|t| (t.name.as_str(), t.seconds)).collect::<Vec<_>>(),
            [("fused", 5.0), ("conv", 3.0)]
        );
        assert_eq!((totals[1].calls, totals[1].flops), (4, 16.0));
    }

    #[test]
    fn separators_inside_a_frame_are_replaced() {
        assert_eq!(
            folded_stacks(&[timing("conv", 1.5), timing("copy", 0.0)]),
            "train;discriminator step;discriminator layer 0;conv;node 3 (a, b) 1500000\n"
        );
    }
}
