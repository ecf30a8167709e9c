//! Why texts have no vectors yet, what that means for a job, and what a document's owner reads of it.

use std::sync::Arc;
use std::time::Duration;

use jobs::Failure;
use llm::Error;

/// How long a job is put off that ran out of time; it goes on from what is kept.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a job waits at a provider's limit that does not say how long.
const LIMIT_PAUSE: Duration = Duration::from_secs(15);

/// How long a job waits before it looks whether the budget has something left again.
const BUDGET_PAUSE: Duration = Duration::from_mins(10);

/// Why making vectors stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    /// A slow model needs more time than one job has.
    OutOfTime,
    /// The month's budget is spent.
    OutOfBudget {
        /// Which, for people.
        reason: String,
    },
    /// A call failed.
    Failed(Arc<Error>),
}

impl Stopped {
    /// Whether it may be one text's fault, so that the others are better tried without it.
    pub(super) fn may_be_of_one_text(&self) -> bool {
        matches!(
            self,
            Self::Failed(error)
                if matches!(
                    **error,
                    Error::BadRequest { .. }
                        | Error::Unsupported { .. }
                        | Error::ContextTooLong { .. }
                )
        )
    }

    /// Whether waiting does not help.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Failed(error) if !error.is_transient())
    }

    /// What is waited for, for a document's owner, and what to do about it; `None`: for nothing but
    /// the work itself.
    pub(super) fn waits_for(&self) -> Option<String> {
        match self {
            Self::OutOfTime => None,
            Self::OutOfBudget { reason } => {
                Some(format!("Its passages get no vectors yet: {reason}."))
            }
            Self::Failed(error) if error.is_transient() => {
                Some(format!("Its passages get no vectors yet: {error}."))
            }
            Self::Failed(error) => {
                let advice = error.advice();
                Some(format!("Its passages get no vectors: {error}. {advice}"))
            }
        }
    }

    /// What it means for a job.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::OutOfTime => Failure::snooze(PAUSE, "its vectors are being made"),
            Self::OutOfBudget { reason } => Failure::snooze(BUDGET_PAUSE, reason),
            Self::Failed(error) => failure_of(error),
        }
    }
}

fn failure_of(error: &Arc<Error>) -> Failure {
    match error.retry_after() {
        // Nothing is wrong: it is a question of when, for as long as there is more than the limit
        // lets through.
        after if matches!(**error, Error::RateLimited { .. }) => {
            let after = after.unwrap_or(LIMIT_PAUSE).max(PAUSE);
            Failure::snooze(after, error.to_string())
        }
        _ if !error.is_transient() => Failure::dead(error.to_string()),
        Some(after) => Failure::retry_after(after, Arc::clone(error)),
        None => Failure::retry(Arc::clone(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stopped_says_what_becomes_of_a_job() {
        let failed = |error| Stopped::Failed(Arc::new(error));
        let limited = failed(Error::RateLimited {
            provider: "openai",
            retry_after: Some(Duration::from_secs(20)),
        });
        assert!(!limited.may_be_of_one_text());
        assert!(matches!(
            limited.failure(),
            Failure::Snooze { after, .. } if after.as_secs() == 20
        ));
        let away = failed(Error::Unavailable {
            provider: "openai",
            retry_after: Some(Duration::from_secs(20)),
            source: None,
        });
        assert!(matches!(away.failure(), Failure::RetryAfter { .. }));
        let refused = failed(Error::KeyRefused { provider: "openai" });
        assert!(!refused.may_be_of_one_text());
        assert!(matches!(refused.failure(), Failure::Dead(_)));
        let bad = failed(Error::BadRequest {
            provider: "openai",
            detail: String::new(),
        });
        assert!(bad.may_be_of_one_text());
        let snoozed = Stopped::OutOfTime.failure();
        assert!(matches!(snoozed, Failure::Snooze { .. }));
    }
}
