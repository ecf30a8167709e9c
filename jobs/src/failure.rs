use std::error::Error as StdError;
use std::time::Duration;

/// Why a handler did not finish its job, by what shall happen next.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Try again by the kind's backoff, while attempts are left.
    #[error("failed, will be tried again")]
    Retry(#[source] Box<dyn StdError + Send + Sync>),
    /// Try again after at least this long: the other side said so. Burns an attempt.
    #[error("failed, will be tried again in {after:?}")]
    RetryAfter {
        /// The least to wait.
        after: Duration,
        /// What the other side said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Not now: nothing is wrong, no attempt is burned.
    #[error("put off for {after:?}: {reason}")]
    Snooze {
        /// How long.
        after: Duration,
        /// Why, for whoever asks what it waits for.
        reason: String,
    },
    /// Nothing is left to do.
    #[error("cancelled: {0}")]
    Cancel(String),
    /// It can never succeed.
    #[error("dead: {0}")]
    Dead(String),
    /// It did not begin before its deadline.
    #[error("it did not begin before its deadline")]
    Expired,
    /// The handler panicked.
    #[error("panicked: {0}")]
    Panicked(String),
    /// The handler took longer than its kind may.
    #[error("took longer than {0:?}")]
    TimedOut(Duration),
}

impl Failure {
    /// Try again by the kind's backoff.
    pub fn retry(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Retry(source.into())
    }

    /// Try again after at least `after`.
    pub fn retry_after(
        after: Duration,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::RetryAfter {
            after,
            source: source.into(),
        }
    }

    /// Not now, and no attempt burned.
    pub fn snooze(after: Duration, reason: impl Into<String>) -> Self {
        Self::Snooze {
            after,
            reason: reason.into(),
        }
    }

    /// Never again.
    pub fn dead(reason: impl Into<String>) -> Self {
        Self::Dead(reason.into())
    }

    /// The failure with its causes, for the operator.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = StdError::source(self);
        while let Some(next) = cause {
            text.push_str(": ");
            text.push_str(&next.to_string());
            cause = next.source();
        }
        printable(&text)
    }
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Self {
        Self::retry(error)
    }
}

/// Why a payload cannot be read: where it stops to make sense, but not what stands there.
pub(crate) fn undecodable(error: &serde_json::Error) -> String {
    // What the error says quotes the payload, except where it names what our types want.
    let text = error.to_string();
    let missing = text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split_once('`'));
    match missing {
        Some((field, _)) => format!("undecodable payload: without {field}"),
        None => {
            let (line, column) = (error.line(), error.column());
            format!("undecodable payload: line {line}, column {column} is not as its kind has it")
        }
    }
}

/// A text as a row can hold it: without NUL, and not whole bodies that an error quotes.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(2000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "nobody gets that far")]
    struct Payload {
        n: i64,
    }

    #[test]
    fn what_is_wrong_with_a_payload_is_told_without_quoting_it() {
        let said = |text: &str| undecodable(&serde_json::from_str::<Payload>(text).unwrap_err());
        let wrong = said(r#"{"n": "+4930123456"}"#);
        assert!(wrong.contains("line 1, column 19"), "{wrong}");
        assert!(!wrong.contains("4930123456"), "{wrong}");
        assert_eq!(said("{}"), "undecodable payload: without n");
        assert!(!said(r#""a secret""#).contains("secret"));
    }
}
