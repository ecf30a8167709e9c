//! Writes Office documents by hand, as small as readers take them.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const OOXML: &str = "http://schemas.openxmlformats.org";

/// An archive of these parts.
pub(crate) fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        let method = if *name == "mimetype" {
            CompressionMethod::Stored
        } else {
            CompressionMethod::Deflated
        };
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An archive with one part of `bytes` zeros.
pub(crate) fn archive_of_zeros(name: &str, bytes: usize) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file("_rels/.rels", options).unwrap();
    zip.write_all(relations(&[("officeDocument", name)]).as_bytes())
        .unwrap();
    zip.start_file(name, options).unwrap();
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..bytes >> 20 {
        zip.write_all(&zeros).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Relations by kind and target; their ids are `r1`, `r2` and so on.
pub(crate) fn relations(targets: &[(&str, &str)]) -> String {
    let relation = |(number, (kind, target)): (u32, &(&str, &str))| {
        format!(
            "<Relationship Id=\"r{number}\" Type=\"{OOXML}/officeDocument/2006/relationships/{kind}\" \
             Target=\"{target}\"/>"
        )
    };
    let all: String = (1..).zip(targets).map(relation).collect();
    format!("<Relationships xmlns=\"{OOXML}/package/2006/relationships\">{all}</Relationships>")
}

fn properties() -> String {
    "<cp:coreProperties xmlns:cp=\"c\" xmlns:dc=\"d\"><dc:title>House rules</dc:title>\
     <dc:creator>Ada Lovelace</dc:creator></cp:coreProperties>"
        .to_owned()
}

/// A Word document with a title and an author around this body.
pub(crate) fn docx(body: &str) -> Vec<u8> {
    let part = |name: &str, content: &str| {
        format!("<w:{name} xmlns:w=\"{OOXML}/wordprocessingml/2006/main\">{content}</w:{name}>")
    };
    let of_package = [
        ("officeDocument", "word/document.xml"),
        ("metadata/core-properties", "docProps/core.xml"),
    ];
    let of_document = [
        ("styles", "styles.xml"),
        ("numbering", "numbering.xml"),
        ("footnotes", "footnotes.xml"),
    ];
    let body = format!("<w:body>{body}</w:body>");
    archive(&[
        ("_rels/.rels", &relations(&of_package)),
        ("docProps/core.xml", &properties()),
        ("word/_rels/document.xml.rels", &relations(&of_document)),
        ("word/document.xml", &part("document", &body)),
        ("word/styles.xml", &part("styles", &styles())),
        ("word/numbering.xml", &part("numbering", &lists())),
        ("word/footnotes.xml", &part("footnotes", FOOTNOTES)),
    ])
}

const FOOTNOTES: &str = "<w:footnote w:type=\"separator\" w:id=\"-1\"/>\
                         <w:footnote w:id=\"1\"><w:p><w:r><w:t>Not on Sundays.</w:t></w:r></w:p>\
                         </w:footnote>";

/// `H1`, `H2`, and `Sub`, which is based on `H2`.
fn styles() -> String {
    let style = |id: &str, inside: &str| format!("<w:style w:styleId=\"{id}\">{inside}</w:style>");
    let name = |name: &str| format!("<w:name w:val=\"{name}\"/>");
    style("H1", &name("heading 1"))
        + &style("H2", &name("heading 2"))
        + &style("Sub", &(name("sub") + "<w:basedOn w:val=\"H2\"/>"))
}

/// List 1 has bullets, list 2 counts.
fn lists() -> String {
    let level = |at: u32, format: &str, text: &str| {
        format!(
            "<w:lvl w:ilvl=\"{at}\"><w:start w:val=\"1\"/><w:numFmt w:val=\"{format}\"/>\
             <w:lvlText w:val=\"{text}\"/></w:lvl>"
        )
    };
    let bullets = level(0, "bullet", "•") + &level(1, "bullet", "o");
    let numbers = level(0, "decimal", "%1.") + &level(1, "lowerLetter", "%2)");
    let definitions = [(1, bullets), (2, numbers)].map(|(id, levels)| {
        format!("<w:abstractNum w:abstractNumId=\"{id}\">{levels}</w:abstractNum>")
    });
    let lists = [1, 2]
        .map(|id| format!("<w:num w:numId=\"{id}\"><w:abstractNumId w:val=\"{id}\"/></w:num>"));
    definitions.concat() + &lists.concat()
}

/// A paragraph of a Word document; `properties` are XML.
pub(crate) fn paragraph(properties: &str, text: &str) -> String {
    format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
}

pub(crate) fn heading(level: u8, text: &str) -> String {
    paragraph(&format!("<w:pStyle w:val=\"H{level}\"/>"), text)
}

/// An item of list 1, which has bullets, or 2, which counts.
pub(crate) fn item(list: u32, level: u8, text: &str) -> String {
    let properties =
        format!("<w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"{list}\"/></w:numPr>");
    paragraph(&properties, text)
}

/// A table of a Word document.
pub(crate) fn word_table(rows: &[&[&str]]) -> String {
    let cell = |text: &&str| format!("<w:tc>{}</w:tc>", paragraph("", text));
    let row = |cells: &&[&str]| {
        let cells: String = cells.iter().map(cell).collect();
        format!("<w:tr>{cells}</w:tr>")
    };
    let rows: String = rows.iter().map(row).collect();
    format!("<w:tbl><w:tblPr/>{rows}</w:tbl>")
}

/// Title, lines and notes of a slide.
pub(crate) type Slide<'a> = (&'a str, &'a [&'a str], &'a str);

