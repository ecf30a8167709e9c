//! What a provider's refusal means, by its status, code and text.

use std::time::Duration;

use chrono::DateTime;
use reqwest::Response;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;
use tokio::time::timeout;

use crate::Error;
use crate::endpoint::Endpoint;

/// The most that is read of an error's body.
const BODY_BYTES: usize = 64 * 1024;
/// How long an error's body may take.
const BODY_WAIT: Duration = Duration::from_secs(5);

/// Codes of a 429 that no wait ends.
///
/// Source: learn.microsoft.com, Dev Proxy's list of OpenAI errors, 2026-11.
const QUOTA_CODES: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
];

/// What servers without a code for it write when a request is too long, in lower case.
const TOO_LONG: &[&str] = &[
    "maximum context length",
    "context length exceeded",
    "context_length_exceeded",
    "context window",
    "prompt is too long",
    "exceeds the available context size",
    "reduce the length of the messages",
];

/// An answer whose status is not success.
pub(crate) async fn of_response(endpoint: &Endpoint, response: Response) -> Error {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let body = timeout(BODY_WAIT, outbound::read_prefix(response, BODY_BYTES)).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    let refusal = Refusal::parse(&String::from_utf8_lossy(&body));
    refusal.into_error(endpoint, Some(status), retry_after)
}

/// An error object in the midst of a stream whose status said success.
pub(crate) fn of_event(endpoint: &Endpoint, data: &str) -> Error {
    Refusal::parse(data).into_error(endpoint, None, None)
}

/// What a provider says when it refuses, in any of the shapes seen.
#[derive(Debug, Default)]
struct Refusal {
    code: String,
    kind: String,
    message: String,
    /// A status given as the code, as gateways do.
    status: Option<u16>,
}

impl Refusal {
    fn parse(body: &str) -> Self {
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            return Self {
                message: body.trim().to_owned(),
                ..Self::default()
            };
        };
        // Some servers send a list of one.
        let value = value.get(0).unwrap_or(&value);
        let error = match value.get("error") {
            Some(Value::String(message)) => {
                return Self {
                    message: message.clone(),
                    ..Self::default()
                };
            }
            Some(error @ Value::Object(_)) => error,
            _ => value,
        };
        let text = |name: &str| match error.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let code = text("code");
        Self {
            status: code.parse().ok().filter(|code| (400..600).contains(code)),
            code,
            kind: text("type"),
            message: text("message"),
        }
    }

    fn is(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.code == *name || self.kind == *name)
    }

    fn is_too_long(&self) -> bool {
        let message = self.message.to_lowercase();
        self.is(&["context_length_exceeded"])
            || (!self.is(&["rate_limit_exceeded", "slow_down"])
                && TOO_LONG.iter().any(|part| message.contains(part)))
    }

    fn into_error(
        self,
        endpoint: &Endpoint,
        status: Option<u16>,
        retry_after: Option<Duration>,
    ) -> Error {
        let provider = endpoint.provider;
        let status = status.or(self.status);
        let detail = endpoint.redacted(&self.message);
        if self.is(QUOTA_CODES) || status == Some(402) {
            return Error::QuotaSpent { provider, detail };
        }
        if self.is_too_long() || status == Some(413) {
            return Error::ContextTooLong { provider, detail };
        }
        match status {
            Some(429) => Error::RateLimited {
                provider,
                retry_after,
            },
            // The text can quote the key.
            Some(401 | 403) => Error::KeyRefused { provider },
            Some(408 | 409 | 425 | 500..) => Error::Unavailable {
                provider,
                retry_after,
                source: (!detail.is_empty()).then(|| detail.into()),
            },
            Some(_) => Error::BadRequest { provider, detail },
            None => self.without_status(endpoint, detail),
        }
    }

    fn without_status(&self, endpoint: &Endpoint, detail: String) -> Error {
        let provider = endpoint.provider;
        if self.is(&["rate_limit_exceeded", "slow_down", "rate_limit_error"]) {
            return Error::RateLimited {
                provider,
                retry_after: None,
            };
        }
        if self.is(&["invalid_api_key", "authentication_error"]) {
            return Error::KeyRefused { provider };
        }
        if self.is(&[
            "server_error",
            "overloaded_error",
            "overloaded",
            "api_error",
        ]) {
            return Error::Unavailable {
                provider,
                retry_after: None,
                source: Some(detail.into()),
            };
        }
        if self.is(&["invalid_request_error"]) {
            return Error::BadRequest { provider, detail };
        }
        endpoint.broken(&format!("the provider reported: {detail}"), None)
    }
}

/// How long the provider asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date.
///
/// A date counts from the answer's own `date`, so that no clock has to agree with the provider's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |value: Option<&reqwest::header::HeaderValue>| {
        value.and_then(|value| value.to_str().ok().map(str::trim).map(str::to_owned))
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let wait = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    if let Some(ms) = text(headers.get("retry-after-ms")).and_then(|ms| number(&ms)) {
        return wait(ms / 1000.0);
    }
    let after = text(headers.get(RETRY_AFTER))?;
    if let Some(seconds) = number(&after) {
        return wait(seconds);
    }
    let until = DateTime::parse_from_rfc2822(&after).ok()?;
    let sent = DateTime::parse_from_rfc2822(&text(headers.get(DATE))?).ok()?;
    Some((until - sent).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn the_wait_is_read_from_every_form_of_the_header() {
        for (given, seconds) in [
            (vec![("retry-after-ms", "1500"), ("retry-after", "9")], 1.5),
            (vec![("retry-after", "7")], 7.0),
            (vec![("retry-after", "-3")], 0.0),
            (
                vec![
                    ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"),
                    ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
                ],
                30.0,
            ),
        ] {
            let wait = retry_after(&headers(&given));
            assert_eq!(wait, Some(Duration::from_secs_f64(seconds)), "{given:?}");
        }
        for given in ["soon", "NaN", "1e300", ""] {
            let wait = retry_after(&headers(&[("retry-after", given)]));
            assert_eq!(wait, None, "{given}");
        }
    }
}
