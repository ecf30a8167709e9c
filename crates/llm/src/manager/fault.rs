use crate::{Error, Phase};

/// What went wrong, as it is kept and counted: an [`Error`] without its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Too many requests or tokens at the moment.
    RateLimited,
    /// The account is out of credit or over its limit.
    QuotaSpent,
    /// The key is wrong, withdrawn or not allowed to do this.
    KeyRefused,
    /// The request is longer than the model reads.
    ContextTooLong,
    /// The model does not take something in the request.
    Unsupported,
    /// No provider would ever take this request.
    BadRequest,
    /// The settings lead to no model.
    Misconfigured,
    /// The provider does not have the model.
    ModelMissing,
    /// The provider is down, overloaded or out of reach.
    Unavailable,
    /// The provider took too long.
    TimedOut,
    /// The answer broke off.
    BrokenStream,
}

impl Fault {
    /// Every one, in order.
    pub const ALL: &'static [Self] = &[
        Self::RateLimited,
        Self::QuotaSpent,
        Self::KeyRefused,
        Self::ContextTooLong,
        Self::Unsupported,
        Self::BadRequest,
        Self::Misconfigured,
        Self::ModelMissing,
        Self::Unavailable,
        Self::TimedOut,
        Self::BrokenStream,
    ];

    /// What an error comes down to.
    pub const fn of(error: &Error) -> Self {
        match error {
            Error::RateLimited { .. } => Self::RateLimited,
            Error::QuotaSpent { .. } => Self::QuotaSpent,
            Error::KeyRefused { .. } => Self::KeyRefused,
            Error::ContextTooLong { .. } => Self::ContextTooLong,
            Error::Unsupported { .. } => Self::Unsupported,
            Error::BadRequest { .. } => Self::BadRequest,
            Error::Misconfigured { .. } => Self::Misconfigured,
            Error::ModelMissing { .. } => Self::ModelMissing,
            Error::Unavailable { .. } => Self::Unavailable,
            Error::TimedOut { .. } => Self::TimedOut,
            Error::BrokenStream { .. } => Self::BrokenStream,
        }
    }

    /// The name in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::QuotaSpent => "quota_spent",
            Self::KeyRefused => "key_refused",
            Self::ContextTooLong => "context_too_long",
            Self::Unsupported => "unsupported",
            Self::BadRequest => "bad_request",
            Self::Misconfigured => "misconfigured",
            Self::ModelMissing => "model_missing",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::BrokenStream => "broken_stream",
        }
    }

    /// Whether another model may do better: what is wrong with the request itself is wrong
    /// everywhere.
    pub const fn is_of_one_model(self) -> bool {
        !matches!(self, Self::BadRequest)
    }

    /// Whether it tells something of how the account does: not what is wrong with one tenant's
    /// request or settings.
    pub const fn is_of_the_account(self) -> bool {
        !matches!(
            self,
            Self::BadRequest
                | Self::Unsupported
                | Self::ContextTooLong
                | Self::Misconfigured
                | Self::ModelMissing
        )
    }

    /// Whether only a person can put it right.
    pub const fn needs_a_person(self) -> bool {
        matches!(
            self,
            Self::KeyRefused
                | Self::QuotaSpent
                | Self::Misconfigured
                | Self::ModelMissing
                | Self::Unsupported
        )
    }
}

/// Whether a call that failed like this before its first event may be on the bill all the same:
/// the provider may have read the request.
pub(super) const fn may_be_billed(error: &Error) -> bool {
    match error {
        Error::TimedOut { phase, .. } => !matches!(phase, Phase::Connect),
        Error::BrokenStream { .. } => true,
        _ => false,
    }
}
