//! Seeds on the command line: one seed, or a list of them.

use std::str::FromStr;

/// Largest number of seeds in a list.
const MOST: u64 = 1000;

/// Parses the seed of a latent.
pub(crate) fn latent_seed(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("seeds are 0 to {}", u32::MAX))
}

/// Parses the seed of a run.
pub(crate) fn run_seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("seeds are 0 to {}", u64::MAX))
}

/// The seeds of several runs: `4` stands for 1 to 4, `3-5` for 3 to 5, and `1,7,9` for these three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeedList(pub(crate) Vec<u64>);

impl FromStr for SeedList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected a number of seeds as in 4, a range as in 1-4, or a list as in 1,3,7; at most {MOST} different seeds"
            )
        };
        let number = |word: &str| word.trim().parse::<u64>().map_err(|_| expected());
        let seeds: Vec<u64> = if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (number(first)?, number(last)?);
            if last < first || last - first >= MOST {
                return Err(expected());
            }
            (first..=last).collect()
        } else if text.contains(',') {
            text.split(',').map(number).collect::<Result<_, _>>()?
        } else {
            (1..=number(text)?.min(MOST + 1)).collect()
        };
        let twice = seeds.iter().enumerate().any(|(i, seed)| seeds[..i].contains(seed));
        if seeds.is_empty() || seeds.len() as u64 > MOST || twice { Err(expected()) } else { Ok(Self(seeds)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_counted_ranges_or_lists() {
        let seeds = |text: &str| text.parse::<SeedList>().map(|list| list.0);
        assert_eq!(seeds("3"), Ok(vec![1, 2, 3]));
        assert_eq!(seeds("1-4"), Ok(vec![1, 2, 3, 4]));
        assert_eq!(seeds("7-7"), Ok(vec![7]));
        assert_eq!(seeds("9,2"), Ok(vec![9, 2]));
        for wrong in ["0", "", "4-1", "1-", "-3", "1,1", "a", "1001", "1-5000", "1..4", "18446744073709551615"] {
            assert!(seeds(wrong).is_err_and(|e| e.contains("1-4")), "{wrong}");
        }
        assert_eq!(latent_seed("-1"), Err("seeds are 0 to 4294967295".into()));
        assert_eq!(latent_seed("4294967295"), Ok(u32::MAX));
    }
}
