//! Writes the report of a run as a self-contained HTML file with embedded images.

use serde_json::{Map, Value};
use std::path::Path;

use super::numbers::numbers;
use super::page::{document, embedded, recognize, section, table};
use crate::draw::Plot;
use crate::draw::svg::escape;

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
    /// The verdict on the run, in sentences.
    pub verdict: Vec<String>,
    /// Samples of the generator.
    pub samples: Option<PageFigure>,
    /// Real images, beside the samples.
    pub real: Option<PageFigure>,
    /// Samples with their nearest training images.
    pub neighbors: Option<PageFigure>,
    /// An animation of samples during training.
    pub timeline: Option<PageFigure>,
    /// An image as the device displays it.
    pub device: Option<PageFigure>,
    /// An animated interpolation through the latent space.
    pub walk: Option<PageFigure>,
    /// Diagram of both networks, an `<svg>` element.
    pub networks: Option<String>,
    /// Measured distances during training, and their floor.
    pub distances: Option<Plot>,
    /// Losses over time.
    pub losses: Option<Plot>,
    /// Texts of the alarms that the run raised; `None` if the run was not watched.
    pub alarms: Option<Vec<String>>,
    /// Metrics by key, for example those of `summary.json`. Known keys are shown with an explanation.
    pub numbers: Map<String, Value>,
    /// The devices, and whether the model fits each.
    pub devices: PageTable,
    /// The layers of the generator.
    pub layers: PageTable,
}

impl Page {
    /// Whether the file at `path` is a page of this kind.
    #[doc(hidden)]
    pub fn recognize(path: &Path) -> bool {
        recognize(path)
    }

    /// The page as self-contained HTML that follows the reader's light or dark theme and fits a phone.
    ///
    /// ```
    /// use ganlet_trainer::report::Page;
    /// let html = Page { title: "Faces <16x16>".into(), ..Page::default() }.html();
    /// assert!(html.contains("<h1>Faces &lt;16x16&gt;</h1>") && !html.contains("http-equiv"));
    /// ```
    pub fn html(&self) -> String {
        document(&self.title, &(self.opening() + &self.training() + &self.measurements()))
    }

    /// Title, lead and the images that the generator draws.
    fn opening(&self) -> String {
        let mut body = format!("<h1>{}</h1>", escape(&self.title));
        if !self.lead.is_empty() {
            body += &format!("<p class=\"lead\">{}</p>", escape(&self.lead));
        }
        let verdict: String = self.verdict.iter().map(|v| format!("<p>{}</p>", escape(v))).collect();
        if !verdict.is_empty() {
            body += &section("Verdict", &verdict);
        }
        body += &pair([("Samples", &self.samples), ("Real images", &self.real)]);
        body += &pair([("Nearest training images", &self.neighbors), ("Timeline", &self.timeline)]);
        body += &pair([("On the device", &self.device), ("Latent space interpolation", &self.walk)]);
        body
    }

    /// The networks, the losses and the alarms.
    fn training(&self) -> String {
        let mut body = String::new();
        if let Some(svg) = &self.networks {
            body += &section("Networks", &format!("<div class=\"scroll\">{svg}</div>"));
        }
        let curves: String = [&self.distances, &self.losses].into_iter().flatten().map(curve).collect();
        if !curves.is_empty() {
            body += &section("Training", &curves);
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
        if !self.devices.rows.is_empty() {
            body += &section("Devices", &table(&self.devices.header, &self.devices.rows));
        }
        if !self.layers.rows.is_empty() {
            body += &section("Layers of the generator", &table(&self.layers.header, &self.layers.rows));
        }
        body
    }
}

/// Sections with figures, side by side where there is room.
fn pair(figures: [(&str, &Option<PageFigure>); 2]) -> String {
    let sections: String =
        figures.iter().filter_map(|(heading, part)| Some(section(heading, &figure(part.as_ref()?)))).collect();
    if sections.is_empty() { sections } else { format!("<div class=\"pair\">{sections}</div>") }
}

/// A plot for wide screens, and the same one for phones.
fn curve(plot: &Plot) -> String {
    let (wide, narrow) = (plot.svg(), plot.svg_sized(420, 360));
    format!("<div class=\"wide\">{wide}</div><div class=\"narrow\">{narrow}</div>")
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
            verdict: vec!["Still improving <fast>".into()],
            samples: figure("64 samples"),
            real: figure("64 real images"),
            neighbors: figure("neighbors"),
            timeline: figure("timeline"),
            device: figure("ST7789"),
            walk: figure("a walk"),
            networks: Some("<svg>G and D</svg>".into()),
            distances: Some(plot::tests::losses(20)),
            losses: Some(plot::tests::losses(500)),
            alarms: Some(vec!["mode collapse at step 100: <saw>\n  what helps: packing".into()]),
            numbers,
            devices: PageTable {
                header: vec!["device".into(), "verdict".into()],
                rows: vec![vec!["led-5x5".into(), "fits".into()]],
            },
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
            "Verdict</h2><p>Still improving &lt;fast&gt;</p>",
            "Samples",
            "Real images",
            "Nearest training images",
            "Timeline",
            "Devices",
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
