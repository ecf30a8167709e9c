use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::{Matched, Post, SignatureError, Verified};

/// The header that signs a post, in lower case.
pub(crate) const HEADER: &str = "x-hub-signature-256";

const PREFIX: &[u8] = b"sha256=";
const DIGITS: usize = 64;

/// Tells which of `secrets` signed a post.
///
/// # Errors
/// As [`verify`], and [`SignatureError::Missing`] without a header.
pub(crate) fn verify_post(
    secrets: &[&SecretString],
    post: &Post<'_>,
) -> Result<Verified, SignatureError> {
    let header = post.header(HEADER).ok_or(SignatureError::Missing)?;
    let mut error = SignatureError::Mismatch;
    for (nth, secret) in secrets.iter().enumerate() {
        match verify(secret.expose_secret().as_bytes(), post.body, header) {
            Ok(matched) => return Ok(Verified { nth, matched }),
            Err(other) => error = other,
        }
    }
    Err(error)
}

/// Tells whether `header` signs `body`, exactly as received, with the app secret `secret`.
///
/// Takes the same time for every well-formed header. An empty secret verifies nothing.
///
/// # Errors
/// [`SignatureError::Malformed`] unless the header is `sha256=` and 64 lowercase hexadecimal digits,
/// [`SignatureError::Mismatch`] if the signature is another.
pub fn verify(secret: &[u8], body: &[u8], header: &[u8]) -> Result<Matched, SignatureError> {
    let signature = read_header(header).ok_or(SignatureError::Malformed)?;
    if secret.is_empty() {
        return Err(SignatureError::Mismatch);
    }
    if is_signed(secret, body, &signature) {
        return Ok(Matched::AsReceived);
    }
    match std::str::from_utf8(body) {
        Ok(text) if !text.is_ascii() && is_signed(secret, escape(text).as_bytes(), &signature) => {
            Ok(Matched::Escaped)
        }
        _ => Err(SignatureError::Mismatch),
    }
}

fn read_header(header: &[u8]) -> Option<[u8; DIGITS / 2]> {
    let digits = header.strip_prefix(PREFIX)?;
    if digits.len() != DIGITS || digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut signature = [0; DIGITS / 2];
    hex::decode_to_slice(digits, &mut signature).ok()?;
    Some(signature)
}

fn is_signed(secret: &[u8], body: &[u8], signature: &[u8]) -> bool {
    // A key of any length is taken; the error type has no value in practice.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                write!(escaped, "\\u{unit:04x}").ok();
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"an-app-secret";

    fn sign(body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
        mac.update(body);
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn a_known_vector_verifies() {
        // RFC 4231, test case 2.
        let header = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let body = b"what do ya want for nothing?";
        assert_eq!(
            verify(b"Jefe", body, header.as_bytes()),
            Ok(Matched::AsReceived)
        );
        assert_eq!(
            verify(b"Jefe", b"what do ya want for nothing!", header.as_bytes()),
            Err(SignatureError::Mismatch)
        );
        assert_eq!(
            verify(b"jefe", body, header.as_bytes()),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn only_the_exact_form_of_the_header_is_read() {
        let body = b"{}";
        let good = sign(body);
        let digits = &good["sha256=".len()..];
        let bad = [
            String::new(),
            "sha256=".to_owned(),
            digits.to_owned(),
            format!("sha1={digits}"),
            format!("SHA256={digits}"),
            format!("sha256={}", digits.to_uppercase()),
            format!("sha256={digits}0"),
            format!("sha256={}", &digits[1..]),
            format!(" {good}"),
            format!("{good}\n"),
            format!("sha256={}", "z".repeat(64)),
            format!("sha256={}", "é".repeat(32)),
        ];
        for header in bad {
            assert_eq!(
                verify(SECRET, body, header.as_bytes()),
                Err(SignatureError::Malformed),
                "{header:?}"
            );
        }
        assert_eq!(
            verify(SECRET, body, &[0xff; 71]),
            Err(SignatureError::Malformed)
        );
        assert!(verify(SECRET, body, good.as_bytes()).is_ok());
    }

    #[test]
    fn a_signature_over_the_escaped_form_counts_for_the_unescaped_body() {
        let escaped = br#"{"t":"\u00e4 \ud83d\ude00 a/b"}"#;
        let header = sign(escaped);
        let plain = r#"{"t":"ä 😀 a/b"}"#.as_bytes();
        assert_eq!(
            verify(SECRET, plain, header.as_bytes()),
            Ok(Matched::Escaped)
        );
        assert_eq!(
            verify(SECRET, escaped, header.as_bytes()),
            Ok(Matched::AsReceived)
        );
        let other = r#"{"t":"ö 😀 a/b"}"#.as_bytes();
        assert_eq!(
            verify(SECRET, other, header.as_bytes()),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn an_empty_secret_and_broken_text_verify_nothing_by_accident() {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"").unwrap();
        mac.update(b"{}");
        let header = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(
            verify(b"", b"{}", header.as_bytes()),
            Err(SignatureError::Mismatch)
        );
        let broken = b"{\"a\":\"\xff\xfe\"}";
        assert!(verify(SECRET, broken, sign(broken).as_bytes()).is_ok());
        assert_eq!(
            verify(SECRET, broken, sign(b"{}").as_bytes()),
            Err(SignatureError::Mismatch)
        );
    }
}
