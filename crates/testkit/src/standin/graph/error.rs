use poem::Response;
use poem::http::StatusCode;
use serde_json::json;

use crate::standin::listen::json_response;

/// Meta's error body of `code`, under the HTTP status Meta uses for it.
///
/// Source: developers.facebook.com, WhatsApp support, error codes (2026-05-15).
pub(super) fn error_response(code: i64, details: &str) -> Response {
    let (status, title) = known(code);
    let kind = if matches!(code, 0 | 3 | 10 | 190 | 200..=299) {
        "OAuthException"
    } else {
        "GraphMethodException"
    };
    let body = json!({"error": {
        "message": format!("(#{code}) {title}"),
        "type": kind,
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": details},
        "fbtrace_id": format!("A{}", hex::encode(rand::random::<[u8; 11]>())),
    }});
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    json_response(status, &body)
}

/// The HTTP status and the text that go with a code; 400 for those not listed.
pub(super) fn known(code: i64) -> (u16, &'static str) {
    match code {
        0 | 190 => (401, "Invalid OAuth access token"),
        2 => (503, "API Service"),
        3 => (500, "API Method"),
        4 => (400, "API Too Many Calls"),
        10 | 200..=299 => (403, "Permission denied"),
        100 => (400, "Invalid parameter"),
        368 => (403, "Temporarily blocked for policies violations"),
        80007 => (400, "Rate limit issues"),
        130_429 => (400, "Rate limit hit"),
        131_000 => (500, "Something went wrong"),
        131_005 => (403, "Access denied"),
        131_016 => (500, "Service unavailable"),
        131_026 => (400, "Message undeliverable"),
        131_031 => (403, "Account has been locked"),
        131_047 => (400, "Re-engagement message"),
        131_056 => (
            400,
            "(Business Account, Consumer Account) pair rate limit hit",
        ),
        131_057 => (500, "Account in maintenance mode"),
        _ => (400, "Message failed to send"),
    }
}
