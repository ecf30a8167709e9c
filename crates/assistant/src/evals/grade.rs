use domain::{DocumentId, ExpectedSource};
use rag::retrieve::Retrieved;
use store::eval_results::Pending;

/// How what was found fits what was expected.
///
/// What a question expects are its sources; where it names none, its phrases are, as words of any
/// document. A passage that brings an expectation which none before it brought counts as relevant.
#[derive(Debug, PartialEq)]
pub(super) struct Grades {
    /// Of each passage, whether it fits any expectation.
    fits: Vec<bool>,
    /// Of each passage, whether it fits one that none before it did.
    gains: Vec<bool>,
    /// Expectations that nothing fits.
    missing: usize,
    top_k: usize,
}

impl Grades {
    pub(super) fn of(question: &Pending, found: &[Retrieved], top_k: u32) -> Self {
        let passages: Vec<(DocumentId, &str)> = found
            .iter()
            .map(|found| (found.passage.document_id, found.passage.text.as_str()))
            .collect();
        let expected = expectations(&question.expected_sources, &question.expected_phrases);
        Self::of_passages(&expected, &passages, top_k)
    }

    fn of_passages(
        expected: &[ExpectedSource],
        passages: &[(DocumentId, &str)],
        top_k: u32,
    ) -> Self {
        let mut open: Vec<bool> = vec![true; expected.len()];
        let mut grades = Self {
            fits: Vec::with_capacity(passages.len()),
            gains: Vec::with_capacity(passages.len()),
            missing: 0,
            top_k: usize::try_from(top_k).unwrap_or(usize::MAX),
        };
        for (document, text) in passages {
            let text = plain(text);
            let (mut fits, mut gains) = (false, false);
            for (expectation, open) in expected.iter().zip(&mut open) {
                if is_met(expectation, *document, &text) {
                    fits = true;
                    gains |= std::mem::take(open);
                }
            }
            grades.fits.push(fits);
            grades.gains.push(gains);
        }
        grades.missing = open.iter().filter(|open| **open).count();
        grades
    }

    /// Of each passage, whether it is one that was expected.
    pub(super) fn expected(&self) -> impl Iterator<Item = bool> {
        self.fits.iter().copied()
    }

    /// Whether anything expected was found.
    pub(super) fn hit(&self) -> bool {
        self.gains.contains(&true)
    }

    /// One divided by the rank of the first expected passage; 0 without one.
    pub(super) fn reciprocal_rank(&self) -> f64 {
        let first = self.gains.iter().position(|gain| *gain);
        first.map_or(0.0, |at| 1.0 / as_f64(at + 1))
    }

    /// Normalised discounted cumulative gain: 1 if every expectation is met as high up as can be.
    pub(super) fn ndcg(&self) -> f64 {
        let ranks = (1..).zip(&self.gains).filter(|(_, gain)| **gain);
        let gained: f64 = ranks.map(|(rank, _)| discount(rank)).sum();
        let bringing = self.gains.iter().filter(|gain| **gain).count();
        let best = (bringing + self.missing).min(self.top_k.max(bringing));
        let ideal: f64 = (1..=best).map(discount).sum();
        if ideal > 0.0 { gained / ideal } else { 0.0 }
    }
}

fn discount(rank: usize) -> f64 {
    1.0 / as_f64(rank + 1).log2()
}

fn as_f64(rank: usize) -> f64 {
    f64::from(u32::try_from(rank).unwrap_or(u32::MAX))
}

fn expectations(sources: &[ExpectedSource], phrases: &[String]) -> Vec<ExpectedSource> {
    if !sources.is_empty() {
        return sources.to_vec();
    }
    phrases
        .iter()
        .map(|phrase| ExpectedSource {
            document_id: None,
            text: Some(phrase.clone()),
        })
        .collect()
}

fn is_met(expected: &ExpectedSource, document: DocumentId, text: &str) -> bool {
    let of_document = expected.document_id.is_none_or(|id| id == document);
    let with_words = expected
        .text
        .as_deref()
        .is_none_or(|words| text.contains(&plain(words)));
    of_document && with_words
}

/// The share of the phrases that the answer holds; `None` without phrases.
pub(super) fn answer_score(answer: &str, phrases: &[String]) -> Option<f64> {
    if phrases.is_empty() {
        return None;
    }
    let answer = plain(&without_citations(answer));
    let held = phrases
        .iter()
        .filter(|phrase| answer.contains(&plain(phrase)));
    Some(as_f64(held.count()) / as_f64(phrases.len()))
}

