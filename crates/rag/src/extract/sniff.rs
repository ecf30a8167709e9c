use super::MediaType;
use super::archive;

/// A file that cannot be read, known from its name and its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// It has no bytes.
    #[error("The file is empty.")]
    Empty,
    /// A known format that is not read.
    #[error("{0} are not supported. {SUPPORTED}")]
    Format(&'static str),
    /// Bytes that are no text.
    #[error("The file is of an unknown kind. {SUPPORTED}")]
    Unknown,
}

const SUPPORTED: &str = "Supported are PDF, Word (DOCX), PowerPoint (PPTX), Excel (XLSX, XLS), \
                         OpenDocument spreadsheets (ODS), CSV, HTML, Markdown and text files.";

/// The first bytes of formats that are not read, by what people call their files.
const FOREIGN: [(&[u8], &str); 16] = [
    (b"PK\x05\x06", "ZIP archives"),
    (b"PK\x03\x04", "ZIP archives and other Office documents"),
    (archive::OLE, "Word and PowerPoint files of before 2007"),
    (b"{\\rtf", "RTF documents"),
    (b"%!PS", "PostScript files"),
    (b"\x89PNG", "Pictures"),
    (b"\xff\xd8\xff", "Pictures"),
    (b"GIF8", "Pictures"),
    (b"II*\0", "Pictures"),
    (b"MM\0*", "Pictures"),
    (b"\x1f\x8b", "Archives"),
    (b"7z\xbc\xaf\x27\x1c", "Archives"),
    (b"Rar!", "Archives"),
    (b"\x7fELF", "Programs"),
    (b"MZ\x90", "Programs"),
    (b"ID3", "Recordings"),
];

/// How many first bytes of a file [`sniff`] makes use of: archives name their parts on the way.
pub const SNIFFED_BYTES: usize = 64 * 1024;

/// Says what a file is by its first bytes, [`SNIFFED_BYTES`] if there are so many. `name` and the
/// media type that the client `declared` tell texts from each other, and decide where the first
/// bytes do not: what is called a PDF, a Word document or a workbook counts as one. The reader says
/// why it is none, and that stays to be seen on its document.
///
/// # Errors
/// [`Unsupported`], with a sentence for the person who uploaded it.
pub fn sniff(
    name: &str,
    declared: Option<&str>,
    first_bytes: &[u8],
) -> Result<MediaType, Unsupported> {
    if first_bytes.is_empty() {
        return Err(Unsupported::Empty);
    }
    let called = MediaType::called(name, declared);
    if called == Some(MediaType::Pdf) || is_pdf(first_bytes) {
        return Ok(MediaType::Pdf);
    }
    let is_archive = first_bytes.starts_with(b"PK\x03\x04");
    if is_archive && let Some(found) = of_archive(first_bytes) {
        return found;
    }
    let is_ole = first_bytes.starts_with(archive::OLE);
    if let Some(called) = called.filter(|called| !called.is_text())
        && (is_archive || is_ole)
    {
        return Ok(called);
    }
    let foreign = FOREIGN
        .iter()
        .find(|(magic, _)| first_bytes.starts_with(magic));
    if let Some((_, files)) = foreign {
        return Err(Unsupported::Format(files));
    }
    if !may_be_text(first_bytes) {
        return match called {
            Some(called) if !called.is_text() => Ok(called),
            _ => Err(Unsupported::Unknown),
        };
    }
    Ok(match called {
        Some(MediaType::Markdown) => MediaType::Markdown,
        Some(MediaType::Csv) => MediaType::Csv,
        Some(MediaType::Html) => MediaType::Html,
        // Many a program exports a page and calls it a workbook.
        _ if is_html(first_bytes) => MediaType::Html,
        Some(called) if !called.is_text() => called,
        _ => MediaType::Text,
    })
}

