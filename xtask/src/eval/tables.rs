//! Evaluations as tables: each number with its confidence interval and its meaning.

use crate::table::{Table, grouped};
use ganlet_trainer::evaluate::{
    AcceptedImages, Evaluation, Intervals, Metric, PointsEvaluation, Quality, Realism, SampleSource,
};
use ganlet_trainer::metrics::ConfidenceInterval;
use std::collections::BTreeMap;

/// Returns the table of an evaluation of images.
pub(crate) fn images(e: &Evaluation) -> String {
    let (mut headings, mut sources) = (vec!["", ">float", ">int8"], vec![SampleSource::Float, SampleSource::Int8]);
    if e.accepted.is_some() {
        headings.push(">accepted");
        sources.push(SampleSource::Accepted);
    }
    let mut table = Table::new(&[&headings[..], &[">real", "meaning"]].concat());
    for (label, metric, meaning) in image_rows(e) {
        let made: Vec<String> = sources.iter().map(|&source| cell(e, source, metric)).collect();
        if made.iter().any(|cell| !cell.is_empty()) {
            table.row_of([vec![label], made, vec![real_cell(e, metric), meaning]].concat());
        }
    }
    let mut out = table.lines();
    let shown = e.int8.as_ref().or(e.float.as_ref());
    if let Some(rare) = shown.and_then(|q| q.slow.as_ref()?.rare.as_ref()) {
        out += &format!(
            "  rarest class: {}, {:.1} % of real and {:.1} % of generated images, recall {:.0} %\n",
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
        "  {} images against {} held-out real ones; feature network: {} {}\n",
        e.samples, e.references, e.features.network, e.features.hash
    );
    if e.floor_spread.is_some() {
        out += "  ± marks the 95 % confidence interval of a mean; s the standard deviation over halves of the real images\n";
    }
    let source = shown_source(e);
    if let Some(interval) = e.intervals.get(&source).and_then(|i| i.get(&Metric::Frechet)) {
        out += &headline(&format!("{} Fréchet distance", source.name()), interval, e.floor, "sets of latents");
    }
    if let Some(realism) = &e.realism {
        out += &verdict(source.name(), realism);
    }
    if let Some(accepted) = &e.accepted {
        out += &acceptance(accepted);
        if let Some(realism) = &accepted.realism {
            out += &verdict("accepted", realism);
        }
    }
    out
}

fn verdict(images: &str, realism: &Realism) -> String {
    let of = |(i, sentence): (usize, &String)| match i {
        0 => format!("verdict: {images} images are {sentence}\n"),
        _ => format!("  {sentence}\n"),
    };
    realism.sentences().iter().enumerate().map(of).collect()
}

/// Returns how many images the discriminator accepted, and how it was fitted.
fn acceptance(accepted: &AcceptedImages) -> String {
    let AcceptedImages { share, wished_share, .. } = accepted;
    let shares =
        format!("  accepted: {:.0} % of the int8 images (wished: {:.0} %)", 100.0 * share, 100.0 * wished_share);
    match &accepted.fit {
        Some(fit) => format!("{shares}, {fit}\n"),
        None => format!("{shares}, by the discriminator as it was trained\n"),
    }
}

/// Returns the source that the headline shows: int8 if it was measured, else float.
pub(crate) fn shown_source(e: &Evaluation) -> SampleSource {
    if e.int8.is_some() { SampleSource::Int8 } else { SampleSource::Float }
}

/// Returns label, metric and meaning of every row.
fn image_rows(e: &Evaluation) -> Vec<(String, Metric, String)> {
    let shown = e.int8.as_ref().or(e.float.as_ref());
    let spread = shown.and_then(|q| q.slow.as_ref()?.kernel_spread);
    let spread = spread.map_or_else(String::new, |s| format!("; standard deviation over ten subsets {}", number(s)));
    let labeled = e.real_as_labeled.map_or_else(String::new, |r| format!("; of real images {r:.3}"));
    let mut rows: Vec<(String, Metric, String)> = Vec::new();
    let mut row = |metric: Metric, meaning: &str| rows.push((metric.label(), metric, meaning.to_owned()));
    row(Metric::Frechet, "of features to held-out real images; smaller is better");
    row(Metric::Kernel, &format!("of features, without bias{spread}"));
    let levels = e.real.as_ref().and_then(|q| q.slow.as_ref()).map_or(0, |s| s.patches.len());
    for level in 0..levels {
        let size = if level == 0 { "at full size".to_owned() } else { format!("at 1/{} of the size", 1 << level) };
        let meaning = format!("Wasserstein distance of 7x7 patches {size}");
        row(Metric::Patches(level), &meaning);
    }
    row(Metric::Precision, "share of generated images within the manifold of real ones");
    row(Metric::Recall, "share of real images within the manifold of generated ones");
    row(Metric::Density, "real neighborhoods around a generated image, on average");
    row(Metric::Coverage, "share of real neighborhoods that contain a generated image");
    row(Metric::Memorization, "distance to the nearest training image, divided by that of held-out images; 0: copies");
    row(
        Metric::Support,
        "number of different images that it can generate, estimated from duplicates (95 % confidence)",
    );
    row(Metric::AsRequested, &format!("share classified as the requested class{labeled}"));
    row(Metric::ClassKl, "divergence from the real class shares, in nats");
    for (i, name) in e.class_names.iter().enumerate() {
        let recall = |q: &Option<Quality>| q.as_ref()?.slow.as_ref()?.class_recall.get(i).copied().flatten();
        let recall = recall(&e.int8).or_else(|| recall(&e.float));
        let recall = recall.map_or_else(String::new, |r| format!("; recall {r:.2}"));
        let meaning = format!("share, according to a classifier{recall}");
        rows.push((format!("class {name}"), Metric::Class(i), meaning));
    }
    rows
}

fn cell(e: &Evaluation, source: SampleSource, metric: Metric) -> String {
    if let Some(interval) = e.intervals.get(&source).and_then(|i| i.get(&metric)) {
        return with_margin(interval);
    }
    let quality = match source {
        SampleSource::Int8 => e.int8.as_ref(),
        SampleSource::Accepted => e.accepted.as_ref().map(|accepted| &accepted.quality),
        SampleSource::Float | SampleSource::Points => e.float.as_ref(),
    };
    quality.and_then(|q| q.metric(metric)).map_or_else(String::new, |value| shown(metric, value))
}

/// Returns a value, marked if it is a bound.
fn shown(metric: Metric, value: f64) -> String {
    if metric.is_bound() { format!("≥ {}", grouped(value.max(0.0).floor() as u64)) } else { number(value) }
}

/// Returns the cell of the column "real".
fn real_cell(e: &Evaluation, metric: Metric) -> String {
    match (metric, e.floor_spread) {
        (Metric::Frechet, Some(spread)) => format!("{} s {}", number(e.floor), number(spread)),
        (Metric::Frechet, None) => number(e.floor),
        (Metric::Memorization, _) => "1".into(),
        _ => e.real.as_ref().and_then(|q| q.metric(metric)).map_or_else(String::new, |value| shown(metric, value)),
    }
}

/// Returns a line with one score, its confidence interval, and its ratio to that of real data.
pub(crate) fn headline(name: &str, interval: &ConfidenceInterval, floor: f64, over: &str) -> String {
    format!(
        "  {name} {} ({} to {} with 95 % confidence, over {} {over}): {:.1} times that of real data\n",
        number(interval.mean),
        number(interval.low),
        number(interval.high),
        interval.n,
        interval.mean / floor
    )
}

/// Returns the table of an evaluation of points.
pub(crate) fn points(PointsEvaluation { quality, intervals, dimensions }: &PointsEvaluation) -> String {
    let mut table = Table::new(&["", ">generated", ">real", "meaning"]);
    let (ceiling, width) = if *dimensions == 1 { ("0.997", "0.987") } else { ("0.989", "0.974") };
    let rows = [
        (Metric::Modes, quality.of.to_string(), "with a point within 3 sigma"),
        (Metric::HighQuality, ceiling.into(), "share of points within 3 sigma of a mode"),
        (Metric::ReverseKl, "0".into(), "divergence of the mode shares from equal shares, in nats"),
        (Metric::Spread, width.into(), "standard deviation of a mode over sigma, on average"),
        (Metric::Wasserstein, number(quality.wasserstein_floor), "to as many real points; sliced in two dimensions"),
        (
            Metric::JensenShannon,
            quality.jensen_shannon_floor.map_or_else(String::new, number),
            "divergence of histograms, in nats",
        ),
    ];
    let metrics = quality.metrics();
    for (metric, real, meaning) in rows {
        let single = metrics.iter().find(|m| m.0 == metric).map(|m| number(m.1));
        if let Some(made) = intervals.get(&metric).map(with_margin).or(single) {
            table.row([metric.label(), made, real, meaning.into()]);
        }
    }
    let (n, modes) = (grouped(quality.samples as u64), quality.of);
    table.lines() + &format!("  {n} points per set; all {modes} modes have the same probability\n")
}

/// Returns the table of several runs: each number with its interval over the runs.
pub(crate) fn several(sources: &BTreeMap<SampleSource, Intervals>, runs: usize) -> String {
    let mut table = Table::new(&["", "", ">mean", ">95 %, from", ">to", ">standard deviation"]);
    for (source, intervals) in sources {
        for (metric, i) in intervals {
            table.row([
                source.name().to_owned(),
                metric.label(),
                number(i.mean),
                number(i.low),
                number(i.high),
                number(i.spread),
            ]);
        }
    }
    table.lines() + &format!("  over {runs} runs, by Student's t distribution\n")
}

/// Returns mean ± half the width of the interval, both with the same number of decimal places.
fn with_margin(interval: &ConfidenceInterval) -> String {
    let margin = interval.high - interval.mean;
    match interval.mean.abs() {
        v if (0.01..1000.0).contains(&v) => format!("{:.3} ± {margin:.3}", interval.mean),
        v if (0.001..0.01).contains(&v) => format!("{:.4} ± {margin:.4}", interval.mean),
        _ => format!("{} ± {}", number(interval.mean), number(margin)),
    }
}

/// Formats a number with three decimal places, or three significant digits if it is small.
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
    fn numbers_have_three_decimal_places_or_significant_digits() {
        assert_eq!(
            [0.0, 12_345.6, 9.171_23, 0.000_123_4, -0.5].map(number),
            ["0", "12,346", "9.171", "1.23e-4", "-0.500"]
        );
    }

    #[test]
    fn the_headline_contains_score_interval_and_floor() {
        let interval = ConfidenceInterval::of(&[9.0, 10.0, 11.0]).unwrap();
        let line = headline("int8 Fréchet distance", &interval, 2.0, "runs");
        assert!(
            line.contains("10.000 (7.516 to 12.484 with 95 % confidence, over 3 runs): 5.0 times that of real data"),
            "{line}"
        );
    }
}
