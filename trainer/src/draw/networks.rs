//! A diagram of the two networks of a run. Each layer with weights has a card that shows the shape of its output.
use super::svg::escape;
use crate::graph::Window;
use crate::nn::{Activation, Layer, Network, Tensor};
use crate::text::grouped;
use std::fmt::Write;

/// Width and height of a card, in SVG units.
const CARD: (usize, usize) = (134, 162);
/// Distance between cards.
const GAP: usize = 20;
const MARGIN: usize = 24;
/// Most characters in a line of a card.
const LINE_LENGTH: usize = 19;
/// Most lines of notes below the shape and the number of weights.
const NOTE_LINES: usize = 3;
/// Cards per row.
const CARDS_PER_ROW: usize = 6;
/// Largest height of the rectangle that illustrates the shape.
const GLYPH: f64 = 46.0;
const STYLE: &str = "<style>.gn{font:12px system-ui,sans-serif}.gn text{fill:#5c626e}.gn .d{fill:#1c2028}.gn .c{fill:#fff;stroke:#d3d6dc}\
.gn .l{stroke:#8c929c;fill:none}@media(prefers-color-scheme:dark){.gn text{fill:#a3abb8}.gn .d{fill:#eceef2}.gn .c{fill:#1c2028;stroke:#343a44}}</style>";
const GREEN: &str = "#168c58";
const BLUE: &str = "#2563d6";

/// The state of training that the diagram shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingStatus {
    /// Number of completed steps.
    pub step: u64,
    /// Mean D(x), 0 to 1.
    pub d_real: f32,
    /// Mean D(G(z)), 0 to 1.
    pub d_fake: f32,
    /// Loss of the discriminator.
    pub discriminator_loss: f32,
    /// Loss of the generator.
    pub generator_loss: f32,
}

/// A diagram of generator and discriminator.
pub struct NetworkDiagram<'a> {
    /// Title above the diagram.
    pub title: &'a str,
    /// The network that maps latents to samples.
    pub generator: &'a Network,
    /// The network that maps samples to scores.
    pub discriminator: &'a Network,
    /// Name of the data set.
    pub data: &'a str,
    /// Name of the loss.
    pub loss: &'a str,
    /// State after the last step; `None` before the first one.
    pub status: Option<TrainingStatus>,
}

/// A layer with weights, or the input, together with the layers without weights that follow it.
struct Card {
    head: String,
    shape: Vec<usize>,
    weights: usize,
    notes: Vec<String>,
}

impl NetworkDiagram<'_> {
    /// The diagram as an `<svg>` element, for a page or a separate file.
    pub fn svg(&self) -> String {
        let rows = [
            ("generator G", self.generator, "latent z", GREEN),
            ("discriminator D", self.discriminator, "x or G(z)", BLUE),
        ];
        let rows = rows.map(|(name, network, input, color)| (name, network, cards(network, input), color));
        let lines: usize = rows.iter().map(|(.., cards, _)| cards.len().div_ceil(CARDS_PER_ROW)).sum();
        let width = 2 * MARGIN + CARDS_PER_ROW * (CARD.0 + GAP) - GAP;
        let height = MARGIN + 40 + lines * (CARD.1 + GAP) + 2 * 34 + MARGIN;
        let mut out = format!(
            "<svg class=\"gn\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{}\">{STYLE}",
            escape(self.title)
        );
        text_element(&mut out, (MARGIN, MARGIN + 6), "class=\"d\" font-size=\"17\" font-weight=\"600\"", self.title);
        text_element(&mut out, (MARGIN, MARGIN + 28), "", &self.summary());
        let mut top = MARGIN + 40;
        for (name, network, cards, color) in &rows {
            let head = format!("{name}: {} weights", grouped(network.len()));
            text_element(&mut out, (MARGIN, top + 24), &format!("style=\"fill:{color}\" font-weight=\"600\""), &head);
            top += 34;
            for (i, card) in cards.iter().enumerate() {
                let (left, down) =
                    (MARGIN + i % CARDS_PER_ROW * (CARD.0 + GAP), top + i / CARDS_PER_ROW * (CARD.1 + GAP));
                card.draw(&mut out, (left, down), color);
                if i > 0 {
                    // An arrow from the previous card; the first card of a row has only the arrowhead.
                    let middle = down + CARD.1 / 2;
                    let _ = write!(
                        out,
                        "<path class=\"l\" d=\"M{} {middle}h{}m-5 -4l5 4l-5 4\"/>",
                        left - GAP + 3,
                        GAP - 6
                    );
                }
            }
            top += cards.len().div_ceil(CARDS_PER_ROW) * (CARD.1 + GAP);
        }
        out + "</svg>"
    }

    /// Data, loss and state in one line.
    fn summary(&self) -> String {
        let game = format!("data {}, loss {}", self.data, self.loss);
        match self.status {
            Some(s) => format!(
                "{game}; step {}: D(x) {:.2}, D(G(z)) {:.2}, loss of D {:.3}, of G {:.3}",
                grouped(s.step as usize),
                s.d_real,
                s.d_fake,
                s.discriminator_loss,
                s.generator_loss
            ),
            None => format!("{game}; no updates yet"),
        }
    }
}

