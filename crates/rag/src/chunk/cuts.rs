use std::ops::{ControlFlow, Range};

use domain::{ChunkMethod, ChunkingSettings};

use super::tokens::TokenCounter;

/// Bytes of a passage per token allowed: only long runs of white space take more.
const BYTES_PER_TOKEN: usize = 24;

/// How passages are cut, with an overlap that lets them move on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) method: ChunkMethod,
    pub(super) max_tokens: usize,
    overlap_tokens: usize,
}

impl Size {
    /// `None` if the overlap is too large.
    pub(super) fn of(settings: &ChunkingSettings) -> Option<Self> {
        let size = Self {
            method: settings.method,
            max_tokens: usize::try_from(settings.max_tokens).ok()?,
            overlap_tokens: usize::try_from(settings.overlap_tokens).ok()?,
        };
        (size.overlap_tokens < size.max_tokens).then_some(size)
    }
}

/// A part of the text that is to be a passage.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    pub(super) range: Range<usize>,
    pub(super) tokens: usize,
}

/// Where a text may be cut, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Char,
    Word,
    Sentence,
    Line,
    Paragraph,
}

/// A place to cut: before the char at `byte`.
#[derive(Clone, Copy)]
struct Cut {
    byte: usize,
    level: Level,
    /// Tokens from the start of the passage up to here.
    tokens: usize,
}

/// Cuts `section` of `text` into passages, without white space around them.
///
/// Reads every char a few times, whatever the text looks like: a file without one line end or
/// space has to be cut in good time too.
pub(super) fn passages(
    text: &str,
    section: Range<usize>,
    size: Size,
    counter: &dyn TokenCounter,
) -> Vec<Passage> {
    let mut passages = Vec::new();
    let mut start = section.start;
    // Up to here everything stands in a passage.
    let mut done = section.start;
    loop {
        start += text[start..section.end].len() - text[start..section.end].trim_start().len();
        if start >= section.end {
            return passages;
        }
        done = done.max(start);
        let reach = Reach::of(text, start..section.end, size.max_tokens, counter);
        let mut end = reach.best(done, size);
        let passage = loop {
            let part = text[start..end].trim_end();
            let passage = Passage {
                range: start..start + part.len(),
                tokens: counter.count(part),
            };
            if passage.tokens <= size.max_tokens {
                break passage;
            }
            // Cut out of its text, a passage may have a token more than in it.
            match reach.before(end, done) {
                Some(earlier) => end = earlier,
                None => break passage,
            }
        };
        passages.push(passage);
        if end >= section.end {
            return passages;
        }
        start = reach.overlap(end, size);
        done = end;
    }
}

/// How far a passage can go, and the places on the way where it may end.
struct Reach {
    cuts: Vec<Cut>,
    end: Cut,
    /// Whether `end` is the end of the text.
    all: bool,
}

impl Reach {
    fn of(text: &str, range: Range<usize>, max_tokens: usize, counter: &dyn TokenCounter) -> Self {
        let mut cuts = Vec::new();
        let mut before = Before::default();
        let furthest = range.start.saturating_add(max_tokens * BYTES_PER_TOKEN);
        let window = range.start..text.floor_char_boundary(furthest.min(range.end));
        let mut end = Cut {
            byte: window.end,
            level: Level::Char,
            tokens: 0,
        };
        let mut all = window.end == range.end;
        counter.walk(&text[window], &mut |step| {
            let byte = range.start + step.byte;
            if let (Some(level), true) = (before.level(step.char), step.byte > 0) {
                cuts.push(Cut {
                    byte,
                    level,
                    tokens: step.before,
                });
            }
            // The first char always fits: a passage has to hold something.
            if step.byte > 0 && step.with > max_tokens {
                (end.byte, end.tokens, all) = (byte, step.before, false);
                return ControlFlow::Break(());
            }
            end.tokens = step.with;
            before.push(step.char);
            ControlFlow::Continue(())
        });
        Self { cuts, end, all }
    }

    /// The end of the passage, behind `done`.
    fn best(&self, done: usize, size: Size) -> usize {
        if self.all {
            return self.end.byte;
        }
        let behind = || self.cuts.iter().filter(|cut| cut.byte > done);
        // A far boundary would make tiny passages.
        let half = || behind().filter(|cut| cut.tokens * 2 >= size.max_tokens);
        let highest = || half().max_by_key(|cut| (cut.level, cut.byte));
        let best = match size.method {
            ChunkMethod::Fixed => half().rfind(|cut| cut.level >= Level::Word),
            // A heading does not stand alone before a paragraph that is too long.
            ChunkMethod::Paragraph => behind()
                .rfind(|cut| cut.level == Level::Paragraph && cut.tokens * 16 >= size.max_tokens)
                .or_else(highest),
            ChunkMethod::Recursive => highest(),
        };
        best.map_or(self.end.byte, |cut| cut.byte)
    }

    /// The next best end before `end`, behind `done`.
    fn before(&self, end: usize, done: usize) -> Option<usize> {
        let earlier = || {
            let cuts = self.cuts.iter();
            cuts.filter(|cut| done < cut.byte && cut.byte < end)
        };
        let word = earlier().rfind(|cut| cut.level >= Level::Word);
        word.or_else(|| earlier().next_back()).map(|cut| cut.byte)
    }

