//! Excel workbooks.

use std::fmt::Write as _;
use std::io::Cursor;

use calamine::{
    Data, DataRef, Dimensions, ExcelDateTime, Reader as _, Sheet, SheetType, SheetVisible, Xls,
    XlsError, Xlsx, XlsxError,
};

use super::archive::Archive;
use super::assembly::Assembly;
use super::progress::Watch;
use super::table::{Cell, Header, Table};
use super::{ExtractError, Extracted, MediaType, Unit, ooxml};

/// The most filled cells of a file; [`ExtractError::TooManyCells`] names the number.
const CELLS: usize = 5_000_000;
/// More merged cells of a sheet are not looked at.
const MERGED: usize = 10_000;
const REPORT_ROWS: u64 = 1024;
const SECONDS_OF_DAY: f64 = 86_400.0;

/// Counts filled cells up to the limit.
#[derive(Default)]
pub(super) struct CellCount(usize);

impl CellCount {
    /// Adds `cells`.
    ///
    /// # Errors
    /// [`ExtractError::TooManyCells`].
    pub(super) fn add(&mut self, cells: usize) -> Result<(), ExtractError> {
        self.0 = self.0.saturating_add(cells);
        if self.0 > CELLS {
            return Err(ExtractError::TooManyCells);
        }
        Ok(())
    }
}

/// A sheet on its way into the text: takes cells in the order of rows.
pub(super) struct SheetWriter<'a, 'b> {
    assembly: &'a mut Assembly<'b>,
    /// Its name, until a row is written below it.
    name: Option<String>,
    table: Table,
    count: &'a mut CellCount,
    merged: Merged,
    row: u32,
    cells: Vec<Cell>,
    rows: u64,
}

impl<'a, 'b> SheetWriter<'a, 'b> {
    /// Starts a sheet, whose name is a heading of level 1; one without cells leaves nothing.
    pub(super) fn new(
        assembly: &'a mut Assembly<'b>,
        count: &'a mut CellCount,
        name: &str,
        merged: Vec<Dimensions>,
    ) -> Self {
        Self {
            assembly,
            name: Some(name.to_owned()),
            table: Table::new(Header::Unknown),
            count,
            merged: Merged::new(merged),
            row: 0,
            cells: Vec::new(),
            rows: 0,
        }
    }

    /// Says that these cells are one.
    pub(super) fn merge(&mut self, area: Dimensions) {
        self.merged.add(area);
    }

    /// Adds a filled cell.
    pub(super) fn cell(
        &mut self,
        row: u32,
        column: u32,
        (text, is_words): (&str, bool),
    ) -> Result<(), ExtractError> {
        if row != self.row {
            self.end_row(row);
        }
        if text.is_empty() {
            return Ok(());
        }
        self.count.add(1)?;
        self.merged.note(row, column, text, is_words);
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        self.cells.push(Cell::new(column, text, is_words));
        if self.assembly.is_full() {
            return Err(ExtractError::TooMuchText);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) {
        self.end_row(self.row);
        self.table.finish(self.assembly);
    }

    fn end_row(&mut self, next: u32) {
        let mut cells = std::mem::take(&mut self.cells);
        if !cells.is_empty() {
            if let Some(name) = self.name.take() {
                self.assembly.push_heading(1, &name);
            }
            self.merged.fill(self.row, &mut cells);
            self.table.row(self.assembly, cells);
            self.rows += 1;
            if self.rows.is_multiple_of(REPORT_ROWS) {
                self.assembly.at(Unit::Rows, self.rows, None);
            }
        }
        if next.saturating_sub(self.row) > 1 {
            self.table.gap(self.assembly);
        }
        self.row = next;
    }
}

/// Cells that are one: its value stands in the first of them, and is meant in each row.
struct Merged {
    areas: Vec<(Dimensions, Option<(String, bool)>)>,
}

impl Merged {
    fn new(areas: Vec<Dimensions>) -> Self {
        let mut merged = Self { areas: Vec::new() };
        for area in areas {
            merged.add(area);
        }
        merged
    }

    fn add(&mut self, area: Dimensions) {
        // Only those of several rows matter.
        if area.start.0 < area.end.0 && self.areas.len() < MERGED {
            self.areas.push((area, None));
        }
    }

    fn note(&mut self, row: u32, column: u32, text: &str, is_words: bool) {
        for (area, value) in &mut self.areas {
            if area.start == (row, column) {
                *value = Some((text.to_owned(), is_words));
            }
        }
    }

