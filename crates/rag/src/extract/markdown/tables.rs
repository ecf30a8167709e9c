use std::borrow::Cow;

use super::super::table::{Cell, line_of, one_line};

/// Rewrites the tables of a text so that each row carries the names of its columns: a passage that
/// starts in the middle of a table is understood too.
pub(super) fn rewrite(text: &str) -> Cow<'_, str> {
    if !text.contains('|') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut names: Option<Vec<String>> = None;
    let mut fence = super::Fence::default();
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let is_code = fence.passes(line);
        if is_code || !line.contains('|') {
            names = None;
            out.push_str(line);
            continue;
        }
        let end = if line.ends_with('\n') { "\n" } else { "" };
        if let Some(names) = &names {
            out.push_str(&line_of(names, &filled(&cells(line))));
            out.push_str(end);
        } else if lines.peek().is_some_and(|next| is_rule(next)) {
            let header: Vec<String> = cells(line).iter().map(|name| one_line(name)).collect();
            out.push_str(&line_of(&[], &filled(&header)));
            out.push('\n');
            lines.next();
            names = Some(header);
        } else {
            out.push_str(line);
        }
    }
    Cow::Owned(out)
}

/// The line below the names: dashes and colons between bars.
fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.contains('|')
        && line.contains('-')
        && line
            .chars()
            .all(|char| matches!(char, '|' | '-' | ':' | ' ' | '\t'))
}

/// The cells of a line; a bar behind a backslash is no end.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let mut is_escaped = false;
    for char in line.strip_prefix('|').unwrap_or(line).chars() {
        match char {
            '|' if !is_escaped => cells.push(std::mem::take(&mut cell)),
            '\\' if !is_escaped => {
                is_escaped = true;
                continue;
            }
            _ => {
                if is_escaped && char != '|' {
                    cell.push('\\');
                }
                cell.push(char);
            }
        }
        is_escaped = false;
    }
    if !cell.trim().is_empty() {
        cells.push(cell);
    }
    cells
}

fn filled(cells: &[String]) -> Vec<Cell> {
    let cells = cells.iter().enumerate();
    cells
        .map(|(column, text)| Cell::untyped(column, text))
        .filter(|cell| !cell.text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_carry_the_names_of_their_columns() {
        let text =
            "Prices:\n\n| Tea | Price |\n|:---|---:|\n| Green \\| white | 4 |\n| Black | |\n\nEnd.";
        assert_eq!(
            rewrite(text),
            "Prices:\n\nTea | Price\nTea: Green | white | Price: 4\nTea: Black\n\nEnd."
        );
        assert_eq!(rewrite("a | b\n--|--\n1 | 2"), "a | b\na: 1 | b: 2");
    }

    #[test]
    fn bars_elsewhere_are_no_tables() {
        for text in [
            "a | b\nc | d\n",
            "```\n| a | b |\n|---|---|\n| 1 | 2 |\n```\n",
            "no bars",
        ] {
            assert_eq!(rewrite(text), text);
        }
    }
}