impl Card {
    fn draw(&self, out: &mut String, (left, top): (usize, usize), color: &str) {
        let _ = write!(
            out,
            "<rect class=\"c\" x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\" rx=\"5\"/>",
            CARD.0, CARD.1
        );
        // The height shows the side and the width the channels, both on a logarithmic scale.
        let log2 = |n: usize| (n as f64).log2() + 1.0;
        let (tall, deep) = match self.shape[..] {
            [h, _, c] => (log2(h), log2(c)),
            _ => (1.0, log2(self.shape.iter().product())),
        };
        let (high, wide) = ((6.0 * tall).min(GLYPH), (6.0 * deep).min(CARD.0 as f64 - 20.0));
        let (x, y) = (left as f64 + 10.0, top as f64 + 8.0 + GLYPH - high);
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" fill=\"{color}\" fill-opacity=\".25\" stroke=\"{color}\"/>"
        );
        let shape: Vec<_> = self.shape.iter().map(usize::to_string).collect();
        let weights = if self.weights == 0 { String::new() } else { format!("{} weights", grouped(self.weights)) };
        let mut lines = vec![self.head.clone(), shape.join("x"), weights];
        lines.extend(wrapped(&self.notes));
        for (i, line) in lines.iter().filter(|l| !l.is_empty()).enumerate() {
            let class = if i == 0 { "class=\"d\" font-weight=\"600\"" } else { "" };
            text_element(out, (left + 10, top + 72 + 16 * i), class, line);
        }
    }
}

/// Wraps notes into lines; an ellipsis replaces notes that do not fit on the card.
fn wrapped(notes: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for note in notes {
        match lines.last_mut() {
            Some(line) if line.chars().count() + note.chars().count() + 2 <= LINE_LENGTH => {
                *line += &format!(", {note}")
            }
            _ => lines.push(note.clone()),
        }
    }
    if lines.len() > NOTE_LINES {
        lines.truncate(NOTE_LINES);
        lines[NOTE_LINES - 1] += " \u{2026}";
    }
    lines
}

