use super::matching::{Asked, Passage, asked};
use super::sentences::Kind;
use super::words::{self, Word};
use crate::SourcePassage;

/// The share of the question's words, by weight, that must be covered.
const ENOUGH: f32 = 0.55;
/// The same for long questions, which tell a story around what they ask.
const ENOUGH_OF_LONG: f32 = 0.45;
/// What a further sentence must add to the coverage.
const WORTH_ADDING: f32 = 0.2;
/// The most questions of one turn that are answered.
const MOST_QUESTIONS: usize = 3;
/// The most of a heading's text that is quoted, in characters.
const LONGEST_SECTION: usize = 450;
/// The longest piece quoted, in characters; a longer one is cut at a word.
const LONGEST_UNIT: usize = 500;

/// Words from passages that follow each other, and the number of their source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) text: String,
    pub(super) number: u32,
}

/// A unit, by its passage and its place there.
type Place = (usize, usize);

/// The quotes that answer `question`; none if the sources do not carry an answer.
pub(super) fn extract(question: &str, sources: &[SourcePassage]) -> Vec<Quote> {
    let passages: Vec<Passage<'_>> = sources.iter().map(Passage::new).collect();
    let whole = asked(question, &passages);
    let mut quotes: Vec<Quote> = Vec::new();
    for part in parts(question).into_iter().take(MOST_QUESTIONS) {
        let part = Part::new(&part, &whole, &passages);
        let Some(best) = part.best() else { continue };
        for quote in part.quotes(best) {
            if !quotes.contains(&quote) {
                quotes.push(quote);
            }
        }
    }
    quotes
}

/// The questions in what was said: its sentences with a question mark or a question word, each
/// without the clauses before its last comma; all of it if there is none.
fn parts(said: &str) -> Vec<String> {
    let asks = |sentence: &&str| sentence.ends_with(['?', '？']);
    let sentences = said.split_inclusive(['?', '？', '!', '！', '。', '\n']);
    let questions: Vec<&str> = sentences.map(str::trim).filter(asks).collect();
    let mut parts: Vec<String> = questions
        .into_iter()
        .map(|question| {
            let question = question.rsplit(". ").next().unwrap_or(question);
            let clause = question.rsplit([',', '，']).next().unwrap_or(question);
            let says_enough = words::content_of_any_language(clause).len() >= 2;
            if says_enough { clause } else { question }.to_owned()
        })
        .filter(|part| !words::content_of_any_language(part).is_empty())
        .collect();
    if parts.is_empty() {
        parts.push(said.to_owned());
    }
    parts
}

/// One question of a turn.
struct Part<'a> {
    asked: Vec<Asked>,
    whole: &'a [Asked],
    passages: &'a [Passage<'a>],
    wants_number: bool,
}

