use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;

use quick_xml::events::BytesStart;

use super::super::ExtractError;
use super::super::archive::Archive;
use super::super::xml::{Node, Xml, attribute, is_on, number};

/// Lists have at most nine levels.
const LEVELS: usize = 9;

/// The lists of a document, and where each stands.
#[derive(Default)]
pub(super) struct Numbering {
    definitions: HashMap<u32, Definition>,
    lists: HashMap<u32, List>,
    /// Which definition has the levels of a style of lists.
    by_style: HashMap<String, u32>,
    /// How far each definition has counted, by level.
    counts: HashMap<u32, [Option<u32>; LEVELS]>,
}

/// What lists have in common that go on counting where another one left off.
#[derive(Default)]
struct Definition {
    levels: Vec<Level>,
    /// The style of lists that has its levels, where it has none of its own.
    style: Option<String>,
}

#[derive(Default)]
struct List {
    definition: u32,
    /// Levels that differ from those of the definition.
    own: BTreeMap<usize, Level>,
    /// What the first paragraph of a level counts from anew.
    restarts: [Option<u32>; LEVELS],
}

#[derive(Clone)]
struct Level {
    format: String,
    /// Its mark: `%1` stands for the number of level 1.
    text: String,
    start: u32,
    /// The style whose paragraphs stand on this level.
    style: Option<String>,
    /// Whether the numbers of all levels are written in digits.
    is_legal: bool,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            format: "decimal".to_owned(),
            text: String::new(),
            start: 1,
            style: None,
            is_legal: false,
        }
    }
}

impl Level {
    fn read<R: BufRead>(xml: &mut Xml<R>) -> Result<Self, ExtractError> {
        let mut level = Self::default();
        xml.each_open(|name, tag| match name {
            "start" => level.start = number(tag, "val").unwrap_or(1),
            "numFmt" => level.format = attribute(tag, "val").unwrap_or_default(),
            "lvlText" => level.text = attribute(tag, "val").unwrap_or_default(),
            "pStyle" => level.style = attribute(tag, "val"),
            "isLgl" => level.is_legal = is_on(tag),
            _ => {}
        })?;
        Ok(level)
    }
}

/// Where a reader of the part stands.
#[derive(Default)]
struct Place {
    definition: u32,
    list: u32,
    /// The level that the list has otherwise than its definition.
    level: Option<usize>,
}

