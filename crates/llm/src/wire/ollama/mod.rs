//! Ollama's own chat, which tells more than its imitation of OpenAI: whether a model is there,
//! how long it stays loaded, how much context it gets.

mod body;
mod reader;

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;

use super::answer::ask;
use super::frames::Framing;
use super::{check, model_of};
use crate::endpoint::Endpoint;
use crate::providers::Capabilities;
use crate::{Error, EventStream, Model, Request};

/// The most that is read about a model: templates and licences are long.
const SHOW_BYTES: usize = 4 * 1024 * 1024;

/// How a server is to hold a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct OllamaOptions {
    /// The tokens a model reads and writes at most; `None`: the server's own setting. Longer
    /// requests lose their beginning without a word.
    pub(crate) context_tokens: Option<u32>,
    /// How long it stays loaded after an answer; `None`: the server's own setting.
    pub(crate) keep_alive_seconds: Option<u32>,
}

/// A model on an Ollama server.
#[derive(Debug)]
pub(crate) struct Ollama {
    endpoint: Endpoint,
    model: String,
    capabilities: Capabilities,
    options: OllamaOptions,
}

/// What `/api/show` tells that is used here.
#[derive(Deserialize)]
struct Shown {
    /// Not there on old servers.
    capabilities: Option<Vec<String>>,
}

impl Ollama {
    /// A client for `model`, which is used wherever a request names none.
    pub(crate) fn new(
        endpoint: Endpoint,
        model: String,
        capabilities: Capabilities,
        options: OllamaOptions,
    ) -> Self {
        Self {
            endpoint,
            model,
            capabilities,
            options,
        }
    }

    async fn start(&self, request: Request) -> Result<EventStream, Error> {
        let model = model_of(&request, &self.model);
        check(&self.endpoint, &request, model, self.capabilities)?;
        let messages = &request.messages;
        if messages.iter().any(|message| !message.images.is_empty()) {
            self.check_sees(model).await?;
        }
        let body = body::of(&request, model, self.options);
        ask(
            &self.endpoint,
            &["api", "chat"],
            &body,
            Framing::Lines,
            reader::LineReader::default(),
        )
        .await
    }

    /// Asks whether the model reads images: shown to one that does not, they are left out unsaid.
    async fn check_sees(&self, model: &str) -> Result<(), Error> {
        let asked = json!({"model": model});
        let shown: Shown = self
            .endpoint
            .post_for(&["api", "show"], &asked, SHOW_BYTES)
            .await?;
        let Some(capabilities) = shown.capabilities else {
            return Ok(());
        };
        if capabilities.iter().any(|name| name == "vision") {
            return Ok(());
        }
        Err(self
            .endpoint
            .unsupported(format!("{model} reads no images")))
    }
}

impl Model for Ollama {
    fn provider(&self) -> &'static str {
        self.endpoint.provider
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>> {
        Box::pin(self.start(request))
    }
}