    /// Where the next passage starts: at most as many tokens before `end` as are shared, at a
    /// sentence if one starts there, else at a word; at `end` if neither does.
    fn overlap(&self, end: usize, size: Size) -> usize {
        let at_end = self
            .cuts
            .iter()
            .find(|cut| cut.byte == end)
            .unwrap_or(&self.end)
            .tokens;
        let shared = self
            .cuts
            .iter()
            .filter(|cut| cut.byte < end && cut.tokens + size.overlap_tokens >= at_end);
        let best = |least: Level| shared.clone().find(|cut| cut.level >= least);
        let levels = match size.method {
            ChunkMethod::Fixed => [Level::Word, Level::Word, Level::Char],
            ChunkMethod::Paragraph => [Level::Paragraph, Level::Sentence, Level::Word],
            ChunkMethod::Recursive => [Level::Sentence, Level::Word, Level::Char],
        };
        let start = levels.into_iter().find_map(best);
        start.map_or(end, |cut| cut.byte)
    }
}

/// The chars before the one looked at, as far as they matter.
#[derive(Default)]
struct Before {
    char: Option<char>,
    /// The last char that was neither white space nor a closing quote or bracket.
    solid: Option<char>,
    /// Line ends since the last char that is not white space.
    line_ends: usize,
}

impl Before {
    fn push(&mut self, char: char) {
        if char == '\n' {
            self.line_ends += 1;
        } else if !char.is_whitespace() {
            self.line_ends = 0;
            if !matches!(
                char,
                '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』' | '）'
            ) {
                self.solid = Some(char);
            }
        }
        self.char = Some(char);
    }

    /// What kind of place it is before `next`.
    fn level(&self, next: char) -> Option<Level> {
        let last = self.char?;
        if next.is_whitespace() {
            return None;
        }
        let wide_end = matches!(last, '。' | '！' | '？' | '．' | '…');
        if !last.is_whitespace() {
            // Not before a mark: it belongs to the char that it follows.
            return if wide_end {
                next.is_alphanumeric().then_some(Level::Sentence)
            } else {
                next.is_alphanumeric().then_some(Level::Char)
            };
        }
        Some(match self.line_ends {
            0 if self
                .solid
                .is_some_and(|solid| ".!?…。！？;".contains(solid)) =>
            {
                Level::Sentence
            }
            0 => Level::Word,
            1 => Level::Line,
            _ => Level::Paragraph,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::Estimate;
    use super::*;

    fn cut_by(method: ChunkMethod, text: &str, max_tokens: u32, overlap_tokens: u32) -> Vec<&str> {
        let settings = ChunkingSettings {
            method,
            max_tokens,
            overlap_tokens,
        };
        let size = Size::of(&settings).unwrap();
        passages(text, 0..text.len(), size, &Estimate)
            .into_iter()
            .map(|passage| &text[passage.range])
            .collect()
    }

    fn cut(text: &str, max_tokens: u32, overlap_tokens: u32) -> Vec<&str> {
        cut_by(ChunkMethod::Recursive, text, max_tokens, overlap_tokens)
    }

    #[test]
    fn fixed_passages_are_as_full_as_words_allow() {
        assert_eq!(
            cut_by(ChunkMethod::Fixed, "a b. c d e\n\nf g h", 6, 2),
            ["a b. c d e", "d e\n\nf g h"]
        );
    }

    #[test]
    fn paragraphs_stay_whole_if_they_can() {
        assert_eq!(
            cut_by(
                ChunkMethod::Paragraph,
                "a\n\nb c\n\nd e f g h i\n\nj k l. m n o p q",
                6,
                0
            ),
            ["a\n\nb c", "d e f g h i", "j k l.", "m n o p q"]
        );
        assert_eq!(
            cut_by(ChunkMethod::Paragraph, "a b\n\nc d\n\ne f g h", 6, 2),
            ["a b\n\nc d", "c d\n\ne f g h"]
        );
    }

    #[test]
    fn cuts_fall_on_the_best_boundary() {
        assert_eq!(cut("a b c d\n\ne f g h", 6, 0), ["a b c d", "e f g h"]);
        assert_eq!(cut("a b c d\ne f g h", 6, 0), ["a b c d", "e f g h"]);
        assert_eq!(cut("a b c. d e f.", 6, 0), ["a b c.", "d e f."]);
        assert_eq!(cut("a b c d e f", 4, 0), ["a b c d", "e f"]);
        assert_eq!(
            cut("営業時間。返品可能。", 6, 0),
            ["営業時間。", "返品可能。"]
        );
        assert_eq!(cut("営業時間返品可能", 5, 0), ["営業時間返", "品可能"]);
    }

    #[test]
    fn a_far_boundary_does_not_make_tiny_passages() {
        assert_eq!(cut("a\n\nb c d e f g h", 6, 0), ["a\n\nb c d e f", "g h"]);
    }

    #[test]
    fn the_overlap_starts_at_a_sentence_if_it_can() {
        assert_eq!(
            cut("a b c. d e. f g h i.", 7, 3),
            ["a b c. d e.", "d e. f g h", "f g h i."]
        );
        assert_eq!(cut("a b c d e f", 4, 2), ["a b c d", "c d e f"]);
    }
}
