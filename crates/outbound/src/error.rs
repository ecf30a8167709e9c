use std::error::Error as StdError;
use std::net::IpAddr;

/// Why an address is not called at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The URL is of another scheme than `http` or `https`.
    #[error("the URL must start with http:// or https://")]
    Scheme,
    /// The URL carries a user name or password.
    #[error("the URL must not carry a user name or password")]
    UserInfo,
    /// The URL names no host.
    #[error("the URL must name a host")]
    NoHost,
    /// The port belongs to another protocol, such as mail.
    #[error("port {0} belongs to another protocol than HTTP")]
    Port(u16),
    /// The host is, or resolves to, an address that is not public.
    #[error("{0} is not a public address")]
    NotPublic(IpAddr),
    /// The host is a name for this very machine.
    #[error("{0} is a name of the local machine")]
    Local(String),
}

/// What can go wrong on the way out, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address may not be called; trying again does not help.
    #[error("the address is refused")]
    Refused(#[source] Refusal),
    /// No connection came about: the request did not leave, so trying again repeats nothing.
    #[error("the host cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The time was up after the connection stood: the other side may have acted on the request.
    #[error("no complete answer came in time")]
    TimedOut(#[source] reqwest::Error),
    /// The connection broke midway: the other side may have acted on the request.
    #[error("the connection broke before the answer was complete")]
    Interrupted(#[source] reqwest::Error),
    /// The answer is longer than the caller accepts.
    #[error("the answer is longer than {max_bytes} bytes")]
    TooLarge {
        /// The most the caller accepts.
        max_bytes: usize,
    },
    /// The request or the client itself cannot be built, such as from an invalid header.
    #[error("the request cannot be built")]
    Invalid(#[source] reqwest::Error),
}

impl Error {
    /// Tells whether the request certainly never left this machine.
    pub fn was_not_sent(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::Unreachable(_) | Self::Invalid(_)
        )
    }
}

/// Sorts what `reqwest` reports; the URL is taken out, for it may hold a secret.
impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if let Some(refusal) = refusal_of(&error) {
            return Self::Refused(refusal);
        }
        if error.is_connect() {
            Self::Unreachable(error)
        } else if error.is_timeout() {
            Self::TimedOut(error)
        } else if error.is_builder() {
            Self::Invalid(error)
        } else {
            Self::Interrupted(error)
        }
    }
}

fn refusal_of(error: &reqwest::Error) -> Option<Refusal> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(refusal) = inner.downcast_ref::<Refusal>() {
            return Some(refusal.clone());
        }
        cause = inner.source();
    }
    None
}
