use domain::Source;

/// What contacts see of the sources of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Citations {
    /// The numbers stay, and a list below says what they stand for.
    #[default]
    Listed,
    /// Neither: the numbers are taken out.
    Hidden,
    /// The numbers stay and the sources are shown beside the answer, by other means.
    Beside,
}

/// The longest title that is listed, in characters.
const MAX_TITLE_CHARS: usize = 80;

/// Adds to an answer in Markdown what it rests on, or takes the numbers out.
///
/// A number in square brackets counts as a citation where `sources` has it: `[1]`, `[2, 3]`. The
/// list names only those that the answer cites, in the order of `sources`, and has no heading, which
/// would be in one language.
pub fn cite(markdown: &str, sources: &[Source], citations: Citations) -> String {
    match citations {
        Citations::Beside => markdown.to_owned(),
        Citations::Hidden => without_numbers(markdown, sources),
        Citations::Listed => with_list(markdown, sources),
    }
}

fn with_list(markdown: &str, sources: &[Source]) -> String {
    let mut cited: Vec<u32> = Vec::new();
    let mut rest = markdown;
    while let Some((_, numbers, after)) = next_citation(rest, sources) {
        cited.extend(numbers);
        rest = after;
    }
    let lines: Vec<String> = sources
        .iter()
        .filter(|source| cited.contains(&source.number))
        .map(line_of)
        .collect();
    if lines.is_empty() {
        return markdown.to_owned();
    }
    format!("{}\n\n{}", markdown.trim_end(), lines.join("\n"))
}

fn line_of(source: &Source) -> String {
    let title: String = source
        .title
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(MAX_TITLE_CHARS)
        .collect();
    let mut line = format!("\\[{}\\] ", source.number);
    for character in title.chars() {
        if "\\`*_[]<>~#|!&".contains(character) {
            line.push('\\');
        }
        line.push(character);
    }
    match source.page {
        Some(page) => format!("{line}, p. {page}"),
        None => line,
    }
}

fn without_numbers(markdown: &str, sources: &[Source]) -> String {
    let mut out = String::with_capacity(markdown.len());
    let mut rest = markdown;
    while let Some((before, _, after)) = next_citation(rest, sources) {
        let is_at_end = !after.starts_with(|next: char| next.is_alphanumeric());
        let before = if is_at_end {
            before.trim_end_matches(' ')
        } else {
            before
        };
        out.push_str(before);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The text before the next citation, its numbers, and the text after it.
fn next_citation<'a>(text: &'a str, sources: &[Source]) -> Option<(&'a str, Vec<u32>, &'a str)> {
    let mut from = 0;
    loop {
        let open = from + text.get(from..)?.find('[')?;
        // Only what a list of numbers can be made of is looked at, so this stays linear.
        let inside = &text[open + 1..];
        let length = inside
            .bytes()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b',' | b' '))?;
        from = open + 1 + length;
        let Some(after) = inside[length..].strip_prefix(']') else {
            continue;
        };
        let numbers: Option<Vec<u32>> = inside[..length]
            .split(',')
            .map(|number| {
                let number = number.trim().parse().ok()?;
                let is_known = sources.iter().any(|source| source.number == number);
                is_known.then_some(number)
            })
            .collect();
        match numbers {
            Some(numbers) if !after.starts_with('(') => {
                return Some((&text[..open], numbers, after));
            }
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{ChunkId, DocumentId};

    use super::*;
    use crate::{Markup, to_markup};

    fn source(number: u32, title: &str, page: Option<i32>) -> Source {
        Source {
            number,
            document_id: DocumentId::new(),
            chunk_id: ChunkId::new(),
            title: title.to_owned(),
            page,
            heading: None,
            score: 0.5,
            excerpt: String::new(),
        }
    }

    fn sources() -> [Source; 3] {
        [
            source(1, "Returns", Some(3)),
            source(2, "price_list *new*.xlsx", None),
            source(3, "Never cited", None),
        ]
    }

    #[test]
    fn cited_sources_are_listed_below() {
        let answer = cite("Within **30** days [1][2].", &sources(), Citations::Listed);
        assert_eq!(
            to_markup(Markup::Whatsapp, &answer),
            "Within *30* days [1][2].\n\n[1] Returns, p. 3\n[2] price_list *new*.xlsx"
        );
        assert_eq!(
            to_markup(Markup::Plain, &answer),
            "Within 30 days [1][2].\n\n[1] Returns, p. 3\n[2] price_list *new*.xlsx"
        );
        let both = cite("So [1, 2]", &sources(), Citations::Listed);
        assert_eq!(both.lines().count(), 4);
    }

    #[test]
    fn numbers_that_are_no_citation_stay() {
        for text in [
            "a[9]",
            "[1](https://x.example)",
            "[1",
            "[]",
            "[a]",
            "[,]",
            "x [1 ] [ 9]",
        ] {
            let hidden = cite(text, &sources()[1..], Citations::Hidden);
            assert_eq!(hidden, text);
            assert_eq!(cite(text, &sources()[1..], Citations::Listed), text);
        }
    }

    #[test]
    fn hidden_numbers_leave_no_gap() {
        let hidden = |text| cite(text, &sources(), Citations::Hidden);
        assert_eq!(hidden("In 30 days [1][2]. Yes [3]"), "In 30 days. Yes");
        assert_eq!(hidden("See [1, 2] for it"), "See for it");
        assert_eq!(hidden("ä[1]ö"), "äö");
        let beside = cite("So [1].", &sources(), Citations::Beside);
        assert_eq!(beside, "So [1].");
    }

    #[test]
    fn hostile_brackets_take_linear_time() {
        let text = "[1".repeat(200_000);
        assert_eq!(cite(&text, &sources(), Citations::Hidden), text);
    }
}
