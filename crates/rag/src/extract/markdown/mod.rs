//! Markdown.

mod tables;

use super::assembly::Assembly;
use super::progress::Watch;
use super::{ExtractError, Extracted, MediaType};

/// Reads Markdown: the text stays as it is written but for tables, whose rows get the names of
/// their columns; headings are noted, front matter is left out but for its title and author.
/// Without a title there, the first heading of level 1 is it.
pub(super) fn read(source: &str, watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    let mut assembly = Assembly::new(MediaType::Markdown, watch);
    let source = source.replace("\r\n", "\n");
    let (front, body) = split_front_matter(&source);
    assembly.push(&tables::rewrite(body));
    let headings = headings(assembly.text());
    let first = headings.iter().find(|heading| heading.level == 1);
    assembly.title(front_value(front, "title").or(first.map(|heading| heading.text.as_str())));
    assembly.author(front_value(front, "author"));
    for heading in &headings {
        assembly.mark_heading(heading.level, &heading.text, heading.start);
    }
    assembly.finish()
}

/// Parts YAML between two lines of `---` at the very start from the rest.
fn split_front_matter(source: &str) -> (&str, &str) {
    let Some(rest) = source.strip_prefix("---\n") else {
        return ("", source);
    };
    match rest.split_once("\n---\n") {
        // A first line without a colon is a text between two rules.
        Some((front, body)) if front.lines().next().is_some_and(|line| line.contains(':')) => {
            (front, body)
        }
        _ => ("", source),
    }
}

/// The value of a top-level `key: value` line.
fn front_value<'a>(front: &'a str, key: &str) -> Option<&'a str> {
    front.lines().find_map(|line| {
        let value = line.strip_prefix(key)?.strip_prefix(':')?.trim();
        Some(value.trim_matches(['"', '\'']))
    })
}

struct Heading {
    level: u8,
    text: String,
    start: usize,
}

/// Finds `# ATX` and underlined (setext) headings outside of code.
fn headings(text: &str) -> Vec<Heading> {
    let mut found = Vec::new();
    let mut fence = Fence::default();
    // The line before, if it can be the words of an underlined heading.
    let mut paragraph: Option<(usize, &str)> = None;
    let mut start = 0;
    for line in text.split('\n') {
        let trimmed = line.trim();
        let indent = line.len() - line.trim_start_matches(' ').len();
        let was = paragraph.take();
        if !fence.passes(line) && indent < 4 {
            if let Some((level, words)) = atx(trimmed) {
                found.push(Heading {
                    level,
                    text: words.to_owned(),
                    start,
                });
            } else if let (Some((at, words)), Some(level)) = (was, underline(trimmed)) {
                found.push(Heading {
                    level,
                    text: words.to_owned(),
                    start: at,
                });
            } else if is_paragraph(trimmed) {
                paragraph = Some((start, trimmed));
            }
        }
        start += line.chars().count() + 1;
    }
    found
}

/// Whether lines are code.
#[derive(Default)]
struct Fence {
    /// The mark that opened the block.
    open: Option<String>,
}

impl Fence {
    /// Takes the next line; tells whether it is code, or a mark around code.
    fn passes(&mut self, line: &str) -> bool {
        let trimmed = line.trim();
        let is_indented = line.starts_with("    ");
        if let Some(open) = &self.open {
            let is_mark = !is_indented
                && trimmed.starts_with(open)
                && trimmed.trim_start_matches(&open[..1]).is_empty();
            if is_mark {
                self.open = None;
            }
            return true;
        }
        if !is_indented {
            self.open = fence_of(trimmed).map(str::to_owned);
        }
        self.open.is_some()
    }
}

/// The run of backticks or tildes that opens a code block.
fn fence_of(line: &str) -> Option<&str> {
    ["`", "~"].into_iter().find_map(|mark| {
        let rest = line.trim_start_matches(mark);
        let length = line.len() - rest.len();
        (length >= 3 && !(mark == "`" && rest.contains('`'))).then(|| &line[..length])
    })
}

fn atx(line: &str) -> Option<(u8, &str)> {
    let rest = line.trim_start_matches('#');
    let level = u8::try_from(line.len() - rest.len()).ok()?;
    if !(1..=6).contains(&level) || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let rest = rest.trim();
    // Closing marks count as such only after a space.
    let words = rest.trim_end_matches('#');
    let closed = words.is_empty() || words.ends_with([' ', '\t']);
    Some((level, if closed { words.trim_end() } else { rest }))
}

fn underline(line: &str) -> Option<u8> {
    let first = line.chars().next()?;
    let level = match first {
        '=' => 1,
        '-' => 2,
        _ => return None,
    };
    line.chars().all(|char| char == first).then_some(level)
}

/// Whether a line can be the words of an underlined heading: no list, quote, table or rule.
fn is_paragraph(line: &str) -> bool {
    let list = ["- ", "* ", "+ ", "> ", "|"]
        .iter()
        .any(|mark| line.starts_with(mark));
    !line.is_empty() && !list && line.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Extracted {
        super::read(text, Watch::unseen()).unwrap()
    }

    fn found(text: &str) -> Vec<(u8, String)> {
        let extracted = read(text);
        let chars: Vec<char> = extracted.text.chars().collect();
        for heading in &extracted.headings {
            let rest: String = chars[heading.start..].iter().collect();
            let line = rest.lines().next().unwrap();
            assert!(line.contains(&heading.text), "{line} / {}", heading.text);
        }
        let headings = extracted.headings.into_iter();
        headings
            .map(|heading| (heading.level, heading.text))
            .collect()
    }

    #[test]
    fn both_forms_of_headings_are_found() {
        let text =
            "Größe\n=====\n\nText.\r\n\r\n## Maße ##\r\nmore\n\nHinweis\n---\n\n### C#\n#hashtag\n";
        assert_eq!(
            found(text),
            [
                (1, "Größe".to_owned()),
                (2, "Maße".to_owned()),
                (2, "Hinweis".to_owned()),
                (3, "C#".to_owned()),
            ]
        );
    }

    #[test]
    fn code_lists_tables_and_rules_are_no_headings() {
        let text = "```sh\n# a comment\n```\n\n~~~~\n# one\n~~~\n# two\n~~~~\n\n    # indented\n\n\
                    - item\n---\n\n| a |\n|---|\n\ntext\n\n---\n";
        assert_eq!(found(text), []);
    }

    #[test]
    fn front_matter_gives_title_and_author_and_goes() {
        let extracted =
            read("---\ntitle: \"House rules\"\nauthor: Ada\n---\n# Rules\n\nBe kind.\n");
        assert_eq!(extracted.title.as_deref(), Some("House rules"));
        assert_eq!(extracted.author.as_deref(), Some("Ada"));
        assert_eq!(extracted.text, "# Rules\n\nBe kind.\n");
    }

    #[test]
    fn a_rule_at_the_start_is_no_front_matter() {
        let extracted = read("---\nHello\n---\nworld\n");
        assert!(extracted.text.contains("Hello"));
    }

    #[test]
    fn the_first_heading_is_the_title() {
        assert_eq!(read("## Two\n# One\n").title.as_deref(), Some("One"));
        assert_eq!(read("words").title, None);
    }
}
