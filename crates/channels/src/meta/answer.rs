use std::time::Duration;

use serde_json::Value;

use crate::lenient::{flag, integer, text};
use crate::{HttpAnswer, SendClass, SendError};

/// An answer of the Graph API's that is no success.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GraphError {
    /// The HTTP status.
    pub(crate) status: u16,
    /// `error.code`.
    pub(crate) code: Option<i64>,
    /// `error.error_subcode`.
    pub(crate) subcode: Option<i64>,
    /// `error.is_transient`.
    pub(crate) is_transient: bool,
    /// The header `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

impl GraphError {
    /// Sorts by the class its code has, which says more than the HTTP status.
    pub(crate) fn class(&self, of_code: Option<SendClass>) -> SendClass {
        let retry_after = self.retry_after;
        match (of_code, self.status) {
            (Some(SendClass::Retry { after }), _) => SendClass::Retry {
                after: retry_after.or(after),
            },
            (Some(class), _) => class,
            (None, 429) => SendClass::Retry { after: retry_after },
            (None, 401 | 403) => SendClass::TokenDead,
            // A proxy or a server that broke off says nothing of what became of the message.
            (None, 408 | 500..) => SendClass::Unknown,
            (None, _) if self.is_transient => SendClass::RetryFew,
            (None, 400..) => SendClass::Permanent,
            (None, _) => SendClass::Unknown,
        }
    }
}

/// Reads an answer of the Graph API's: its JSON if it is a success, else the error as `class_of`
/// sorts it.
///
/// # Errors
/// [`SendError`], in Meta's most telling words.
pub(crate) fn read_answer(
    answer: &HttpAnswer,
    class_of: impl Fn(&GraphError) -> SendClass,
) -> Result<Value, SendError> {
    let json = answer.json();
    let error = json.get("error").filter(|error| !error.is_null());
    if error.is_none() && answer.is_success() {
        return Ok(json);
    }
    let error = error.unwrap_or(&Value::Null);
    let seen = GraphError {
        status: answer.status,
        code: integer(error, "code"),
        subcode: integer(error, "error_subcode"),
        is_transient: flag(error, "is_transient"),
        retry_after: answer.retry_after,
    };
    let details = error
        .get("error_data")
        .and_then(|data| text(data, "details"));
    let message = details
        .or_else(|| text(error, "message"))
        .unwrap_or_else(|| format!("the Graph API answered {}", answer.status));
    Err(SendError {
        code: seen.code,
        subcode: seen.subcode,
        ..SendError::of(class_of(&seen), message)
    })
}
