//! The table of numbers on a page, each with its explanation.
use crate::draw::svg::escape;
use crate::text::measured;
use serde_json::{Map, Value};

/// Explanation of a key of [`Page::numbers`](super::Page::numbers).
struct KnownNumber {
    key: &'static str,
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
}

const fn known(key: &'static str, name: &'static str, unit: &'static str, meaning: &'static str) -> KnownNumber {
    KnownNumber { key, name, unit, meaning }
}

/// The key of a number that is a lower bound.
const LOWER_BOUND: &str = "different_at_least";

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
        "lower end of the 95 % confidence interval of the mean over sets of latents",
    ),
    known("frechet_int8_high", "Fréchet distance, int8, high", "", "upper end of the same interval"),
    known("psnr_mean_db", "PSNR, mean", "dB", "int8 images compared with float images of the same latents"),
    known("psnr_min_db", "PSNR, worst", "dB", "the lowest PSNR among these images"),
    known("model_bytes", "Flash", "bytes", "size of the model file"),
    known(
        "ram_bytes",
        "RAM",
        "bytes",
        "arena that the runtime needs while it draws an image; the table of devices shows what each one needs",
    ),
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
    known(LOWER_BOUND, "Distinct images", "", "lower bound with 95 % confidence, by the birthday paradox"),
    known("alarms", "Alarms", "", "raised during training"),
    known("device", "Device", "", "the emulated panel in the image"),
];

/// A table of the known keys with their explanations, followed by the other keys.
pub(super) fn numbers(map: &Map<String, Value>) -> String {
    let known = KNOWN.iter().filter_map(|known| {
        let value = map.get(known.key)?;
        let whole = value.as_f64().filter(|_| known.key == LOWER_BOUND).map(|bound| Value::from(bound.floor()));
        let (bound, value) = whole.as_ref().map_or(("", value), |whole| ("at least ", whole));
        let unit = if value.is_number() && !known.unit.is_empty() { format!(" {}", known.unit) } else { String::new() };
        let name = format!("{}<small>{}</small>", escape(known.name), escape(known.meaning));
        Some((name, format!("{bound}{}{unit}", shown(value))))
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
    use serde_json::json;

    #[test]
    fn numbers_have_separators_and_a_bound_is_shown_as_one() {
        let Value::Object(map) = json!({"different_at_least": 571.9, "macs": 1234567, "frechet_float": 1.791}) else {
            panic!("an object")
        };
        let html = numbers(&map);
        for part in [">at least 571<", ">1,234,567<", ">1.791<"] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}
