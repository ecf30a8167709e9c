//! Chat Completions of OpenAI and of every server that speaks its format.

mod body;
mod chunk;
mod reader;

use futures::future::BoxFuture;

use super::answer::ask;
use super::frames::Framing;
use super::{check, model_of};
use crate::endpoint::Endpoint;
use crate::providers::{Capabilities, ModelRules, ToolRule};
use crate::{Error, EventStream, Model, Request};

/// A model behind Chat Completions.
#[derive(Debug)]
pub(super) struct OpenAiChat {
    endpoint: Endpoint,
    model: String,
    capabilities: Capabilities,
}

impl OpenAiChat {
    /// A client for `model`, which is used wherever a request names none.
    pub(super) fn new(endpoint: Endpoint, model: String, capabilities: Capabilities) -> Self {
        Self {
            endpoint,
            model,
            capabilities,
        }
    }

    async fn start(&self, request: Request) -> Result<EventStream, Error> {
        let model = model_of(&request, &self.model);
        check(&self.endpoint, &request, model, self.capabilities)?;
        if !request.tools.is_empty() && ModelRules::of(model).chat_tools == ToolRule::Never {
            let detail = format!("{model} calls no tools over Chat Completions");
            return Err(self.endpoint.unsupported(detail));
        }
        let body = body::of(&request, model, self.capabilities);
        ask(
            &self.endpoint,
            &["chat", "completions"],
            &body,
            Framing::ServerEvents,
            reader::ChatReader::default(),
        )
        .await
    }
}

impl Model for OpenAiChat {
    fn provider(&self) -> &'static str {
        self.endpoint.provider
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>> {
        Box::pin(self.start(request))
    }
}
