//! Writes a plot as SVG with the same layout as the PNG. The colors follow the reader's light or dark theme.

use std::fmt::Write;

use super::plot::{COLORS, Plot, PlotColumn, PlotLayout};
use super::svg::escape;

/// Text and lines follow the theme; the series keep their colors.
const STYLE: &str = "<style>.gp{font:13px system-ui,sans-serif}.gp text{fill:#5c626e}.gp .d{fill:#1c2028}\
.gp .g{stroke:#e4e6ea}.gp .a{stroke:#8c929c}@media(prefers-color-scheme:dark){.gp text{fill:#a3abb8}\
.gp .d{fill:#eceef2}.gp .g{stroke:#343a44}.gp .a{stroke:#717987}}</style>";

impl Plot {
    /// The plot as an `<svg>` element of 900 x 420 units, for a page or a separate file.
    pub fn svg(&self) -> String {
        self.svg_sized(900, 420)
    }

    /// The plot as an `<svg>` element of the given size. Narrow plots have fewer ticks.
    pub fn svg_sized(&self, width: usize, height: usize) -> String {
        let layout = PlotLayout::new(self, width, height);
        let mut out = format!(
            "<svg class=\"gp\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{}\">{STYLE}",
            escape(&self.title)
        );
        grid_lines(&mut out, &layout);
        for (i, columns) in layout.columns.iter().enumerate() {
            series(&mut out, &layout, columns, hex(i));
        }
        self.write_text(&mut out, &layout);
        out.push_str("</svg>");
        out
    }

    fn write_text(&self, out: &mut String, layout: &PlotLayout) {
        let left = layout.left;
        text_element(out, &self.title, (left, 29.0), "class=\"d\" font-size=\"17\" font-weight=\"600\"");
        for (i, (series, &(x, y))) in self.series.iter().zip(&layout.legend).enumerate() {
            let y = y + 7.0;
            let _ = write!(out, "<path d=\"M{x} {y:.1}h18\" stroke=\"{}\" stroke-width=\"3\"/>", hex(i));
            text_element(out, &series.name, (x + 26.0, y + 4.5), "class=\"d\"");
        }
        text_element(out, &self.y_label, (left, layout.y_label_top + 11.0), "");
        text_element(out, &self.x_label, (layout.right, layout.bottom + 38.0), "text-anchor=\"end\"");
        for (value, label) in &layout.y.ticks {
            text_element(out, label, (left - 8.0, layout.pixel(0.0, *value).1 + 4.5), "text-anchor=\"end\"");
        }
        for (value, label) in &layout.x.ticks {
            text_element(out, label, (layout.pixel(*value, 0.0).0, layout.bottom + 20.0), "text-anchor=\"middle\"");
        }
        if layout.is_empty() {
            let middle = ((left + layout.right) / 2.0, (layout.top + layout.bottom) / 2.0);
            text_element(out, "nothing recorded yet", middle, "text-anchor=\"middle\"");
        }
    }
}

/// Grid lines, the horizontal axis and its ticks.
fn grid_lines(out: &mut String, layout: &PlotLayout) {
    let (left, right) = (layout.left, layout.right);
    for (value, _) in &layout.y.ticks {
        let y = layout.pixel(0.0, *value).1.round() + 0.5;
        let _ = write!(out, "<path class=\"g\" d=\"M{left} {y}H{right}\"/>");
    }
    let y = layout.bottom.round() + 0.5;
    let _ = write!(out, "<path class=\"a\" d=\"M{left} {y}H{right}");
    for (value, _) in &layout.x.ticks {
        let _ = write!(out, "M{:.1} {y}v5", layout.pixel(*value, 0.0).0);
    }
    out.push_str("\"/>");
}

fn series(out: &mut String, layout: &PlotLayout, columns: &[PlotColumn], color: String) {
    let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
        let text: Vec<String> = points.map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        text.join("L")
    };
    if columns.iter().any(|c| c.low < c.high) {
        let above = columns.iter().map(|c| layout.pixel(c.x, c.high));
        let below = columns.iter().rev().map(|c| layout.pixel(c.x, c.low));
        let outline = path(&mut above.chain(below));
        let _ = write!(out, "<path d=\"M{outline}Z\" fill=\"{color}\" opacity=\".18\"/>");
    }
    match columns {
        [] => {}
        [only] => {
            let (x, y) = layout.pixel(only.x, only.mean);
            let _ = write!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>");
        }
        _ => {
            let line = path(&mut columns.iter().map(|c| layout.pixel(c.x, c.mean)));
            let _ = write!(
                out,
                "<path d=\"M{line}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>"
            );
        }
    }
}

/// Writes a `<text>` element.
fn text_element(out: &mut String, content: &str, (x, y): (f64, f64), attributes: &str) {
    let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{}</text>", escape(content));
}

fn hex(series: usize) -> String {
    let [r, g, b] = COLORS[series % COLORS.len()];
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::super::plot::tests::losses;

    #[test]
    fn an_svg_contains_every_series_and_escapes_names() {
        let mut plot = losses(3000);
        plot.series[0].name = "D(x) < D(G(z)) & more".into();
        let svg = plot.svg();
        assert!(svg.contains("D(x) &lt; D(G(z)) &amp; more") && !svg.contains("NaN"));
        assert_eq!(svg.matches("stroke-linejoin").count(), 2);
        assert!(svg.len() < 40_000, "{}", svg.len());
    }
}
