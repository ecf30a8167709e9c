use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How an [`OpenAiServer`](super::OpenAiServer) treats one request; by default it answers from the sources at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenAiBehaviour {
    /// What it says.
    pub reply: OpenAiReply,
    /// What goes wrong.
    pub fault: Option<OpenAiFault>,
    /// How long the first token (or the whole answer, unless streamed) waits, in milliseconds.
    pub first_token_ms: u64,
}

/// What a model says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OpenAiReply {
    /// "Answer from the sources: " and the first source of the prompt, else "Answer to: " and the last question.
    #[default]
    FromSources,
    /// This text.
    Text {
        /// The whole answer.
        text: String,
    },
    /// A call of one tool.
    ToolCall {
        /// The function's name.
        name: String,
        /// Its arguments.
        arguments: Value,
    },
}

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OpenAiFault {
    /// 401, a wrong API key.
    Unauthorized,
    /// 429 that passes: too many requests in a minute, with `Retry-After` and the rate-limit headers.
    RateLimited {
        /// How long to wait, in seconds.
        retry_after_seconds: u64,
    },
    /// 429 that does not pass: the account's quota is used up; no `Retry-After`.
    QuotaExceeded,
    /// 500.
    ServerError,
    /// 400, the prompt is longer than the model's context.
    ContextTooLong,
    /// The connection closes without an answer.
    Drop,
    /// No answer ever comes.
    Hang,
    /// The stream breaks off after so many chunks of text; without streaming like [`OpenAiFault::Drop`].
    CutStream {
        /// The chunks sent before.
        after_chunks: usize,
    },
    /// An error object comes in the stream after so many chunks of text; without streaming like [`OpenAiFault::ServerError`].
    ErrorInStream {
        /// The chunks sent before.
        after_chunks: usize,
    },
}

impl OpenAiBehaviour {
    /// Says `text`.
    pub fn text(text: &str) -> Self {
        OpenAiReply::Text {
            text: text.to_owned(),
        }
        .into()
    }
}

impl From<OpenAiReply> for OpenAiBehaviour {
    fn from(reply: OpenAiReply) -> Self {
        Self {
            reply,
            ..Self::default()
        }
    }
}

impl From<OpenAiFault> for OpenAiBehaviour {
    fn from(fault: OpenAiFault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }
}
