//! Who serves models, in which format, and what can be relied on there.

mod rules;

use url::Url;

pub(crate) use rules::LEAST_CONTEXT;
pub use rules::{ModelRules, ToolRule};

/// A provider the product knows: a row of the table, nothing more.
#[derive(Clone, Copy, Debug)]
pub struct Provider {
    /// The name in a tenant's settings; never changes.
    pub name: &'static str,
    /// Where it is served unless settings say otherwise; empty: nowhere, it is built in.
    pub base_url: &'static str,
    /// The model when settings name none.
    pub default_model: &'static str,
    /// How it is spoken to.
    pub wire: Wire,
    /// How a key is shown.
    pub auth: Auth,
    /// Headers that every request carries.
    pub headers: &'static [(&'static str, &'static str)],
    /// What it can do at its own address.
    pub capabilities: Capabilities,
    /// What can be relied on at any other address that speaks the same format.
    pub elsewhere: Capabilities,
}

/// A format on the wire; each has a folder in `wire`, or is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// None: the extractive answerer.
    Builtin,
    /// OpenAI's: Responses, where the server has it and the model wants it, else Chat Completions,
    /// which most compatible servers speak.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
    /// Ollama's chat.
    Ollama,
}

/// How a key is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer`.
    Bearer,
    /// `x-api-key`.
    ApiKey,
}

/// What a server can do. What its models can do beyond that is in [`ModelRules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says one thing about a server, and every mixture is possible"
)]
pub struct Capabilities {
    /// Whether it serves nobody without a key.
    pub needs_key: bool,
    /// What it calls the limit of output tokens.
    pub output_limit: OutputLimit,
    /// Whether it can end a stream with its usage when asked to.
    pub usage_in_stream: bool,
    /// Whether it has the Responses API.
    pub responses: bool,
    /// Whether it takes tools.
    pub tools: bool,
    /// Whether it can make a model call one.
    pub tool_choice: bool,
    /// Whether it turns texts into vectors.
    pub embeddings: bool,
    /// Whether it may have to load a model before the first token.
    pub loads_models: bool,
}

/// The parameter that limits an answer's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputLimit {
    /// The old name, which compatible servers want.
    MaxTokens,
    /// OpenAI's name; unseen reasoning counts.
    MaxCompletionTokens,
}

impl OutputLimit {
    /// The parameter's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// A server of unknown make that speaks OpenAI's format.
const COMPATIBLE: Capabilities = Capabilities {
    needs_key: false,
    output_limit: OutputLimit::MaxTokens,
    usage_in_stream: true,
    responses: false,
    tools: true,
    tool_choice: true,
    embeddings: true,
    loads_models: false,
};

const OPENAI: Capabilities = Capabilities {
    needs_key: true,
    output_limit: OutputLimit::MaxCompletionTokens,
    responses: true,
    ..COMPATIBLE
};

const ANTHROPIC: Capabilities = Capabilities {
    needs_key: true,
    embeddings: false,
    ..COMPATIBLE
};

const OLLAMA: Capabilities = Capabilities {
    tool_choice: false,
    loads_models: true,
    ..COMPATIBLE
};

const BUILTIN: Capabilities = Capabilities {
    tools: false,
    tool_choice: false,
    ..COMPATIBLE
};

/// Every provider that settings may name.
pub const PROVIDERS: &[Provider] = &[
    Provider {
        name: "builtin",
        base_url: "",
        default_model: "extractive",
        wire: Wire::Builtin,
        auth: Auth::Bearer,
        headers: &[],
        capabilities: BUILTIN,
        elsewhere: BUILTIN,
    },
    Provider {
        name: "openai",
        base_url: "https://api.openai.com/v1",
        default_model: "gpt-6-luna",
        wire: Wire::OpenAi,
        auth: Auth::Bearer,
        headers: &[],
        capabilities: OPENAI,
        elsewhere: COMPATIBLE,
    },
    Provider {
        name: "anthropic",
        base_url: "https://api.anthropic.com",
        default_model: "claude-haiku-5-5",
        wire: Wire::Anthropic,
        auth: Auth::ApiKey,
        // Source: platform.claude.com/docs/en/api/versioning, 2026-11.
        headers: &[("anthropic-version", "2026-10-21")],
        capabilities: ANTHROPIC,
        elsewhere: Capabilities {
            needs_key: false,
            ..ANTHROPIC
        },
    },
    Provider {
        name: "ollama",
        base_url: "http://127.0.0.1:11434",
        default_model: "llama3.2",
        wire: Wire::Ollama,
        auth: Auth::Bearer,
        headers: &[],
        capabilities: OLLAMA,
        elsewhere: OLLAMA,
    },
];

impl Provider {
    /// Finds a provider by its name in settings.
    pub fn find(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    /// What can be relied on at `base_url`: only at the provider's own host, or a region's below
    /// it, is it the provider.
    pub fn capabilities_at(&self, base_url: &Url) -> Capabilities {
        let own = Url::parse(self.base_url).ok();
        let is_own = own.as_ref().and_then(Url::host_str).is_some_and(|own| {
            let host = base_url.host_str().unwrap_or_default();
            let region = host.strip_suffix(own);
            region.is_some_and(|region| region.is_empty() || region.ends_with('.'))
        });
        if is_own {
            self.capabilities
        } else {
            self.elsewhere
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_providers_own_host_gets_the_providers_own_parameters() {
        let openai = Provider::find("openai").unwrap();
        let at = |url: &str| openai.capabilities_at(&Url::parse(url).unwrap());
        for own in ["https://api.openai.com/v1/", "https://eu.api.openai.com/v1"] {
            assert_eq!(at(own), OPENAI, "{own}");
        }
        for other in [
            "https://vllm.example/v1",
            "https://notapi.openai.com/v1",
            "https://api.openai.com.example/v1",
            "http://127.0.0.1:8000/v1",
        ] {
            assert_eq!(at(other), COMPATIBLE, "{other}");
        }
    }
}
