//! What a provider's refusal means, by its status, code and text.

mod refusal;
mod vocabulary;

use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

use self::refusal::Refusal;
use crate::Error;
use crate::endpoint::Endpoint;
use crate::rate_limits::RateLimits;

/// The most that is read of an error's body.
const BODY_BYTES: usize = 64 * 1024;
/// How long an error's body may take.
const BODY_WAIT: Duration = Duration::from_secs(5);

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
