//! Tables as lines that are understood alone: each value stands behind the name of its column.

use super::assembly::Assembly;

/// How many rows are looked at to see whether the first of them names the columns.
const LOOKAHEAD: usize = 16;
/// A longer text is no name of a column.
const NAME_CHARS: usize = 80;
/// Columns from this one on have no names: no workbook has them, but a file may say so.
const NAMED_COLUMNS: usize = 16_384;
/// What stands between the values of a row.
const SEPARATOR: &str = " | ";

/// A filled cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its column, from 0.
    pub(super) column: usize,
    /// What it shows.
    pub(super) text: String,
    /// Whether that is words, and neither a number, nor a date, nor a truth value.
    pub(super) is_words: bool,
}

impl Cell {
    /// A cell of a format that knows no types: what reads as a number is no words.
    pub(super) fn untyped(column: usize, text: &str) -> Self {
        let text = one_line(text);
        let is_words = !reads_as_number(&text);
        Self {
            column,
            text,
            is_words,
        }
    }

    /// A cell, whatever white space stands in it made one space.
    pub(super) fn new(column: usize, text: &str, is_words: bool) -> Self {
        Self {
            column,
            text: one_line(text),
            is_words,
        }
    }
}

/// What is known of a table's first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// It names the columns.
    Given,
    /// Its cells tell: names are words, not repeated, and in a table of two columns there have to
    /// be numbers below, since a list of terms looks the same.
    Unknown,
}

/// A table on its way into the text, row by row.
pub(super) struct Table {
    header: Header,
    /// The names of the columns, once known; empty: they have none.
    names: Option<Vec<String>>,
    /// The names above the last gap, which hold until others come.
    names_before: Vec<String>,
    /// Rows that wait for that.
    waiting: Vec<Vec<Cell>>,
    is_first_line: bool,
}

impl Table {
    pub(super) fn new(header: Header) -> Self {
        Self {
            header,
            names: None,
            names_before: Vec::new(),
            waiting: Vec::new(),
            is_first_line: true,
        }
    }

    /// Adds a row of filled cells, in the order of their columns.
    pub(super) fn row(&mut self, assembly: &mut Assembly<'_>, mut cells: Vec<Cell>) {
        cells.retain(|cell| !cell.text.is_empty());
        if cells.is_empty() {
            return;
        }
        if let Some(names) = &self.names {
            let line = line_of(names, &cells);
            return self.push(assembly, &line);
        }
        // What stands alone above a table is its title, not the name of a column.
        if cells.len() == 1 && self.waiting.is_empty() && self.header == Header::Unknown {
            let line = line_of(&[], &cells);
            return self.push(assembly, &line);
        }
        self.waiting.push(cells);
        if self.waiting.len() > LOOKAHEAD || self.header == Header::Given {
            self.settle(assembly);
        }
    }

    /// Says that what comes next may have other columns: an empty line stood between.
    pub(super) fn gap(&mut self, assembly: &mut Assembly<'_>) {
        self.settle(assembly);
        if let Some(names) = self.names.take().filter(|names| !names.is_empty()) {
            self.names_before = names;
        }
        self.is_first_line = true;
    }

    /// Adds what still waits.
    pub(super) fn finish(mut self, assembly: &mut Assembly<'_>) {
        self.settle(assembly);
    }

    fn settle(&mut self, assembly: &mut Assembly<'_>) {
        if self.names.is_some() || self.waiting.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.waiting);
        let mut names = self.names_in(&waiting);
        let mut rows = &waiting[..];
        if names.is_empty() {
            names.clone_from(&self.names_before);
        } else {
            self.push(assembly, &line_of(&[], &waiting[0]));
            rows = &waiting[1..];
        }
        for cells in rows {
            self.push(assembly, &line_of(&names, cells));
        }
        self.names = Some(names);
    }

    /// The names of the columns, if the first of the rows holds them.
    fn names_in(&self, rows: &[Vec<Cell>]) -> Vec<String> {
        let Some((first, rest)) = rows.split_first() else {
            return Vec::new();
        };
        let are_names = match self.header {
            Header::Given => self.names_before.is_empty(),
            Header::Unknown => look_like_names(first, rest, self.names_before.is_empty()),
        };
        let mut names = Vec::new();
        if are_names {
            for cell in first.iter().filter(|cell| cell.column < NAMED_COLUMNS) {
                names.resize(names.len().max(cell.column + 1), String::new());
                names[cell.column].clone_from(&cell.text);
            }
        }
        names
    }

    fn push(&mut self, assembly: &mut Assembly<'_>, line: &str) {
        if std::mem::take(&mut self.is_first_line) {
            assembly.push_block(line);
        } else {
            assembly.push_line(line);
        }
    }
}