fn cards(network: &Network, input: &str) -> Vec<Card> {
    let first = Card { head: input.into(), shape: network.input.clone(), weights: 0, notes: vec![] };
    let (mut cards, mut ahead) = (vec![first], Vec::new());
    for (i, (layer, shape)) in network.layers.iter().zip(network.shapes()).enumerate() {
        let of_layer = |t: &&Tensor| t.key.layer == i;
        let weights: usize = network.tensors.iter().filter(of_layer).map(Tensor::len).sum();
        if let Some(head) = head(layer) {
            cards.push(Card { head, shape: shape.clone(), weights: 0, notes: std::mem::take(&mut ahead) });
        }
        let last = cards.len() - 1;
        let card = &mut cards[last];
        card.weights += weights;
        match layer {
            // These two layers are shown on the next card.
            Layer::Upsample(times) => ahead.push(format!("upsample {times}x")),
            Layer::Swap => ahead.push("from fork".into()),
            Layer::Fork => card.notes.push("fork".into()),
            Layer::Join => card.notes.push("join".into()),
            Layer::Level { outputs, .. } => card.notes.push(format!("image {}x{}x{outputs}", shape[0], shape[1])),
            Layer::BinaryLatents { count } => card.notes.push(format!("{count} binary")),
            Layer::ClassLatent { thresholds } => card.notes.push(format!("class of {}", thresholds.len() + 1)),
            Layer::Score { classes, .. } if *classes > 0 => card.notes.push(format!("{classes} classes")),
            Layer::BatchNorm { .. } => card.notes.push("batch norm".into()),
            Layer::Activation(Activation::Leaky(slope)) if *slope == 0.0 => card.notes.push("ReLU".into()),
            Layer::Activation(Activation::Leaky(_)) => card.notes.push("LeakyReLU".into()),
            Layer::Activation(Activation::Tanh) => card.notes.push("tanh".into()),
            Layer::Activation(Activation::Sigmoid) => card.notes.push("sigmoid".into()),
            Layer::FourierFeatures { count } => {
                card.notes.push(format!("{count} Fourier feat."));
                card.shape = shape;
            }
            Layer::MinibatchStddev { .. } => {
                card.notes.push("minibatch stddev".into());
                card.shape = shape;
            }
            Layer::Activation(Activation::Bounded(_)) => {}
            Layer::Palette { colors, .. } => {
                card.notes.push(format!("{colors} colors"));
                card.shape = shape;
            }
            Layer::Image => card.shape = shape,
            _ => {}
        }
    }
    cards
}

/// Heading of the card of a layer; `None` for layers without a card.
fn head(layer: &Layer) -> Option<String> {
    let by = |w: &Window| format!("k{} s{}", w.kernel, w.stride);
    Some(match layer {
        Layer::Dense { .. } => "dense".into(),
        Layer::Conv { window, .. } => format!("conv {}", by(window)),
        Layer::ConvTranspose { window, .. } => format!("conv\u{1d40} {}", by(window)),
        Layer::Depthwise { window, .. } => format!("depthwise {}", by(window)),
        Layer::Score { .. } => "score".into(),
        Layer::MinibatchDiscrimination { .. } => "minibatch discr.".into(),
        _ => return None,
    })
}

/// Writes a `<text>` element.
fn text_element(out: &mut String, (x, y): (usize, usize), attributes: &str, text: &str) {
    let _ = write!(out, "<text x=\"{x}\" y=\"{y}\" {attributes}>{}</text>", escape(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{NAMED, Recipe};

    #[test]
    fn the_cards_show_every_weight_of_every_recipe() {
        for (name, _) in NAMED {
            let recipe = Recipe::open(name, &[]).unwrap();
            let shape = match recipe.data.size {
                Some([width, height]) => vec![height, width, 3],
                None => vec![2],
            };
            let (generator, discriminator) = recipe.networks(&shape).unwrap();
            for network in [&generator, &discriminator] {
                let cards = cards(network, "in");
                assert_eq!(cards.iter().map(|c| c.weights).sum::<usize>(), network.len(), "{name}");
                assert_eq!(cards.last().unwrap().shape, network.output(), "{name}");
            }
            let figure = NetworkDiagram {
                title: name,
                generator: &generator,
                discriminator: &discriminator,
                data: "<data>",
                loss: "hinge",
                status: None,
            };
            let svg = figure.svg();
            assert!(svg.contains(&grouped(generator.len())) && svg.contains("&lt;data&gt;"));
            assert!(svg.contains("no updates yet") && !svg.contains("NaN"));
        }
    }
}
