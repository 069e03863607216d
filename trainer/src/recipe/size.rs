//! Image sizes as recipes and options write them: [width, height], "32x24", or 32 for a square.

use serde::{Deserialize, Deserializer, de::Error};

/// Width and height of "32x24", or of "32" for a square; `None` for other texts.
///
/// ```
/// use ganlet_trainer::recipe::parse_size;
/// assert_eq!(parse_size("32x24"), Some([32, 24]));
/// assert_eq!(parse_size("32"), Some([32, 32]));
/// assert_eq!(parse_size("big"), None);
/// ```
pub fn parse_size(text: &str) -> Option<[usize; 2]> {
    let (width, height) = text.split_once(['x', 'X', '×']).unwrap_or((text, text));
    Some([width.trim().parse().ok()?, height.trim().parse().ok()?])
}

/// The forms of a size in a recipe.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a size: [width, height], \"32x24\", or 32 for a square")]
enum Size {
    Sides([usize; 2]),
    Square(usize),
    Text(String),
}

/// Reads `data.size` in any form.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[usize; 2]>, D::Error> {
    match Size::deserialize(deserializer)? {
        Size::Sides(sides) => Ok(Some(sides)),
        Size::Square(side) => Ok(Some([side; 2])),
        Size::Text(text) => match parse_size(&text) {
            Some(sides) => Ok(Some(sides)),
            None => Err(D::Error::custom(format!("`{text}`: expected a size, as in \"32x24\", or 32 for a square"))),
        },
    }
}
