//! A line plot and its layout. `plot_png` and `plot_svg` draw it.

use super::axis::Axis;

/// Most columns of a condensed series.
const COLUMNS: usize = 240;

/// Columns on each side of a column that its moving average includes.
const SMOOTHING: usize = 3;

/// Colors of the series, in order; color-blind readers can distinguish them.
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

/// One line of a [`Plot`].
#[derive(Clone, Debug)]
pub struct PlotSeries {
    /// Name in the legend.
    pub name: String,
    /// Points (x, y) in ascending order of x. Points that are not finite are skipped.
    pub points: Vec<(f64, f64)>,
}

impl PlotSeries {
    /// Creates a series.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points }
    }
}

/// A line plot of one or more series.
///
/// Long series are condensed: the line is their moving average, and a pale band around it spans the minimum and the maximum.
///
/// ```
/// use ganlet_trainer::draw::{Plot, PlotSeries};
/// let discriminator = PlotSeries::new("discriminator", (0..50).map(|i| (i as f64, 1.0 / (1.0 + i as f64))).collect());
/// let plot = Plot { title: "Losses".into(), x_label: "step".into(), y_label: "loss".into(), series: vec![discriminator], ..Plot::default() };
/// assert!(plot.svg().starts_with("<svg") && plot.png().starts_with(b"\x89PNG"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Plot {
    /// Title above the plot.
    pub title: String,
    /// Label of the horizontal axis.
    pub x_label: String,
    /// Label of the vertical axis.
    pub y_label: String,
    /// The series, drawn in order.
    pub series: Vec<PlotSeries>,
    /// Whether the horizontal axis is logarithmic. Points with x ≤ 0 are skipped then.
    pub log_x: bool,
    /// Whether the vertical axis is logarithmic. Points with y ≤ 0 are skipped then.
    pub log_y: bool,
}

impl Plot {
    /// A copy in axis coordinates: logarithms where the axis is logarithmic.
    fn in_axis_coordinates(&self) -> Plot {
        let on = |v: f64, log: bool| if log { v.log10() } else { v };
        let mut plot = self.clone();
        for point in plot.series.iter_mut().flat_map(|s| &mut s.points) {
            let (x, y) = (on(point.0, self.log_x), on(point.1, self.log_y));
            *point = if x.is_finite() && y.is_finite() { (x, y) } else { (f64::NAN, f64::NAN) };
        }
        plot
    }
}

/// Summary of neighboring points of a condensed series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlotColumn {
    pub(crate) x: f64,
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The positions of all parts of a plot, in pixels.
pub(crate) struct PlotLayout {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) columns: Vec<Vec<PlotColumn>>,
    /// Upper left corner of each legend entry.
    pub(crate) legend: Vec<(f64, f64)>,
    /// Vertical position of the label of the y axis.
    pub(crate) y_label_top: f64,
}

impl PlotLayout {
    pub(crate) fn new(plot: &Plot, width: usize, height: usize) -> Self {
        let plot = &plot.in_axis_coordinates();
        let columns: Vec<Vec<PlotColumn>> = plot.series.iter().map(|s| condense(&s.points)).collect();
        let finite = plot.series.iter().flat_map(|s| &s.points).filter(|p| p.0.is_finite() && p.1.is_finite());
        let (x_low, x_high) = range(finite.map(|p| p.0));
        let (y_low, y_high) = y_range(plot);
        let narrow = width < 600;
        let axis = |log, low, high, count, round| {
            if log { Axis::logarithmic(low, high) } else { Axis::new(low, high, count, round) }
        };
        let y = axis(plot.log_y, y_low, y_high, 5, true);
        let widest = y.ticks.iter().map(|t| t.1.chars().count()).max().unwrap_or(1);
        let left = 24.0 + 7.0 * widest as f64;
        let right = width as f64 - 28.0;
        let x = axis(plot.log_x, x_low, x_high, if narrow { 4 } else { 8 }, false);

        let (mut at, mut line, mut legend) = (left, 44.0, Vec::new());
        for series in &plot.series {
            let entry = 26.0 + 7.0 * series.name.chars().count() as f64 + 20.0;
            if at > left && at + entry - 20.0 > right {
                (at, line) = (left, line + 19.0);
            }
            legend.push((at, line));
            at += entry;
        }
        let y_label_top = line + 26.0;
        let top = y_label_top + 24.0;
        let (right, bottom) = (right.max(left + 1.0), (height as f64 - 48.0).max(top + 1.0));
        Self { left, right, top, bottom, x, y, columns, legend, y_label_top }
    }

