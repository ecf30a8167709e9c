use std::collections::BTreeMap;
use std::io::BufRead;

use super::super::assembly::Assembly;
use super::super::table::{Cell, Header, Table, line_of};
use super::super::xml::{Node, Xml, attribute, is_on, number};
use super::super::{ExtractError, Unit};
use super::Notes;
use super::numbering::Numbering;
use super::styles::Styles;

const REPORT_PARAGRAPHS: u64 = 256;

/// How many columns a cell takes at most, as Word has it.
const MOST_COLUMNS: usize = 64;

/// The text of a document on its way into the assembly.
pub(super) struct Body<'a, 'b, R> {
    xml: Xml<R>,
    styles: &'a Styles,
    numbering: Numbering,
    notes: &'a Notes,
    assembly: &'a mut Assembly<'b>,
    size: u64,
    /// The tables that are open, the innermost last.
    tables: Vec<OpenTable>,
    /// Whether the last block was an item of a list: the next one stands right below.
    after_item: bool,
    paragraphs: u64,
}

/// A paragraph as it is read.
#[derive(Default)]
struct Paragraph {
    text: String,
    style: Option<String>,
    outline: Option<u8>,
    list: Option<u32>,
    level: Option<u8>,
}

/// A table as it is read.
#[derive(Default)]
struct OpenTable {
    table: Option<Table>,
    is_header: bool,
    row: Vec<Cell>,
    column: usize,
    cell: String,
    /// How many columns the cell takes.
    span: usize,
    /// Whether the cell goes on from the one above.
    is_below: bool,
    /// What stands in the cells of the row above, by column.
    above: BTreeMap<usize, Cell>,
}

impl<'a, 'b, R: BufRead> Body<'a, 'b, R> {
    pub(super) fn new(
        xml: Xml<R>,
        styles: &'a Styles,
        numbering: Numbering,
        notes: &'a Notes,
        assembly: &'a mut Assembly<'b>,
        size: u64,
    ) -> Self {
        Self {
            xml,
            styles,
            numbering,
            notes,
            assembly,
            size,
            tables: Vec::new(),
            after_item: false,
            paragraphs: 0,
        }
    }

    pub(super) fn read(mut self) -> Result<(), ExtractError> {
        loop {
            match self.xml.next()? {
                Node::Open(tag) => match tag.local_name().as_ref() {
                    "p" => self.paragraph()?,
                    "tbl" => self.tables.push(OpenTable::default()),
                    "tc" => self.open_cell(),
                    "tcPr" => self.cell_properties()?,
                    "gridBefore" => {
                        let columns = number(&tag, "val");
                        self.shift(columns);
                    }
                    "tblHeader" => self.mark_header(),
                    "sectPr" | "tblPr" | "tblGrid" | "Fallback" | "del" | "moveFrom" => {
                        self.xml.skip()?;
                    }
                    _ => {}
                },
                Node::Close(tag) => match tag.local_name().as_ref() {
                    "tc" => self.close_cell(),
                    "tr" => self.close_row(),
                    "tbl" => self.close_table(),
                    _ => {}
                },
                Node::End => return Ok(()),
                Node::Text(_) | Node::Other => {}
            }
            if self.assembly.is_full() {
                return Ok(());
            }
        }
    }

    fn paragraph(&mut self) -> Result<(), ExtractError> {
        let mut paragraph = Paragraph::default();
        let (mut open, mut in_text, mut is_hidden) = (1_u32, false, false);
        while open > 0 {
            match self.xml.next()? {
                Node::Open(tag) => match tag.local_name().as_ref() {
                    "t" => in_text = true,
                    // A box inside the paragraph.
                    "p" => {
                        open += 1;
                        paragraph.end_line();
                    }
                    "pPr" if open == 1 => paragraph.properties(&mut self.xml)?,
                    "rPr" => is_hidden = hides(&mut self.xml)?,
                    "tab" => paragraph.text.push('\t'),
                    "br" | "cr" => paragraph.text.push('\n'),
                    "noBreakHyphen" => paragraph.text.push('-'),
                    "footnoteReference" => {
                        paragraph.note(self.notes.find("footnote", note_id(&tag)));
                    }
                    "endnoteReference" => {
                        paragraph.note(self.notes.find("endnote", note_id(&tag)));
                    }
                    "pPr" | "Fallback" | "del" | "moveFrom" | "rt" => self.xml.skip()?,
                    _ => {}
                },
                Node::Text(part) if in_text && !is_hidden => paragraph.text.push_str(&part),
                Node::Close(tag) => match tag.local_name().as_ref() {
                    "t" => in_text = false,
                    "r" => is_hidden = false,
                    "p" => {
                        open -= 1;
                        paragraph.end_line();
                    }
                    _ => {}
                },
                Node::End => return Err(ExtractError::Damaged),
                _ => {}
            }
        }
        self.write(&paragraph);
        self.paragraphs += 1;
        if self.paragraphs.is_multiple_of(REPORT_PARAGRAPHS) {
            let total = Some(self.size);
            self.assembly.at(Unit::Bytes, self.xml.position(), total);
        }
        Ok(())
    }

