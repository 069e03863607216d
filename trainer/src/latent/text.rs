//! Text files of latents, one latent per line.

use std::fmt;

/// A latent of a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedLatent {
    /// The integers of a device; 32 stands for 1.0.
    pub values: Vec<i8>,
    /// The class, if the generator has classes.
    pub class: Option<u16>,
}

/// The error for a line that is not a latent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatentsError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What was found there.
    pub found: String,
}

impl fmt::Display for LatentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: found {}, expected integers from -127 to 127 separated by spaces, after \"class N\" if the generator has \
             classes",
            self.line, self.found
        )
    }
}

impl std::error::Error for LatentsError {}

impl SavedLatent {
    /// Parses the latents of a text. Comments, which start with `#`, and empty lines are skipped.
    ///
    /// ```
    /// use ganlet_trainer::latent::SavedLatent;
    /// let saved = SavedLatent::read("# two numbers\n12 -3\nclass 7  0 127\n").unwrap();
    /// assert_eq!(saved[1], SavedLatent { values: vec![0, 127], class: Some(7) });
    /// assert!(SavedLatent::read("12 -128").is_err());
    /// ```
    ///
    /// # Errors
    /// At the first line that is not a latent, or whose length differs from that of the first latent.
    pub fn read(text: &str) -> Result<Vec<Self>, LatentsError> {
        let mut all: Vec<Self> = Vec::new();
        // Editors on Windows mark UTF-8 with a byte order mark.
        for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace().peekable();
            let error = |found: String| LatentsError { line: i + 1, found };
            let mut class = None;
            if words.next_if_eq(&"class").is_some() {
                let word = words.next().unwrap_or_default();
                class = Some(word.parse().map_err(|_| error(format!("class \"{word}\"")))?);
            }
            let number =
                |word: &str| word.parse().ok().filter(|&v: &i8| v > -128).ok_or_else(|| error(format!("\"{word}\"")));
            let values = words.map(number).collect::<Result<Vec<i8>, _>>()?;
            if values.is_empty() && class.is_none() {
                continue;
            }
            if let Some(first) = all.first()
                && first.values.len() != values.len()
            {
                return Err(error(format!(
                    "{} numbers where the first latent has {}",
                    values.len(),
                    first.values.len()
                )));
            }
            all.push(Self { values, class });
        }
        Ok(all)
    }
}

impl fmt::Display for SavedLatent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(class) = self.class {
            write!(f, "class {class} ")?;
        }
        let words: Vec<String> = self.values.iter().map(i8::to_string).collect();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_latents_are_read_back() {
        let kept = vec![
            SavedLatent { values: vec![-127, 0, 9], class: Some(3) },
            SavedLatent { values: vec![1, 2, 3], class: None },
        ];
        let text: Vec<String> = kept.iter().map(SavedLatent::to_string).collect();
        for start in ["", "\u{feff}"] {
            let text = format!("{start}# header\n\n{}  # first\n", text.join("\n"));
            assert_eq!(SavedLatent::read(&text).unwrap(), kept);
        }
        assert_eq!(SavedLatent::read("\u{feff}1 2 3").unwrap(), kept[1..]);
    }

    #[test]
    fn invalid_lines_are_reported_with_their_number() {
        for (text, word) in [("1 2\n1", "1 numbers"), ("1\n\nx", "\"x\""), ("class x 1", "class \"x\""), ("128", "128")]
        {
            let error = SavedLatent::read(text).unwrap_err();
            assert_eq!(error.line, text.lines().count());
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(SavedLatent::read("").unwrap(), []);
    }
}