    /// Pixel coordinates of a point. Points above or below the plot area are moved to its edge.
    pub(crate) fn pixel(&self, x: f64, y: f64) -> (f64, f64) {
        let across = self.left + self.x.position(x) * (self.right - self.left);
        let down = self.bottom - self.y.position(y) * (self.bottom - self.top);
        (across, down.clamp(self.top, self.bottom))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.columns.iter().all(Vec::is_empty)
    }
}

/// Condenses the finite points to at most [`COLUMNS`] columns.
fn condense(points: &[(f64, f64)]) -> Vec<PlotColumn> {
    let finite: Vec<(f64, f64)> = points.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    let size = if finite.len() > 2 * COLUMNS { finite.len().div_ceil(COLUMNS) } else { 1 };
    let column = |part: &[(f64, f64)]| {
        let n = part.len() as f64;
        let (low, high) = range(part.iter().map(|p| p.1));
        let mean = |value: fn(&(f64, f64)) -> f64| part.iter().map(|p| value(p) / n).sum::<f64>();
        PlotColumn { x: mean(|p| p.0), mean: mean(|p| p.1), low, high }
    };
    let columns: Vec<PlotColumn> = finite.chunks(size).map(column).collect();
    if size > 1 { smoothed(&columns) } else { columns }
}

/// Replaces each mean by a moving average, so that the line shows the trend and the band the noise.
fn smoothed(columns: &[PlotColumn]) -> Vec<PlotColumn> {
    let mean = |i: usize| {
        // The window shrinks toward the ends but stays symmetric, so that a linear trend stays linear.
        let reach = SMOOTHING.min(i).min(columns.len() - 1 - i);
        let near = &columns[i - reach..=i + reach];
        near.iter().map(|c| c.mean).sum::<f64>() / near.len() as f64
    };
    columns.iter().enumerate().map(|(i, c)| PlotColumn { mean: mean(i), ..*c }).collect()
}

/// The range of y. It covers a short series completely, and the middle 98 % of a long one, so that a spike does not flatten the rest.
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
    fn condensed_series_keep_their_extremes() {
        let columns = condense(&(0..10_000).map(|i| (f64::from(i), f64::from(i % 100))).collect::<Vec<_>>());
        assert!((200..=240).contains(&columns.len()));
        assert!(columns.iter().any(|c| c.low == 0.0) && columns.iter().any(|c| c.high == 99.0));
        assert_eq!(condense(&[(0.0, f64::NAN), (1.0, 2.0)]).len(), 1);
    }

    #[test]
    fn one_spike_does_not_flatten_the_rest() {
        let mut plot = losses(3000);
        plot.series[0].points[1500].1 = 1e6;
        let layout = PlotLayout::new(&plot, 900, 420);
        assert!(layout.y.high < 10.0, "{}", layout.y.high);
        assert_eq!(layout.pixel(0.0, 1e6).1, layout.top);
    }

    #[test]
    fn a_logarithmic_axis_has_equal_steps_for_equal_ratios_and_skips_other_values() {
        let points = vec![(0.0, 10.0), (1.0, 1e-3), (10.0, -1.0), (100.0, 1e-1)];
        let plot = Plot { series: vec![PlotSeries::new("x", points)], log_x: true, log_y: true, ..losses(10) };
        let layout = PlotLayout::new(&plot, 900, 420);
        assert_eq!(layout.columns[0].iter().map(|c| c.x).collect::<Vec<_>>(), [0.0, 2.0]);
        let labels: Vec<_> = layout.y.ticks.iter().map(|t| t.1.as_str()).collect();
        assert_eq!(labels, ["0.001", "0.01", "0.1"]);
    }

    #[test]
    fn a_long_legend_wraps() {
        let mut plot = losses(10);
        plot.series.extend((0..4).map(|i| PlotSeries::new(format!("a rather long name {i}"), vec![])));
        let layout = PlotLayout::new(&plot, 420, 360);
        assert!(layout.legend.last().unwrap().1 > layout.legend[0].1 && layout.top < layout.bottom);
    }
}
