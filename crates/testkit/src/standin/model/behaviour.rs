use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a stand-in of a model provider treats one request; by default it answers from the sources at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelBehaviour {
    /// What it says.
    pub reply: ModelReply,
    /// What goes wrong.
    pub fault: Option<ModelFault>,
    /// How long the first token (or the whole answer, unless streamed) waits, in milliseconds.
    pub first_token_ms: u64,
    /// What the answer's head says besides, such as limits that are used up.
    pub headers: BTreeMap<String, String>,
}

/// What a model says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ModelReply {
    /// "Answer from the sources: " and the first source of the prompt, else "Answer to: " and the last question.
    #[default]
    FromSources,
    /// Where `search_knowledge_base` is offered and nothing was searched yet: a search for the last
    /// question; then, and everywhere else, as `FromSources`, results of tools included.
    SearchFirst,
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
pub enum ModelFault {
    /// 401, a wrong API key.
    Unauthorized,
    /// 429 that passes: too many requests in a minute, with `Retry-After` and the rate-limit headers.
    RateLimited {
        /// How long to wait, in seconds.
        retry_after_seconds: u64,
    },
    /// A refusal that does not pass: the account's quota is used up; no `Retry-After`.
    QuotaExceeded,
    /// 500.
    ServerError,
    /// 529 of Anthropic, 503 of the others: too much to do.
    Overloaded,
    /// 404, no such model.
    ModelMissing,
    /// 400, the prompt is longer than the model's context.
    ContextTooLong,
    /// 400, the model does not take something in the request, which others may.
    Unsupported,
    /// 400, the request is wrong, whoever is asked.
    BadRequest,
    /// The connection closes without an answer.
    Drop,
    /// No answer ever comes.
    Hang,
    /// The stream breaks off after so many chunks of text; without streaming like [`ModelFault::Drop`].
    CutStream {
        /// The chunks sent before.
        after_chunks: usize,
    },
    /// The stream says no more after so many chunks of text, and stays open; without streaming like
    /// [`ModelFault::Hang`].
    Stall {
        /// The chunks sent before.
        after_chunks: usize,
    },
    /// An error object comes in the stream after so many chunks of text; without streaming like [`ModelFault::ServerError`].
    ErrorInStream {
        /// The chunks sent before.
        after_chunks: usize,
    },
}

impl ModelBehaviour {
    /// Says `text`.
    pub fn text(text: &str) -> Self {
        ModelReply::Text {
            text: text.to_owned(),
        }
        .into()
    }
}

impl From<ModelReply> for ModelBehaviour {
    fn from(reply: ModelReply) -> Self {
        Self {
            reply,
            ..Self::default()
        }
    }
}

impl From<ModelFault> for ModelBehaviour {
    fn from(fault: ModelFault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }
}

impl ModelBehaviour {
    /// The same, with one more header of the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }
}
