use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use super::{ExtractError, media_type};

/// Turns the bytes of a text into chars: by its byte order mark, else as UTF-8 if all of it is,
/// else by the guess that browsers make.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ExtractError> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return Ok(text);
    }
    if !media_type::may_be_text(bytes) {
        return Err(ExtractError::NotText);
    }
    if let Ok(text) = str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    let encoding = detector.guess(None, Utf8Detection::Deny);
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    Ok(text)
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
    fn pictures_are_no_text() {
        assert!(matches!(
            decode(b"\x89PNG\0\0\0"),
            Err(ExtractError::NotText)
        ));
    }
}