    fn write(&mut self, paragraph: &Paragraph) {
        let text = paragraph.text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(table) = self.tables.last_mut() {
            table.cell.push_str(text);
            table.cell.push(' ');
            return;
        }
        let style = paragraph.style.as_deref().unwrap_or_default();
        let heading = match paragraph.outline {
            Some(outline) => (outline < 9).then_some(outline + 1),
            None => self.styles.heading(style),
        };
        let list = paragraph.list.or_else(|| self.styles.list(style));
        let level = list.map(|list| self.level(paragraph, list, style));
        let mark = list
            .zip(level)
            .and_then(|(list, level)| self.numbering.mark(list, level));
        if let Some(level) = heading {
            let text = mark.map_or_else(|| text.to_owned(), |mark| format!("{mark} {text}"));
            self.assembly.push_heading(level, &text);
            if self.styles.is_title(style) {
                self.assembly.title_if_none(Some(&text));
            }
        } else if let (Some(level), Some(mark)) = (level, mark) {
            let indent = "  ".repeat(usize::from(level));
            let item = format!("{indent}{mark} {text}");
            if self.after_item {
                self.assembly.push_line(&item);
            } else {
                self.assembly.push_block(&item);
            }
            self.after_item = true;
            return;
        } else {
            self.assembly.push_block(text);
        }
        self.after_item = false;
    }

    /// The level of a paragraph in its list: its own word counts, then the list's about its style.
    fn level(&self, paragraph: &Paragraph, list: u32, style: &str) -> u8 {
        paragraph
            .level
            .or_else(|| self.numbering.level_of_style(list, style))
            .or_else(|| self.styles.level(style))
            .unwrap_or_default()
    }

    /// Leaves so many columns free at the start of a row.
    fn shift(&mut self, columns: Option<usize>) {
        if let (Some(table), Some(columns)) = (self.tables.last_mut(), columns) {
            table.column = table.column.max(columns.min(MOST_COLUMNS));
        }
    }

    fn open_cell(&mut self) {
        if let Some(table) = self.tables.last_mut() {
            table.cell.clear();
            table.span = 1;
            table.is_below = false;
        }
    }

    fn cell_properties(&mut self) -> Result<(), ExtractError> {
        let (mut span, mut is_below) = (1, false);
        self.xml.each_open(|name, tag| match name {
            "gridSpan" => span = number(tag, "val").unwrap_or(1),
            "vMerge" => is_below = attribute(tag, "val").as_deref() != Some("restart"),
            _ => {}
        })?;
        if let Some(table) = self.tables.last_mut() {
            (table.span, table.is_below) = (span.clamp(1, MOST_COLUMNS), is_below);
        }
        Ok(())
    }

    fn mark_header(&mut self) {
        if let Some(table) = self.tables.last_mut() {
            table.is_header = true;
        }
    }

    fn close_cell(&mut self) {
        if let Some(table) = self.tables.last_mut() {
            let mut cell = Cell::untyped(table.column, &table.cell);
            if table.is_below
                && cell.text.is_empty()
                && let Some(above) = table.above.get(&table.column)
            {
                cell.clone_from(above);
            }
            table.cell.clear();
            table.column += table.span.max(1);
            table.row.push(cell);
        }
    }

    fn close_row(&mut self) {
        let is_nested = self.tables.len() > 1;
        let Some(table) = self.tables.last_mut() else {
            return;
        };
        let mut row = std::mem::take(&mut table.row);
        table.column = 0;
        table.above = row.iter().map(|cell| (cell.column, cell.clone())).collect();
        row.retain(|cell| !cell.text.is_empty());
        if is_nested {
            let line = line_of(&[], &row);
            let outer = self.tables.len() - 2;
            self.tables[outer].cell.push_str(&line);
            self.tables[outer].cell.push_str("; ");
            return;
        }
        let header = if table.is_header {
            Header::Given
        } else {
            Header::Unknown
        };
        let open = table.table.get_or_insert_with(|| Table::new(header));
        open.row(self.assembly, row);
        self.after_item = false;
    }

    fn close_table(&mut self) {
        if let Some(table) = self.tables.pop().and_then(|open| open.table) {
            table.finish(self.assembly);
        }
    }
}

impl Paragraph {
    /// Parts a box from the text around it.
    fn end_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn properties<R: BufRead>(&mut self, xml: &mut Xml<R>) -> Result<(), ExtractError> {
        // What a change replaced stands behind what holds: the first one counts.
        xml.each_open(|name, tag| match name {
            "pStyle" if self.style.is_none() => self.style = attribute(tag, "val"),
            "outlineLvl" if self.outline.is_none() => self.outline = number(tag, "val"),
            "ilvl" if self.level.is_none() => self.level = number(tag, "val"),
            "numId" if self.list.is_none() => self.list = number(tag, "val"),
            _ => {}
        })
    }

    fn note(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.text.push_str(" [");
            self.text.push_str(text);
            self.text.push(']');
        }
    }
}

/// Whether the properties of a run, whose tag came last, hide its text.
fn hides<R: BufRead>(xml: &mut Xml<R>) -> Result<bool, ExtractError> {
    let (mut is_hidden, mut is_past) = (false, false);
    xml.each_open(|name, tag| match name {
        "vanish" if !is_past => is_hidden = is_on(tag),
        // What a change replaced stands behind what holds.
        "rPrChange" => is_past = true,
        _ => {}
    })?;
    Ok(is_hidden)
}

fn note_id(tag: &quick_xml::events::BytesStart<'_>) -> i64 {
    number(tag, "id").unwrap_or(-1)
}
