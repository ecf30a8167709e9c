//! OpenDocument spreadsheets, cell by cell. Rows and columns that claim to repeat a million times
//! cost nothing.

use std::io::BufRead;

use calamine::Dimensions;
use quick_xml::events::BytesStart;

use super::archive::Archive;
use super::assembly::Assembly;
use super::progress::Watch;
use super::workbook::{CellCount, SheetWriter};
use super::xml::{Node, Xml, attribute, number};
use super::{ExtractError, Extracted, MediaType, ooxml};

/// A value repeated over more columns than this says nothing more.
const REPEATS: u32 = 64;

/// Reads a spreadsheet.
pub(super) fn read(archive: &mut Archive<'_>, watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    if is_encrypted(archive)? {
        return Err(ExtractError::PasswordProtected);
    }
    let mut assembly = Assembly::new(MediaType::Ods, watch);
    ooxml::read_properties(archive, "meta.xml", &mut assembly)?;
    let mut xml = archive.xml("content.xml")?.ok_or(ExtractError::Damaged)?;
    let mut count = CellCount::default();
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.local_name().as_ref() == "table" => {
                let name = attribute(&tag, "name").unwrap_or_default();
                let mut sheet = SheetWriter::new(&mut assembly, &mut count, &name, Vec::new());
                read_sheet(&mut xml, &mut sheet)?;
                sheet.finish();
            }
            Node::End => break,
            _ => {}
        }
    }
    assembly.finish()
}

fn is_encrypted(archive: &mut Archive<'_>) -> Result<bool, ExtractError> {
    let Some(mut xml) = archive.xml("META-INF/manifest.xml")? else {
        return Ok(false);
    };
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.local_name().as_ref() == "encryption-data" => return Ok(true),
            Node::End => return Ok(false),
            _ => {}
        }
    }
}

fn read_sheet<R: BufRead>(
    xml: &mut Xml<R>,
    sheet: &mut SheetWriter<'_, '_>,
) -> Result<(), ExtractError> {
    let mut row = 0_u32;
    let mut repeated = 1;
    let mut column = 0_u32;
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.local_name().as_ref() {
                "table-row" => {
                    column = 0;
                    repeated = number(&tag, "number-rows-repeated").unwrap_or(1).max(1);
                }
                "table-cell" | "covered-table-cell" => {
                    let cell = CellTag::of(&tag);
                    let text = cell_text(xml)?;
                    cell.write(sheet, row, column, text)?;
                    column = column.saturating_add(cell.columns);
                }
                "table-row-group" | "table-rows" | "table-header-rows" => {}
                _ => xml.skip()?,
            },
            Node::Close(tag) => match tag.local_name().as_ref() {
                // The same row again says nothing more.
                "table-row" => row = row.saturating_add(repeated),
                "table" => return Ok(()),
                _ => {}
            },
            Node::End => return Err(ExtractError::Damaged),
            _ => {}
        }
    }
}

/// What the tag of a cell says.
struct CellTag {
    columns: u32,
    rows: u32,
    kind: String,
    /// The value, where it reads better than what is shown: dates.
    value: Option<String>,
}

impl CellTag {
    fn of(tag: &BytesStart<'_>) -> Self {
        Self {
            columns: number(tag, "number-columns-repeated").unwrap_or(1).max(1),
            rows: number(tag, "number-rows-spanned").unwrap_or(1),
            kind: attribute(tag, "value-type").unwrap_or_default(),
            value: attribute(tag, "date-value").map(|date| date.replacen('T', " ", 1)),
        }
    }

    fn write(
        &self,
        sheet: &mut SheetWriter<'_, '_>,
        row: u32,
        column: u32,
        text: String,
    ) -> Result<(), ExtractError> {
        let text = self.value.clone().unwrap_or(text);
        if text.trim().is_empty() {
            return Ok(());
        }
        let is_words = matches!(self.kind.as_str(), "string" | "");
        if self.rows > 1 {
            let last = row.saturating_add(self.rows - 1);
            sheet.merge(Dimensions::new((row, column), (last, column)));
        }
        for at in 0..self.columns.min(REPEATS) {
            sheet.cell(row, column.saturating_add(at), (&text, is_words))?;
        }
        Ok(())
    }
}

/// The paragraphs of a cell, without what is noted beside it.
fn cell_text<R: BufRead>(xml: &mut Xml<R>) -> Result<String, ExtractError> {
    let mut text = String::new();
    let mut depth = 1_u32;
    while depth > 0 {
        match xml.next()? {
            Node::Open(tag) => match tag.local_name().as_ref() {
                "annotation" | "table" | "shapes" | "forms" => xml.skip()?,
                "p" | "h" | "s" | "tab" | "line-break" => {
                    text.push(' ');
                    depth += 1;
                }
                _ => depth += 1,
            },
            Node::Close(_) => depth -= 1,
            Node::Text(part) => text.push_str(&part),
            Node::End => return Err(ExtractError::Damaged),
            Node::Other => {}
        }
    }
    Ok(text)
}
