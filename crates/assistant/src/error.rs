use std::time::Duration;

/// Why a use case did not happen, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or not for this caller.
    #[error("not found")]
    NotFound,
    /// What was asked for cannot be; the text says why, for people.
    #[error("{0}")]
    Refused(String),
    /// Where the thing stands, it cannot be done.
    #[error("{detail}")]
    Conflict {
        /// The stable name of the reason.
        code: &'static str,
        /// The reason, for people.
        detail: String,
    },
    /// Too much at once.
    #[error("too many requests")]
    RateLimited {
        /// After how long it may be tried again.
        retry_after: Duration,
    },
    /// Nobody vouches for it: no secret fits the signature, no session the token.
    #[error("not authenticated")]
    Unauthenticated,
    /// Only logged-in users may: the tenant's own server has to vouch for who it is.
    #[error("an identity is required")]
    IdentityRequired,
    /// What vouches for a user is not signed by the tenant's own server, or its time is over.
    #[error("the identity is not verified")]
    IdentityNotVerified,
    /// The page that asks is none of those that may.
    #[error("this page may not use the chat")]
    OriginNotAllowed,
    /// The database.
    #[error(transparent)]
    Db(#[from] db::Error),
    /// Something of ours is broken; the text is for operators.
    #[error("{what}")]
    Broken {
        /// What is.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Something of ours is broken.
    pub fn broken(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Broken {
            what: what.into(),
            source: source.into(),
        }
    }
}
