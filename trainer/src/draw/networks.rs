//! The two networks of a run as a figure: every layer that has weights as a card, with the shape it makes.
use super::svg::escape;
use crate::graph::Window;
use crate::nn::{Activation, Layer, Network, Tensor};
use crate::text::grouped;
use std::fmt::Write;

/// Units of a card, and between two.
const CARD: (usize, usize) = (134, 162);
const GAP: usize = 20;
const MARGIN: usize = 24;
/// Letters in a line of a card, and lines behind the shape and the weights.
const LETTERS: usize = 19;
const NOTES: usize = 3;
/// Cards in a line.
const ACROSS: usize = 6;
/// Side of the room for a card's picture of its shape.
const GLYPH: f64 = 46.0;
const STYLE: &str = "<style>.gn{font:12px system-ui,sans-serif}.gn text{fill:#5c626e}.gn .d{fill:#1c2028}.gn .c{fill:#fff;stroke:#d3d6dc}\
.gn .l{stroke:#8c929c;fill:none}@media(prefers-color-scheme:dark){.gn text{fill:#a3abb8}.gn .d{fill:#eceef2}.gn .c{fill:#1c2028;stroke:#343a44}}</style>";
const GREEN: &str = "#168c58";
const BLUE: &str = "#2563d6";

/// Where training stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingStatus {
    /// Steps done.
    pub step: u64,
    /// The discriminator's mean judgment of real examples, 0 to 1.
    pub d_real: f32,
    /// The same of generated ones.
    pub d_fake: f32,
    /// Losses of discriminator and generator.
    pub losses: [f32; 2],
}

/// What is drawn.
pub struct NetworkDiagram<'a> {
    /// Stands above.
    pub title: &'a str,
    /// From latents to examples.
    pub generator: &'a Network,
    /// From examples to scores.
    pub discriminator: &'a Network,
    /// What is imitated.
    pub data: &'a str,
    /// The game's name.
    pub loss: &'a str,
    /// Numbers of the last step, if there was one.
    pub standing: Option<TrainingStatus>,
}

/// One layer with weights, or the input, and what follows it without weights.
struct Card {
    head: String,
    shape: Vec<usize>,
    weights: usize,
    notes: Vec<String>,
}

