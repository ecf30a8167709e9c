use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use super::{ExtractError, sniff};

/// How much of a text its encoding is guessed from.
const GUESSED_BYTES: usize = 1 << 20;
/// How much of a page may stand before it names its encoding.
const DECLARED_BYTES: usize = 4096;

/// Turns the bytes of a text into chars: by its byte order mark, else as UTF-8 if all of it is,
/// else by the guess that browsers make.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ExtractError> {
    decode_declared(bytes, None)
}

/// The same for a page, which may name its encoding; that it is not UTF-8 has to be true before
/// its word counts, for many a page names what it once was.
pub(super) fn decode_html(bytes: &[u8]) -> Result<Cow<'_, str>, ExtractError> {
    let start = bytes.get(..DECLARED_BYTES).unwrap_or(bytes);
    decode_declared(bytes, declared(start))
}

fn decode_declared<'a>(
    bytes: &'a [u8],
    declared: Option<&'static Encoding>,
) -> Result<Cow<'a, str>, ExtractError> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return Ok(text);
    }
    if !sniff::may_be_text(bytes) {
        return Err(ExtractError::NotText);
    }
    if let Ok(text) = str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let encoding = declared.unwrap_or_else(|| guess(bytes));
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    Ok(text)
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let sample = bytes.get(..GUESSED_BYTES).unwrap_or(bytes);
    detector.feed(sample, sample.len() == bytes.len());
    detector.guess(None, Utf8Detection::Deny)
}

/// The encoding behind `charset=`, in the start of a page.
fn declared(start: &[u8]) -> Option<&'static Encoding> {
    let name = b"charset=";
    let at = start
        .windows(name.len())
        .position(|window| window.eq_ignore_ascii_case(name))?;
    let rest = &start[at + name.len()..];
    let rest = rest
        .strip_prefix(b"\"")
        .or(rest.strip_prefix(b"'"))
        .unwrap_or(rest);
    let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_:.".contains(byte);
    let end = rest.iter().position(|byte| !is_label(byte))?;
    Encoding::for_label(&rest[..end]).filter(|encoding| encoding.is_ascii_compatible())
}

#[cfg(test)]
mod tests {
    use encoding_rs::{SHIFT_JIS, WINDOWS_1251, WINDOWS_1252};

    use super::*;

    #[test]
    fn a_byte_order_mark_decides() {
        assert_eq!(decode(b"\xff\xfeG\0\xf6\0").unwrap(), "Gö");
        assert_eq!(decode(b"\xfe\xff\0G\0\xf6").unwrap(), "Gö");
        assert_eq!(decode(b"\xef\xbb\xbfG\xc3\xb6").unwrap(), "Gö");
    }

    #[test]
    fn utf_8_needs_no_mark() {
        assert_eq!(decode("Größe 大小".as_bytes()).unwrap(), "Größe 大小");
    }

    #[test]
    fn old_encodings_are_guessed() {
        for (encoding, text) in [
            (
                WINDOWS_1252,
                "Die Größe der Tür beträgt über zwei Meter, für Gäste genügt das.",
            ),
            (
                WINDOWS_1251,
                "Доставка по городу занимает два дня, возврат возможен.",
            ),
            (
                SHIFT_JIS,
                "営業時間は午前九時から午後六時までです。返品は三十日以内です。",
            ),
        ] {
            let (bytes, _, _) = encoding.encode(text);
            assert!(str::from_utf8(&bytes).is_err());
            assert_eq!(decode(&bytes).unwrap(), text, "{}", encoding.name());
        }
    }

    #[test]
    fn a_page_names_its_encoding() {
        let source =
            "<meta http-equiv=x content='text/html; charset=windows-1250'><p>Příliš žluťoučký";
        let (bytes, _, _) = encoding_rs::WINDOWS_1250.encode(source);
        assert_eq!(decode_html(&bytes).unwrap(), source);
        // What a page says of itself is not always true.
        let wrong = "<meta charset=\"iso-8859-1\"><p>Größe";
        assert_eq!(decode_html(wrong.as_bytes()).unwrap(), wrong);
    }

    #[test]
    fn pictures_are_no_text() {
        assert!(matches!(
            decode(b"\x89PNG\0\0\0"),
            Err(ExtractError::NotText)
        ));
    }
}
