use std::time::Duration;

use serde_json::Value;

use super::vocabulary::{
    MISSING_CODES, MISSING_TEXTS, NOT_THERE, QUOTA_CODES, QUOTA_TEXTS, TOO_LONG, UNSUPPORTED_CODES,
    UNSUPPORTED_TEXTS,
};
use crate::Error;
use crate::endpoint::Endpoint;

/// What a provider says when it refuses, in any of the shapes seen.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    code: String,
    kind: String,
    message: String,
    /// A status given as the code, as gateways do.
    status: Option<u16>,
}

impl Refusal {
    pub(super) fn parse(body: &str) -> Self {
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
        self.is(MISSING_CODES)
            || holds(&message, MISSING_TEXTS)
            || (names_model && self.is(&["not_found_error"]))
            || (status == Some(404) && names_model && holds(&message, NOT_THERE))
            || (status == Some(400) && message.contains("model does not exist"))
    }

    /// Whether the model or its server, and not every other one, refuses something in the request.
    fn is_unsupported(&self) -> bool {
        let message = self.message.to_lowercase();
        // A picture that cannot be read is one everywhere.
        !self.code.contains("image")
            && (self.is(UNSUPPORTED_CODES) || holds(&message, UNSUPPORTED_TEXTS))
    }

    fn is_too_long(&self) -> bool {
        let message = self.message.to_lowercase();
        self.is(&["context_length_exceeded", "max_tokens_per_request"])
            // More than a whole minute's limit: a 429 that no wait ends.
            || message.starts_with("request too large")
            || (!self.is(&["rate_limit_exceeded", "slow_down"])
                && holds(&message, TOO_LONG))
    }

    pub(super) fn into_error(
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
            Some(_) if self.is_unsupported() => Error::Unsupported { provider, detail },
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
        if self.is_unsupported() {
            return Error::Unsupported { provider, detail };
        }
        if self.is(&["invalid_request_error", "invalid_prompt"]) || self.code.contains("image") {
            return Error::BadRequest { provider, detail };
        }
        endpoint.broken(&format!("the provider reported: {detail}"), None)
    }
}

/// Whether a text in lower case holds one of the parts.
fn holds(text: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| text.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// What a refusal of a 400 or 404 is told apart as.
    fn told(body: &str) -> &'static str {
        let refusal = Refusal::parse(body);
        if refusal.is_too_long() {
            "too long"
        } else if refusal.is_missing_model(Some(400)) {
            "missing"
        } else if refusal.is_unsupported() {
            "unsupported"
        } else {
            "bad"
        }
    }

    #[test]
    fn what_one_model_does_not_take_is_told_from_what_nobody_takes() {
        for (body, expected) in [
            (
                r#"{"error": {"message": "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.", "type": "invalid_request_error", "param": "temperature", "code": "unsupported_value"}}"#,
                "unsupported",
            ),
            (
                r#"{"error": {"message": "Function tools with reasoning_effort are not supported for gpt-5.6-luna in /v1/chat/completions.", "type": "invalid_request_error", "param": "reasoning_effort", "code": null}}"#,
                "unsupported",
            ),
            (
                r#"{"type": "error", "error": {"type": "invalid_request_error", "message": "This model does not support the effort parameter."}}"#,
                "unsupported",
            ),
            (
                r#"{"type": "error", "error": {"type": "invalid_request_error", "message": "temperature: Extra inputs are not permitted"}}"#,
                "unsupported",
            ),
            (
                r#"{"error": "registry.ollama.ai/library/deepseek-r1:14b does not support tools"}"#,
                "unsupported",
            ),
            (
                r#"{"error": {"message": "Model do not support image input.", "code": "InvalidParameter"}}"#,
                "unsupported",
            ),
            (
                r#"{"error": {"message": "No endpoints found that support tool use.", "code": 404}}"#,
                "unsupported",
            ),
            (
                r#"{"error": {"message": "Model Not Exist", "type": "invalid_request_error", "code": "invalid_request_error"}}"#,
                "missing",
            ),
            (
                r#"{"error": {"message": "qwen/none is not a valid model ID", "code": 400}}"#,
                "missing",
            ),
            (
                r#"{"error": {"message": "The model `old` has been decommissioned and is no longer supported.", "type": "invalid_request_error", "code": "model_decommissioned"}}"#,
                "missing",
            ),
            (
                r#"{"error": {"message": "Invalid schema for function 'find': 'array' is not valid.", "type": "invalid_request_error", "param": "tools", "code": "invalid_function_parameters"}}"#,
                "bad",
            ),
            (
                r#"{"type": "error", "error": {"type": "invalid_request_error", "message": "messages: at least one message is required"}}"#,
                "bad",
            ),
            (
                r#"{"error": {"message": "The image format is not supported.", "type": "invalid_request_error", "code": "invalid_image_format"}}"#,
                "bad",
            ),
        ] {
            assert_eq!(told(body), expected, "{body}");
        }
    }
}
