use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MediaType {
    /// Plain text in any encoding.
    #[serde(rename = "text/plain")]
    Text,
    /// Markdown.
    #[serde(rename = "text/markdown")]
    Markdown,
    /// PDF.
    #[serde(rename = "application/pdf")]
    Pdf,
}

impl MediaType {
    /// Every format.
    pub const ALL: &'static [Self] = &[Self::Text, Self::Markdown, Self::Pdf];

    /// Its name as HTTP and the database carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Pdf => "application/pdf",
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MediaType {
    type Err = Unsupported;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == name)
            .ok_or(Unsupported::Unknown)
    }
}

/// A file that cannot be read, known from its name and its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// It has no bytes.
    #[error("The file is empty.")]
    Empty,
    /// A known format that is not read.
    #[error("{0} are not supported. Supported are text, Markdown and PDF files.")]
    Format(&'static str),
    /// Bytes that are no text.
    #[error("The file is of an unknown kind. Supported are text, Markdown and PDF files.")]
    Unknown,
}

/// The first bytes of formats that are not read, by what people call their files.
const FOREIGN: [(&[u8], &str); 16] = [
    (b"PK\x03\x04", "Office documents and ZIP archives"),
    (b"PK\x05\x06", "ZIP archives"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Old Office documents"),
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

/// Says what a file is by its first bytes (a kilobyte is enough). `name` and the media type that
/// the client `declared` only tell Markdown from plain text. What is called a PDF counts as one:
/// the reader says why it is none, and that stays to be seen on its document.
///
/// # Errors
/// [`Unsupported`], with a sentence for the person who uploaded it.
pub fn sniff(
    name: &str,
    declared: Option<&str>,
    first_bytes: &[u8],
) -> Result<MediaType, Unsupported> {
    let name = name.to_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let declared = declared.map(|declared| {
        let essence = declared.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    });
    if first_bytes.is_empty() {
        return Err(Unsupported::Empty);
    }
    let called_pdf = ending == "pdf" || declared.as_deref() == Some("application/pdf");
    if called_pdf || is_pdf(first_bytes) {
        return Ok(MediaType::Pdf);
    }
    if let Some((_, files)) = FOREIGN
        .iter()
        .find(|(magic, _)| first_bytes.starts_with(magic))
    {
        return Err(Unsupported::Format(files));
    }
    if !may_be_text(first_bytes) {
        return Err(Unsupported::Unknown);
    }
    if is_html(first_bytes) {
        return Err(Unsupported::Format("HTML pages"));
    }
    let markdown = matches!(ending, "md" | "markdown" | "mdown")
        || matches!(
            declared.as_deref(),
            Some("text/markdown" | "text/x-markdown")
        );
    Ok(if markdown {
        MediaType::Markdown
    } else {
        MediaType::Text
    })
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

fn is_html(bytes: &[u8]) -> bool {
    let start = bytes.get(..256).unwrap_or(bytes);
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    let start = start.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
    start.starts_with("<!doctype html") || start.starts_with("<html")
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
                b"\xef\xbb\xbf <!DOCTYPE html><p>",
                Err(Unsupported::Format("HTML pages")),
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
    fn a_refusal_is_a_sentence() {
        let refusal = sniff("a.docx", None, b"PK\x03\x04\x14").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "Office documents and ZIP archives are not supported. \
             Supported are text, Markdown and PDF files."
        );
    }

    #[test]
    fn names_survive_the_database_and_json() {
        for media_type in MediaType::ALL {
            assert_eq!(media_type.as_str().parse(), Ok(*media_type));
            assert_eq!(
                serde_json::to_string(media_type).unwrap(),
                format!("\"{media_type}\"")
            );
        }
        assert!("image/png".parse::<MediaType>().is_err());
    }
}
