//! The vocabulary: words that the project has replaced are not used again.
use super::{Text, none, scan, texts};

/// Replaced words and phrases, with what to write instead. A `*` stands for any ending. Split, so that this file passes its own test.
const REPLACED: &[(&str, &str)] = &[
    // British spellings.
    (concat!("opt", "imis*"), "optimiz*"),
    (concat!("reg", "ularis*"), "regulariz*"),
    (concat!("quant", "is*"), "quantiz*"),
    (concat!("norm", "alis*"), "normaliz*"),
    (concat!("init", "ialis*"), "initializ*"),
    (concat!("pen", "alis*"), "penaliz*"),
    (concat!("min", "imis*"), "minimiz*"),
    (concat!("max", "imis*"), "maximiz*"),
    (concat!("recog", "nis*"), "recogniz*"),
    (concat!("summ", "aris*"), "summariz*"),
    (concat!("memo", "ris*"), "memoriz*"),
    (concat!("col", "our*"), "color"),
    (concat!("neigh", "bour*"), "neighbor"),
    (concat!("beha", "viour*"), "behavior"),
    (concat!("fav", "our*"), "favor"),
    (concat!("cent", "re"), "center"),
    (concat!("cent", "red"), "centered"),
    (concat!("lic", "ence*"), "license"),
    (concat!("gr", "ey"), "gray"),
    // Terms of the field.
    (concat!("step si", "ze"), "learning rate"),
    (concat!("step si", "zes"), "learning rates"),
    (concat!("mem", "ory of the mean"), "decay rate"),
    // Phrases.
    (concat!("to", "ld"), "given, reported or printed"),
    (concat!("beh", "ind"), "after"),
    (concat!("labo", "rator*"), "experiment"),
    (concat!("jud", "g*"), "score, measure or estimate"),
    (concat!("yard", "stick"), "reference"),
    (concat!("like", "ness"), "similarity"),
    (concat!("si", "ght"), "discriminator input"),
    (concat!("so ma", "ny"), "n"),
    (concat!("of a ha", "lf"), "of 0.5"),
    (concat!("from a ha", "lf"), "from 0.5"),
    (concat!("at a ha", "lf"), "at 0.5"),
    (concat!("leaves aw", "ay"), "omits"),
    (concat!("left aw", "ay"), "omitted"),
    (concat!("its li", "ke"), "similar ones"),
    (concat!("where th", "ere is none"), "if it is missing"),
    (concat!("com", "es to be"), "is computed"),
    (concat!("co", "me to be"), "are computed"),
    (concat!("for ev", "er"), "forever"),
];

/// The network's old name, which only Wasserstein losses keep.
const OLD_DISCRIMINATOR: &str = concat!("cri", "tic");

/// Files that list old names.
const EXEMPT: [&str; 4] =
    ["CHANGELOG.md", "docs/GLOSSARY.md", "trainer/src/recipe/names.rs", "trainer/src/recipe/renamed.rs"];

/// Beginnings of doc comments that say too little.
const WEAK_OPENINGS: [&str; 3] = ["The same", "As ", "Those "];

/// Sources, pages, manifests and recipes.
fn written() -> Vec<Text> {
    let kinds = [".rs", ".md", ".toml", ".py", ".s", ".yml"];
    let ours = |text: &Text| kinds.iter().any(|k| text.name.ends_with(k)) && !EXEMPT.contains(&text.name.as_str());
    texts().into_iter().filter(ours).collect()
}

/// Returns whether the words of a line contain those of a pattern in order, without gaps.
fn contains(words: &[String], pattern: &str) -> bool {
    let pattern: Vec<&str> = pattern.split(' ').collect();
    let equal = |word: &String, p: &&str| p.strip_suffix('*').map_or(word == p, |start| word.starts_with(start));
    words.windows(pattern.len()).any(|window| window.iter().zip(&pattern).all(|(w, p)| equal(w, p)))
}

fn line_words(line: &str) -> Vec<String> {
    scan::words(line).map(|(_, word)| word).collect()
}

#[test]
fn replaced_words_are_not_used() {
    let mut found = Vec::new();
    for text in written() {
        for (i, line) in text.lines.iter().enumerate() {
            let words = line_words(line);
            let hits = REPLACED.iter().filter(|(old, _)| contains(&words, old));
            found.extend(hits.map(|(_, new)| format!("{}:{}: write {new}: {}", text.name, i + 1, line.trim())));
        }
    }
    none("replaced words", found);
}

#[test]
fn the_discriminator_has_one_name() {
    let mut found = Vec::new();
    for text in written() {
        for (i, line) in text.lines.iter().enumerate() {
            let named =
                line_words(line).iter().any(|word| word.starts_with(OLD_DISCRIMINATOR) && !word.ends_with("al"));
            let near = &text.lines[i.saturating_sub(3)..(i + 4).min(text.lines.len())];
            let allowed = near.iter().any(|l| ["wasserstein", "wgan"].iter().any(|w| l.to_lowercase().contains(w)));
            if named && !allowed {
                found.push(format!("{}:{}: write discriminator: {}", text.name, i + 1, line.trim()));
            }
        }
    }
    none("the discriminator under another name", found);
}

#[test]
fn doc_comments_begin_with_what_the_item_is_or_does() {
    let mut found = Vec::new();
    for text in super::sources() {
        for (i, line) in text.lines.iter().enumerate() {
            let Some(comment) = line.trim().strip_prefix("/// ").or(line.strip_prefix("//! ")) else { continue };
            let first = i == 0 || !text.lines[i - 1].trim().starts_with(&line.trim()[..3]);
            if first && WEAK_OPENINGS.iter().any(|w| comment.starts_with(w)) {
                found.push(format!("{}:{}: {}", text.name, i + 1, line.trim()));
            }
        }
    }
    none("doc comments with a weak beginning", found);
}

#[test]
fn documentation_has_the_terms_that_readers_search_for() {
    let pages: String = texts()
        .into_iter()
        .filter(|text| text.name == "README.md" || text.name.starts_with("docs/") && text.name.ends_with(".md"))
        .map(|text| text.lines.join("\n").to_lowercase())
        .collect();
    let terms = [
        "learning rate",
        "batch size",
        "discriminator",
        "ema",
        "mode collapse",
        "spectral norm",
        "latent",
        "checkpoint",
        "quantization",
        "epoch",
        "overfitting",
    ];
    let words: std::collections::BTreeSet<String> = line_words(&pages).into_iter().collect();
    let known = |term: &&str| if term.contains(' ') { pages.contains(*term) } else { words.contains(*term) };
    let missing: Vec<String> = terms.iter().filter(|t| !known(t)).map(|t| (*t).to_owned()).collect();
    none("terms that neither README nor docs mention", missing);
}

#[test]
fn patterns_match_words_phrases_and_endings() {
    let words = line_words("A learningRate of so_far more");
    assert!(contains(&words, "learn*") && contains(&words, "learning rate") && contains(&words, "so far"));
    assert!(!contains(&words, "learn") && !contains(&words, "so more"));
}
