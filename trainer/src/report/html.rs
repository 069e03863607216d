//! The page that tells a whole run: pictures, curves and numbers in one file that needs nothing else.

use serde_json::{Map, Value};

use super::Plot;
use super::number::measured;
use super::page::{embedded, escape, table};

/// A picture of the page, a PNG or GIF file.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What is seen, for the caption and for readers who cannot see it.
    pub caption: String,
    /// The file.
    pub file: Vec<u8>,
}

/// A table of text; columns of numbers are set right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The heads of the columns.
    pub header: Vec<String>,
    /// The rows, as long as the header.
    pub rows: Vec<Vec<String>>,
}

/// What a page tells; parts that are absent leave no trace.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The headline.
    pub title: String,
    /// What was done, in a sentence or two.
    pub lead: String,
    /// Samples of the generator.
    pub samples: Option<Figure>,
    /// The picture as the device shows it.
    pub device: Option<Figure>,
    /// A walk through the latent space, animated.
    pub walk: Option<Figure>,
    /// Both networks, as an `<svg>` element.
    pub networks: Option<String>,
    /// The losses over time.
    pub losses: Option<Plot>,
    /// Alarms that the run raised, in words, if it was watched.
    pub watched: Option<Vec<String>>,
    /// Numbers by key, such as `summary.json` holds; known keys are explained.
    pub numbers: Map<String, Value>,
    /// The generator, layer by layer.
    pub layers: Table,
}

/// The keys that the page explains, in the order in which it shows them: key, name, unit, meaning.
const KNOWN: [(&str, &str, &str, &str); 20] = [
    ("minutes", "Time", "min", "for the whole run"),
    ("frechet_float", "Fréchet distance, float", "", "generated against held-out real pictures; smaller is better"),
    ("frechet_int8", "Fréchet distance, int8", "", "the same for the generator that runs on the device"),
    ("frechet_floor", "Fréchet distance, floor", "", "real against other real pictures: what a perfect generator gets"),
    (
        "frechet_int8_low",
        "Fréchet distance, int8, from",
        "",
        "the lower end of its 95 % confidence, over sets of latents",
    ),
    ("frechet_int8_high", "Fréchet distance, int8, to", "", "the upper end"),
    ("psnr_mean_db", "PSNR, mean", "dB", "int8 pictures against float ones of the same latents"),
    ("psnr_min_db", "PSNR, worst", "dB", "the worst of these pictures"),
    ("model_bytes", "Flash", "bytes", "the model file"),
    ("ram_bytes", "RAM", "bytes", "working memory while a picture is drawn"),
    ("bit_exact", "Bit-exact", "", "streamed rows equal a whole-picture computation, bit for bit"),
    ("steps", "Steps", "", "updates of the generator"),
    ("parameters", "Parameters", "", "weights and biases of the generator"),
    ("macs", "Multiply-accumulates", "", "of one picture"),
    ("precision", "Precision", "", "share of int8 pictures that lie among real ones"),
    ("recall", "Recall", "", "share of real pictures that lie among int8 ones"),
    (
        "memorization",
        "Memorization",
        "",
        "distance to the nearest training picture over that of held-out ones; 0 is copies",
    ),
    ("different_at_least", "Different pictures", "", "that it can make, at least, by doubles among the compared ones"),
    ("alarms", "Alarms", "", "raised while it was trained"),
    ("device", "Device", "", "the emulated panel of the pictures"),
];

/// Writes the page: self-contained, light or dark as the reader prefers, readable on a phone.
///
/// ```
/// use ganlet_trainer::report::{Report, html};
/// let page = html(&Report { title: "Faces <16x16>".into(), ..Report::default() });
/// assert!(page.contains("<h1>Faces &lt;16x16&gt;</h1>") && !page.contains("http-equiv"));
/// ```
pub fn html(report: &Report) -> String {
    let title = escape(&report.title);
    let mut body = format!("<h1>{title}</h1>");
    if !report.lead.is_empty() {
        body += &format!("<p class=\"lead\">{}</p>", escape(&report.lead));
    }
    if let Some(samples) = &report.samples {
        body += &format!("<section><h2>Samples</h2>{}</section>", figure(samples));
    }
    let pair = [("On the device", &report.device), ("A walk through the latents", &report.walk)];
    let pair: String = pair
        .iter()
        .filter_map(|(head, part)| Some(format!("<section><h2>{head}</h2>{}</section>", figure(part.as_ref()?))))
        .collect();
    if !pair.is_empty() {
        body += &format!("<div class=\"pair\">{pair}</div>");
    }
    if let Some(svg) = &report.networks {
        body += &format!("<section><h2>The networks</h2><div class=\"scroll\">{svg}</div></section>");
    }
    if let Some(plot) = &report.losses {
        let (wide, narrow) = (plot.svg(), plot.svg_sized(420, 360));
        body += "<section><h2>Training</h2>";
        body += &format!("<div class=\"wide\">{wide}</div><div class=\"narrow\">{narrow}</div></section>");
    }
    if let Some(alarms) = &report.watched {
        body += &format!("<section><h2>Alarms</h2>{}</section>", watched(alarms));
    }
    if !report.numbers.is_empty() {
        body += &format!("<section><h2>Numbers</h2>{}</section>", numbers(&report.numbers));
    }
    if !report.layers.rows.is_empty() {
        let layers = table(&report.layers.header, &report.layers.rows);
        body += &format!("<section><h2>The generator, layer by layer</h2>{layers}</section>");
    }
    let style = include_str!("page.css");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title>\n<style>\n{style}</style></head>\n<body><main>{body}</main></body></html>\n"
    )
}

