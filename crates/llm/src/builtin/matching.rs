//! How well a unit of a passage covers the words of a question.

use super::sentences::{Kind, Unit, units};
use super::words::{Word, content_of_any_language};
use crate::SourcePassage;

/// What the heading above a unit counts for, beside the unit's own words.
const HEADING_SHARE: f32 = 0.85;
/// What the title of the document counts for.
const TITLE_SHARE: f32 = 0.6;
/// What the units before and after count for.
const NEIGHBOUR_SHARE: f32 = 0.5;

/// A passage, ready to be compared.
pub(super) struct Passage<'a> {
    pub(super) source: &'a SourcePassage,
    pub(super) units: Vec<Indexed>,
    title: Vec<Word>,
}

/// A unit with its words.
pub(super) struct Indexed {
    pub(super) unit: Unit,
    words: Vec<Word>,
    /// The heading it stands under.
    pub(super) heading: Option<usize>,
}

/// A word of the question and what it weighs: rare words weigh more.
pub(super) struct Asked {
    pub(super) word: Word,
    pub(super) weight: f32,
}

impl<'a> Passage<'a> {
    pub(super) fn new(source: &'a SourcePassage) -> Self {
        let mut heading = None;
        let mut indexed = Vec::new();
        for (at, unit) in units(&source.text).into_iter().enumerate() {
            let under = heading;
            if unit.kind == Kind::Heading {
                heading = Some(at);
            }
            indexed.push(Indexed {
                words: content_of_any_language(&unit.text),
                heading: under.filter(|_| unit.kind != Kind::Heading),
                unit,
            });
        }
        Self {
            source,
            units: indexed,
            title: content_of_any_language(&source.title),
        }
    }

    /// How well the unit at `at` stands for `word`, 0 to 1, with all that stands around it.
    pub(super) fn likeness(&self, at: usize, word: &Word) -> f32 {
        let own = |at: Option<usize>| {
            let unit = at.and_then(|at| self.units.get(at));
            unit.map_or(0.0, |unit| unit.likeness(word))
        };
        let heading = self.units.get(at).and_then(|unit| unit.heading);
        let neighbours = own(at.checked_sub(1)).max(own(Some(at + 1)));
        own(Some(at))
            .max(HEADING_SHARE * own(heading))
            .max(NEIGHBOUR_SHARE * neighbours)
            .max(TITLE_SHARE * best(&self.title, word))
    }

    /// The weighted share of `asked` that the unit covers, 0 to 1.
    pub(super) fn coverage(&self, at: usize, asked: &[Asked]) -> f32 {
        share(asked, |word| self.likeness(at, word))
    }

    /// The same by the unit's own words only.
    pub(super) fn own_coverage(&self, at: usize, asked: &[Asked]) -> f32 {
        let unit = self.units.get(at);
        share(asked, |word| unit.map_or(0.0, |unit| unit.likeness(word)))
    }
}

impl Indexed {
    pub(super) fn likeness(&self, word: &Word) -> f32 {
        let said = best(&self.words, word);
        if said < 0.8 && self.unit.kind != Kind::Heading && word.is_signed_in(&self.unit.text) {
            return 0.8;
        }
        said
    }

    pub(super) fn has_digit(&self) -> bool {
        self.unit.text.contains(|c: char| c.is_numeric())
    }
}

fn best(words: &[Word], word: &Word) -> f32 {
    words
        .iter()
        .map(|other| word.likeness(other))
        .fold(0.0, f32::max)
}

fn share(asked: &[Asked], likeness: impl Fn(&Word) -> f32) -> f32 {
    let all: f32 = asked.iter().map(|asked| asked.weight).sum();
    let covered: f32 = asked
        .iter()
        .map(|asked| asked.weight * likeness(&asked.word))
        .sum();
    if all > 0.0 { covered / all } else { 0.0 }
}

/// The words of `text`, each once, weighed by how few units of the passages have them.
///
/// A word that none has weighs as much as one of middling rarity: it speaks against an answer, but
/// one unusual word does not drown the others.
#[expect(clippy::cast_precision_loss, reason = "counts of sentences are small")]
pub(super) fn asked(text: &str, passages: &[Passage<'_>]) -> Vec<Asked> {
    let count = passages
        .iter()
        .map(|passage| passage.units.len())
        .sum::<usize>() as f32;
    let mut asked: Vec<Asked> = Vec::new();
    let mut absent = Vec::new();
    for word in content_of_any_language(text) {
        if asked.iter().any(|other| other.word == word) {
            continue;
        }
        let units = passages.iter().flat_map(|passage| &passage.units);
        let with = units.filter(|unit| unit.likeness(&word) >= 0.7).count() as f32;
        if with == 0.0 {
            absent.push(asked.len());
        }
        let rarity = 1.0 + ((count + 1.0) / (with + 1.0)).ln();
        asked.push(Asked {
            weight: rarity,
            word,
        });
    }
    let present = asked
        .iter()
        .enumerate()
        .filter(|(at, _)| !absent.contains(at));
    let present: Vec<f32> = present.map(|(_, asked)| asked.weight).collect();
    let middling = present.iter().sum::<f32>() / present.len().max(1) as f32;
    for at in absent {
        if let Some(asked) = asked.get_mut(at) {
            asked.weight = middling.max(1.0);
        }
    }
    for asked in &mut asked {
        asked.weight *= asked.word.weight();
    }
    asked
}
