//! Comma-separated values, whatever separates them.

use csv::{ReaderBuilder, StringRecord, Trim};

use super::assembly::Assembly;
use super::progress::Watch;
use super::table::{Cell, Header, Table};
use super::{ExtractError, Extracted, MediaType, Unit, workbook};

/// How many lines tell what separates their values.
const SAMPLE_LINES: usize = 50;
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const REPORT_ROWS: u64 = 1024;

/// Reads a table of which each line is a row; the first one names the columns if it looks so.
pub(super) fn read(source: &str, watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    let mut assembly = Assembly::new(MediaType::Csv, watch);
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(source))
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(source.as_bytes());
    let mut table = Table::new(Header::Unknown);
    let mut record = StringRecord::new();
    let (mut rows, mut cells) = (0_u64, workbook::CellCount::default());
    while reader
        .read_record(&mut record)
        .map_err(|_| ExtractError::Damaged)?
    {
        let row: Vec<Cell> = record
            .iter()
            .enumerate()
            .filter(|(_, text)| !text.is_empty())
            .map(|(column, text)| Cell::untyped(column, text))
            .collect();
        cells.add(row.len())?;
        table.row(&mut assembly, row);
        rows += 1;
        if rows.is_multiple_of(REPORT_ROWS) {
            let total = u64::try_from(source.len()).ok();
            assembly.at(Unit::Bytes, reader.position().byte(), total);
        }
        if assembly.is_full() {
            break;
        }
    }
    table.finish(&mut assembly);
    assembly.finish()
}

/// What separates values: what stands in most lines, and in each as often as in the others.
fn delimiter(source: &str) -> u8 {
    let lines: Vec<&str> = source
        .lines()
        .filter(|line| !line.trim().is_empty())
        .take(SAMPLE_LINES)
        .collect();
    let best = DELIMITERS.iter().max_by_key(|delimiter| {
        let counts: Vec<usize> = lines.iter().map(|line| count(line, **delimiter)).collect();
        let with = counts.iter().filter(|count| **count > 0).count();
        let usual = counts.iter().copied().max().unwrap_or_default();
        let alike = counts.iter().filter(|count| **count == usual).count();
        // The order of the list decides between equals, the first one wins.
        (with * (alike + 1), usual.min(1))
    });
    let is_there = |delimiter: &&u8| lines.iter().any(|line| count(line, **delimiter) > 0);
    best.copied()
        .filter(|delimiter| is_there(&delimiter))
        .unwrap_or(b',')
}

/// How often a delimiter stands in a line outside of quotes.
fn count(line: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    line.bytes()
        .filter(|byte| {
            quoted ^= *byte == b'"';
            !quoted && *byte == delimiter
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> String {
        read(source, Watch::unseen()).unwrap().text
    }

    #[test]
    fn delimiters_are_found() {
        for (source, found) in [
            ("a,b;c\n1,2\n", b','),
            ("name;price\nTea;4,20\nMilk;1,10\n", b';'),
            ("a\tb\n1\t2,5\n", b'\t'),
            ("a|b|c\n1|2|3\n", b'|'),
            ("\"a;b\",c\n\"d;e\",f\n", b','),
            ("only words\nand more\n", b','),
        ] {
            assert_eq!(delimiter(source) as char, found as char, "{source}");
        }
    }

    #[test]
    fn rows_carry_the_names_of_their_columns() {
        assert_eq!(
            text("Tea;Gram;Price\n\"Green, \"\"Sencha\"\"\";100;4,20\nBlack;;3,90\n"),
            "Tea | Gram | Price\nTea: Green, \"Sencha\" | Gram: 100 | Price: 4,20\n\
             Tea: Black | Price: 3,90"
        );
    }

    #[test]
    fn ragged_rows_and_open_quotes_are_read() {
        assert_eq!(
            text("a,b\n1,2,3\n\"open,4\n"),
            "a | b\na: 1 | b: 2 | 3\na: open,4"
        );
    }
}
