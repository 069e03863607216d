//! Measurements as tables for people, each number with its interval and its meaning.

use crate::table::{Table, grouped};
use ganlet_trainer::evaluate::{Evaluation, PointsQuality, Quality};
use ganlet_trainer::metrics::ConfidenceInterval;
use std::collections::BTreeMap;

/// The measurements of pictures.
pub(crate) fn pictures(e: &Evaluation) -> String {
    let mut table = Table::new(&["", ">float", ">int8", ">real", "meaning"]);
    let value = |q: &Option<Quality>, name: &str| {
        q.as_ref().and_then(|q| q.numbers().into_iter().find(|n| n.0 == name)).map(|n| n.1)
    };
    let cell = |q: &Option<Quality>, kind: &str, name: &str| match e.intervals.get(kind).and_then(|k| k.get(name)) {
        Some(interval) => with_half(interval),
        None => value(q, name).map_or_else(String::new, number),
    };
    let mut row = |label: String, name: &str, meaning: String| {
        let made = [cell(&e.float, "float", name), cell(&e.int8, "int8", name)];
        let real = match (name, e.floor_spread) {
            ("frechet", Some(spread)) => format!("{} s {}", number(e.floor), number(spread)),
            ("frechet", None) => number(e.floor),
            ("memorization", _) => "1".into(),
            _ => value(&e.real, name).map_or_else(String::new, number),
        };
        if made.iter().any(|cell| !cell.is_empty()) {
            let [float, int8] = made;
            table.row([label, float, int8, real, meaning]);
        }
    };
    let mut plain = |label: &str, name: &str, meaning: &str| row(label.into(), name, meaning.into());
    plain("Fréchet distance", "frechet", "of features to held-out real pictures; smaller is better");
    let spread = e.int8.as_ref().or(e.float.as_ref()).and_then(|q| q.survey.as_ref()?.kernel_spread);
    let noise = spread.map_or_else(String::new, |s| format!("; a tenth of the pictures scatters by {}", number(s)));
    plain("kernel distance", "kernel", &format!("the same without bias{noise}"));
    let levels = e.real.as_ref().and_then(|q| q.survey.as_ref()).map_or(0, |s| s.patches.len());
    for level in 0..levels {
        let part = if level == 0 { "as they are".to_owned() } else { format!("at 1/{} of the size", 1 << level) };
        plain(
            &format!("patches {}", level + 1),
            &format!("patches.{level}"),
            &format!("distance of 7x7 details, {part}"),
        );
    }
    plain("precision", "precision", "share of the pictures that lie among real ones");
    plain("recall", "recall", "share of the real ones that lie among these");
    plain("density", "density", "real neighborhoods around a picture, on average");
    plain("coverage", "coverage", "share of real neighborhoods that hold a picture");
    plain(
        "memorization",
        "memorization",
        "distance to the nearest training picture over that of held-out ones; 0: copies",
    );
    plain(
        "different, at least",
        "support",
        "pictures it can make, by doubles among the compared ones (19 cases of 20)",
    );
    let labeled = e.real_as_labeled.map_or_else(String::new, |r| format!("; {r:.3} of real ones as labeled"));
    plain("as asked", "as_asked", &format!("share seen as the class that was asked for{labeled}"));
    plain("classes, KL", "class_kl", "from their real shares, in nats");
    for (i, name) in e.class_names.iter().enumerate() {
        let recall = |q: &Option<Quality>| q.as_ref()?.survey.as_ref()?.class_recall.get(i).copied().flatten();
        let recall = recall(&e.int8).or_else(|| recall(&e.float));
        let also = recall.map_or_else(String::new, |r| format!("; {r:.2} of its real pictures lie among these"));
        plain(&format!("class {name}"), &format!("classes.{i}"), &format!("share, as a classifier sees it{also}"));
    }
    let mut out = table.lines();
    if let Some(rare) = e.int8.as_ref().or(e.float.as_ref()).and_then(|q| q.survey.as_ref()?.rare.as_ref()) {
        out += &format!(
            "  rarest class: {}, {:.1} % of real pictures and {:.1} % of these; {:.0} % of its real pictures lie among them\n",
            rare.name,
            100.0 * rare.real,
            100.0 * rare.share,
            100.0 * rare.recall
        );
    }
    if let (Some(mean), Some(min)) = (e.psnr_mean_db, e.psnr_min_db) {
        out += &format!("  PSNR of int8 against float: {mean:.1} dB mean, {min:.1} dB worst\n");
    }
    out += &format!(
        "  {} pictures against {} held-out real ones; features: {} {}\n",
        e.samples, e.references, e.features.network, e.features.hash
    );
    let kind = if e.int8.is_some() { "int8" } else { "float" };
    if let Some(interval) = e.intervals.get(kind).and_then(|k| k.get("frechet")) {
        out += &headline(&format!("{kind} Fréchet distance"), interval, e.floor, "sets of latents");
    }
    out
}