impl NetworkDiagram<'_> {
    /// The figure as an `<svg>` element, to stand alone or within a page.
    pub fn svg(&self) -> String {
        let rows = [(self.generator, "latent z", GREEN), (self.discriminator, "x or G(z)", BLUE)];
        let rows = rows.map(|(network, input, color)| (network, cards(network, input), color));
        let lines: usize = rows.iter().map(|r| r.1.len().div_ceil(ACROSS)).sum();
        let width = 2 * MARGIN + ACROSS * (CARD.0 + GAP) - GAP;
        let height = MARGIN + 40 + lines * (CARD.1 + GAP) + 2 * 34 + MARGIN;
        let mut out = format!(
            "<svg class=\"gn\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{}\">{STYLE}",
            escape(self.title)
        );
        words(&mut out, (MARGIN, MARGIN + 6), "class=\"d\" font-size=\"17\" font-weight=\"600\"", self.title);
        words(&mut out, (MARGIN, MARGIN + 28), "", &self.told());
        let mut top = MARGIN + 40;
        for (network, cards, color) in &rows {
            let name = if network.name == "discriminator" { "discriminator D" } else { "generator G" };
            let head = format!("{name}: {} weights", grouped(network.len()));
            words(&mut out, (MARGIN, top + 24), &format!("style=\"fill:{color}\" font-weight=\"600\""), &head);
            top += 34;
            for (i, card) in cards.iter().enumerate() {
                let (left, down) = (MARGIN + i % ACROSS * (CARD.0 + GAP), top + i / ACROSS * (CARD.1 + GAP));
                card.draw(&mut out, (left, down), color);
                if i > 0 {
                    // From the card before; the first of a line shows where it comes from by a stub alone.
                    let middle = down + CARD.1 / 2;
                    let _ = write!(
                        out,
                        "<path class=\"l\" d=\"M{} {middle}h{}m-5 -4l5 4l-5 4\"/>",
                        left - GAP + 3,
                        GAP - 6
                    );
                }
            }
            top += cards.len().div_ceil(ACROSS) * (CARD.1 + GAP);
        }
        out + "</svg>"
    }

    fn told(&self) -> String {
        let game = format!("data {}, loss {}", self.data, self.loss);
        match self.standing {
            Some(s) => format!(
                "{game}; step {}: D(x) {:.2}, D(G(z)) {:.2}, loss of D {:.3}, of G {:.3}",
                grouped(s.step as usize),
                s.d_real,
                s.d_fake,
                s.losses[0],
                s.losses[1]
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
        // Height as the side, depth as the channels, both by doublings.
        let doublings = |n: usize| (n as f64).log2() + 1.0;
        let (tall, deep) = match self.shape[..] {
            [h, _, c] => (doublings(h), doublings(c)),
            _ => (1.0, doublings(self.shape.iter().product())),
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
            words(out, (left + 10, top + 72 + 16 * i), class, line);
        }
    }
}

/// Notes side by side where they fit; what does not fit at all is cut with a mark.
fn wrapped(notes: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for note in notes {
        match lines.last_mut() {
            Some(line) if line.chars().count() + note.chars().count() + 2 <= LETTERS => *line += &format!(", {note}"),
            _ => lines.push(note.clone()),
        }
    }
    if lines.len() > NOTES {
        lines.truncate(NOTES);
        lines[NOTES - 1] += " \u{2026}";
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
            // These two are a matter of what comes next.
            Layer::Upsample(times) => ahead.push(format!("enlarged {times}x")),
            Layer::Swap => ahead.push("from fork".into()),
            Layer::Fork => card.notes.push("fork".into()),
            Layer::Join => card.notes.push("join".into()),
            Layer::Level { outputs, .. } => card.notes.push(format!("picture {}x{}x{outputs}", shape[0], shape[1])),
            Layer::BinaryLatents { count } => card.notes.push(format!("{count} signs")),
            Layer::Score { classes, .. } if *classes > 0 => card.notes.push(format!("{classes} classes")),
            Layer::BatchNorm { .. } => card.notes.push("batch norm".into()),
            Layer::Activation(Activation::Leaky(slope)) if *slope == 0.0 => card.notes.push("ReLU".into()),
            Layer::Activation(Activation::Leaky(_)) => card.notes.push("LeakyReLU".into()),
            Layer::Activation(Activation::Tanh) => card.notes.push("tanh".into()),
            Layer::Activation(Activation::Sigmoid) => card.notes.push("sigmoid".into()),
            Layer::FourierFeatures { count } => {
                card.notes.push(format!("{count} fourier_features"));
                card.shape = shape;
            }
            Layer::MinibatchStddev { .. } => {
                card.notes.push("deviation".into());
                card.shape = shape;
            }
            Layer::Picture => card.shape = shape,
            _ => {}
        }
    }
    cards
}

/// The name of a layer that is a card of its own.
fn head(layer: &Layer) -> Option<String> {
    let by = |w: &Window| format!("k{} s{}", w.kernel, w.stride);
    Some(match layer {
        Layer::Dense { .. } => "dense".into(),
        Layer::Conv { window, .. } => format!("conv {}", by(window)),
        Layer::ConvTranspose { window, .. } => format!("conv\u{1d40} {}", by(window)),
        Layer::Depthwise { window, .. } => format!("depthwise {}", by(window)),
        Layer::Score { .. } => "score".into(),
        Layer::MinibatchDiscrimination { .. } => "discrimination".into(),
        _ => return None,
    })
}

fn words(out: &mut String, (x, y): (usize, usize), attributes: &str, text: &str) {
    let _ = write!(out, "<text x=\"{x}\" y=\"{y}\" {attributes}>{}</text>", escape(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{NAMED, Recipe};

    #[test]
    fn every_weight_of_every_recipe_stands_on_a_card() {
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
                standing: None,
            };
            let svg = figure.svg();
            assert!(svg.contains(&grouped(generator.len())) && svg.contains("&lt;data&gt;"));
            assert!(svg.contains("no updates yet") && !svg.contains("NaN"));
        }
    }
}
