/// Turns Markdown into WhatsApp's own markup: bold and struck-out words, headings, links, bullets.
///
/// Code, fenced or inline, is left as it is, and so is everything else.
pub fn to_markup(markdown: &str) -> String {
    let mut is_fenced = false;
    let mut lines: Vec<String> = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
            // WhatsApp would show the language's name as code.
            let indent = line.len() - line.trim_start().len();
            let rest = line.trim_start().trim_start_matches('`');
            let is_name = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric());
            let end = if is_fenced && is_name {
                line.len() - rest.len()
            } else {
                line.len()
            };
            lines.push(line[indent..end].to_owned());
        } else if is_fenced {
            lines.push(line.to_owned());
        } else {
            lines.push(line_to_markup(line));
        }
    }
    lines.join("\n")
}

fn line_to_markup(line: &str) -> String {
    let trimmed = line.trim_start();
    let indent = &line[..line.len() - trimmed.len()];
    if let Some(heading) = heading(trimmed) {
        let words = words_to_markup(heading).replace('*', "");
        return format!("*{words}*");
    }
    if let Some(item) = trimmed
        .strip_prefix("* ")
        .or_else(|| trimmed.strip_prefix("+ "))
    {
        return format!("{indent}- {}", words_to_markup(item));
    }
    format!("{indent}{}", words_to_markup(trimmed))
}

fn heading(line: &str) -> Option<&str> {
    let words = line.trim_start_matches('#');
    let level = line.len() - words.len();
    let words = words
        .strip_prefix(' ')?
        .trim()
        .trim_end_matches('#')
        .trim_end();
    ((1..=6).contains(&level) && !words.is_empty()).then_some(words)
}

fn words_to_markup(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        if let Some((converted, length)) = span(rest) {
            out.push_str(&converted);
            rest = &rest[length..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

/// The span that `text` starts with, converted, and its length in bytes before.
fn span(text: &str) -> Option<(String, usize)> {
    if let Some(after) = text.strip_prefix('`') {
        let length = after.find('`')? + 2;
        return Some((text[..length].to_owned(), length));
    }
    for (mark, ours) in [("**", "*"), ("__", "*"), ("~~", "~")] {
        if let Some(after) = text.strip_prefix(mark) {
            let end = after.find(mark)?;
            let words = &after[..end];
            if words.is_empty() || words.trim() != words {
                return None;
            }
            let inner = words_to_markup(words);
            return Some((format!("{ours}{inner}{ours}"), end + 2 * mark.len()));
        }
    }
    link(text)
}

/// The link or picture that `text` starts with, as its words and its address.
fn link(text: &str) -> Option<(String, usize)> {
    let after = text.strip_prefix("![").or_else(|| text.strip_prefix('['))?;
    let close = after.find("](")?;
    let words = &after[..close];
    if words.contains(['[', ']']) {
        return None;
    }
    let address = &after[close + 2..];
    let end = address.find(')')?;
    let target = address[..end].split_whitespace().next()?;
    let length = text.len() - after.len() + close + 2 + end + 1;
    if words.is_empty() || words == target {
        return Some((target.to_owned(), length));
    }
    Some((format!("{} ({target})", words_to_markup(words)), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_whatsapp_markup() {
        let cases = [
            ("plain text", "plain text"),
            ("a **bold** word", "a *bold* word"),
            ("a __bold__ word, ~~gone~~", "a *bold* word, ~gone~"),
            ("# Opening **hours**", "*Opening hours*"),
            ("### Deep ###", "*Deep*"),
            (
                "see [our page](https://x.example/a)",
                "see our page (https://x.example/a)",
            ),
            (
                "[**us**](https://x.example \"title\")",
                "*us* (https://x.example)",
            ),
            ("![](https://x.example/i.png)", "https://x.example/i.png"),
            ("* one\n  * two\n- three", "- one\n  - two\n- three"),
            ("`**code**` stays", "`**code**` stays"),
            ("```rust\nlet a = **b;\n```", "```\nlet a = **b;\n```"),
            ("#hashtag", "#hashtag"),
            ("2 ** 3 ** 4", "2 ** 3 ** 4"),
            ("**open [x](y", "**open [x](y"),
            ("[1] and (2)", "[1] and (2)"),
            ("größe **ä**", "größe *ä*"),
            ("", ""),
        ];
        for (markdown, markup) in cases {
            assert_eq!(to_markup(markdown), markup);
        }
    }

    #[test]
    fn hostile_markdown_takes_linear_room() {
        let text = "**[`".repeat(2000);
        assert!(to_markup(&text).len() <= text.len());
    }
}
