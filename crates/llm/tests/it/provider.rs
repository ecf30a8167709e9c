//! Every wire format at the address of a test.

use std::sync::Arc;

use domain::LlmSettings;
use llm::{Message, Model, Models, PlatformProviders, Request, Timeouts, Tool};
use outbound::Guard;
use serde_json::json;
use testkit::raw::Server;
use url::Url;

/// The key of the platform at every provider.
pub(crate) const KEY: &str = "sk-secret-key";

/// A wire format, as settings lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Chat,
    Responses,
    Anthropic,
    Ollama,
}

impl Wire {
    pub(crate) const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Anthropic, Self::Ollama];

    pub(crate) const fn provider(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
        }
    }

    /// A model that is spoken to in this format.
    pub(crate) const fn model(self) -> &'static str {
        match self {
            Self::Chat => "gpt-4o-mini",
            Self::Responses => "gpt-6-luna",
            Self::Anthropic => "claude-haiku-5-5",
            Self::Ollama => "llama3.2",
        }
    }
}

/// Providers that are all at `origin`.
pub(crate) fn platform(origin: &str) -> PlatformProviders {
    let url = |path: &str| Some(Url::parse(origin).unwrap().join(path).unwrap());
    PlatformProviders {
        openai_api_key: Some(KEY.into()),
        openai_base_url: url("/v1"),
        openai_responses: true,
        anthropic_api_key: Some(KEY.into()),
        anthropic_base_url: url("/"),
        ollama_base_url: url("/"),
        ..PlatformProviders::default()
    }
}

pub(crate) fn models(origin: &str, timeouts: Timeouts) -> Models {
    Models::new(platform(origin), &Guard::default(), timeouts).unwrap()
}

pub(crate) fn settings(wire: Wire) -> LlmSettings {
    LlmSettings {
        provider: wire.provider().to_owned(),
        model: wire.model().to_owned(),
        ..LlmSettings::default()
    }
}

/// The model of `wire` at `origin`.
pub(crate) fn model_at(wire: Wire, origin: &str, timeouts: Timeouts) -> Arc<dyn Model> {
    let models = models(origin, timeouts);
    models.model_for(&settings(wire), None).unwrap()
}

/// The model of `wire` at a server of scripted bytes.
pub(crate) fn model(wire: Wire, server: &Server, timeouts: Timeouts) -> Arc<dyn Model> {
    model_at(wire, server.url.as_str(), timeouts)
}

pub(crate) fn request() -> Request {
    Request {
        messages: vec![Message::system("Be brief."), Message::user("Hi")],
        max_output_tokens: Some(100),
        temperature: Some(0.5),
        ..Request::default()
    }
}

/// The same with a tool.
pub(crate) fn request_with_tool() -> Request {
    Request {
        tools: vec![tool("search_knowledge_base")],
        ..request()
    }
}

pub(crate) fn tool(name: &str) -> Tool {
    Tool {
        name: name.to_owned(),
        description: "Finds.".to_owned(),
        parameters: json!({"type": "object"}),
    }
}

/// A model of OpenAI's name at a server of unknown make, which gets Chat Completions.
pub(crate) fn compatible(server: &Server, model: &str, timeouts: Timeouts) -> Arc<dyn Model> {
    let platform = PlatformProviders {
        openai_api_key: Some(KEY.into()),
        openai_base_url: Some(server.url.clone()),
        ..PlatformProviders::default()
    };
    let models = Models::new(platform, &Guard::default(), timeouts).unwrap();
    let settings = LlmSettings {
        provider: "openai".to_owned(),
        model: match model {
            "" => "gpt-4o-mini".to_owned(),
            named => named.to_owned(),
        },
        ..LlmSettings::default()
    };
    models.model_for(&settings, None).unwrap()
}
