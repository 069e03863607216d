//! The verdict on a run in plain words: whether it still improves.
use crate::run::LogEntry;
use crate::text::measured;
use std::fmt;

/// Measurements that are needed to say whether a run still improves.
const FEWEST: usize = 4;
/// Relative change of the best measurement that counts as an improvement.
const IMPROVEMENT: f64 = 0.05;
/// Relative increase that counts as worse; measurements vary by a few percent by chance.
const DETERIORATION: f64 = 0.15;

/// How the measurements of a run developed in its last third, compared with the best one before.
#[derive(Clone, Debug, PartialEq)]
pub enum Trend {
    /// There are too few measurements.
    Unknown,
    /// The best measurement of the last third is lower than the best one before.
    Improving(Change),
    /// Both are about equal.
    Flat(Change),
    /// The measurements of the last third are clearly higher.
    Worse(Change),
}

/// The best measurement before the last third of a run, and the best one in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Name of the measured quantity.
    pub name: String,
    /// The best measurement before.
    pub before: f64,
    /// The step of the best measurement before.
    pub before_step: u64,
    /// The best measurement of the last third.
    pub recent: f64,
}

impl Trend {
    /// Compares the measurements in a log since the data last changed. Lower ones are better.
    pub fn of(entries: &[LogEntry]) -> Self {
        let measured =
            LogEntry::since_change(entries).iter().filter_map(|e| Some((e.report.step, e.measurement.as_ref()?)));
        let measured: Vec<_> = measured.filter(|(_, m)| m.value.is_finite()).collect();
        let Some((last, newest)) = measured.last().filter(|_| measured.len() >= FEWEST) else { return Self::Unknown };
        let best = |recent: bool| {
            let part = measured.iter().filter(|(step, _)| (3 * step > 2 * last) == recent);
            part.map(|(step, m)| (m.value, *step)).min_by(|a, b| a.0.total_cmp(&b.0))
        };
        let (Some((before, before_step)), Some((recent, _))) = (best(false), best(true)) else { return Self::Unknown };
        let change = Change { name: newest.name.clone(), before, before_step, recent };
        let scale = before.abs().max(f64::MIN_POSITIVE);
        match (before - recent) / scale {
            better if better > IMPROVEMENT => Self::Improving(change),
            better if better < -DETERIORATION => Self::Worse(change),
            _ => Self::Flat(change),
        }
    }

    /// Whether more steps are likely to help.
    pub fn is_improving(&self) -> bool {
        matches!(self, Self::Improving(_))
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = |c: &Change| format!("{} to {}", measured(c.before), measured(c.recent));
        match self {
            Self::Unknown => f.write_str("too few measurements to say whether the run still improves"),
            Self::Improving(c) => {
                let percent = 100.0 * (c.before - c.recent) / c.before.abs().max(f64::MIN_POSITIVE);
                let (name, values) = (&c.name, values(c));
                write!(
                    f,
                    "still improving: the best {name} fell by {percent:.0} % in the last third of the run ({values})"
                )
            }
            Self::Flat(c) => write!(
                f,
                "no longer improving: the best {} hardly changed in the last third of the run ({}); more steps will change little",
                c.name,
                values(c)
            ),
            Self::Worse(c) => write!(
                f,
                "no longer improving: the {} was best at step {} ({}) and at best {} in the last third of the run; more steps will not help",
                c.name,
                c.before_step,
                measured(c.before),
                measured(c.recent)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Measurement;
    use crate::train::StepReport;

    fn log(values: &[f64]) -> Vec<LogEntry> {
        let entry = |(i, &value): (usize, &f64)| LogEntry {
            report: StepReport { step: 100 * (i as u64 + 1), ..StepReport::default() },
            samples_per_s: 1.0,
            seconds: 1.0,
            data: 0,
            measurement: Some(Measurement { name: "Fréchet distance".into(), value, details: String::new() }),
        };
        values.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn the_last_third_of_a_run_decides_its_trend() {
        let trend = |values: &[f64]| Trend::of(&log(values)).to_string();
        assert!(
            trend(&[9.0, 6.0, 4.0, 3.0, 2.5, 2.0]).contains("still improving: the best Fréchet distance fell by 33 %")
        );
        assert!(trend(&[9.0, 3.0, 2.0, 2.02, 1.98, 2.1]).starts_with("no longer improving: the best"));
        let worse = trend(&[9.0, 3.0, 2.0, 2.2, 2.5, 2.6]);
        assert!(worse.contains("best at step 300 (2) and at best 2.5"), "{worse}");
        assert!(trend(&[9.0, 1.0, 0.5]).starts_with("too few measurements"));
        assert!(Trend::of(&log(&[f64::NAN; 9])) == Trend::Unknown);
        // Points that are all right have the mode error 0.
        assert!(trend(&[1.0, 0.0, 0.0, 0.0, 0.0]).starts_with("no longer improving"));
    }
}
