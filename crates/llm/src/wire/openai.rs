//! OpenAI's two formats, of which each model speaks the one that lets it do most.

use futures::future::BoxFuture;

use super::model_of;
use super::openai_chat::OpenAiChat;
use super::openai_responses::OpenAiResponses;
use crate::endpoint::Endpoint;
use crate::providers::{Capabilities, ModelRules};
use crate::{Error, EventStream, Model, Request};

/// A model behind Chat Completions, or behind Responses where the server has it and the model
/// wants it.
#[derive(Debug)]
pub(crate) struct OpenAi {
    model: String,
    chat: OpenAiChat,
    responses: OpenAiResponses,
    capabilities: Capabilities,
}

impl OpenAi {
    /// A client for `model`, which is used wherever a request names none.
    pub(crate) fn new(endpoint: Endpoint, model: String, capabilities: Capabilities) -> Self {
        Self {
            chat: OpenAiChat::new(endpoint.clone(), model.clone(), capabilities),
            responses: OpenAiResponses::new(endpoint, model.clone(), capabilities),
            model,
            capabilities,
        }
    }
}

impl Model for OpenAi {
    fn provider(&self) -> &'static str {
        self.chat.provider()
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>> {
        let rules = ModelRules::of(model_of(&request, &self.model));
        if self.capabilities.responses && rules.prefers_responses() {
            self.responses.stream(request)
        } else {
            self.chat.stream(request)
        }
    }
}
