use std::collections::HashMap;

use super::super::ExtractError;
use super::super::archive::Archive;
use super::super::xml::{Node, attribute, number};

/// Lists have at most nine levels.
const LEVELS: usize = 9;

/// The lists of a document, and where each stands.
#[derive(Default)]
pub(super) struct Numbering {
    /// The levels of each definition.
    definitions: HashMap<u32, Vec<Level>>,
    /// Which definition a list follows.
    lists: HashMap<u32, u32>,
    /// How far each definition has counted, by level.
    counts: HashMap<u32, [u32; LEVELS]>,
}

#[derive(Clone)]
struct Level {
    format: String,
    /// Its mark: `%1` stands for the number of level 1.
    text: String,
    start: u32,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            format: "decimal".to_owned(),
            text: String::new(),
            start: 1,
        }
    }
}

impl Numbering {
    /// Reads the lists from the part at `path`; none if it is not there.
    pub(super) fn read(archive: &mut Archive<'_>, path: &str) -> Result<Self, ExtractError> {
        let mut numbering = Self::default();
        let Some(mut xml) = archive.xml(path)? else {
            return Ok(numbering);
        };
        let (mut definition, mut list) = (0, 0);
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.local_name().as_ref() {
                    "abstractNum" => definition = number(&tag, "abstractNumId").unwrap_or(0),
                    "num" => list = number(&tag, "numId").unwrap_or(0),
                    "abstractNumId" => {
                        let of = number(&tag, "val").unwrap_or(0);
                        numbering.lists.insert(list, of);
                    }
                    "lvlOverride" => xml.skip()?,
                    "lvl" => {
                        let at: usize = number(&tag, "ilvl").unwrap_or(0);
                        let mut level = Level::default();
                        xml.each_open(|name, tag| match name {
                            "start" => level.start = number(tag, "val").unwrap_or(1),
                            "numFmt" => level.format = attribute(tag, "val").unwrap_or_default(),
                            "lvlText" => level.text = attribute(tag, "val").unwrap_or_default(),
                            _ => {}
                        })?;
                        if at < LEVELS {
                            let levels = numbering.definitions.entry(definition).or_default();
                            levels.resize(levels.len().max(at + 1), Level::default());
                            levels[at] = level;
                        }
                    }
                    _ => {}
                },
                Node::End => return Ok(numbering),
                _ => {}
            }
        }
    }

    /// The mark of the next paragraph of a list, such as `-` or `2.1.`; `None` if it has none.
    pub(super) fn mark(&mut self, list: u32, level: u8) -> Option<String> {
        let definition = *self.lists.get(&list)?;
        let levels = self.definitions.get(&definition)?;
        let at = usize::from(level).min(LEVELS - 1);
        let current = levels.get(at)?;
        let start = |at: usize| levels.get(at).map_or(1, |level| level.start);
        let counts = self.counts.entry(definition).or_default();
        counts[at] = match counts[at] {
            0 => start(at),
            count => count.saturating_add(1),
        };
        counts[at + 1..].fill(0);
        if current.format == "bullet" {
            return Some("-".to_owned());
        }
        let mut mark = current.text.clone();
        for (above, count) in counts.iter().enumerate().take(at + 1) {
            let count = match *count {
                0 => start(above),
                count => count,
            };
            let format = levels.get(above).map_or("decimal", |level| &level.format);
            mark = mark.replace(&format!("%{}", above + 1), &counted(count, format));
        }
        let mark = mark.trim().to_owned();
        (!mark.is_empty() && current.format != "none").then_some(mark)
    }
}

/// A number as a list writes it.
fn counted(count: u32, format: &str) -> String {
    match format {
        "lowerLetter" => letters(count).to_lowercase(),
        "upperLetter" => letters(count),
        "lowerRoman" => roman(count).to_lowercase(),
        "upperRoman" => roman(count),
        "decimalZero" => format!("{count:02}"),
        _ => count.to_string(),
    }
}

/// `A` to `Z`, then `AA`, `BB` and so on, as Word counts.
fn letters(count: u32) -> String {
    let (letter, times) = ((count.max(1) - 1) % 26, (count.max(1) - 1) / 26 + 1);
    let letter = char::from(b'A' + u8::try_from(letter).unwrap_or_default());
    (0..times.min(8)).map(|_| letter).collect()
}

fn roman(mut count: u32) -> String {
    if count > 4999 {
        return count.to_string();
    }
    let mut text = String::new();
    for (value, sign) in [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ] {
        while count >= value {
            text.push_str(sign);
            count -= value;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(format: &str, text: &str, start: u32) -> Level {
        Level {
            format: format.to_owned(),
            text: text.to_owned(),
            start,
        }
    }

    #[test]
    fn lists_count_by_level() {
        let mut numbering = Numbering::default();
        numbering.lists.insert(7, 1);
        numbering.definitions.insert(
            1,
            vec![
                level("decimal", "%1.", 1),
                level("lowerLetter", "%1.%2)", 1),
                level("bullet", "•", 1),
            ],
        );
        let marks: Vec<_> = [0, 1, 1, 2, 0, 1]
            .into_iter()
            .filter_map(|level| numbering.mark(7, level))
            .collect();
        assert_eq!(marks, ["1.", "1.a)", "1.b)", "-", "2.", "2.a)"]);
        assert_eq!(numbering.mark(8, 0), None);
        assert_eq!(numbering.mark(7, 5), None);
    }

    #[test]
    fn numbers_are_written_in_every_way() {
        assert_eq!(counted(4, "lowerRoman"), "iv");
        assert_eq!(counted(1994, "upperRoman"), "MCMXCIV");
        assert_eq!(counted(27, "upperLetter"), "AA");
        assert_eq!(counted(7, "decimalZero"), "07");
        assert_eq!(counted(7, "ordinalText"), "7");
    }
}