/// A presentation with a title and an author.
pub(crate) fn pptx(slides: &[Slide<'_>]) -> Vec<u8> {
    let of_package = [
        ("officeDocument", "ppt/presentation.xml"),
        ("metadata/core-properties", "docProps/core.xml"),
    ];
    let mut parts = vec![
        ("_rels/.rels".to_owned(), relations(&of_package)),
        ("docProps/core.xml".to_owned(), properties()),
    ];
    let (mut ids, mut targets) = (Vec::new(), Vec::new());
    for (number, slide) in (1..).zip(slides) {
        ids.push(format!(
            "<p:sldId id=\"{}\" r:id=\"r{number}\"/>",
            255 + number
        ));
        targets.push(format!("slides/slide{number}.xml"));
        parts.extend(slide_parts(number, slide));
    }
    let targets: Vec<_> = targets
        .iter()
        .map(|path| ("slide", path.as_str()))
        .collect();
    parts.push((
        "ppt/_rels/presentation.xml.rels".to_owned(),
        relations(&targets),
    ));
    parts.push((
        "ppt/presentation.xml".to_owned(),
        format!(
            "<p:presentation {DRAWN}><p:sldIdLst>{}</p:sldIdLst></p:presentation>",
            ids.concat()
        ),
    ));
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_str()))
        .collect();
    archive(&parts)
}

const DRAWN: &str = "xmlns:a=\"a\" xmlns:p=\"p\" xmlns:r=\"r\"";

fn slide_parts(number: u32, (title, lines, notes): &Slide<'_>) -> Vec<(String, String)> {
    let text = |text: &str| format!("<a:p><a:r><a:t>{text}</a:t></a:r></a:p>");
    let shape = |kind: &str, body: &str| {
        format!(
            "<p:sp><p:nvSpPr><p:nvPr><p:ph type=\"{kind}\"/></p:nvPr></p:nvSpPr>\
             <p:txBody>{body}</p:txBody></p:sp>"
        )
    };
    let lines: String = lines.iter().map(|line| text(line)).collect();
    let shapes = shape("body", &lines) + &shape("title", &text(title));
    let mut parts = vec![(
        format!("ppt/slides/slide{number}.xml"),
        format!("<p:sld {DRAWN}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"),
    )];
    if !notes.is_empty() {
        let shapes = shape("body", &text(notes)) + &shape("sldNum", &text("7"));
        parts.push((
            format!("ppt/slides/_rels/slide{number}.xml.rels"),
            relations(&[("notesSlide", &format!("../notesSlides/notes{number}.xml"))]),
        ));
        parts.push((
            format!("ppt/notesSlides/notes{number}.xml"),
            format!("<p:notes {DRAWN}>{shapes}</p:notes>"),
        ));
    }
    parts
}

