use std::borrow::Cow;

/// More characters than the label of a link has.
const LABEL_CHARS: usize = 1000;

/// Keeps `[1]: words` a line of text, where Markdown would take it for the address of a `[1]`
/// elsewhere and show neither; also in quotes and lists, and where the label is two lines long.
pub(super) fn kept_as_text(markdown: &str) -> Cow<'_, str> {
    let mut is_fenced = false;
    let mut found = Vec::new();
    let mut before = 0;
    for line in markdown.split_inclusive('\n') {
        before += line.len();
        let words = behind_marks(line);
        if words.starts_with("```") || words.starts_with("~~~") {
            is_fenced = !is_fenced;
        }
        let start = before - words.len();
        if !is_fenced && !words.is_empty() && is_definition(&markdown[start..]) {
            found.push(start);
        }
    }
    if found.is_empty() {
        return Cow::Borrowed(markdown);
    }
    let mut text = String::with_capacity(markdown.len() + found.len());
    let mut from = 0;
    for start in found {
        text.push_str(&markdown[from..start]);
        text.push('\\');
        from = start;
    }
    text.push_str(&markdown[from..]);
    Cow::Owned(text)
}

/// What stands on a line behind the marks of quotes and lists.
fn behind_marks(line: &str) -> &str {
    let mut rest = line.trim_start();
    loop {
        let is_apart = |words: &&str| words.starts_with(char::is_whitespace);
        let number = rest.trim_start_matches(|char: char| char.is_ascii_digit());
        let quote = rest.strip_prefix('>');
        let bullet = rest.strip_prefix(['-', '*', '+']).filter(is_apart);
        let item = number.strip_prefix(['.', ')']).filter(is_apart);
        let item = item.filter(|_| number.len() < rest.len());
        match quote.or(bullet).or(item) {
            Some(words) => rest = words.trim_start(),
            None => return rest,
        }
    }
}

/// Whether a text begins with a label and a colon.
fn is_definition(text: &str) -> bool {
    let Some(label) = text.strip_prefix('[') else {
        return false;
    };
    let mut is_escaped = false;
    let end = label.char_indices().take(LABEL_CHARS).find(|(_, char)| {
        let is_end = *char == ']' && !is_escaped;
        is_escaped = *char == '\\' && !is_escaped;
        is_end
    });
    end.is_some_and(|(at, _)| label[at..].starts_with("]:"))
}
