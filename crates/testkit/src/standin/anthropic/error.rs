use poem::Response;
use poem::http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::standin::listen::json_response;
use crate::standin::model::ModelFault;

/// The error object of a provider that has too much to do.
pub(super) fn overloaded() -> Value {
    error("overloaded_error", "Overloaded")
}

/// The response of a 400 for a body that is no valid request.
pub(super) fn invalid(message: &str) -> Response {
    let body = error("invalid_request_error", message);
    json_response(StatusCode::BAD_REQUEST, &body)
}

/// The response of a fault that answers in place of the model; `None` for those that do not.
pub(super) fn fault_response(fault: &ModelFault, model: &str) -> Option<Response> {
    let (status, body) = match fault {
        ModelFault::Unauthorized => (401, error("authentication_error", "invalid x-api-key")),
        ModelFault::RateLimited {
            retry_after_seconds,
        } => return Some(rate_limited(*retry_after_seconds)),
        ModelFault::QuotaExceeded => {
            let message = "You have reached your specified API usage limits. You will regain \
                access on 2026-12-01 at 00:00 UTC.";
            (400, error("invalid_request_error", message))
        }
        ModelFault::ServerError => (500, error("api_error", "Internal server error")),
        ModelFault::Overloaded => (529, overloaded()),
        ModelFault::ModelMissing => (404, error("not_found_error", &format!("model: {model}"))),
        ModelFault::ContextTooLong => {
            let message = "prompt is too long: 1205351 tokens > 1000000 maximum";
            (400, error("invalid_request_error", message))
        }
        ModelFault::Unsupported => {
            let message = "This model does not support the effort parameter.";
            (400, error("invalid_request_error", message))
        }
        ModelFault::BadRequest => {
            let message = "messages: at least one message is required";
            (400, error("invalid_request_error", message))
        }
        ModelFault::Drop
        | ModelFault::Hang
        | ModelFault::CutStream { .. }
        | ModelFault::Stall { .. }
        | ModelFault::ErrorInStream { .. } => return None,
    };
    let status = StatusCode::from_u16(status).ok()?;
    Some(json_response(status, &body))
}

fn rate_limited(retry_after_seconds: u64) -> Response {
    let message = "This request would exceed your organization's rate limit of 50 requests per \
        minute.";
    let body = error("rate_limit_error", message);
    let mut response = json_response(StatusCode::TOO_MANY_REQUESTS, &body);
    let headers = response.headers_mut();
    headers.insert("retry-after", HeaderValue::from(retry_after_seconds));
    for (name, value) in [
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "0"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn error(kind: &str, message: &str) -> Value {
    json!({
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
    })
}