    fn fill(&mut self, row: u32, cells: &mut Vec<Cell>) {
        if self.areas.is_empty() {
            return;
        }
        for (area, value) in &self.areas {
            let Some((text, is_words)) = value else {
                continue;
            };
            if area.start.0 < row && row <= area.end.0 {
                let column = usize::try_from(area.start.1).unwrap_or(usize::MAX);
                let at = cells.partition_point(|cell| cell.column < column);
                if cells.get(at).is_none_or(|cell| cell.column != column) {
                    cells.insert(at, Cell::new(column, text, *is_words));
                }
            }
        }
        self.areas.retain(|(area, _)| area.end.0 > row);
    }
}

/// Reads a workbook of today, cell by cell.
pub(super) fn read_xlsx(
    bytes: &[u8],
    archive: &mut Archive<'_>,
    watch: Watch<'_>,
) -> Result<Extracted, ExtractError> {
    let mut assembly = Assembly::new(MediaType::Xlsx, watch);
    ooxml::properties(archive, &mut assembly)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(of_xlsx)?;
    let mut count = CellCount::default();
    for name in visible(book.sheets_metadata()) {
        let merged = book.merge_cells_by_sheet_name(&name).unwrap_or_default();
        let mut cells = match book.worksheet_cells_reader(&name) {
            Ok(cells) => cells,
            // A sheet of a chart.
            Err(XlsxError::NotAWorksheet(_) | XlsxError::WorksheetNotFound(_)) => continue,
            Err(error) => return Err(of_xlsx(error)),
        };
        let mut sheet = SheetWriter::new(&mut assembly, &mut count, &name, merged);
        while let Some(cell) = cells.next_cell().map_err(of_xlsx)? {
            let (row, column) = cell.get_position();
            if let Some((text, is_words)) = shown_ref(cell.get_value()) {
                sheet.cell(row, column, (&text, is_words))?;
            }
        }
        sheet.finish();
    }
    assembly.finish()
}

/// Reads a workbook of before 2007.
///
/// The library makes the whole rectangle of each sheet, 32 bytes a cell, and hands out a copy: up to
/// a gigabyte of a few bytes, at which the process ends. It has no other way.
pub(super) fn read_xls(bytes: &[u8], watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    let mut assembly = Assembly::new(MediaType::Xls, watch);
    let mut book: Xls<_> = Xls::new(Cursor::new(bytes)).map_err(of_xls)?;
    if let Ok(properties) = book.workbook_properties() {
        assembly.title(properties.title.as_deref());
        assembly.author(properties.creator.as_deref());
    }
    let mut count = CellCount::default();
    for name in visible(book.sheets_metadata()) {
        let merged = book.merge_cells_by_sheet_name(&name).unwrap_or_default();
        let range = book.worksheet_range(&name).map_err(of_xls)?;
        let (first_row, first_column) = range.start().unwrap_or_default();
        let mut sheet = SheetWriter::new(&mut assembly, &mut count, &name, merged);
        for (row, column, value) in range.used_cells() {
            if let Some((text, is_words)) = shown(value) {
                let at = |first: u32, offset: usize| {
                    first.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX))
                };
                let (row, column) = (at(first_row, row), at(first_column, column));
                sheet.cell(row, column, (&text, is_words))?;
            }
        }
        sheet.finish();
    }
    assembly.finish()
}

/// What is hidden from people is hidden from their customers.
fn visible(sheets: &[Sheet]) -> Vec<String> {
    sheets
        .iter()
        .filter(|sheet| sheet.visible == SheetVisible::Visible)
        .filter(|sheet| matches!(sheet.typ, SheetType::WorkSheet))
        .map(|sheet| sheet.name.clone())
        .collect()
}

fn shown_ref(value: &DataRef<'_>) -> Option<(String, bool)> {
    match value {
        DataRef::SharedString(text) => Some(((*text).to_owned(), true)),
        DataRef::String(text) => Some((text.clone(), true)),
        other => shown(&Data::from(other.clone())),
    }
}

