//! How answers cite sources: by numbers in brackets, several of them at once as well.

use std::ops::RangeInclusive;

/// The longest that stands in brackets and is read.
const LONGEST: usize = 80;

/// The numbers that stand in brackets in a text, `[1]`, `[1, 2]` or `[1-3]`, as ranges.
#[derive(Debug)]
pub(super) struct Citations(Vec<RangeInclusive<u32>>);

impl Citations {
    /// Those of a text.
    pub(super) fn of(text: &str) -> Self {
        let mut ranges = Vec::new();
        for part in text.split('[').skip(1) {
            let Some((inside, _)) = part.split_once(']') else {
                continue;
            };
            if inside.len() <= LONGEST {
                ranges.extend(numbers(inside).into_iter().flatten());
            }
        }
        Self(ranges)
    }

    /// Whether they name a source, where sources are numbered up to `last`: a range that reaches
    /// beyond is a span of years, or whatever else, and cites nothing.
    pub(super) fn name(&self, number: u32, last: u32) -> bool {
        let mut ranges = self.0.iter();
        ranges.any(|range| range.contains(&number) && *range.end() <= last)
    }
}

/// What stands between two brackets, if it is numbers and nothing else.
fn numbers(inside: &str) -> Option<Vec<RangeInclusive<u32>>> {
    let parts = inside.split([',', ';', '\u{3001}', '\u{ff0c}']);
    parts.map(|part| range(part.trim())).collect()
}

fn range(part: &str) -> Option<RangeInclusive<u32>> {
    let number = |text: &str| {
        let text = text.trim();
        // A sign is none of it.
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    // Hyphen, non-breaking hyphen, figure dash, en dash, em dash.
    match part.split_once(['-', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}']) {
        None => number(part).map(|number| number..=number),
        Some((first, last)) => Some(number(first)?..=number(last)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cited(text: &str) -> Vec<u32> {
        let citations = Citations::of(text);
        (0..=9)
            .filter(|number| citations.name(*number, 9))
            .collect()
    }

    #[test]
    fn numbers_lists_and_ranges_are_read() {
        for (text, expected) in [
            ("Free [1].", &[1][..]),
            ("Free [ 2 ].", &[2]),
            ("Free [1][2] and so [4].", &[1, 2, 4]),
            ("Free [1, 2].", &[1, 2]),
            ("Free [1,2;4].", &[1, 2, 4]),
            ("Free [1-3].", &[1, 2, 3]),
            ("Free [1\u{2013}3, 5].", &[1, 2, 3, 5]),
            ("\u{514d}\u{8d39}[1\u{3001}2]\u{3002}", &[1, 2]),
            ("Free [[3]].", &[3]),
        ] {
            assert_eq!(cited(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_citation_names_nothing() {
        for text in [
            "Free (1).",
            "Free [one].",
            "Free [1",
            "Free [-1].",
            "Free [].",
            "Free [1-].",
            "From [2020-2024].",
            "All of [1-800].",
            "Free [3-1].",
            "The list [1, see below].",
        ] {
            assert_eq!(cited(text), [0; 0], "{text}");
        }
    }
}
