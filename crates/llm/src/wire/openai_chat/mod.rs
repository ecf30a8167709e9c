//! Chat Completions of OpenAI and of every server that speaks its format.

mod answer;
mod body;
mod chunk;

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

use crate::endpoint::Endpoint;
use crate::providers::{Capabilities, ModelRules, ToolRule};
use crate::{Error, EventStream, Model, Phase, Request};

/// A model behind Chat Completions.
#[derive(Debug)]
pub(crate) struct OpenAiChat {
    endpoint: Endpoint,
    model: String,
    capabilities: Capabilities,
}

impl OpenAiChat {
    /// A client for `model`, which is used wherever a request names none.
    pub(crate) fn new(endpoint: Endpoint, model: String, capabilities: Capabilities) -> Self {
        Self {
            endpoint,
            model,
            capabilities,
        }
    }

    fn check(&self, request: &Request, model: &str) -> Result<(), Error> {
        let takes_tools = self.capabilities.tools && ModelRules::of(model).tools != ToolRule::Never;
        if request.tools.is_empty() || takes_tools {
            return Ok(());
        }
        Err(Error::BadRequest {
            provider: self.endpoint.provider,
            detail: format!("{model} calls no tools over Chat Completions"),
        })
    }

    async fn start(&self, request: Request) -> Result<EventStream, Error> {
        let started = Instant::now();
        let model = match request.model.as_str() {
            "" => &self.model,
            named => named,
        };
        self.check(&request, model)?;
        let body = body::of(&request, model, self.capabilities);
        let limits = self.endpoint.timeouts;
        let head = self.endpoint.post(&["chat", "completions"], &body);
        let response = timeout(limits.first_token.min(limits.total), head)
            .await
            .map_err(|_| self.endpoint.timed_out(Phase::FirstToken))??;
        Ok(answer::events(self.endpoint.clone(), response, started))
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
