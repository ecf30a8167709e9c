//! Anthropic's Messages, version 2026-10-21.

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
const FORMAT: &str = "anthropic";

/// A model behind Messages.
#[derive(Debug)]
pub(crate) struct Anthropic {
    endpoint: Endpoint,
    model: String,
    capabilities: Capabilities,
}

impl Anthropic {
    /// A client for `model`, which is used wherever a request names none.
    pub(crate) fn new(endpoint: Endpoint, model: String, capabilities: Capabilities) -> Self {
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
            &["v1", "messages"],
            &body,
            Framing::ServerEvents,
            reader::MessageReader::new(model),
        )
        .await
    }
}

impl Model for Anthropic {
    fn provider(&self) -> &'static str {
        self.endpoint.provider
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>> {
        Box::pin(self.start(request))
    }
}
