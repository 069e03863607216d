//! Writes the report of a run as a self-contained HTML file with embedded images.

use serde_json::{Map, Value};

use super::page::{embedded, table};
use crate::draw::Plot;
use crate::draw::svg::escape;
use crate::text::measured;

/// An image on the page with its caption.
#[derive(Clone, Debug)]
pub struct PageFigure {
    /// Describes the image: shown below it, and read aloud by screen readers.
    pub caption: String,
    /// The bytes of a PNG or GIF file.
    pub file: Vec<u8>,
}

/// A table of text on the page. Columns of numbers are aligned right.
#[derive(Clone, Debug, Default)]
pub struct PageTable {
    /// Titles of the columns.
    pub header: Vec<String>,
    /// Cells, row by row; each row is as long as the header.
    pub rows: Vec<Vec<String>>,
}

/// The content of the page. Absent parts are omitted, including their headings.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Title of the page.
    pub title: String,
    /// One or two introductory sentences below the title.
    pub lead: String,
    /// Samples of the generator.
    pub samples: Option<PageFigure>,
    /// An image as the device displays it.
    pub device: Option<PageFigure>,
    /// An animated interpolation through the latent space.
    pub walk: Option<PageFigure>,
    /// Diagram of both networks, an `<svg>` element.
    pub networks: Option<String>,
    /// Losses over time.
    pub losses: Option<Plot>,
    /// Texts of the alarms that the run raised; `None` if the run was not watched.
    pub alarms: Option<Vec<String>>,
    /// Metrics by key, for example those of `summary.json`. Known keys are shown with an explanation.
    pub numbers: Map<String, Value>,
    /// The layers of the generator.
    pub layers: PageTable,
}

/// Explanation of a key of [`Page::numbers`].
struct KnownNumber {
    key: &'static str,
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
}

const fn known(key: &'static str, name: &'static str, unit: &'static str, meaning: &'static str) -> KnownNumber {
    KnownNumber { key, name, unit, meaning }
}

/// The explained keys, in the order in which the page shows them.
const KNOWN: [KnownNumber; 20] = [
    known("minutes", "Time", "min", "duration of the whole run"),
    known(
        "frechet_float",
        "Fréchet distance, float",
        "",
        "between generated and held-out real images; smaller is better",
    ),
    known("frechet_int8", "Fréchet distance, int8", "", "the same for the quantized generator that runs on the device"),
    known(
        "frechet_floor",
        "Fréchet distance, floor",
        "",
        "between two sets of real images: the score of a perfect generator",
    ),
    known(
        "frechet_int8_low",
        "Fréchet distance, int8, low",
        "",
        "lower end of the 95 % confidence interval over sets of latents",
    ),
    known("frechet_int8_high", "Fréchet distance, int8, high", "", "upper end of the same interval"),
    known("psnr_mean_db", "PSNR, mean", "dB", "int8 images compared with float images of the same latents"),
    known("psnr_min_db", "PSNR, worst", "dB", "the lowest PSNR among these images"),
    known("model_bytes", "Flash", "bytes", "size of the model file"),
    known("ram_bytes", "RAM", "bytes", "arena that the runtime needs while it draws an image"),
    known("bit_exact", "Bit-exact", "", "whether streamed rows equal a whole-tensor computation in every bit"),
    known("steps", "Steps", "", "updates of the generator"),
    known("parameters", "Parameters", "", "weights and biases of the generator"),
    known("macs", "Multiply-accumulates", "", "operations per image"),
    known("precision", "Precision", "", "share of int8 images that lie in the manifold of the real images"),
    known("recall", "Recall", "", "share of real images that lie in the manifold of the int8 images"),
    known(
        "memorization",
        "Memorization",
        "",
        "distance to the nearest training image, divided by that of held-out images; 0 means copies",
    ),
    known(
        "different_at_least",
        "Distinct images",
        "",
        "lower bound on the number of distinct images, by the birthday paradox",
    ),
    known("alarms", "Alarms", "", "raised during training"),
    known("device", "Device", "", "the emulated panel in the image"),
];

