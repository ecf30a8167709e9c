//! The signature of Meta's posts: a body verifies if and only if its header is the one that the secret
//! makes, over the body or over its escaped form.
#![no_main]

use std::fmt::Write as _;

use arbitrary::Arbitrary;
use channels::whatsapp::verify;
use channels::{Matched, SignatureError};
use libfuzzer_sys::fuzz_target;
use secrets::hmac_sha256;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    secret: &'a [u8],
    body: &'a [u8],
    header: Header<'a>,
}

#[derive(Arbitrary, Debug)]
enum Header<'a> {
    Any(&'a [u8]),
    Signed,
    SignedEscaped,
    /// Signed, with one byte changed.
    Bent(u8, u8),
    /// Signed with another secret.
    Foreign(&'a [u8]),
}

fuzz_target!(|input: Input<'_>| {
    let Input {
        secret,
        body,
        header,
    } = input;
    let plain = sign(secret, body);
    let escaped = std::str::from_utf8(body).ok().map(escape);
    let escaped = escaped.map(|escaped| sign(secret, escaped.as_bytes()));
    let header = match header {
        Header::Any(bytes) => bytes.to_vec(),
        Header::Signed => plain.clone(),
        Header::SignedEscaped => escaped.clone().unwrap_or_default(),
        Header::Bent(at, by) => {
            let mut bent = plain.clone();
            let at = usize::from(at) % bent.len();
            bent[at] ^= by;
            bent
        }
        Header::Foreign(other) => sign(other, body),
    };
    let verified = verify(secret, body, &header);
    let expected = if secret.is_empty() {
        None
    } else if header == plain {
        Some(Matched::AsReceived)
    } else if Some(&header) == escaped.as_ref() {
        Some(Matched::Escaped)
    } else {
        None
    };
    assert_eq!(verified.ok(), expected);
    if let Err(error) = verify(secret, body, &header) {
        assert!(matches!(
            error,
            SignatureError::Malformed | SignatureError::Mismatch
        ));
    }
});

fn sign(secret: &[u8], body: &[u8]) -> Vec<u8> {
    format!("sha256={}", hex::encode(hmac_sha256(secret, &[body]))).into_bytes()
}

/// Written from Meta's documentation: every character beyond ASCII as `\uXXXX` in lower case.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => escaped.push(char::from(byte)),
            _ => write!(escaped, "\\u{unit:04x}").expect("memory takes it"),
        }
    }
    escaped
}
