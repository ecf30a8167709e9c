//! Signatures of the generic channel and of outgoing webhooks: what a secret signed verifies in its
//! time, and nothing else does.
#![no_main]

use arbitrary::Arbitrary;
use channels::http_channel::{HttpChannel, ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use channels::{Channel as _, Post, SignatureError};
use chrono::DateTime;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret as _, SecretString};
use secrets::WebhookSecret;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    id: &'a [u8],
    stamp: i64,
    stamp_text: Option<&'a [u8]>,
    body: &'a [u8],
    signature: Signature<'a>,
    late: i16,
    secret: &'a str,
}

#[derive(Arbitrary, Debug)]
enum Signature<'a> {
    Any(&'a [u8]),
    Signed,
    AmongOthers,
    OfAnother,
    OfAnotherBody,
}

fuzz_target!(|input: Input<'_>| {
    if let Ok(secret) = input.secret.parse::<WebhookSecret>() {
        let text = secret.to_text();
        assert_eq!(text.expose_secret(), input.secret);
    }
    let stamp = input.stamp.rem_euclid(4_000_000_000);
    let id = String::from_utf8_lossy(input.id).into_owned();
    let [secret, other] = [SECRET, OTHER].map(|text| text.parse::<WebhookSecret>().expect("valid"));
    let good = secret.sign(&id, stamp, input.body);
    let (signature, is_signed) = match input.signature {
        Signature::Any(bytes) => (bytes.to_vec(), None),
        Signature::Signed => (good.clone().into_bytes(), Some(true)),
        Signature::AmongOthers => (format!("v2,x {good} v1,AAAA").into_bytes(), Some(true)),
        Signature::OfAnother => (other.sign(&id, stamp, input.body).into_bytes(), Some(false)),
        Signature::OfAnotherBody => {
            let body = [input.body, b"."].concat();
            (secret.sign(&id, stamp, &body).into_bytes(), Some(false))
        }
    };
    let stamp_text = input
        .stamp_text
        .map_or_else(|| stamp.to_string().into_bytes(), <[u8]>::to_vec);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (ID_HEADER, id.as_bytes()),
        (TIMESTAMP_HEADER, &stamp_text),
        (SIGNATURE_HEADER, &signature),
    ] {
        let Ok(value) = HeaderValue::from_bytes(value) else {
            return;
        };
        headers.insert(name, value);
    }
    let late = i64::from(input.late);
    let post = Post {
        headers: &headers,
        body: input.body,
        received_at: DateTime::from_timestamp(stamp + late, 0).expect("within the calendar"),
    };
    let verified = HttpChannel.verify(&[&SecretString::from(SECRET)], &post);
    let is_form = !id.is_empty() && id.len() <= 256 && !id.contains('.');
    match (is_signed, input.stamp_text) {
        (Some(true), None) if is_form && late.abs() <= 300 => {
            assert_eq!(verified.map(|verified| verified.nth), Ok(0));
        }
        (Some(true), None) if is_form => assert_eq!(verified.err(), Some(SignatureError::TooOld)),
        (Some(false), _) => assert!(verified.is_err()),
        _ => {
            let holds = signature
                .split(|byte| *byte == b' ')
                .any(|one| one == good.as_bytes());
            assert!(verified.is_err() || holds);
        }
    }
});
