//! Word documents.

mod body;
mod numbering;
mod styles;

use std::collections::HashMap;

use super::archive::Archive;
use super::assembly::Assembly;
use super::ooxml::{Relations, main_part, properties};
use super::progress::Watch;
use super::xml::{Node, attribute, number};
use super::{ExtractError, Extracted, MediaType};

use body::Body;
use numbering::Numbering;
use styles::Styles;

/// The most bytes of one note that stand where it is referred to.
const NOTE_BYTES: usize = 2000;

/// Reads a document: styles tell headings, lists keep their marks, rows of tables carry the names
/// of their columns, and notes stand where they are referred to.
pub(super) fn read(archive: &mut Archive<'_>, watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    let mut assembly = Assembly::new(MediaType::Docx, watch);
    properties(archive, &mut assembly)?;
    let main = main_part(archive)?.unwrap_or_else(|| "word/document.xml".to_owned());
    let relations = Relations::of(archive, &main)?;
    let path = |kind: &str| {
        let known = relations.of_kind(kind).map(str::to_owned);
        known.unwrap_or_else(|| format!("word/{kind}.xml"))
    };
    let styles = Styles::read(archive, &path("styles"))?;
    let numbering = Numbering::read(archive, &path("numbering"))?;
    let mut notes = Notes::default();
    notes.read(archive, &path("footnotes"), "footnote")?;
    notes.read(archive, &path("endnotes"), "endnote")?;
    let part = archive.part(&main)?.ok_or(ExtractError::Damaged)?;
    let size = part.size();
    let xml = super::xml::Xml::new(std::io::BufReader::new(part));
    Body::new(xml, &styles, numbering, &notes, &mut assembly, size).read()?;
    assembly.finish()
}

/// Whether what follows `text` is a word of its own.
fn ends_word(text: &str) -> bool {
    text.is_empty() || text.ends_with(char::is_whitespace)
}

/// Footnotes and endnotes by the number that refers to them.
#[derive(Default)]
struct Notes {
    texts: HashMap<(&'static str, i64), String>,
}

impl Notes {
    fn read(
        &mut self,
        archive: &mut Archive<'_>,
        path: &str,
        kind: &'static str,
    ) -> Result<(), ExtractError> {
        let Some(mut xml) = archive.xml(path)? else {
            return Ok(());
        };
        // The text of a note is in runs, as that of the document is.
        let (mut note, mut in_text) = (None::<(i64, String)>, false);
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.local_name().as_ref() {
                    "t" => in_text = true,
                    "p" | "tab" | "br" | "cr" => {
                        if let Some((_, text)) = note.as_mut().filter(|(_, text)| !ends_word(text))
                        {
                            text.push(' ');
                        }
                    }
                    "del" | "moveFrom" | "Fallback" => xml.skip()?,
                    // Lines between text and notes are kept as notes of a type.
                    name if name == kind && attribute(&tag, "type").is_none() => {
                        note = number(&tag, "id").map(|id| (id, String::new()));
                    }
                    _ => {}
                },
                Node::Text(part) => {
                    if let Some((_, text)) = note.as_mut().filter(|_| in_text)
                        && text.len() + part.len() <= NOTE_BYTES
                    {
                        text.push_str(&part);
                    }
                }
                Node::Close(tag) => match tag.local_name().as_ref() {
                    "t" => in_text = false,
                    name if name == kind => {
                        if let Some((id, text)) = note.take() {
                            self.texts.insert((kind, id), text.trim().to_owned());
                        }
                    }
                    _ => {}
                },
                Node::End => return Ok(()),
                Node::Other => {}
            }
        }
    }

    fn find(&self, kind: &'static str, id: i64) -> Option<&str> {
        let text = self.texts.get(&(kind, id))?;
        (!text.is_empty()).then_some(text)
    }
}