fn figure(figure: &Figure) -> String {
    let picture = embedded(&figure.file, &figure.caption);
    format!("<figure>{picture}<figcaption>{}</figcaption></figure>", escape(&figure.caption))
}

fn watched(alarms: &[String]) -> String {
    if alarms.is_empty() {
        return "<p>None: the run was watched for divergence, vanishing gradients, mode collapse and memorization.</p>"
            .into();
    }
    let line = |alarm: &String| format!("<li>{}</li>", escape(alarm).replace('\n', "<br>"));
    format!("<ul>{}</ul>", alarms.iter().map(line).collect::<String>())
}

/// Known keys first and explained, then the others under their own names.
fn numbers(map: &Map<String, Value>) -> String {
    let known = KNOWN.iter().filter_map(|&(key, name, unit, meaning)| {
        let value = map.get(key)?;
        let unit = if value.is_number() && !unit.is_empty() { format!(" {unit}") } else { String::new() };
        Some((format!("{}<small>{}</small>", escape(name), escape(meaning)), shown(value) + &unit))
    });
    let others = map.iter().filter(|(key, _)| !KNOWN.iter().any(|k| k.0 == key.as_str()));
    let others = others.map(|(key, value)| (format!("<code>{}</code>", escape(key)), shown(value)));
    let rows: String = known
        .chain(others)
        .map(|(name, value)| format!("<tr><td>{name}</td><td class=\"n\">{}</td></tr>", escape(&value)))
        .collect();
    format!("<table class=\"numbers\"><tbody>{rows}</tbody></table>")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not measured".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), measured),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k} {}", shown(v))).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Image, plot};
    use serde_json::json;

    fn full() -> Report {
        let figure = |caption: &str| Some(Figure { caption: caption.into(), file: Image::new(4, 4, [9; 3]).png() });
        let Value::Object(numbers) =
            json!({"bit_exact": true, "psnr_mean_db": 43.40721, "extra": [1, 2.5], "minutes": null})
        else {
            panic!("an object")
        };
        Report {
            title: "Faces".into(),
            lead: "Trained & shrunk".into(),
            samples: figure("64 samples"),
            device: figure("ST7789"),
            walk: figure("a walk"),
            networks: Some("<svg>G and D</svg>".into()),
            losses: Some(plot::tests::losses(500)),
            watched: Some(vec!["mode collapse at step 100: <saw>\n  what helps: packing".into()]),
            numbers,
            layers: Table {
                header: vec!["kind".into(), "bytes".into()],
                rows: vec![vec!["dense".into(), "1,024".into()]],
            },
        }
    }

    #[test]
    fn a_page_holds_every_part_and_refers_to_nothing_outside() {
        let page = html(&full());
        for part in [
            "Samples",
            "On the device",
            "A walk",
            "The networks",
            "<svg>G and D</svg>",
            "Training",
            "43.41",
            "not measured",
            "1, 2.5",
            "layer by layer",
            "&lt;saw&gt;<br>",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(page.find(">Time<") < page.find("PSNR, mean") && page.find("PSNR, mean") < page.find("extra"));
        let outside = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!outside.contains("http:") && !outside.contains("https:") && !outside.contains("<script"));
    }

    #[test]
    fn a_run_without_alarms_says_what_it_was_watched_for() {
        let page = html(&Report { watched: Some(Vec::new()), ..Report::default() });
        assert!(page.contains("<h2>Alarms</h2><p>None: the run was watched for divergence"));
    }

    #[test]
    fn absent_parts_leave_no_trace() {
        let page = html(&Report::default());
        assert!(!page.contains("<h2>") && !page.contains("<img") && !page.contains("<table"));
    }
}