impl<'a> Part<'a> {
    fn new(text: &str, whole: &'a [Asked], passages: &'a [Passage<'a>]) -> Self {
        let said = format!("{} ", words::folded(text).join(" "));
        let asks_price = ["how much is ", "how much are ", "how much for "];
        let asks_price = asks_price.iter().any(|phrase| said.contains(phrase));
        let meant = if asks_price {
            format!("{text} price")
        } else {
            text.to_owned()
        };
        Self {
            asked: asked(&meant, passages),
            whole,
            passages,
            wants_number: wants_number(text),
        }
    }

    /// The unit that covers the question best, if it covers enough of it.
    fn best(&self) -> Option<Place> {
        let passages = self.passages.iter().enumerate();
        let places =
            passages.flat_map(|(p, passage)| (0..passage.units.len()).map(move |u| (p, u)));
        let best = places
            .filter(|place| self.is_quotable(*place))
            .map(|place| (self.rank(place), place))
            // The first of equals: sources come best first.
            .reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        let (passage, unit) = best.1;
        let passage = self.passages.get(passage)?;
        let enough = if self.asked.len() >= 5 {
            ENOUGH_OF_LONG
        } else {
            ENOUGH
        };
        let covered = passage.coverage(unit, &self.asked);
        (covered.max(passage.coverage(unit, self.whole)) >= enough).then_some(best.1)
    }

    /// A question that nothing follows answers nothing.
    fn is_quotable(&self, (p, u): Place) -> bool {
        let Some(passage) = self.passages.get(p) else {
            return false;
        };
        let is_question = passage
            .units
            .get(u)
            .is_some_and(|unit| unit.unit.text.ends_with(['?', '？']));
        !is_question || self.section((p, u)).is_some()
    }

    fn rank(&self, (p, u): Place) -> f32 {
        let Some(passage) = self.passages.get(p) else {
            return 0.0;
        };
        let Some(unit) = passage.units.get(u) else {
            return 0.0;
        };
        let is_long = unit.unit.text.chars().count() > 350;
        let is_heading = unit.unit.kind == Kind::Heading && !unit.unit.text.ends_with(['?', '？']);
        let is_numeric = unit.has_digit() && unit.unit.kind != Kind::Heading;
        #[expect(clippy::cast_possible_truncation, reason = "a score is small")]
        let found = (passage.source.score as f32).clamp(0.0, 1.0);
        passage.coverage(u, &self.asked)
            + 0.3 * passage.own_coverage(u, &self.asked)
            + 0.2 * passage.coverage(u, self.whole)
            + if self.wants_number && is_numeric { 0.15 } else { 0.0 }
            - if is_long { 0.1 } else { 0.0 }
            // A sentence that says as much as the heading above it is the better answer.
            - if is_heading { 0.1 } else { 0.0 }
            + 0.05 * found
    }

    /// The units under the heading at that place; `None` if it is none or nothing is under it.
    fn section(&self, (p, u): Place) -> Option<Vec<Place>> {
        let passage = self.passages.get(p)?;
        let under = passage.units.iter().enumerate();
        let under = under
            .filter(|(_, unit)| unit.heading == Some(u))
            .map(|(at, _)| (p, at));
        let under: Vec<Place> = under.collect();
        (!under.is_empty()).then_some(under)
    }

    fn quotes(&self, best: Place) -> Vec<Quote> {
        if let Some(section) = self.section(best) {
            return self.quote_section(best, &section).into_iter().collect();
        }
        let mut places = vec![best];
        if let Some(before) = self.referred_to(best) {
            places.insert(0, before);
        }
        if let Some(further) = self.further(&places) {
            places.push(further);
        }
        // In the order of the document, the best one's source first.
        places.sort_by_key(|(p, u)| (*p != best.0, *p, *u));
        let mut quotes: Vec<Quote> = Vec::new();
        for (p, u) in places {
            let Some(number) = self.passages.get(p).map(|passage| passage.source.number) else {
                continue;
            };
            let text = self.text((p, u));
            match quotes.last_mut() {
                Some(last) if last.number == number => {
                    last.text.push(' ');
                    last.text.push_str(&text);
                }
                _ => quotes.push(Quote { text, number }),
            }
        }
        quotes
    }

    /// The start of what stands under a heading; a list is introduced by it.
    fn quote_section(&self, heading: Place, section: &[Place]) -> Option<Quote> {
        let number = self.passages.get(heading.0)?.source.number;
        let is_list = section
            .first()
            .is_some_and(|place| self.kind(*place) == Some(Kind::Line));
        let most = if is_list { 8 } else { 3 };
        let mut texts: Vec<String> = Vec::new();
        let mut length = 0;
        for place in section.iter().take(most) {
            let text = self.text(*place);
            length += text.chars().count();
            if !texts.is_empty() && length > LONGEST_SECTION {
                break;
            }
            texts.push(text);
        }
        let title = self.text(heading);
        let text = if is_list && !title.ends_with(['?', '？']) {
            format!(
                "{}: {}",
                title.trim_end_matches([':', '：', ' ']),
                texts.join("; ")
            )
        } else {
            texts.join(" ")
        };
        Some(Quote { text, number })
    }

    /// The sentence before one that begins with a word like `It`.
    fn referred_to(&self, (p, u): Place) -> Option<Place> {
        const REFERS: &[&str] = &[
            "it", "this", "they", "these", "those", "that", "diese", "dieser", "dieses", "dies",
            "cela", "elle", "elles", "ils", "esto", "estos", "estas", "questo", "questi", "isso",
        ];
        let before = (p, u.checked_sub(1)?);
        let first = words::folded(&self.text((p, u))).into_iter().next()?;
        let refers = REFERS.contains(&first.as_str());
        (refers && self.kind(before) == Some(Kind::Sentence)).then_some(before)
    }

    /// A unit that covers what `places` leave open, the next one before any other.
    fn further(&self, places: &[Place]) -> Option<Place> {
        let open = self
            .asked
            .iter()
            .filter(|asked| !self.is_covered(places, &asked.word));
        let open: Vec<&Asked> = open.collect();
        let all: f32 = self.asked.iter().map(|asked| asked.weight).sum();
        let passages = self.passages.iter().enumerate();
        let others =
            passages.flat_map(|(p, passage)| (0..passage.units.len()).map(move |u| (p, u)));
        let mut best: Option<(f32, Place)> = None;
        for place in others.filter(|place| !places.contains(place)) {
            if self.kind(place).is_none_or(|kind| kind == Kind::Heading) {
                continue;
            }
            let gain = open
                .iter()
                .map(|asked| asked.weight * self.own(place, &asked.word));
            let gain = gain.sum::<f32>() / all.max(f32::EPSILON);
            let is_next = places
                .iter()
                .any(|(p, u)| *p == place.0 && u.abs_diff(place.1) == 1);
            let value = if is_next { gain * 1.5 } else { gain };
            if gain >= WORTH_ADDING && best.is_none_or(|(most, _)| value > most) {
                best = Some((value, place));
            }
        }
        best.map(|(_, place)| place)
    }

    /// Whether a unit of `places`, or the heading above it, stands for `word`.
    fn is_covered(&self, places: &[Place], word: &Word) -> bool {
        places.iter().any(|&(p, u)| {
            let unit = self
                .passages
                .get(p)
                .and_then(|passage| passage.units.get(u));
            let heading = unit.and_then(|unit| unit.heading);
            self.own((p, u), word) >= 0.5
                || heading.is_some_and(|at| self.own((p, at), word) >= 0.5)
        })
    }

    fn own(&self, (p, u): Place, word: &Word) -> f32 {
        let unit = self
            .passages
            .get(p)
            .and_then(|passage| passage.units.get(u));
        unit.map_or(0.0, |unit| unit.likeness(word))
    }

    fn kind(&self, (p, u): Place) -> Option<Kind> {
        Some(self.passages.get(p)?.units.get(u)?.unit.kind)
    }

    fn text(&self, (p, u): Place) -> String {
        let unit = self
            .passages
            .get(p)
            .and_then(|passage| passage.units.get(u));
        unit.map_or_else(String::new, |unit| shortened(&unit.unit.text))
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST_UNIT {
        return text.to_owned();
    }
    let cut: String = text.chars().take(LONGEST_UNIT).collect();
    let end = cut.rfind(' ').unwrap_or(cut.len());
    format!("{}…", &cut[..end])
}

/// Whether a figure is asked for: how much, how long, when.
fn wants_number(question: &str) -> bool {
    const PHRASES: &[&str] = &[
        "how much",
        "how many",
        "how long",
        "how soon",
        "how often",
        "when",
        "what time",
        "price",
        "cost",
        "wie viel",
        "wieviel",
        "wie lange",
        "wann",
        "kostet",
        "combien",
        "quand",
        "cuanto",
        "cuanta",
        "cuantos",
        "cuando",
        "quanto",
        "quanta",
        "quanti",
        "quando",
        "custa",
        "costa",
        "phone",
        "number",
        "telefon",
    ];
    let said = format!(" {} ", words::folded(question).join(" "));
    PHRASES
        .iter()
        .any(|phrase| said.contains(&format!(" {phrase} ")))
        || ["多少", "多久", "几", "什么时候"]
            .iter()
            .any(|phrase| question.contains(phrase))
}

#[cfg(test)]
mod tests;
