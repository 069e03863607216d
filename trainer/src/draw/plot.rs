//! A line plot: data, and where everything stands; drawn as PNG and as SVG by its siblings.

use super::axis::Axis;

/// Columns that a long series is condensed into.
const COLUMNS: usize = 240;

/// Columns on either side that a condensed line is averaged with.
const SMOOTHING: usize = 3;

/// The colors of the series, in order: told apart by color-blind readers too.
pub(crate) const COLORS: [[u8; 3]; 8] = [
    [37, 99, 214],
    [224, 101, 16],
    [22, 140, 88],
    [139, 70, 200],
    [205, 45, 75],
    [20, 145, 165],
    [112, 84, 40],
    [98, 104, 116],
];

/// A line of a [`Plot`].
#[derive(Clone, Debug)]
pub struct PlotSeries {
    /// Its name in the legend.
    pub name: String,
    /// (x, y) with rising x; values that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

impl PlotSeries {
    /// A series of a name and points.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points }
    }
}

/// Several lines over one pair of axes.
///
/// Long series are condensed: the line is the running mean, the pale band behind it reaches from the least to the greatest value.
///
/// ```
/// use ganlet_trainer::draw::{Plot, PlotSeries};
/// let discriminator = PlotSeries::new("discriminator", (0..50).map(|i| (i as f64, 1.0 / (1.0 + i as f64))).collect());
/// let plot = Plot { title: "Losses".into(), x_label: "step".into(), y_label: "loss".into(), series: vec![discriminator], ..Plot::default() };
/// assert!(plot.svg().starts_with("<svg") && plot.png().starts_with(b"\x89PNG"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Plot {
    /// Stands above the plot.
    pub title: String,
    /// What the horizontal axis counts.
    pub x_label: String,
    /// What the vertical axis measures.
    pub y_label: String,
    /// The lines.
    pub series: Vec<PlotSeries>,
    /// Whether x and y go by powers of ten; values that are not positive are left out then.
    pub powers: [bool; 2],
}

impl Plot {
    /// The same lines where their axes have them: logarithms on an axis of powers.
    fn on_axes(&self) -> Plot {
        let on = |v: f64, power: bool| if power { v.log10() } else { v };
        let mut plot = self.clone();
        for point in plot.series.iter_mut().flat_map(|s| &mut s.points) {
            let (x, y) = (on(point.0, self.powers[0]), on(point.1, self.powers[1]));
            *point = if x.is_finite() && y.is_finite() { (x, y) } else { (f64::NAN, f64::NAN) };
        }
        plot
    }
}

/// One column of a condensed series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) x: f64,
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A plot laid out for a size in pixels.
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) columns: Vec<Vec<Column>>,
    /// Top left corner of each legend entry.
    pub(crate) legend: Vec<(f64, f64)>,
    /// Top of the label of the vertical axis.
    pub(crate) y_label: f64,
}

impl Frame {
    pub(crate) fn new(plot: &Plot, width: usize, height: usize) -> Self {
        let plot = &plot.on_axes();
        let columns: Vec<Vec<Column>> = plot.series.iter().map(|s| condense(&s.points)).collect();
        let finite = plot.series.iter().flat_map(|s| &s.points).filter(|p| p.0.is_finite() && p.1.is_finite());
        let (x_low, x_high) = range(finite.map(|p| p.0));
        let (y_low, y_high) = y_range(plot);
        let narrow = width < 600;
        let axis = |power, low, high, count, round| {
            if power { Axis::powers(low, high) } else { Axis::new(low, high, count, round) }
        };
        let y = axis(plot.powers[1], y_low, y_high, 5, true);
        let widest = y.ticks.iter().map(|t| t.1.chars().count()).max().unwrap_or(1);
        let left = 24.0 + 7.0 * widest as f64;
        let right = width as f64 - 28.0;
        let x = axis(plot.powers[0], x_low, x_high, if narrow { 4 } else { 8 }, false);

        let (mut at, mut line, mut legend) = (left, 44.0, Vec::new());
        for series in &plot.series {
            let entry = 26.0 + 7.0 * series.name.chars().count() as f64 + 20.0;
            if at > left && at + entry - 20.0 > right {
                (at, line) = (left, line + 19.0);
            }
            legend.push((at, line));
            at += entry;
        }
        let y_label = line + 26.0;
        let top = y_label + 24.0;
        let (right, bottom) = (right.max(left + 1.0), (height as f64 - 48.0).max(top + 1.0));
        Self { left, right, top, bottom, x, y, columns, legend, y_label }
    }

    /// The pixel of a value; the vertical one is kept inside the frame.
    pub(crate) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let across = self.left + self.x.place(x) * (self.right - self.left);
        let down = self.bottom - self.y.place(y) * (self.bottom - self.top);
        (across, down.clamp(self.top, self.bottom))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.columns.iter().all(Vec::is_empty)
    }
}