/// An OpenDocument spreadsheet of these tables, which are XML.
pub(crate) fn ods(tables: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content xmlns:office=\"o\" xmlns:table=\"t\" xmlns:text=\"x\">\
         <office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>\
         </office:document-content>"
    );
    archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", "<manifest/>"),
        (
            "meta.xml",
            "<m xmlns:dc=\"d\"><dc:title>House rules</dc:title><dc:creator>Ada</dc:creator></m>",
        ),
        ("content.xml", &content),
    ])
}

/// A workbook of before 2007 with one sheet of words and numbers.
pub(crate) fn xls(sheet: &str, rows: &[&[&str]]) -> Vec<u8> {
    let rows = (0..).zip(rows);
    let cells = rows.flat_map(|(row, cells)| {
        let cells = (0..).zip(*cells);
        cells.map(move |(column, text)| (row, column, *text))
    });
    xls_of(sheet, &cells.collect::<Vec<_>>())
}

/// The same of cells anywhere, each with its row and its column.
pub(crate) fn xls_of(sheet: &str, cells: &[(u16, u16, &str)]) -> Vec<u8> {
    let mut book = record(0x0809, &bof(5));
    let offset_at = book.len() + 4;
    let mut bound = vec![0; 6];
    bound.extend([u8::try_from(sheet.len()).unwrap(), 0]);
    bound.extend(sheet.as_bytes());
    book.extend(record(0x0085, &bound));
    book.extend(record(0x000a, &[]));
    let start = u32::try_from(book.len()).unwrap();
    book[offset_at..offset_at + 4].copy_from_slice(&start.to_le_bytes());
    book.extend(record(0x0809, &bof(0x10)));
    for (row, column, text) in cells {
        let mut cell: Vec<u8> = [*row, *column, 0]
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .collect();
        if let Ok(number) = text.parse::<f64>() {
            cell.extend(number.to_le_bytes());
            book.extend(record(0x0203, &cell));
        } else {
            cell.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
            cell.push(0);
            cell.extend(text.as_bytes());
            book.extend(record(0x0204, &cell));
        }
    }
    book.extend(record(0x000a, &[]));
    ole("Workbook", book)
}

fn bof(kind: u16) -> Vec<u8> {
    let numbers = [0x0600, kind, 0, 0, 0, 0, 0, 0];
    numbers.into_iter().flat_map(u16::to_le_bytes).collect()
}

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    let mut record: Vec<u8> = [kind, length]
        .into_iter()
        .flat_map(u16::to_le_bytes)
        .collect();
    record.extend(data);
    record
}

/// An OLE file with one stream.
pub(crate) fn ole(name: &str, mut stream: Vec<u8>) -> Vec<u8> {
    const SECTOR: usize = 512;
    // Shorter streams stand elsewhere.
    stream.resize(stream.len().max(4096).next_multiple_of(SECTOR), 0);
    let sectors = u32::try_from(stream.len() / SECTOR).unwrap();
    let mut file = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    file.resize(24, 0);
    for half in [0x3e, 3, 0xfffe, 9, 6, 0, 0, 0_u16] {
        file.extend(half.to_le_bytes());
    }
    for word in [0, 1, 1, 0, 0x1000, 0xffff_fffe, 0, 0xffff_fffe, 0, 0_u32] {
        file.extend(word.to_le_bytes());
    }
    file.resize(SECTOR, 0xff);
    // Sector 0 says what follows what: itself, the directory, the stream.
    let mut table = vec![0xffff_fffd, 0xffff_fffe_u32];
    table.extend((3..2 + sectors).chain([0xffff_fffe]));
    file.extend(table.into_iter().flat_map(u32::to_le_bytes));
    file.resize(SECTOR * 2, 0xff);
    let mut entry = |name: &str, kind: u8, child: u32, start: u32, length: u32| {
        let mut bytes: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let size = u16::try_from(bytes.len() + 2).unwrap();
        bytes.resize(64, 0);
        bytes.extend(size.to_le_bytes());
        bytes.extend([kind, 1]);
        for word in [u32::MAX, u32::MAX, child] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.resize(116, 0);
        for word in [start, length, 0] {
            bytes.extend(word.to_le_bytes());
        }
        file.extend(bytes);
    };
    entry("Root Entry", 5, 1, 0xffff_fffe, 0);
    entry(name, 2, u32::MAX, 2, u32::try_from(stream.len()).unwrap());
    file.resize(SECTOR * 3, 0);
    file.extend(stream);
    file
}
