//! What a provider's refusal means, by its status, code and text.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

use crate::Error;
use crate::endpoint::Endpoint;
use crate::rate_limits::RateLimits;

/// The most that is read of an error's body.
const BODY_BYTES: usize = 64 * 1024;
/// How long an error's body may take.
const BODY_WAIT: Duration = Duration::from_secs(5);

/// Codes and types of refusals that no wait ends: somebody has to pay, or to raise a limit.
///
/// Source: learn.microsoft.com, Dev Proxy's list of OpenAI errors; platform.claude.com, API errors;
/// 2026-11.
const QUOTA_CODES: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_error",
    "enforced_spend_limit_reached",
    "linked_organization_spend_limit_reached",
    "linked_organization_billing_unavailable",
];

/// The same where only the text says so, in lower case: Anthropic answers a 400 of its most common
/// type.
const QUOTA_TEXTS: &[&str] = &[
    "you have reached your specified api usage limits",
    "you have reached your specified workspace api usage limits",
    "your credit balance is too low",
];

/// What names a model that is not there, in lower case, beside the word `model`.
const NOT_THERE: &[&str] = &["not found", "does not exist", "try pulling"];

/// What servers without a code for it write when a request is too long, in lower case.
const TOO_LONG: &[&str] = &[
    "maximum context length",
    "context length exceeded",
    "context_length_exceeded",
    "context window",
    "prompt is too long",
    "exceeds the available context size",
    "exceeds the context length",
    "exceeds maximum context length",
    "reduce the length of the messages",
];

/// An answer whose status is not success.
pub(crate) async fn of_response(endpoint: &Endpoint, response: Response) -> Error {
    let status = response.status().as_u16();
    let limits = RateLimits::read(response.headers());
    let body = timeout(BODY_WAIT, outbound::read_prefix(response, BODY_BYTES)).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    let refusal = Refusal::parse(&String::from_utf8_lossy(&body));
    let error = refusal.into_error(endpoint, Some(status), limits.retry_after);
    heeding(error, limits.should_retry)
}

/// An error object in the midst of a stream whose status said success.
pub(crate) fn of_event(endpoint: &Endpoint, data: &str) -> Error {
    Refusal::parse(data).into_error(endpoint, None, None)
}

/// The error after what `x-should-retry` says, which knows better than the status.
fn heeding(error: Error, should_retry: Option<bool>) -> Error {
    match (error, should_retry) {
        // What no wait ends is for a person.
        (Error::RateLimited { provider, .. }, Some(false)) => Error::QuotaSpent {
            provider,
            detail: "the provider says that waiting does not help".to_owned(),
        },
        (
            Error::Unavailable {
                provider, source, ..
            },
            Some(false),
        ) => Error::BadRequest {
            provider,
            detail: source.map_or_else(String::new, |source| source.to_string()),
        },
        (Error::BadRequest { provider, detail }, Some(true)) => Error::Unavailable {
            provider,
            retry_after: None,
            source: Some(detail.into()),
        },
        (error, _) => error,
    }
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
        let code = match error["details"]["error_code"].as_str() {
            Some(code) => code.to_owned(),
            None => text("code"),
        };
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

    fn is_quota(&self) -> bool {
        let message = self.message.to_lowercase();
        self.is(QUOTA_CODES) || QUOTA_TEXTS.iter().any(|text| message.starts_with(text))
    }

    fn is_missing_model(&self, status: Option<u16>) -> bool {
        let message = self.message.to_lowercase();
        let names_model = message.contains("model");
        self.is(&["model_not_found"])
            || message.contains("invalid model name")
            || (names_model && self.is(&["not_found_error"]))
            || (status == Some(404)
                && names_model
                && NOT_THERE.iter().any(|part| message.contains(part)))
    }

    fn is_too_long(&self) -> bool {
        let message = self.message.to_lowercase();
        self.is(&["context_length_exceeded", "max_tokens_per_request"])
            // More than a whole minute's limit: a 429 that no wait ends.
            || message.starts_with("request too large")
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
        if self.is_quota() || status == Some(402) {
            return Error::QuotaSpent { provider, detail };
        }
        if self.is_too_long() || status == Some(413) {
            return Error::ContextTooLong { provider, detail };
        }
        if self.is_missing_model(status) {
            return Error::ModelMissing { provider, detail };
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
        if self.is(&[
            "invalid_api_key",
            "authentication_error",
            "permission_error",
        ]) {
            return Error::KeyRefused { provider };
        }
        if self.is(&[
            "server_error",
            "overloaded_error",
            "overloaded",
            "api_error",
            "timeout_error",
        ]) {
            return Error::Unavailable {
                provider,
                retry_after: None,
                source: Some(detail.into()),
            };
        }
        if self.is(&["invalid_request_error", "invalid_prompt"]) || self.code.contains("image") {
            return Error::BadRequest { provider, detail };
        }
        endpoint.broken(&format!("the provider reported: {detail}"), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited() -> Error {
        Error::RateLimited {
            provider: "openai",
            retry_after: None,
        }
    }

    fn refused() -> Error {
        Error::BadRequest {
            provider: "openai",
            detail: "odd".to_owned(),
        }
    }

    fn down() -> Error {
        Error::Unavailable {
            provider: "openai",
            retry_after: None,
            source: Some("crash".into()),
        }
    }

    #[test]
    fn a_request_over_a_whole_limit_is_too_long_and_not_too_early() {
        let is_too_long = |body: &str| Refusal::parse(body).is_too_long();
        assert!(is_too_long(
            r#"{"error": {"message": "Request too large for text-embedding-3-small on tokens per min (TPM): Limit 40000, Requested 120000.", "type": "tokens", "code": "rate_limit_exceeded"}}"#
        ));
        assert!(is_too_long(
            r#"{"error": {"message": "Requested 416941 tokens, max 300000 tokens per request", "type": "max_tokens_per_request", "code": "max_tokens_per_request"}}"#
        ));
        assert!(!is_too_long(
            r#"{"error": {"message": "Rate limit reached on tokens per min (TPM): Limit 40000, Used 39000, Requested 2000.", "type": "tokens", "code": "rate_limit_exceeded"}}"#
        ));
    }

    #[test]
    fn the_provider_knows_best_whether_to_try_again() {
        for error in [limited(), down(), refused()] {
            let transient = error.is_transient();
            assert_eq!(heeding(error, None).is_transient(), transient);
        }
        assert!(heeding(refused(), Some(true)).is_transient());
        let spent = heeding(limited(), Some(false));
        assert!(matches!(spent, Error::QuotaSpent { .. }), "{spent:?}");
        let refused = heeding(down(), Some(false));
        assert!(
            matches!(&refused, Error::BadRequest { detail, .. } if detail == "crash"),
            "{refused:?}"
        );
    }
}
