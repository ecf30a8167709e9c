//! What Word, Excel and PowerPoint documents have in common.

use std::collections::HashMap;

use super::ExtractError;
use super::archive::Archive;
use super::assembly::Assembly;
use super::xml::{Node, attribute};

/// Where the parts stand that one part refers to.
#[derive(Default)]
pub(super) struct Relations {
    by_id: HashMap<String, Relation>,
}

struct Relation {
    kind: String,
    path: String,
}

impl Relations {
    /// Those of the part at `path`; the empty path stands for the whole document.
    pub(super) fn of(archive: &mut Archive<'_>, path: &str) -> Result<Self, ExtractError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let slash = if folder.is_empty() { "" } else { "/" };
        let mut relations = Self::default();
        let Some(mut xml) = archive.xml(&format!("{folder}{slash}_rels/{name}.rels"))? else {
            return Ok(relations);
        };
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.local_name().as_ref() == "Relationship" => {
                    let is_external = attribute(&tag, "TargetMode").as_deref() == Some("External");
                    let known = (
                        attribute(&tag, "Id"),
                        attribute(&tag, "Type"),
                        attribute(&tag, "Target"),
                    );
                    if let ((Some(id), Some(kind), Some(target)), false) = (known, is_external) {
                        let path = resolve(folder, &target);
                        relations.by_id.insert(id, Relation { kind, path });
                    }
                }
                Node::End => return Ok(relations),
                _ => {}
            }
        }
    }

    /// The path of the part that `id` stands for.
    pub(super) fn path(&self, id: &str) -> Option<&str> {
        self.by_id.get(id).map(|relation| relation.path.as_str())
    }

    /// The path of the part of a kind, such as `styles`.
    pub(super) fn of_kind(&self, kind: &str) -> Option<&str> {
        let ending = format!("/{kind}");
        let mut relations = self.by_id.values();
        relations
            .find(|relation| relation.kind.ends_with(&ending))
            .map(|relation| relation.path.as_str())
    }
}

/// The path of `target` as seen from `folder`.
fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// The path of the part that a document starts from.
pub(super) fn main_part(archive: &mut Archive<'_>) -> Result<Option<String>, ExtractError> {
    let relations = Relations::of(archive, "")?;
    Ok(relations.of_kind("officeDocument").map(str::to_owned))
}

/// Sets title and author as the document's properties name them.
pub(super) fn properties(
    archive: &mut Archive<'_>,
    assembly: &mut Assembly<'_>,
) -> Result<(), ExtractError> {
    let relations = Relations::of(archive, "")?;
    let path = relations.of_kind("core-properties");
    read_properties(archive, path.unwrap_or("docProps/core.xml"), assembly)
}

/// Sets title and author by the Dublin Core names in the part at `path`.
pub(super) fn read_properties(
    archive: &mut Archive<'_>,
    path: &str,
    assembly: &mut Assembly<'_>,
) -> Result<(), ExtractError> {
    let Some(mut xml) = archive.xml(path)? else {
        return Ok(());
    };
    loop {
        let name = match xml.next()? {
            Node::Open(tag) => tag.local_name().as_ref().to_owned(),
            Node::End => return Ok(()),
            _ => continue,
        };
        match name.as_str() {
            "title" => assembly.title(Some(&xml.text()?)),
            "creator" | "initial-creator" => assembly.author(Some(&xml.text()?)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_seen_from_their_part() {
        assert_eq!(resolve("word", "styles.xml"), "word/styles.xml");
        assert_eq!(resolve("ppt/slides", "../notes/n1.xml"), "ppt/notes/n1.xml");
        assert_eq!(resolve("word", "/word/styles.xml"), "word/styles.xml");
        assert_eq!(resolve("", "../../word/a.xml"), "word/a.xml");
    }
}
