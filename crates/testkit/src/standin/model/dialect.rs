use poem::Response;
use poem::http::Method;
use serde_json::Value;

use super::{Frames, ModelFault, ModelReply, Spoken};
use crate::standin::listen::Exchange;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::standin) enum Operation {
    /// An answer.
    Chat,
    /// An answer, in the second of OpenAI's formats.
    Respond,
    /// Vectors of texts.
    Embed,
    /// Anything else: lists of models and the like.
    Look,
}

/// What a model says to a request.
#[derive(Clone, Debug)]
pub(in crate::standin) struct Said {
    pub(in crate::standin) operation: Operation,
    /// The request.
    pub(in crate::standin) body: Value,
    /// Random, in hexadecimal, for ids.
    pub(in crate::standin) id: String,
    /// When it was asked, in seconds since 1970.
    pub(in crate::standin) created: i64,
    pub(in crate::standin) input_tokens: usize,
    /// `Text` or `ToolCall`.
    pub(in crate::standin) reply: ModelReply,
}

impl Said {
    /// The name of the model that was asked.
    pub(in crate::standin) fn model(&self) -> &str {
        self.body["model"].as_str().unwrap_or_default()
    }
}

/// How one provider writes all of it.
pub(in crate::standin) trait Dialect: std::fmt::Debug + Send + Sync {
    /// What a request asks for; `None`: there is nothing at this path.
    fn operation(&self, method: &Method, path: &str) -> Option<Operation>;

    /// The key that a request shows.
    fn key<'a>(&self, exchange: &'a Exchange) -> Option<&'a str>;

    /// The refusal of a request that is not as it has to be.
    fn check(&self, operation: Operation, exchange: &Exchange, body: &Value) -> Option<Response>;

    /// The refusal by a fault; `None` for faults that are none.
    fn fault(&self, fault: &ModelFault, model: &str) -> Option<Response>;

    /// Everything that was said before.
    fn prompt(&self, operation: Operation, body: &Value) -> Vec<Spoken>;

    /// Whether the answer is to come in pieces.
    fn is_streamed(&self, body: &Value) -> bool {
        body["stream"] == true
    }

    /// The answer in one piece.
    fn whole(&self, said: &Said) -> Response;

    /// The answer in pieces.
    fn frames(&self, said: &Said) -> Frames;

    /// The response to an [`Operation::Embed`].
    fn embed(&self, body: &Value) -> Response;

    /// The response to an [`Operation::Look`] at `path`.
    fn look(&self, path: &str, body: &Value) -> Response;

    /// The header that carries the request's id.
    fn id_header(&self) -> &'static str;
}