/// What a cell shows, and whether that is words; `None`: nothing worth reading.
fn shown(value: &Data) -> Option<(String, bool)> {
    Some(match value {
        Data::String(text) => (text.clone(), true),
        Data::Int(number) => (number.to_string(), false),
        Data::Float(number) => (number_text(*number), false),
        Data::Bool(value) => (if *value { "yes" } else { "no" }.to_owned(), false),
        Data::DateTime(time) => (time_text(time), false),
        Data::DateTimeIso(text) | Data::DurationIso(text) => (
            text.replacen('T', " ", usize::from(!text.starts_with('P'))),
            false,
        ),
        Data::Error(_) | Data::Empty => return None,
    })
}

/// A number as a sheet shows it: 15 digits, since binary fractions end in noise behind them.
fn number_text(number: f64) -> String {
    let plain = number.to_string();
    if plain.len() <= 15 {
        return plain;
    }
    let rounded = format!("{number:.14e}").parse().unwrap_or(number);
    f64::to_string(&rounded)
}

/// `2026-11-26`, `2026-11-26 09:30`, `09:30`, or a length of time as `36:05:00`.
fn time_text(time: &ExcelDateTime) -> String {
    let mut text = String::new();
    if time.is_duration() {
        let seconds = (time.as_f64() * SECONDS_OF_DAY).round();
        let sign = if seconds < 0.0 { "-" } else { "" };
        let seconds = format!("{:.0}", seconds.abs())
            .parse::<u64>()
            .unwrap_or_default();
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        write_all(
            &mut text,
            format_args!("{sign}{hours}:{minutes:02}:{:02}", seconds % 60),
        );
        return text;
    }
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    let has_date = time.as_f64() >= 1.0;
    let has_time = (hour, minute, second) != (0, 0, 0);
    if has_date {
        write_all(&mut text, format_args!("{year}-{month:02}-{day:02}"));
    }
    if has_time || !has_date {
        let space = if has_date { " " } else { "" };
        write_all(&mut text, format_args!("{space}{hour:02}:{minute:02}"));
    }
    if second != 0 {
        write_all(&mut text, format_args!(":{second:02}"));
    }
    text
}

/// Writing to a string cannot fail.
fn write_all(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).unwrap_or_default();
}

fn of_xlsx(error: XlsxError) -> ExtractError {
    match error {
        XlsxError::Password => ExtractError::PasswordProtected,
        XlsxError::Io(error) => super::archive::of_io(&error),
        _ => ExtractError::Damaged,
    }
}

fn of_xls(error: XlsError) -> ExtractError {
    match error {
        XlsError::Password => ExtractError::PasswordProtected,
        XlsError::Io(error) => super::archive::of_io(&error),
        _ => ExtractError::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn five_million_cells_are_read_and_no_more() {
        let mut count = CellCount::default();
        count.add(CELLS).unwrap();
        assert!(matches!(count.add(1), Err(ExtractError::TooManyCells)));
        assert!(ExtractError::TooManyCells.to_string().contains("5 million"));
    }

    #[test]
    fn a_sheet_may_end_with_the_last_row_that_has_a_number() {
        let (mut assembly, mut count) = (
            Assembly::new(MediaType::Ods, Watch::unseen()),
            CellCount::default(),
        );
        let mut sheet = SheetWriter::new(&mut assembly, &mut count, "a", Vec::new());
        sheet.cell(0, 0, ("first", true)).unwrap();
        sheet.cell(u32::MAX, 0, ("last", true)).unwrap();
        sheet.finish();
        assert_eq!(assembly.finish().unwrap().text, "a\n\nfirst\n\nlast");
    }

    fn time(value: f64, kind: ExcelDateTimeType) -> String {
        time_text(&ExcelDateTime::new(value, kind, false))
    }

    #[test]
    fn dates_and_times_read_as_people_write_them() {
        use ExcelDateTimeType::{DateTime, TimeDelta};
        assert_eq!(time(46352.0, DateTime), "2026-11-26");
        assert_eq!(time(46352.0 + 9.5 / 24.0, DateTime), "2026-11-26 09:30");
        assert_eq!(time(9.5 / 24.0, DateTime), "09:30");
        assert_eq!(time(1.5 + 5.0 / 1440.0, TimeDelta), "36:05:00");
    }

    #[test]
    fn numbers_lose_the_noise_of_binary_fractions() {
        assert_eq!(number_text(0.1 + 0.2), "0.3");
        assert_eq!(number_text(1234.5), "1234.5");
        assert_eq!(number_text(3.0), "3");
        assert_eq!(number_text(4_006_381_333_931.0), "4006381333931");
    }
}
