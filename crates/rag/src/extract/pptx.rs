//! PowerPoint presentations: each slide is a page.

use std::io::BufRead;

use super::archive::Archive;
use super::assembly::Assembly;
use super::ooxml::{Relations, main_part, properties};
use super::progress::Watch;
use super::table::{Cell, Header, Table, one_line};
use super::xml::{Node, Xml, attribute};
use super::{ExtractError, Extracted, MediaType, Unit};

/// Reads a presentation: titles are headings, tables rows, and what the speaker notes comes last.
pub(super) fn read(archive: &mut Archive<'_>, watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    let mut assembly = Assembly::new(MediaType::Pptx, watch);
    properties(archive, &mut assembly)?;
    let main = main_part(archive)?.unwrap_or_else(|| "ppt/presentation.xml".to_owned());
    let relations = Relations::of(archive, &main)?;
    let slides: Vec<String> = slide_ids(archive, &main)?
        .iter()
        .filter_map(|id| relations.path(id))
        .map(str::to_owned)
        .collect();
    assembly.page_count(slides.len());
    for (number, path) in (1_u32..).zip(&slides) {
        let shapes = shapes(archive, path)?;
        let notes = Relations::of(archive, path)?;
        let notes = match notes.of_kind("notesSlide") {
            Some(path) => self::shapes(archive, path)?,
            None => Vec::new(),
        };
        assembly.page(number, |assembly| {
            for shape in shapes {
                shape.write(assembly);
            }
            for note in notes.into_iter().filter(|note| note.is_body) {
                note.write(assembly);
            }
        });
        let total = u64::try_from(slides.len()).ok();
        assembly.at(Unit::Pages, number.into(), total);
    }
    assembly.finish()
}

/// The slides in the order in which they are shown.
fn slide_ids(archive: &mut Archive<'_>, main: &str) -> Result<Vec<String>, ExtractError> {
    let mut xml = archive.xml(main)?.ok_or(ExtractError::Damaged)?;
    let mut ids = Vec::new();
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.local_name().as_ref() == "sldId" => {
                // `id` without its prefix is another number of the slide.
                let mut attributes = tag.attributes();
                let relation = attributes
                    .with_checks(false)
                    .filter_map(Result::ok)
                    .find(|attribute| attribute.key.as_ref().ends_with(":id"));
                ids.extend(relation.map(|attribute| attribute.value.into_owned()));
            }
            Node::End => return Ok(ids),
            _ => {}
        }
    }
}

/// A shape with text, or a table.
#[derive(Default)]
struct Shape {
    is_title: bool,
    /// Whether it is the text that its page is about; on a page of notes: the notes.
    is_body: bool,
    paragraphs: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Shape {
    fn write(self, assembly: &mut Assembly<'_>) {
        if self.is_title {
            let title = one_line(&self.paragraphs.join(" "));
            if !title.is_empty() {
                assembly.push_heading(1, &title);
                assembly.title_if_none(Some(&title));
            }
        } else if !self.paragraphs.is_empty() {
            assembly.push_block(&self.paragraphs.join("\n"));
        }
        if !self.rows.is_empty() {
            let mut table = Table::new(Header::Given);
            for row in self.rows {
                table.row(assembly, row);
            }
            table.finish(assembly);
        }
    }
}

/// The shapes of a slide; the title first, wherever it stands.
fn shapes(archive: &mut Archive<'_>, path: &str) -> Result<Vec<Shape>, ExtractError> {
    let Some(mut xml) = archive.xml(path)? else {
        return Ok(Vec::new());
    };
    let mut shapes = Vec::new();
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.local_name().as_ref() {
                "sp" => shapes.push(shape(&mut xml)?),
                "tbl" => shapes.push(table(&mut xml)?),
                "Fallback" => xml.skip()?,
                _ => {}
            },
            Node::End => break,
            _ => {}
        }
    }
    shapes.sort_by_key(|shape| !shape.is_title);
    Ok(shapes)
}

fn shape<R: BufRead>(xml: &mut Xml<R>) -> Result<Shape, ExtractError> {
    let mut shape = Shape::default();
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.local_name().as_ref() {
                "ph" => {
                    let kind = attribute(&tag, "type").unwrap_or_default();
                    shape.is_title = matches!(kind.as_str(), "title" | "ctrTitle");
                    shape.is_body = kind == "body";
                }
                "p" => {
                    let text = paragraph(xml)?;
                    shape.paragraphs.extend((!text.is_empty()).then_some(text));
                }
                _ => {}
            },
            Node::Close(tag) if tag.local_name().as_ref() == "sp" => return Ok(shape),
            Node::End => return Err(ExtractError::Damaged),
            _ => {}
        }
    }
}

/// A paragraph of drawn text.
fn paragraph<R: BufRead>(xml: &mut Xml<R>) -> Result<String, ExtractError> {
    let mut text = String::new();
    let mut in_text = false;
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.local_name().as_ref() {
                "t" => in_text = true,
                "br" => text.push('\n'),
                "pPr" | "rPr" | "endParaRPr" => xml.skip()?,
                _ => {}
            },
            Node::Text(part) if in_text => text.push_str(&part),
            Node::Close(tag) => match tag.local_name().as_ref() {
                "t" => in_text = false,
                "p" => return Ok(text.trim().to_owned()),
                _ => {}
            },
            Node::End => return Err(ExtractError::Damaged),
            _ => {}
        }
    }
}

fn table<R: BufRead>(xml: &mut Xml<R>) -> Result<Shape, ExtractError> {
    let mut shape = Shape::default();
    let (mut row, mut column, mut cell) = (Vec::new(), 0, String::new());
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.local_name().as_ref() {
                "p" => {
                    cell.push_str(&paragraph(xml)?);
                    cell.push(' ');
                }
                "tcPr" | "tblPr" | "tblGrid" => xml.skip()?,
                _ => {}
            },
            Node::Close(tag) => match tag.local_name().as_ref() {
                "tc" => {
                    row.push(Cell::untyped(column, &cell));
                    column += 1;
                    cell.clear();
                }
                "tr" => {
                    shape.rows.push(std::mem::take(&mut row));
                    column = 0;
                }
                "tbl" => return Ok(shape),
                _ => {}
            },
            Node::End => return Err(ExtractError::Damaged),
            _ => {}
        }
    }
}
