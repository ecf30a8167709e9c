use std::collections::HashMap;

use super::super::ExtractError;
use super::super::archive::Archive;
use super::super::xml::{Node, attribute, number};

/// A style is based on another; a chain longer than this is a circle.
const CHAIN: usize = 16;

/// The styles of paragraphs.
#[derive(Default)]
pub(super) struct Styles {
    by_id: HashMap<String, Style>,
}

#[derive(Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    list: Option<u32>,
    level: Option<u8>,
}

impl Styles {
    /// Reads them from the part at `path`; none if it is not there.
    pub(super) fn read(archive: &mut Archive<'_>, path: &str) -> Result<Self, ExtractError> {
        let mut styles = Self::default();
        let Some(mut xml) = archive.xml(path)? else {
            return Ok(styles);
        };
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.local_name().as_ref() == "style" => {
                    let id = attribute(&tag, "styleId").unwrap_or_default();
                    let mut style = Style::default();
                    xml.each_open(|name, tag| match name {
                        "name" => style.name = attribute(tag, "val").unwrap_or_default(),
                        "basedOn" => style.based_on = attribute(tag, "val"),
                        "outlineLvl" => style.outline = number(tag, "val"),
                        "ilvl" => style.level = number(tag, "val"),
                        "numId" => style.list = number(tag, "val"),
                        _ => {}
                    })?;
                    styles.by_id.insert(id, style);
                }
                Node::End => return Ok(styles),
                _ => {}
            }
        }
    }

    /// The rank of a heading in this style, from 1; `None`: it is none.
    pub(super) fn heading(&self, id: &str) -> Option<u8> {
        self.chain(id).find_map(Style::heading)
    }

    /// Whether it is the style of the document's title.
    pub(super) fn is_title(&self, id: &str) -> bool {
        self.chain(id)
            .next()
            .is_some_and(|style| style.name.eq_ignore_ascii_case("title"))
    }

    /// The list that paragraphs of this style belong to.
    pub(super) fn list(&self, id: &str) -> Option<u32> {
        self.chain(id).find_map(|style| style.list)
    }

    /// Their level in it, where the style says so.
    pub(super) fn level(&self, id: &str) -> Option<u8> {
        self.chain(id).find_map(|style| style.level)
    }

    fn chain<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a Style> {
        let first = self.by_id.get(id);
        let next = |style: &&'a Style| self.by_id.get(style.based_on.as_deref()?);
        std::iter::successors(first, next).take(CHAIN)
    }
}

impl Style {
    fn heading(&self) -> Option<u8> {
        // 9 is what Word calls the level of body text.
        if let Some(outline) = self.outline {
            return (outline < 9).then_some(outline + 1);
        }
        let name = self.name.to_lowercase();
        if name == "title" {
            return Some(1);
        }
        let level = name.strip_prefix("heading ")?.trim().parse().ok()?;
        (1..=9).contains(&level).then_some(level)
    }
}
