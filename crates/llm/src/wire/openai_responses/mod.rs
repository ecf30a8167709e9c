//! The Responses API of OpenAI.

mod body;
mod reader;

use futures::future::BoxFuture;

use super::answer::ask;
use super::frames::Framing;
use super::{check, model_of};
use crate::endpoint::Endpoint;
use crate::providers::Capabilities;
use crate::{Error, EventStream, Model, Request};

/// What a [`Replay`](crate::Replay) of this format is known by.
const FORMAT: &str = "openai-responses";

/// A model behind the Responses API.
#[derive(Debug)]
pub(super) struct OpenAiResponses {
    endpoint: Endpoint,
    model: String,
    capabilities: Capabilities,
}

impl OpenAiResponses {
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
        let body = body::of(&request, model);
        ask(
            &self.endpoint,
            &["responses"],
            &body,
            Framing::ServerEvents,
            reader::ResponseReader::new(model),
        )
        .await
    }
}

impl Model for OpenAiResponses {
    fn provider(&self) -> &'static str {
        self.endpoint.provider
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>> {
        Box::pin(self.start(request))
    }
}