impl Numbering {
    /// Reads the lists from the part at `path`; none if it is not there.
    pub(super) fn read(archive: &mut Archive<'_>, path: &str) -> Result<Self, ExtractError> {
        let mut numbering = Self::default();
        let Some(mut xml) = archive.xml(path)? else {
            return Ok(numbering);
        };
        let mut place = Place::default();
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.local_name().as_ref() == "lvl" => {
                    let at = number(&tag, "ilvl").unwrap_or(0);
                    let level = Level::read(&mut xml)?;
                    numbering.keep(&place, at, level);
                }
                Node::Open(tag) => numbering.open(&mut place, &tag),
                Node::Close(tag) if tag.local_name().as_ref() == "lvlOverride" => {
                    place.level = None;
                }
                Node::End => return Ok(numbering),
                _ => {}
            }
        }
    }

    fn open(&mut self, place: &mut Place, tag: &BytesStart<'_>) {
        match tag.local_name().as_ref() {
            "abstractNum" => place.definition = number(tag, "abstractNumId").unwrap_or(0),
            "styleLink" => {
                if let Some(style) = attribute(tag, "val") {
                    self.by_style.insert(style, place.definition);
                }
            }
            "numStyleLink" => {
                let definition = self.definitions.entry(place.definition).or_default();
                definition.style = attribute(tag, "val");
            }
            "num" => place.list = number(tag, "numId").unwrap_or(0),
            "abstractNumId" => {
                let list = self.lists.entry(place.list).or_default();
                list.definition = number(tag, "val").unwrap_or(0);
            }
            "lvlOverride" => place.level = Some(number(tag, "ilvl").unwrap_or(0)),
            "startOverride" => {
                let list = self.lists.entry(place.list).or_default();
                let restart = place.level.and_then(|at| list.restarts.get_mut(at));
                if let Some(restart) = restart {
                    *restart = number(tag, "val");
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, place: &Place, at: usize, level: Level) {
        if at >= LEVELS {
            return;
        }
        if place.level.is_some() {
            let list = self.lists.entry(place.list).or_default();
            list.own.insert(at, level);
        } else {
            let levels = &mut self.definitions.entry(place.definition).or_default().levels;
            levels.resize(levels.len().max(at + 1), Level::default());
            levels[at] = level;
        }
    }

    /// The level that paragraphs of a style stand on in a list, where the list says so.
    pub(super) fn level_of_style(&self, list: u32, style: &str) -> Option<u8> {
        let levels = &self.definitions.get(&self.definition(list)?)?.levels;
        let is_of = |level: &Level| level.style.as_deref() == Some(style);
        u8::try_from(levels.iter().position(is_of)?).ok()
    }

    /// The definition that has a list's levels.
    fn definition(&self, list: u32) -> Option<u32> {
        let named = self.lists.get(&list)?.definition;
        let style = self.definitions.get(&named)?.style.as_ref();
        let elsewhere = style.and_then(|style| self.by_style.get(style));
        Some(elsewhere.copied().unwrap_or(named))
    }

    /// The mark of the next paragraph of a list, such as `-` or `2.1.`; `None` if it has none.
    pub(super) fn mark(&mut self, list: u32, level: u8) -> Option<String> {
        let definition = self.definition(list)?;
        let at = usize::from(level).min(LEVELS - 1);
        let restart = self.lists.get_mut(&list)?.restarts[at].take();
        let own = &self.lists.get(&list)?.own;
        let common = &self.definitions.get(&definition)?.levels;
        let level = |at: usize| own.get(&at).or_else(|| common.get(at));
        let current = level(at)?;
        let start = |at: usize| level(at).map_or(1, |level| level.start);
        let counts = self.counts.entry(definition).or_default();
        counts[at] = Some(match (restart, counts[at]) {
            (Some(anew), _) => anew,
            (None, None) => start(at),
            (None, Some(count)) => count.saturating_add(1),
        });
        counts[at + 1..].fill(None);
        if current.format == "bullet" {
            return Some("-".to_owned());
        }
        let mut mark = current.text.clone();
        for (above, count) in counts.iter().enumerate().take(at + 1) {
            let format = match level(above) {
                Some(level) if !current.is_legal => &level.format,
                _ => "decimal",
            };
            let count = counted(count.unwrap_or_else(|| start(above)), format);
            mark = mark.replace(&format!("%{}", above + 1), &count);
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
            ..Level::default()
        }
    }

    /// Lists of one definition.
    fn numbering(lists: [u32; 2], levels: Vec<Level>) -> Numbering {
        let mut numbering = Numbering::default();
        let style = None;
        numbering
            .definitions
            .insert(1, Definition { levels, style });
        for list in lists {
            let of = List {
                definition: 1,
                ..List::default()
            };
            numbering.lists.insert(list, of);
        }
        numbering
    }

    #[test]
    fn lists_count_by_level() {
        let levels = vec![
            level("decimal", "%1.", 1),
            level("lowerLetter", "%1.%2)", 1),
            level("bullet", "•", 1),
        ];
        let mut numbering = numbering([7, 9], levels);
        let marks: Vec<_> = [0, 1, 1, 2, 0, 1]
            .into_iter()
            .filter_map(|level| numbering.mark(7, level))
            .collect();
        assert_eq!(marks, ["1.", "1.a)", "1.b)", "-", "2.", "2.a)"]);
        assert_eq!(numbering.mark(8, 0), None);
        assert_eq!(numbering.mark(7, 5), None);
        // Another list of the same definition goes on.
        assert_eq!(numbering.mark(9, 0).as_deref(), Some("3."));
    }

    #[test]
    fn a_list_that_begins_anew_does_so_once_and_may_begin_at_nothing() {
        let mut numbering = numbering([7, 9], vec![level("decimal", "%1.", 0)]);
        numbering.lists.get_mut(&9).unwrap().restarts[0] = Some(5);
        let marks: Vec<_> = [7, 7, 9, 9, 7]
            .into_iter()
            .filter_map(|list| numbering.mark(list, 0))
            .collect();
        assert_eq!(marks, ["0.", "1.", "5.", "6.", "7."]);
    }

    #[test]
    fn legal_numbers_are_digits_on_every_level() {
        let legal = Level {
            is_legal: true,
            ..level("decimal", "%1.%2", 1)
        };
        let mut numbering = numbering([7, 9], vec![level("upperRoman", "%1.", 1), legal]);
        let marks = [0, 1].map(|level| numbering.mark(7, level).unwrap());
        assert_eq!(marks, ["I.", "1.1"]);
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
