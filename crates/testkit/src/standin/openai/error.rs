use poem::Response;
use poem::http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::standin::listen::json_response;
use crate::standin::model::ModelFault;

/// The error object of a failure on the provider's side.
pub(super) fn server_error() -> Value {
    error(
        "The server had an error while processing your request. Sorry about that!",
        "server_error",
        None,
        None,
    )
}

/// The response of a 400 for a body that is no valid request.
pub(super) fn invalid_request(message: &str, param: &str) -> Response {
    let body = error(message, "invalid_request_error", Some(param), None);
    json_response(StatusCode::BAD_REQUEST, &body)
}

/// The response of a fault that answers in place of the model; `None` for those that do not.
pub(super) fn fault_response(fault: &ModelFault, model: &str) -> Option<Response> {
    let (status, body) = match fault {
        ModelFault::Unauthorized => (
            StatusCode::UNAUTHORIZED,
            error(
                "Incorrect API key provided. You can find your API key in your account.",
                "invalid_request_error",
                None,
                Some("invalid_api_key"),
            ),
        ),
        ModelFault::RateLimited {
            retry_after_seconds,
        } => {
            return Some(rate_limited(*retry_after_seconds));
        }
        ModelFault::QuotaExceeded => (
            StatusCode::TOO_MANY_REQUESTS,
            error(
                "You exceeded your current quota, please check your plan and billing details.",
                "insufficient_quota",
                None,
                Some("insufficient_quota"),
            ),
        ),
        ModelFault::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, server_error()),
        ModelFault::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            error(
                "The engine is currently overloaded, please try again later",
                "server_error",
                None,
                None,
            ),
        ),
        ModelFault::ModelMissing
        | ModelFault::ContextTooLong
        | ModelFault::Unsupported
        | ModelFault::BadRequest => refusal(fault, model)?,
        ModelFault::Drop
        | ModelFault::Hang
        | ModelFault::CutStream { .. }
        | ModelFault::Stall { .. }
        | ModelFault::ErrorInStream { .. } => return None,
    };
    Some(json_response(status, &body))
}

/// The refusal of a request that is not for the model, or for none; `None` for other faults.
fn refusal(fault: &ModelFault, model: &str) -> Option<(StatusCode, Value)> {
    Some(match fault {
        ModelFault::ModelMissing => {
            let message =
                format!("The model `{model}` does not exist or you do not have access to it.");
            let code = Some("model_not_found");
            (
                StatusCode::NOT_FOUND,
                error(&message, "invalid_request_error", None, code),
            )
        }
        ModelFault::ContextTooLong => (
            StatusCode::BAD_REQUEST,
            error(
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages.",
                "invalid_request_error",
                Some("messages"),
                Some("context_length_exceeded"),
            ),
        ),
        ModelFault::Unsupported => {
            let message = "Invalid parameter: 'tools' of type 'function' is not supported with \
                this model.";
            let body = error(message, "invalid_request_error", Some("tools"), None);
            (StatusCode::BAD_REQUEST, body)
        }
        ModelFault::BadRequest => {
            let message = "Invalid schema for function 'find': schema must be a JSON Schema of \
                'type: \"object\"', got 'type: \"array\"'.";
            let code = Some("invalid_function_parameters");
            let body = error(message, "invalid_request_error", Some("tools"), code);
            (StatusCode::BAD_REQUEST, body)
        }
        _ => return None,
    })
}

fn rate_limited(retry_after_seconds: u64) -> Response {
    let message = format!(
        "Rate limit reached on requests per min (RPM): Limit 60, Used 60, Requested 1. Please try again in {retry_after_seconds}s."
    );
    let body = error(&message, "requests", None, Some("rate_limit_exceeded"));
    let mut response = json_response(StatusCode::TOO_MANY_REQUESTS, &body);
    let headers = response.headers_mut();
    headers.insert("retry-after", HeaderValue::from(retry_after_seconds));
    headers.insert(
        "retry-after-ms",
        HeaderValue::from(retry_after_seconds * 1000),
    );
    for (name, value) in [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-limit-tokens", "150000"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if let Ok(reset) = HeaderValue::from_str(&format!("{retry_after_seconds}s")) {
        headers.insert("x-ratelimit-reset-requests", reset);
    }
    response
}

fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}
