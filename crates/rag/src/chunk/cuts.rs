use std::ops::Range;

use super::{ChunkSize, tokens};

/// Bytes of a passage per token allowed: only long runs of white space take more.
const BYTES_PER_TOKEN: usize = 24;

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

/// Cuts `section` of `text` into the byte ranges of passages, without white space around them.
///
/// Reads every char about twice, whatever the text looks like: a file without one line end or
/// space has to be cut in good time too.
pub(super) fn ranges(text: &str, section: Range<usize>, size: ChunkSize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = section.start;
    // Up to here everything stands in a passage.
    let mut done = section.start;
    loop {
        start += text[start..section.end].len() - text[start..section.end].trim_start().len();
        if start >= section.end {
            return ranges;
        }
        done = done.max(start);
        let reach = Reach::of(text, start..section.end, size.max_tokens);
        let end = reach.best(done, size.max_tokens);
        let part = text[start..end].trim_end();
        ranges.push(start..start + part.len());
        if end >= section.end {
            return ranges;
        }
        start = reach.overlap(end, size.overlap_tokens);
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
    fn of(text: &str, range: Range<usize>, max_tokens: usize) -> Self {
        let mut counter = tokens::Counter::default();
        let mut cuts = Vec::new();
        let mut before = Before::default();
        let mut end = Cut {
            byte: range.end,
            level: Level::Paragraph,
            tokens: 0,
        };
        for (at, char) in text[range.clone()].char_indices() {
            let byte = range.start + at;
            let tokens = counter.tokens();
            if let (Some(level), true) = (before.level(char), at > 0) {
                cuts.push(Cut {
                    byte,
                    level,
                    tokens,
                });
            }
            counter.push(char);
            // The first char always fits: a passage has to hold something.
            if at > 0 && (counter.tokens() > max_tokens || at > max_tokens * BYTES_PER_TOKEN) {
                end = Cut {
                    byte,
                    level: Level::Char,
                    tokens,
                };
                return Self {
                    cuts,
                    end,
                    all: false,
                };
            }
            before.push(char);
        }
        end.tokens = counter.tokens();
        Self {
            cuts,
            end,
            all: true,
        }
    }

    /// The end of the passage, behind `done`: the best place in its second half, the last of its
    /// kind.
    fn best(&self, done: usize, max_tokens: usize) -> usize {
        if self.all {
            return self.end.byte;
        }
        let enough = |cut: &&Cut| cut.byte > done && cut.tokens * 2 >= max_tokens;
        let best = self
            .cuts
            .iter()
            .filter(enough)
            .max_by_key(|cut| (cut.level, cut.byte));
        best.map_or(self.end.byte, |cut| cut.byte)
    }

    /// Where the next passage starts: at most `tokens` before `end`, at a sentence if one starts
    /// there, else at a word; at `end` if neither does.
    fn overlap(&self, end: usize, tokens: usize) -> usize {
        let at_end = self
            .cuts
            .iter()
            .find(|cut| cut.byte == end)
            .unwrap_or(&self.end)
            .tokens;
        let shared = self
            .cuts
            .iter()
            .filter(|cut| cut.byte < end && cut.tokens + tokens >= at_end);
        let best = |least: Level| shared.clone().find(|cut| cut.level >= least);
        best(Level::Sentence)
            .or_else(|| best(Level::Word))
            .or_else(|| best(Level::Char))
            .map_or(end, |cut| cut.byte)
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
                .is_some_and(|solid| ".!?…。！？:;".contains(solid)) =>
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
    use super::*;

    fn cut(text: &str, max_tokens: usize, overlap_tokens: usize) -> Vec<&str> {
        let size = ChunkSize {
            max_tokens,
            overlap_tokens,
        };
        let ranges = ranges(text, 0..text.len(), size);
        ranges.into_iter().map(|range| &text[range]).collect()
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