/// At most [`COLUMNS`] columns of the finite points.
fn condense(points: &[(f64, f64)]) -> Vec<Column> {
    let finite: Vec<(f64, f64)> = points.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    let size = if finite.len() > 2 * COLUMNS { finite.len().div_ceil(COLUMNS) } else { 1 };
    let column = |part: &[(f64, f64)]| {
        let n = part.len() as f64;
        let (low, high) = range(part.iter().map(|p| p.1));
        let mean = |value: fn(&(f64, f64)) -> f64| part.iter().map(|p| value(p) / n).sum::<f64>();
        Column { x: mean(|p| p.0), mean: mean(|p| p.1), low, high }
    };
    let columns: Vec<Column> = finite.chunks(size).map(column).collect();
    if size > 1 { smoothed(&columns) } else { columns }
}

/// Every mean replaced by that of its neighborhood: the eye follows the trend, the band shows the noise.
fn smoothed(columns: &[Column]) -> Vec<Column> {
    let mean = |i: usize| {
        // Fewer neighbors toward the ends, the same on both sides: a trend is not bent.
        let reach = SMOOTHING.min(i).min(columns.len() - 1 - i);
        let near = &columns[i - reach..=i + reach];
        near.iter().map(|c| c.mean).sum::<f64>() / near.len() as f64
    };
    columns.iter().enumerate().map(|(i, c)| Column { mean: mean(i), ..*c }).collect()
}

/// Covers all of a short series and the middle 98 % of a long one: a spike must not flatten everything else.
fn y_range(plot: &Plot) -> (f64, f64) {
    let ends = |series: &PlotSeries| {
        let mut values: Vec<f64> = series.points.iter().map(|p| p.1).filter(|v| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let cut = if values.len() > 2 * COLUMNS { values.len() / 100 } else { 0 };
        range(values[cut..values.len() - cut].iter().copied())
    };
    range(plot.series.iter().map(ends).flat_map(|(low, high)| [low, high]).filter(|v| v.is_finite()))
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn losses(steps: usize) -> Plot {
        let mut noise = vec![0.0; 2 * steps];
        crate::philox::Key { seed: 1, stream: 0, step: 0 }.normal(&mut noise);
        let series = |name: &str, to: f64, offset: usize| {
            let value = |i: usize| to + (1.0 - to) * (-(i as f64) / 300.0).exp() + 0.12 * f64::from(noise[offset + i]);
            PlotSeries::new(name, (0..steps).map(|i| (i as f64, value(i))).collect())
        };
        Plot {
            title: "Losses".into(),
            x_label: "step".into(),
            y_label: "loss".into(),
            series: vec![series("discriminator", 0.45, 0), series("generator", 1.9, steps)],
            ..Plot::default()
        }
    }

    #[test]
    fn long_series_are_condensed_without_losing_their_extremes() {
        let columns = condense(&(0..10_000).map(|i| (f64::from(i), f64::from(i % 100))).collect::<Vec<_>>());
        assert!((200..=240).contains(&columns.len()));
        assert!(columns.iter().any(|c| c.low == 0.0) && columns.iter().any(|c| c.high == 99.0));
        assert_eq!(condense(&[(0.0, f64::NAN), (1.0, 2.0)]).len(), 1);
    }

    #[test]
    fn one_spike_does_not_flatten_the_rest() {
        let mut plot = losses(3000);
        plot.series[0].points[1500].1 = 1e6;
        let frame = Frame::new(&plot, 900, 420);
        assert!(frame.y.high < 10.0, "{}", frame.y.high);
        assert_eq!(frame.at(0.0, 1e6).1, frame.top);
    }

    #[test]
    fn an_axis_of_powers_has_equal_steps_for_equal_ratios_and_leaves_out_what_has_no_logarithm() {
        let points = vec![(0.0, 10.0), (1.0, 1e-3), (10.0, -1.0), (100.0, 1e-1)];
        let plot = Plot { series: vec![PlotSeries::new("x", points)], powers: [true, true], ..losses(10) };
        let frame = Frame::new(&plot, 900, 420);
        assert_eq!(frame.columns[0].iter().map(|c| c.x).collect::<Vec<_>>(), [0.0, 2.0]);
        let labels: Vec<_> = frame.y.ticks.iter().map(|t| t.1.as_str()).collect();
        assert_eq!(labels, ["0.001", "0.01", "0.1"]);
    }

    #[test]
    fn a_legend_too_long_for_a_line_takes_two() {
        let mut plot = losses(10);
        plot.series.extend((0..4).map(|i| PlotSeries::new(format!("a rather long name {i}"), vec![])));
        let frame = Frame::new(&plot, 420, 360);
        assert!(frame.legend.last().unwrap().1 > frame.legend[0].1 && frame.top < frame.bottom);
    }
}