/// What an archive is, by the names of its first parts; `None` if they do not tell.
fn of_archive(bytes: &[u8]) -> Option<Result<MediaType, Unsupported>> {
    const HEADER: usize = 30;
    let mut rest = bytes;
    while rest.len() > HEADER {
        let length = |at: usize| usize::from(u16::from_le_bytes([rest[at], rest[at + 1]]));
        let (name_length, extra) = (length(26), length(28));
        let name = rest.get(HEADER..HEADER + name_length)?;
        let content = rest.get(HEADER + name_length + extra..).unwrap_or_default();
        if name == b"mimetype" {
            let is_ods = content.starts_with(MediaType::Ods.as_str().as_bytes());
            let other = Unsupported::Format("Other OpenDocument files and e-books");
            return Some(if is_ods {
                Ok(MediaType::Ods)
            } else {
                Err(other)
            });
        }
        let folder = name.split(|byte| *byte == b'/').next().unwrap_or(name);
        let is_folder = folder.len() < name.len();
        if let Some(found) = str::from_utf8(folder).ok().and_then(of_ooxml_folder)
            && is_folder
        {
            return Some(Ok(found));
        }
        let next = content
            .windows(4)
            .position(|window| window == b"PK\x03\x04")?;
        rest = &content[next..];
    }
    None
}

/// The kind of Office document whose parts stand in `folder`.
pub(super) fn of_ooxml_folder(folder: &str) -> Option<MediaType> {
    match folder.to_ascii_lowercase().as_str() {
        "word" => Some(MediaType::Docx),
        "xl" => Some(MediaType::Xlsx),
        "ppt" => Some(MediaType::Pptx),
        _ => None,
    }
}

/// Whether an OLE file has a stream of this name: they stand in it in UTF-16, ended by a zero.
pub(super) fn ole_has_stream(bytes: &[u8], name: &str) -> bool {
    let mut wanted: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    wanted.extend([0, 0]);
    // The entries of its directory stand at multiples of their size.
    let mut entries = bytes.chunks_exact(128);
    entries.any(|entry| entry.starts_with(&wanted))
}

/// Whether a PDF starts here; readers accept up to a kilobyte of other bytes before it.
pub(super) fn is_pdf(bytes: &[u8]) -> bool {
    bytes
        .get(..1024)
        .unwrap_or(bytes)
        .windows(5)
        .any(|window| window == b"%PDF-")
}

/// Whether the bytes can be text: those of UTF-16 say so by their mark, all others are free of NUL
/// and nearly free of control characters.
pub(super) fn may_be_text(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return true;
    }
    let controls = bytes
        .iter()
        .filter(|byte| matches!(**byte, 1..=8 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f))
        .count();
    !bytes.contains(&0) && controls * 50 <= bytes.len()
}

