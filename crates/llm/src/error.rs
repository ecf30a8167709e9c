use std::fmt;
use std::time::Duration;

/// The provider whose server tenants run themselves, and so can start and fill.
const OLLAMA: &str = "ollama";

/// The cause beneath an [`Error`].
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer, told by what the caller can do about it.
///
/// `provider` is the provider's name. `detail` is the provider's own text, capped and with the key
/// blotted out; it may quote the request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many requests or tokens at the moment: wait, then try again.
    #[error("{provider} asks to slow down")]
    RateLimited {
        /// Who said so.
        provider: &'static str,
        /// How long to wait, if the provider said.
        retry_after: Option<Duration>,
    },
    /// The account is out of credit or over its spending limit: a person has to act.
    #[error("the {provider} account has no credit left or is over its limit: {detail}")]
    QuotaSpent {
        /// Who said so.
        provider: &'static str,
        /// The provider's text.
        detail: String,
    },
    /// The key is wrong, withdrawn or not allowed to do this: a person has to act.
    #[error("{provider} refuses the key")]
    KeyRefused {
        /// Who said so.
        provider: &'static str,
    },
    /// The provider does not have the model: choose another one, or get it there.
    #[error("{provider} does not have the model: {detail}")]
    ModelMissing {
        /// Who said so.
        provider: &'static str,
        /// The provider's text.
        detail: String,
    },
    /// The request is longer than the model reads: send less.
    #[error("the request is too long for the model of {provider}: {detail}")]
    ContextTooLong {
        /// Who said so.
        provider: &'static str,
        /// The provider's text.
        detail: String,
    },
    /// The model does not take something in the request, such as tools, pictures, a schema or a
    /// setting: choose another model. Others may take it.
    #[error("the model of {provider} does not take the request: {detail}")]
    Unsupported {
        /// Who said so.
        provider: &'static str,
        /// The provider's text.
        detail: String,
    },
    /// The provider will never take this request, and no other would: change it, or the settings.
    #[error("{provider} cannot take the request: {detail}")]
    BadRequest {
        /// Who said so.
        provider: &'static str,
        /// The provider's text.
        detail: String,
    },
    /// The settings lead to no model: an unknown provider, no key, an address that may not be
    /// called. Nothing was sent.
    #[error("{provider} cannot be used: {detail}")]
    Misconfigured {
        /// The provider named in the settings.
        provider: String,
        /// What is wrong, for the tenant to read.
        detail: String,
        /// What refused.
        #[source]
        source: Option<Cause>,
    },
    /// The provider is down, overloaded or out of reach: try again later, or another one.
    #[error("{provider} is unavailable")]
    Unavailable {
        /// Who.
        provider: &'static str,
        /// How long to wait, if the provider said.
        retry_after: Option<Duration>,
        /// What it said, or how the connection failed.
        #[source]
        source: Option<Cause>,
    },
    /// The provider took too long.
    #[error("{provider} took too long {phase}")]
    TimedOut {
        /// Who.
        provider: &'static str,
        /// At what.
        phase: Phase,
    },
    /// The answer broke off, or cannot be read: what came of it is not whole.
    #[error("the answer of {provider} broke off: {detail}")]
    BrokenStream {
        /// Who.
        provider: &'static str,
        /// How.
        detail: String,
        /// What broke.
        #[source]
        source: Option<Cause>,
    },
}

/// What took too long; see [`Timeouts`](crate::Timeouts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Opening the connection.
    Connect,
    /// The wait for the first piece of the answer.
    FirstToken,
    /// The wait for the next piece.
    Idle,
    /// The whole answer.
    Total,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "to connect",
            Self::FirstToken => "to begin the answer",
            Self::Idle => "to go on with the answer",
            Self::Total => "to finish the answer",
        })
    }
}

impl Error {
    /// Whether the same request may succeed a little later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::TimedOut { .. }
            | Self::BrokenStream { .. } => true,
            Self::QuotaSpent { .. }
            | Self::KeyRefused { .. }
            | Self::ModelMissing { .. }
            | Self::ContextTooLong { .. }
            | Self::Unsupported { .. }
            | Self::BadRequest { .. }
            | Self::Misconfigured { .. } => false,
        }
    }

    /// What a person can do about it, in words for a tenant.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => {
                "Answers go on by themselves in a moment. If it happens often, ask the provider \
                 for higher limits."
            }
            Self::QuotaSpent { .. } => {
                "Top up the account at the provider, or raise its spending limit."
            }
            Self::KeyRefused { .. } => "Put a valid key into the settings.",
            Self::ModelMissing {
                provider: OLLAMA, ..
            } => {
                "Pull the model on the Ollama server with `ollama pull`, or choose one that \
                 `ollama list` shows there."
            }
            Self::ModelMissing { .. } => "Choose another model in the settings.",
            Self::ContextTooLong { .. } => {
                "Shorten the instructions, or choose a model that reads more."
            }
            Self::Unsupported { .. } => {
                "Choose a model that takes what is asked of it, or turn that off in the settings."
            }
            Self::BadRequest { .. } => {
                "Check the model and its settings: the provider does not take what is asked of it."
            }
            Self::Misconfigured { .. } => "Correct the settings of the provider.",
            Self::Unavailable {
                provider: OLLAMA, ..
            } => "Start the Ollama server with `ollama serve`, or correct its address.",
            Self::TimedOut {
                provider: OLLAMA, ..
            } => {
                "Choose a smaller model, keep it loaded for longer, or give answers a later \
                 deadline."
            }
            Self::Unavailable { .. } | Self::TimedOut { .. } | Self::BrokenStream { .. } => {
                "Nothing, if it passes. If it stays, look at the provider's status page."
            }
        }
    }

    /// How long the provider asked to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}