/// A text by which phrases are compared: in lower case, white space as one space, quotes and dashes
/// as they stand on a keyboard.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        for c in word.chars() {
            match c {
                '\u{ad}' => {}
                '‘' | '’' | '‚' => plain.push('\''),
                '“' | '”' | '„' | '«' | '»' => plain.push('"'),
                '‐' | '‑' | '–' | '—' => plain.push('-'),
                c => plain.extend(c.to_lowercase()),
            }
        }
    }
    plain
}

/// The text without the numbers of sources, such as `[1]`, and the spaces before them.
fn without_citations(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        kept.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        rest = match after[digits..].strip_prefix(']') {
            Some(behind) if digits > 0 => {
                if !behind.starts_with(char::is_alphanumeric) {
                    kept.truncate(kept.trim_end().len());
                }
                behind
            }
            _ => {
                kept.push('[');
                after
            }
        };
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_document(id: DocumentId) -> ExpectedSource {
        ExpectedSource {
            document_id: Some(id),
            text: None,
        }
    }

    fn with_words(words: &str) -> ExpectedSource {
        ExpectedSource {
            document_id: None,
            text: Some(words.to_owned()),
        }
    }

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn the_first_expected_passage_counts() {
        let (terms, other) = (DocumentId::new(), DocumentId::new());
        let found = [(other, "a"), (terms, "b"), (terms, "c")];
        let grades = Grades::of_passages(&[of_document(terms)], &found, 5);
        assert!(grades.hit());
        assert_eq!(grades.expected().collect::<Vec<_>>(), [false, true, true]);
        assert!(close(grades.reciprocal_rank(), 0.5));
        assert!(close(grades.ndcg(), 1.0 / 3_f64.log2()));
    }

    #[test]
    fn what_is_missing_costs_and_order_counts() {
        let id = DocumentId::new();
        let expected = [with_words("one"), with_words("two")];
        let both = Grades::of_passages(&expected, &[(id, "One"), (id, "TWO")], 5);
        assert!(close(both.ndcg(), 1.0));
        let half = Grades::of_passages(&expected, &[(id, "one"), (id, "one again")], 5);
        assert!(close(half.ndcg(), 1.0 / (1.0 + 1.0 / 3_f64.log2())));
        let together = Grades::of_passages(&expected, &[(id, "one and two")], 5);
        assert!(close(together.ndcg(), 1.0));
        let at_one = Grades::of_passages(&expected, &[(id, "one")], 1);
        assert!(close(at_one.ndcg(), 1.0), "only one passage was asked for");
        let none = Grades::of_passages(&expected, &[], 5);
        assert!(!none.hit() && close(none.ndcg(), 0.0) && close(none.reciprocal_rank(), 0.0));
    }

    #[test]
    fn document_and_words_have_to_fit_the_same_passage() {
        let (terms, other) = (DocumentId::new(), DocumentId::new());
        let expected = [ExpectedSource {
            document_id: Some(terms),
            text: Some("30 days".to_owned()),
        }];
        let apart = [(terms, "Returns."), (other, "30 days")];
        assert!(!Grades::of_passages(&expected, &apart, 5).hit());
        assert!(Grades::of_passages(&expected, &[(terms, "Within 30\n days.")], 5).hit());
    }

    #[test]
    fn phrases_stand_in_for_sources_that_are_not_named() {
        let phrases = ["thirty days".to_owned()];
        assert_eq!(expectations(&[], &phrases), [with_words("thirty days")]);
        let named = [of_document(DocumentId::new())];
        assert_eq!(expectations(&named, &phrases), named);
    }

    #[test]
    fn an_answer_is_held_against_its_phrases() {
        let phrases = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
        let answer = "You’ve 30\u{a0}days [1] to return it – free of charge [2].";
        assert_eq!(
            answer_score(answer, &phrases(&["30 days to return"])),
            Some(1.0)
        );
        assert_eq!(
            answer_score(
                answer,
                &phrases(&["you've", "- free of charge.", "60 days", "x"])
            ),
            Some(0.5)
        );
        assert_eq!(answer_score(answer, &[]), None);
        assert_eq!(answer_score("", &phrases(&["a"])), Some(0.0));
    }

    #[test]
    fn only_numbers_in_brackets_are_citations() {
        assert_eq!(without_citations("a [1] b [x] c [2][3"), "a b [x] c[3");
        assert_eq!(without_citations("[]"), "[]");
    }
}