/// One score with its noise.
pub(crate) fn headline(name: &str, interval: &ConfidenceInterval, floor: f64, over: &str) -> String {
    format!(
        "  {name} {} ({} to {} with 95 % confidence, over {} {over}): {:.1} times the floor\n",
        number(interval.mean),
        number(interval.low),
        number(interval.high),
        interval.n,
        interval.mean / floor
    )
}

/// The measurements of points.
pub(crate) fn points(
    quality: &PointsQuality,
    intervals: &BTreeMap<String, ConfidenceInterval>,
    dimensions: usize,
) -> String {
    let mut table = Table::new(&["", ">generated", ">real", "meaning"]);
    let (ceiling, width) = if dimensions == 1 { ("0.997", "0.987") } else { ("0.989", "0.974") };
    let rows = [
        ("modes", "modes", quality.of.to_string(), "with a point within 3 sigma"),
        ("high quality", "high_quality", ceiling.into(), "share of the points within 3 sigma of a mode"),
        ("reverse KL", "reverse_kl", "0".into(), "of the modes' shares to equal ones, in nats"),
        ("spread", "spread", width.into(), "deviation of a mode over sigma, on average"),
        (
            "Wasserstein distance",
            "wasserstein",
            number(quality.wasserstein_floor),
            "to as many real points; sliced in the plane",
        ),
        (
            "Jensen-Shannon",
            "jensen_shannon",
            quality.jensen_shannon_floor.map_or_else(String::new, number),
            "divergence of histograms, in nats",
        ),
    ];
    let numbers = quality.numbers();
    for (label, name, real, meaning) in rows {
        let single = numbers.iter().find(|n| n.0 == name).map(|n| number(n.1));
        if let Some(made) = intervals.get(name).map(with_half).or(single) {
            table.row([label.into(), made, real, meaning.into()]);
        }
    }
    table.lines()
        + &format!("  {} points a set; all {} modes are equally likely\n", grouped(quality.samples as u64), quality.of)
}

/// Several runs: a row for each number, its interval over the runs.
pub(crate) fn several(kinds: &BTreeMap<String, BTreeMap<String, ConfidenceInterval>>, runs: usize) -> String {
    let mut table = Table::new(&["", "", ">mean", ">95 %, from", ">to", ">deviation of a run"]);
    for (kind, numbers) in kinds {
        for (name, i) in numbers {
            table.row([kind.clone(), name.clone(), number(i.mean), number(i.low), number(i.high), number(i.spread)]);
        }
    }
    table.lines() + &format!("  over {runs} runs, by Student's distribution\n")
}

fn with_half(interval: &ConfidenceInterval) -> String {
    let half = interval.high - interval.mean;
    // Both with the same places.
    match interval.mean.abs() {
        v if (0.01..1000.0).contains(&v) => return format!("{:.3} ± {half:.3}", interval.mean),
        v if (0.001..0.01).contains(&v) => return format!("{:.4} ± {half:.4}", interval.mean),
        _ => {}
    }
    format!("{} ± {}", number(interval.mean), number(half))
}

/// Three digits behind the point, or three that count.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v >= 1000.0 => grouped(value.max(0.0).round() as u64),
        v if v >= 0.01 => format!("{value:.3}"),
        v if v >= 0.001 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_need() {
        assert_eq!(
            [0.0, 12_345.6, 9.171_23, 0.000_123_4, -0.5].map(number),
            ["0", "12,346", "9.171", "1.23e-4", "-0.500"]
        );
    }

    #[test]
    fn the_headline_says_score_noise_and_floor() {
        let interval = ConfidenceInterval::of(&[9.0, 10.0, 11.0]).unwrap();
        let line = headline("int8 Fréchet distance", &interval, 2.0, "runs");
        assert!(
            line.contains("10.000 (7.516 to 12.484 with 95 % confidence, over 3 runs): 5.0 times the floor"),
            "{line}"
        );
    }
}