impl Page {
    /// The page as self-contained HTML that follows the reader's light or dark theme and fits a phone.
    ///
    /// ```
    /// use ganlet_trainer::report::Page;
    /// let html = Page { title: "Faces <16x16>".into(), ..Page::default() }.html();
    /// assert!(html.contains("<h1>Faces &lt;16x16&gt;</h1>") && !html.contains("http-equiv"));
    /// ```
    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let body = self.opening() + &self.training() + &self.measurements();
        let style = include_str!("page.css");
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title}</title>\n<style>\n{style}</style></head>\n<body><main>{body}</main></body></html>\n"
        )
    }

    /// Title, lead and the images that the generator draws.
    fn opening(&self) -> String {
        let mut body = format!("<h1>{}</h1>", escape(&self.title));
        if !self.lead.is_empty() {
            body += &format!("<p class=\"lead\">{}</p>", escape(&self.lead));
        }
        if let Some(samples) = &self.samples {
            body += &section("Samples", &figure(samples));
        }
        let side_by_side: String = [("On the device", &self.device), ("Latent space interpolation", &self.walk)]
            .iter()
            .filter_map(|(heading, part)| Some(section(heading, &figure(part.as_ref()?))))
            .collect();
        if !side_by_side.is_empty() {
            body += &format!("<div class=\"pair\">{side_by_side}</div>");
        }
        body
    }

    /// The networks, the losses and the alarms.
    fn training(&self) -> String {
        let mut body = String::new();
        if let Some(svg) = &self.networks {
            body += &section("Networks", &format!("<div class=\"scroll\">{svg}</div>"));
        }
        if let Some(plot) = &self.losses {
            let (wide, narrow) = (plot.svg(), plot.svg_sized(420, 360));
            let both = format!("<div class=\"wide\">{wide}</div><div class=\"narrow\">{narrow}</div>");
            body += &section("Training", &both);
        }
        if let Some(raised) = &self.alarms {
            body += &section("Alarms", &alarms(raised));
        }
        body
    }

    /// The table of numbers and the table of layers.
    fn measurements(&self) -> String {
        let mut body = String::new();
        if !self.numbers.is_empty() {
            body += &section("Numbers", &numbers(&self.numbers));
        }
        if !self.layers.rows.is_empty() {
            body += &section("Layers of the generator", &table(&self.layers.header, &self.layers.rows));
        }
        body
    }
}

fn section(heading: &str, content: &str) -> String {
    format!("<section><h2>{heading}</h2>{content}</section>")
}

fn figure(figure: &PageFigure) -> String {
    let image = embedded(&figure.file, &figure.caption);
    format!("<figure>{image}<figcaption>{}</figcaption></figure>", escape(&figure.caption))
}

fn alarms(raised: &[String]) -> String {
    if raised.is_empty() {
        return "<p>None. The run was watched for divergence, vanishing gradients, mode collapse and overfitting (memorization).</p>"
            .into();
    }
    let item = |alarm: &String| format!("<li>{}</li>", escape(alarm).replace('\n', "<br>"));
    format!("<ul>{}</ul>", raised.iter().map(item).collect::<String>())
}

/// A table of the known keys with their explanations, followed by the other keys.
fn numbers(map: &Map<String, Value>) -> String {
    let known = KNOWN.iter().filter_map(|known| {
        let value = map.get(known.key)?;
        let unit = if value.is_number() && !known.unit.is_empty() { format!(" {}", known.unit) } else { String::new() };
        let name = format!("{}<small>{}</small>", escape(known.name), escape(known.meaning));
        Some((name, shown(value) + &unit))
    });
    let others = map.iter().filter(|(key, _)| !KNOWN.iter().any(|known| known.key == key.as_str()));
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
    use crate::draw::{Image, plot};
    use serde_json::json;

    fn full() -> Page {
        let figure = |caption: &str| Some(PageFigure { caption: caption.into(), file: Image::new(4, 4, [9; 3]).png() });
        let Value::Object(numbers) =
            json!({"bit_exact": true, "psnr_mean_db": 43.40721, "extra": [1, 2.5], "minutes": null})
        else {
            panic!("an object")
        };
        Page {
            title: "Faces".into(),
            lead: "Trained & shrunk".into(),
            samples: figure("64 samples"),
            device: figure("ST7789"),
            walk: figure("a walk"),
            networks: Some("<svg>G and D</svg>".into()),
            losses: Some(plot::tests::losses(500)),
            alarms: Some(vec!["mode collapse at step 100: <saw>\n  what helps: packing".into()]),
            numbers,
            layers: PageTable {
                header: vec!["kind".into(), "bytes".into()],
                rows: vec![vec!["dense".into(), "1,024".into()]],
            },
        }
    }

    #[test]
    fn a_page_contains_every_part_and_no_external_reference() {
        let page = full().html();
        for part in [
            "Samples",
            "On the device",
            "interpolation",
            "Networks",
            "<svg>G and D</svg>",
            "Training",
            "43.41",
            "not measured",
            "1, 2.5",
            "Layers of the generator",
            "&lt;saw&gt;<br>",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(page.find(">Time<") < page.find("PSNR, mean") && page.find("PSNR, mean") < page.find("extra"));
        let outside = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!outside.contains("http:") && !outside.contains("https:") && !outside.contains("<script"));
    }

    #[test]
    fn a_page_without_alarms_says_what_was_watched() {
        let page = Page { alarms: Some(Vec::new()), ..Page::default() }.html();
        assert!(page.contains("<h2>Alarms</h2><p>None. The run was watched for divergence"));
    }

    #[test]
    fn absent_parts_have_no_heading() {
        let page = Page::default().html();
        assert!(!page.contains("<h2>") && !page.contains("<img") && !page.contains("<table"));
    }
}
