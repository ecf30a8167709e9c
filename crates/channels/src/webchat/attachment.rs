use domain::MediaKind;

/// How much of a file is looked at to tell what it is.
pub const SNIFFED_BYTES: usize = 4096;

/// The types of files that visitors may send: what people show in a chat, and nothing that a browser
/// would run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachmentType {
    media_type: &'static str,
    media_kind: MediaKind,
}

impl AttachmentType {
    /// The media type, for example `image/png`.
    pub const fn as_str(self) -> &'static str {
        self.media_type
    }

    /// What it is shown as.
    pub const fn media_kind(self) -> MediaKind {
        self.media_kind
    }

    /// The type of that name, if visitors may send it.
    pub fn named(media_type: &str) -> Option<Self> {
        ALL.iter().copied().find(|one| one.media_type == media_type)
    }

    /// Recognises a file by its first bytes; only where these fit several types the ending of its
    /// name counts. What a client says it is does not.
    pub fn sniff(name: &str, first: &[u8]) -> Option<Self> {
        let ending = name
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_ascii_lowercase());
        let ending = ending.as_deref().unwrap_or_default();
        let media_type = by_magic(first).or_else(|| match ending {
            "docx" | "xlsx" | "pptx" if first.starts_with(b"PK\x03\x04") => office(ending),
            "txt" | "csv" | "md" | "log" if is_text(first) => Some("text/plain"),
            _ => None,
        })?;
        Self::named(media_type)
    }
}

const fn one(media_type: &'static str, media_kind: MediaKind) -> AttachmentType {
    AttachmentType {
        media_type,
        media_kind,
    }
}

const ALL: &[AttachmentType] = &[
    one("image/png", MediaKind::Image),
    one("image/jpeg", MediaKind::Image),
    one("image/gif", MediaKind::Image),
    one("image/webp", MediaKind::Image),
    one("video/mp4", MediaKind::Video),
    one("video/3gpp", MediaKind::Video),
    one("video/webm", MediaKind::Video),
    one("audio/mpeg", MediaKind::Audio),
    one("audio/mp4", MediaKind::Audio),
    one("audio/ogg", MediaKind::Audio),
    one("audio/wav", MediaKind::Audio),
    one("application/pdf", MediaKind::Document),
    one(DOCX, MediaKind::Document),
    one(XLSX, MediaKind::Document),
    one(PPTX, MediaKind::Document),
    one("text/plain", MediaKind::Document),
];

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

fn by_magic(first: &[u8]) -> Option<&'static str> {
    let at = |from: usize, magic: &[u8]| first.get(from..).is_some_and(|it| it.starts_with(magic));
    let is_riff = at(0, b"RIFF");
    Some(match first {
        _ if at(0, b"\x89PNG\r\n\x1a\n") => "image/png",
        _ if at(0, b"\xff\xd8\xff") => "image/jpeg",
        _ if at(0, b"GIF87a") || at(0, b"GIF89a") => "image/gif",
        _ if is_riff && at(8, b"WEBP") => "image/webp",
        _ if is_riff && at(8, b"WAVE") => "audio/wav",
        _ if at(4, b"ftyp") => first.get(8..12).and_then(by_brand)?,
        _ if at(0, b"\x1a\x45\xdf\xa3") => "video/webm",
        _ if at(0, b"OggS") => "audio/ogg",
        _ if at(0, b"ID3") => "audio/mpeg",
        [0xff, 0xfb | 0xfa | 0xf3 | 0xf2, ..] => "audio/mpeg",
        _ if at(0, b"%PDF-") => "application/pdf",
        _ => return None,
    })
}

/// What a file of MP4's form is by its brand; pictures and films of other makers have the form too, and
/// are not played everywhere.
///
/// Source: <https://mp4ra.org/registered-types/brands>, 2026-05.
fn by_brand(brand: &[u8]) -> Option<&'static str> {
    match brand {
        b"M4A " | b"M4B " => Some("audio/mp4"),
        b"isom" | b"iso2" | b"iso3" | b"iso4" | b"iso5" | b"iso6" | b"mp41" | b"mp42" | b"avc1"
        | b"M4V " | b"MSNV" => Some("video/mp4"),
        [b'3', b'g', b'p', _] => Some("video/3gpp"),
        _ => None,
    }
}

fn office(ending: &str) -> Option<&'static str> {
    match ending {
        "docx" => Some(DOCX),
        "xlsx" => Some(XLSX),
        "pptx" => Some(PPTX),
        _ => None,
    }
}

/// Whether bytes are UTF-8 text; a character that the end cuts in two is fine.
fn is_text(first: &[u8]) -> bool {
    let text = match std::str::from_utf8(first) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_first_bytes_say() {
        for (name, first, media_type) in [
            ("a.png", &b"\x89PNG\r\n\x1a\n..."[..], "image/png"),
            ("a.txt", b"\xff\xd8\xff\xe0", "image/jpeg"),
            ("a", b"GIF89a", "image/gif"),
            ("a.webp", b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
            ("a.wav", b"RIFF\x00\x00\x00\x00WAVE", "audio/wav"),
            ("a.mov", b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
            ("a.mp4", b"\x00\x00\x00\x1cftypM4A ", "audio/mp4"),
            ("a.3gp", b"\x00\x00\x00\x18ftyp3gp5", "video/3gpp"),
            ("a.mp3", b"\xff\xfb\x90", "audio/mpeg"),
            ("a.pdf", b"%PDF-1.7", "application/pdf"),
            ("a.DOCX", b"PK\x03\x04", DOCX),
            ("notes.txt", "caf\u{e9}\n".as_bytes(), "text/plain"),
            ("notes.txt", &"caf\u{e9}".as_bytes()[..4], "text/plain"),
        ] {
            let sniffed = AttachmentType::sniff(name, first).map(AttachmentType::as_str);
            assert_eq!(sniffed, Some(media_type), "{name}");
        }
    }

    #[test]
    fn what_a_browser_or_a_system_would_run_is_not_taken() {
        for (name, first) in [
            ("a.html", &b"<html><script>"[..]),
            ("a.svg", b"<svg xmlns="),
            ("a.png", b"<html>"),
            ("a.js", b"alert(1)"),
            ("a.exe", b"MZ\x90\x00"),
            ("a.zip", b"PK\x03\x04"),
            ("a.txt", b"\x7fELF\x00"),
            ("a.heic", b"\x00\x00\x00\x18ftypheic"),
            ("a.mov", b"\x00\x00\x00\x14ftypqt  "),
            ("a.mp4", b"\x00\x00\x00\x14ftyp"),
            ("a.txt", b""),
            ("a.png", b""),
        ] {
            assert_eq!(AttachmentType::sniff(name, first), None, "{name}");
        }
    }
}