/// Whether the cells of a first row name the columns of the rest; `is_first`: no other row has.
fn look_like_names(first: &[Cell], rest: &[Vec<Cell>], is_first: bool) -> bool {
    let widest = rest.iter().map(Vec::len).max().unwrap_or_default();
    let mut texts: Vec<&str> = first.iter().map(|cell| cell.text.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    let are_distinct_words = texts.len() == first.len()
        && first.iter().any(|cell| cell.is_words)
        && first.iter().all(may_be_name);
    let numbers_below = rest.iter().flatten().any(|cell| !cell.is_words);
    first.len() >= 2
        && are_distinct_words
        && first.len() * 2 > widest
        && !rest.is_empty()
        && (numbers_below || (is_first && first.len() > 2))
}

/// Whether a cell may name a column: short words, or a year among others.
fn may_be_name(cell: &Cell) -> bool {
    let year = cell
        .text
        .parse()
        .is_ok_and(|year: u32| (1900..2100).contains(&year));
    (cell.is_words || year) && cell.text.chars().count() <= NAME_CHARS
}

/// A row as a line; `names` are those of the columns, as far as they have any.
pub(super) fn line_of(names: &[String], cells: &[Cell]) -> String {
    let mut line = String::new();
    for cell in cells {
        if !line.is_empty() {
            line.push_str(SEPARATOR);
        }
        if let Some(name) = names.get(cell.column).filter(|name| !name.is_empty()) {
            line.push_str(name);
            line.push_str(if name.ends_with(':') { " " } else { ": " });
        }
        line.push_str(&cell.text);
    }
    line
}

/// White space made single spaces, and none at the ends.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Whether a text is a number, a sum of money, a share or a date, as people write them. What has a
/// digit right behind a letter is a name: `Q1`.
fn reads_as_number(text: &str) -> bool {
    let letters = text.chars().filter(|char| char.is_alphabetic()).count();
    let has_digits = text.chars().any(|char| char.is_ascii_digit());
    let mut before = ' ';
    let is_name = text.chars().any(|char| {
        let after_letter = std::mem::replace(&mut before, char).is_alphabetic();
        after_letter && char.is_ascii_digit()
    });
    has_digits && letters <= 3 && !is_name
}

#[cfg(test)]
mod tests {
    use super::super::MediaType;
    use super::super::progress::Watch;
    use super::*;

    fn lines(header: Header, rows: &[&[&str]]) -> Vec<String> {
        let mut assembly = Assembly::new(MediaType::Csv, Watch::unseen());
        let mut table = Table::new(header);
        for row in rows {
            if row.is_empty() {
                table.gap(&mut assembly);
            }
            let cells = row
                .iter()
                .enumerate()
                .map(|(column, text)| Cell::untyped(column, text));
            table.row(&mut assembly, cells.collect());
        }
        table.finish(&mut assembly);
        let text = assembly.finish().unwrap().text;
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_row_carries_the_names_of_its_columns() {
        assert_eq!(
            lines(
                Header::Unknown,
                &[
                    &["Prices 2026"],
                    &["Tea", "Gram", "Price"],
                    &["Green", "100", "4.20 €"],
                    &["Black", "", "3\n.90 €"],
                ]
            ),
            [
                "Prices 2026",
                "Tea | Gram | Price",
                "Tea: Green | Gram: 100 | Price: 4.20 €",
                "Tea: Black | Price: 3 .90 €",
            ]
        );
    }

    #[test]
    fn a_list_of_terms_has_no_header() {
        let rows: [&[&str]; 2] = [&["Returns", "within a month"], &["Delivery", "two days"]];
        assert_eq!(
            lines(Header::Unknown, &rows),
            ["Returns | within a month", "Delivery | two days"]
        );
        assert_eq!(
            lines(Header::Given, &rows),
            [
                "Returns | within a month",
                "Returns: Delivery | within a month: two days"
            ]
        );
    }

    #[test]
    fn numbers_repeated_names_and_single_rows_are_no_header() {
        assert_eq!(
            lines(Header::Unknown, &[&["1", "2", "3"], &["4", "5", "6"]])[0],
            "1 | 2 | 3"
        );
        assert_eq!(
            lines(Header::Unknown, &[&["a", "a", "b"], &["4", "5", "6"]])[1],
            "4 | 5 | 6"
        );
        assert_eq!(lines(Header::Unknown, &[&["a", "b", "c"]]), ["a | b | c"]);
        assert_eq!(
            lines(
                Header::Unknown,
                &[&["Tea", "2025", "2026"], &["Green", "4", "5"]]
            )[1],
            "Tea: Green | 2025: 4 | 2026: 5"
        );
    }

    #[test]
    fn names_hold_over_a_gap() {
        let rows: [&[&str]; 4] = [&["Tea", "Gram"], &["Green", "100"], &[], &["Black", "50"]];
        assert_eq!(
            lines(Header::Unknown, &rows),
            [
                "Tea | Gram",
                "Tea: Green | Gram: 100",
                "",
                "Tea: Black | Gram: 50"
            ]
        );
        let rows: [&[&str]; 5] = [
            &["Tea", "Gram"],
            &["Green", "100"],
            &[],
            &["City", "Day"],
            &["Bern", "3"],
        ];
        let found = lines(Header::Unknown, &rows);
        assert_eq!(found[3..], ["City | Day", "City: Bern | Day: 3"]);
    }

    #[test]
    fn amounts_and_dates_are_no_words() {
        for text in [
            "12",
            "-3.5",
            "1.234,50 €",
            "19 %",
            "2026-11-26",
            "4 kg",
            "EUR 12",
        ] {
            assert!(reads_as_number(text), "{text}");
        }
        for text in ["Tea", "Q1", "Gate A1", "Form 12 for parcels", "", "—"] {
            assert!(!reads_as_number(text), "{text}");
        }
    }

    /// A list of names up to there would take a hundred gigabytes.
    #[test]
    fn a_column_that_no_table_has_is_read_without_its_name() {
        let far = usize::try_from(u32::MAX).unwrap();
        let row = |texts: [&str; 3]| {
            let columns = [0, 1, far];
            let cells = columns.into_iter().zip(texts);
            cells
                .map(|(column, text)| Cell::untyped(column, text))
                .collect()
        };
        let mut assembly = Assembly::new(MediaType::Ods, Watch::unseen());
        let mut table = Table::new(Header::Unknown);
        table.row(&mut assembly, row(["Kind", "Price", "Far"]));
        table.row(&mut assembly, row(["Assam", "12", "7"]));
        table.finish(&mut assembly);
        let text = assembly.finish().unwrap().text;
        assert_eq!(text, "Kind | Price | Far\nKind: Assam | Price: 12 | 7");
    }
}