/// Whether a page starts here, behind comments and an XML declaration.
pub(super) fn is_html(bytes: &[u8]) -> bool {
    let start = bytes.get(..2048).unwrap_or(bytes);
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    let mut start = start.trim_start_matches('\u{feff}').trim_start();
    loop {
        let ended = [("<!--", "-->"), ("<?xml", "?>")]
            .into_iter()
            .find_map(|(open, end)| start.strip_prefix(open)?.split_once(end));
        match ended {
            Some((_, rest)) => start = rest.trim_start(),
            None => return start.starts_with("<!doctype html") || start.starts_with("<html"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_and_of_the_clients_words_little() {
        for (name, declared, bytes, expected) in [
            (
                "a.txt",
                Some("text/plain"),
                &b"%PDF-1.7\n"[..],
                Ok(MediaType::Pdf),
            ),
            ("a.pdf", None, b"plain words", Ok(MediaType::Pdf)),
            (
                "a",
                Some("application/pdf; v=1"),
                b"words",
                Ok(MediaType::Pdf),
            ),
            (
                "a.txt",
                Some("application/pdf "),
                b"%PDF-2.0",
                Ok(MediaType::Pdf),
            ),
            ("README.MD", None, b"# Hello", Ok(MediaType::Markdown)),
            (
                "notes",
                Some("text/markdown; charset=utf-8"),
                b"# Hi",
                Ok(MediaType::Markdown),
            ),
            (
                "notes.txt",
                Some("image/png"),
                b"Hello",
                Ok(MediaType::Text),
            ),
            ("notes.txt", None, b"", Err(Unsupported::Empty)),
            ("notes.txt", None, b"a\0b", Err(Unsupported::Unknown)),
            ("utf16.txt", None, b"\xff\xfeh\0i\0", Ok(MediaType::Text)),
            ("latin.txt", None, b"Gr\xf6\xdfe", Ok(MediaType::Text)),
            (
                "page.txt",
                None,
                b"\xef\xbb\xbf <!-- x --> <!DOCTYPE html><p>",
                Ok(MediaType::Html),
            ),
            (
                "scan.txt",
                None,
                b"\x89PNG\r\n\x1a\n",
                Err(Unsupported::Format("Pictures")),
            ),
        ] {
            assert_eq!(sniff(name, declared, bytes), expected, "{name}");
        }
    }

    #[test]
    fn texts_are_told_apart_by_what_they_are_called() {
        for (name, declared, bytes, expected) in [
            ("part.HTM", None, &b"<p>words"[..], Ok(MediaType::Html)),
            ("prices.xls", None, b"<html><table>", Ok(MediaType::Html)),
            (
                "prices.csv",
                Some("application/vnd.ms-excel"),
                b"a;b\n1;2",
                Ok(MediaType::Csv),
            ),
            ("prices", Some("text/csv"), b"a;b", Ok(MediaType::Csv)),
            (
                "prices.TSV",
                Some("text/plain"),
                b"a\tb",
                Ok(MediaType::Csv),
            ),
        ] {
            assert_eq!(sniff(name, declared, bytes), expected, "{name}");
        }
    }

    /// The start of an archive: its parts by name, each with a few bytes of content.
    fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in parts {
            bytes.extend(b"PK\x03\x04");
            bytes.extend([0; 22]);
            bytes.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            bytes.extend([0, 0]);
            bytes.extend(name.as_bytes());
            bytes.extend(content.as_bytes());
        }
        bytes
    }

    #[test]
    fn archives_are_told_apart_by_their_parts() {
        let types = ("[Content_Types].xml", "PK and more");
        for (name, parts, expected) in [
            (
                "a.zip",
                vec![types, ("word/document.xml", "x")],
                Ok(MediaType::Docx),
            ),
            (
                "a.docx",
                vec![types, ("xl/workbook.xml", "x")],
                Ok(MediaType::Xlsx),
            ),
            (
                "a",
                vec![types, ("ppt/presentation.xml", "x")],
                Ok(MediaType::Pptx),
            ),
            (
                "a.xlsx",
                vec![("mimetype", "application/vnd.oasis.opendocument.spreadsheet")],
                Ok(MediaType::Ods),
            ),
            // What does not tell is what it is called.
            ("a.xlsx", vec![types], Ok(MediaType::Xlsx)),
            (
                "a.zip",
                vec![("photo.jpg", "x")],
                Err(Unsupported::Format(
                    "ZIP archives and other Office documents",
                )),
            ),
            (
                "a.odt",
                vec![("mimetype", "application/vnd.oasis.opendocument.text")],
                Err(Unsupported::Format("Other OpenDocument files and e-books")),
            ),
        ] {
            assert_eq!(
                sniff(name, None, &archive(&parts)),
                expected,
                "{name} {parts:?}"
            );
        }
        for cut in 0..200 {
            let bytes = archive(&[types, ("word/document.xml", "x"), ("a", "b")]);
            sniff("a.bin", None, &bytes[..cut.min(bytes.len())]).ok();
        }
    }

    #[test]
    fn old_office_files_are_what_they_are_called() {
        let ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more";
        assert_eq!(sniff("a.xls", None, ole), Ok(MediaType::Xls));
        // With a password, a document of today stands inside such a file.
        assert_eq!(sniff("a.docx", None, ole), Ok(MediaType::Docx));
        assert!(sniff("a.doc", None, ole).is_err());
    }

    #[test]
    fn a_refusal_is_a_sentence() {
        let refusal = sniff("a.png", None, b"\x89PNG").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "Pictures are not supported. Supported are PDF, Word (DOCX), PowerPoint (PPTX), Excel \
             (XLSX, XLS), OpenDocument spreadsheets (ODS), CSV, HTML, Markdown and text files."
        );
    }
}
