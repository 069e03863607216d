//! Where the time of a run went: kernel calls with their seconds, operations and numbers moved.
use std::collections::BTreeMap;
use std::fmt::Write;

/// All runs of one step of one program, added up.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// "discriminator step".
    pub program: String,
    /// "conv", "fused", …
    pub kind: String,
    /// The part of the network: "discriminator layer 3".
    pub scope: String,
    /// The node that the step is named after.
    pub node: String,
    /// How often it ran.
    pub calls: u64,
    /// Wall seconds of all runs.
    pub seconds: f64,
    /// Floating-point operations of all runs' products.
    pub flops: f64,
    /// Bytes that all runs read and wrote, each number once.
    pub bytes: f64,
}

/// Timings of the same kind, or of the same step, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Total {
    /// What was added up.
    pub name: String,
    /// Wall seconds.
    pub seconds: f64,
    /// Calls.
    pub calls: u64,
    /// Operations of products.
    pub flops: f64,
    /// Bytes read and written.
    pub bytes: f64,
}

/// Adds up `timings` by the name that `name` gives them; the longest comes first.
pub fn totals(timings: &[Timing], name: impl Fn(&Timing) -> String) -> Vec<Total> {
    let mut by_name: BTreeMap<String, Total> = BTreeMap::new();
    for t in timings {
        let total = by_name.entry(name(t)).or_default();
        total.seconds += t.seconds;
        total.calls += t.calls;
        total.flops += t.flops;
        total.bytes += t.bytes;
    }
    let mut totals: Vec<_> = by_name.into_iter().map(|(name, t)| Total { name, ..t }).collect();
    totals.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    totals
}

/// The timings as folded stacks, a line each: frames joined by `;`, then microseconds. Flame-graph programs read it.
pub fn folded(timings: &[Timing]) -> String {
    let clean = |frame: &str| frame.replace(';', ",");
    timings.iter().filter(|t| t.seconds > 0.0).fold(String::new(), |mut out, t| {
        let scope = if t.scope.is_empty() { "unnamed" } else { &t.scope };
        let micros = (1e6 * t.seconds).round().max(1.0);
        let _ = writeln!(out, "train;{};{};{};{} {micros:.0}", clean(&t.program), clean(scope), t.kind, clean(&t.node));
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(kind: &str, seconds: f64) -> Timing {
        Timing {
            program: "discriminator step".into(),
            kind: kind.into(),
            scope: "discriminator layer 0".into(),
            node: "node 3 (a; b)".into(),
            calls: 2,
            seconds,
            flops: 8.0,
            bytes: 4.0,
        }
    }

    #[test]
    fn kinds_are_added_up_and_the_longest_comes_first() {
        let all = [timing("conv", 1.0), timing("fused", 5.0), timing("conv", 2.0)];
        let totals = totals(&all, |t| t.kind.clone());
        assert_eq!(
            totals.iter().map(|t| (t.name.as_str(), t.seconds)).collect::<Vec<_>>(),
            [("fused", 5.0), ("conv", 3.0)]
        );
        assert_eq!((totals[1].calls, totals[1].flops), (4, 16.0));
    }

    #[test]
    fn stacks_have_no_stray_separators() {
        assert_eq!(
            folded(&[timing("conv", 1.5), timing("copy", 0.0)]),
            "train;discriminator step;discriminator layer 0;conv;node 3 (a, b) 1500000\n"
        );
    }
}
