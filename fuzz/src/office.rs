use std::io::{Cursor, Write as _};

use arbitrary::Arbitrary;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A part of an Office document: any bytes, or XML of tags that readers know.
#[derive(Arbitrary, Debug)]
pub enum Part<'a> {
    /// As they are.
    Bytes(&'a [u8]),
    /// Nested as it must be.
    Tags(Vec<Tag<'a>>),
}

/// A step of XML.
#[derive(Arbitrary, Debug)]
pub enum Tag<'a> {
    /// A tag opens.
    Open(u8),
    /// A tag opens with an attribute.
    With(u8, u8, u8),
    /// The innermost tag closes.
    Close,
    /// Words.
    Text(&'a str),
}

const NAMES: [&str; 72] = [
    "w:p",
    "w:r",
    "w:t",
    "w:pPr",
    "w:pStyle",
    "w:numPr",
    "w:ilvl",
    "w:numId",
    "w:tbl",
    "w:tr",
    "w:tc",
    "w:tcPr",
    "w:gridSpan",
    "w:vMerge",
    "w:tblHeader",
    "w:trPr",
    "w:gridBefore",
    "w:footnoteReference",
    "w:endnoteReference",
    "w:footnote",
    "w:style",
    "w:name",
    "w:basedOn",
    "w:outlineLvl",
    "w:abstractNum",
    "w:num",
    "w:lvl",
    "w:start",
    "w:numFmt",
    "w:lvlText",
    "w:lvlOverride",
    "w:startOverride",
    "w:abstractNumId",
    "w:numStyleLink",
    "w:styleLink",
    "w:del",
    "w:ins",
    "w:moveFrom",
    "w:hyperlink",
    "w:tab",
    "w:br",
    "w:sdt",
    "w:sdtContent",
    "w:txbxContent",
    "mc:AlternateContent",
    "mc:Choice",
    "mc:Fallback",
    "w:instrText",
    "w:fldSimple",
    "w:sym",
    "a:p",
    "a:r",
    "a:t",
    "a:tbl",
    "a:tr",
    "a:tc",
    "p:sp",
    "p:ph",
    "p:sldId",
    "p:graphicFrame",
    "worksheet",
    "sheetData",
    "row",
    "c",
    "v",
    "si",
    "t",
    "table:table",
    "table:table-row",
    "table:table-cell",
    "text:p",
    "office:value",
];

const ATTRIBUTES: [&str; 20] = [
    "w:val",
    "w:id",
    "w:styleId",
    "w:type",
    "w:ilvl",
    "w:numId",
    "w:abstractNumId",
    "r:id",
    "type",
    "r",
    "s",
    "ref",
    "gridSpan",
    "rowSpan",
    "hMerge",
    "table:name",
    "office:value-type",
    "table:number-columns-repeated",
    "table:number-rows-repeated",
    "office:date-value",
];

const VALUES: [&str; 24] = [
    "0",
    "1",
    "2",
    "9",
    "64",
    "4294967295",
    "99999999999",
    "-1",
    "restart",
    "continue",
    "bullet",
    "decimal",
    "lowerRoman",
    "%1.",
    "%1.%2)",
    "heading 1",
    "Title",
    "A1",
    "XFD1048576",
    "s",
    "float",
    "date",
    "2026-11-26",
    "rId1",
];

/// An archive of these parts, not packed.
fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in parts {
        zip.start_file(*name, options).expect("the name is short");
        zip.write_all(content).expect("memory takes it");
    }
    let whole = zip.finish().expect("memory takes it");
    whole.into_inner()
}

/// A document of parts as they are, and of others that are made up.
pub fn document(given: &[(&str, &str)], names: &[&str], parts: &[Part<'_>]) -> Vec<u8> {
    let contents: Vec<Vec<u8>> = parts.iter().map(Part::build).collect();
    let given = given.iter().map(|(name, part)| (*name, part.as_bytes()));
    let made_up = names.iter().copied();
    let made_up = made_up.zip(contents.iter().map(Vec::as_slice));
    archive(&given.chain(made_up).collect::<Vec<_>>())
}

impl Part<'_> {
    fn build(&self) -> Vec<u8> {
        let tags = match self {
            Self::Bytes(bytes) => return bytes.to_vec(),
            Self::Tags(tags) => tags,
        };
        let (mut xml, mut open) = (String::from("<w:x>"), Vec::new());
        for tag in tags.iter().take(400) {
            match tag {
                Tag::Open(at) => {
                    let name = name(*at);
                    xml.push_str(&format!("<{name}>"));
                    open.push(name);
                }
                Tag::With(at, attribute, value) => {
                    let name = name(*at);
                    let attribute = ATTRIBUTES[usize::from(*attribute) % ATTRIBUTES.len()];
                    let value = VALUES[usize::from(*value) % VALUES.len()];
                    xml.push_str(&format!("<{name} {attribute}=\"{value}\">"));
                    open.push(name);
                }
                Tag::Close => {
                    if let Some(name) = open.pop() {
                        xml.push_str(&format!("</{name}>"));
                    }
                }
                Tag::Text(text) => xml.push_str(&text.replace(['<', '&'], " ")),
            }
        }
        for name in open.into_iter().rev() {
            xml.push_str(&format!("</{name}>"));
        }
        xml.push_str("</w:x>");
        xml.into_bytes()
    }
}

fn name(at: u8) -> &'static str {
    NAMES[usize::from(at) % NAMES.len()]
}
