//! What the operators of channels answer: every answer is a success or says what to do about it, no
//! wait is endless, and a file is fetched with our token only where the channel keeps its files.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use channels::{CheckKind, Connection, HttpAnswer, MediaError, MediaStep, Next, Pause, check_hash};
use domain::{ChannelKind, Media, MediaKind};
use fuzz::connect;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use url::Url;

/// The longest that an answer can have us wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

const SHA256: [u8; 32] = [7; 32];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    status: u16,
    retry_after_seconds: Option<u16>,
    failures: u8,
    hash: Hash<'a>,
    body: Body<'a>,
}

#[derive(Arbitrary, Debug)]
enum Hash<'a> {
    Any(&'a str),
    Hex(bool),
    Base64(bool),
}

#[derive(Arbitrary, Debug)]
enum Body<'a> {
    Failed {
        code: i64,
        known: u8,
        subcode: Option<i64>,
        is_transient: bool,
        message: &'a str,
        details: Option<&'a str>,
    },
    Named(u8, &'a str),
    File {
        host: u8,
        path: &'a str,
        size: i64,
        hash: Option<&'a str>,
    },
    Apps(Vec<&'a str>),
    Bytes(&'a [u8]),
}

/// Codes that Meta documents.
const CODES: [i64; 20] = [
    0, 1, 2, 4, 10, 33, 80_007, 100, 190, 368, 613, 130_429, 130_472, 131_026, 131_031, 131_042,
    131_047, 131_048, 131_056, 132_000,
];

const HOSTS: [&str; 12] = [
    "https://lookaside.fbsbx.com/",
    "https://mmg.whatsapp.net/",
    "https://scontent.xx.fbcdn.net/",
    "https://graph.example/",
    "http://lookaside.fbsbx.com/",
    "https://fbsbx.com.evil.example/",
    "https://evilfbsbx.com/",
    "https://fbsbx.com@evil.example/",
    "https://evil.example\\@fbsbx.com/",
    "https://evil.example#.fbsbx.com/",
    "//fbsbx.com/",
    "",
];

fuzz_target!(|input: Input<'_>| {
    let answer = HttpAnswer {
        status: input.status % 600,
        retry_after: input
            .retry_after_seconds
            .map(|seconds| Duration::from_secs(seconds.into()).min(LONGEST_WAIT)),
        body: body(&input.body),
    };
    for kind in ChannelKind::ALL {
        let Some(connection) = connect(*kind) else {
            continue;
        };
        check_sent(*kind, connection.as_ref(), &answer, &input);
        check_found(*kind, connection.as_ref(), &answer);
        check_address(*kind, connection.as_ref(), &answer);
        check_fetch(*kind, connection.as_ref(), &input.body);
    }
    check_file(&input.hash);
});

fn body(body: &Body<'_>) -> Bytes {
    let value = match body {
        Body::Failed {
            code,
            known,
            subcode,
            is_transient,
            message,
            details,
        } => {
            let code = CODES.get(usize::from(*known)).unwrap_or(code);
            let details = details.map(|details| json!({"details": details}));
            json!({"error": {"code": code, "error_subcode": subcode, "message": message,
                "is_transient": is_transient, "error_data": details}})
        }
        Body::Named(at, id) => match at % 4 {
            0 => json!({"messages": [{"id": id}]}),
            1 => json!({"message_id": id, "recipient_id": "1"}),
            2 => json!({"id": id, "attachment_id": id, "quality_rating": id}),
            _ => json!({"recipient_id": id, "error": id}),
        },
        Body::File { size, hash, .. } => {
            json!({"url": address(body), "file_size": size, "sha256": hash, "mime_type": hash})
        }
        Body::Apps(apps) => {
            let apps = apps.iter().map(|app| {
                json!({"id": app, "whatsapp_business_api_data": {"id": app},
                    "subscribed_fields": ["messages", app]})
            });
            json!({"data": apps.collect::<Vec<Value>>()})
        }
        Body::Bytes(bytes) => return Bytes::copy_from_slice(bytes),
    };
    Bytes::from(value.to_string())
}

fn address(body: &Body<'_>) -> String {
    match body {
        Body::File { host, path, .. } => {
            format!("{}{path}", HOSTS[usize::from(*host) % HOSTS.len()])
        }
        _ => String::new(),
    }
}

fn check_sent(
    kind: ChannelKind,
    connection: &dyn Connection,
    answer: &HttpAnswer,
    input: &Input<'_>,
) {
    match connection.read_sent("m-1", answer) {
        Ok(sent) => {
            assert!(answer.is_success(), "{kind}: {answer:?}");
            assert!(!sent.external_id.is_empty() && !sent.external_id.contains('\0'));
        }
        Err(error) => {
            assert!(!error.message.is_empty() && !error.message.contains('\0'));
            let decision = error.class.decide(input.failures.into());
            if let Next::Retry { after } = decision.next {
                assert!(
                    after <= LONGEST_WAIT && !after.is_zero(),
                    "{kind}: {decision:?}"
                );
            }
            if let Some(Pause::Contact(pause) | Pause::Channel(pause)) = decision.pause {
                assert!(pause <= LONGEST_WAIT, "{kind}: {decision:?}");
            }
            if let Some(code) = error.code {
                connection.class_of_code(code);
            }
        }
    }
    if let Ok(id) = connection.read_uploaded(answer) {
        assert!(answer.is_success() && !id.is_empty() && !id.contains('\0'));
    }
}

fn check_found(kind: ChannelKind, connection: &dyn Connection, answer: &HttpAnswer) {
    for check in [CheckKind::Credentials, CheckKind::Subscription] {
        for answer in [Some(answer), None] {
            let finding = connection.read_check(check, answer);
            assert!(!finding.note.is_empty(), "{kind}: {finding:?}");
            assert!(!finding.note.contains('\0'), "{kind}: {finding:?}");
        }
    }
}

fn check_address(kind: ChannelKind, connection: &dyn Connection, answer: &HttpAnswer) {
    match connection.read_address(answer) {
        Ok(step) => check_step(kind, &step),
        Err(MediaError::Refused(error)) => assert!(!error.message.is_empty()),
        Err(_) => {}
    }
}

fn check_fetch(kind: ChannelKind, connection: &dyn Connection, body: &Body<'_>) {
    let media = Media {
        media_kind: MediaKind::Image,
        id: None,
        mime_type: None,
        filename: None,
        caption: None,
        voice: false,
        animated: false,
        sha256: None,
        url: Some(address(body)),
    };
    if let Ok(step) = connection.fetch(&media) {
        check_step(kind, &step);
    }
}

/// Where a file is fetched from by Meta's channels, written from their documentation.
fn check_step(kind: ChannelKind, step: &MediaStep) {
    let MediaStep::Bytes { request, .. } = step else {
        panic!("{kind}: an address leads to another one");
    };
    assert!(request.max_answer_bytes > 0);
    if kind == ChannelKind::Http {
        return assert!(
            request.bearer.is_none() && is_web(&request.url),
            "{}",
            request.url
        );
    }
    let host = request.url.host_str().unwrap_or_default();
    let hosts = ["fbsbx.com", "whatsapp.net", "fbcdn.net"];
    let is_metas = hosts
        .iter()
        .any(|known| host == *known || host.ends_with(&format!(".{known}")));
    assert!(is_metas || host == "graph.example", "{}", request.url);
    assert_eq!(request.url.scheme(), "https");
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// A file is the announced one if and only if its hash is, in one of two forms.
fn check_file(hash: &Hash<'_>) {
    let hex = hex::encode(SHA256);
    // Thirty-two times 7, in base64.
    let base64 = format!("{}BwcHBwc=", "BwcH".repeat(9));
    let (announced, is_ours) = match hash {
        Hash::Any(text) => ((*text).to_owned(), None),
        Hash::Hex(true) => (hex.to_uppercase(), Some(true)),
        Hash::Hex(false) => (hex.replacen('7', "8", 1), Some(false)),
        Hash::Base64(true) => (base64.clone(), Some(true)),
        Hash::Base64(false) => (base64.replacen('B', "C", 1), Some(false)),
    };
    let checked = check_hash(&SHA256, Some(&announced)).is_ok();
    let bare = announced.trim().trim_end_matches('=');
    let expected = bare.eq_ignore_ascii_case(&hex) || bare == base64.trim_end_matches('=');
    assert_eq!(checked, is_ours.unwrap_or(expected), "{announced:?}");
}
