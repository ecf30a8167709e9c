use url::Url;

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
    /// What it can do at its own address.
    pub capabilities: Capabilities,
    /// What can be relied on at any other address that speaks the same format.
    pub elsewhere: Capabilities,
}

/// A format on the wire; each has one file in `wire`, or is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// None: the extractive answerer.
    Builtin,
    /// OpenAI's Chat Completions, which most compatible servers speak.
    OpenAiChat,
}

/// What a server of a wire format can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What it calls the limit of output tokens.
    pub output_limit: OutputLimit,
    /// Whether it can end a stream with its usage when asked to.
    pub usage_in_stream: bool,
    /// Whether it takes tools.
    pub tools: bool,
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

const COMPATIBLE: Capabilities = Capabilities {
    output_limit: OutputLimit::MaxTokens,
    usage_in_stream: true,
    tools: true,
};

/// Every provider that settings may name.
pub const PROVIDERS: &[Provider] = &[
    Provider {
        name: "builtin",
        base_url: "",
        default_model: "extractive",
        wire: Wire::Builtin,
        capabilities: Capabilities {
            tools: false,
            ..COMPATIBLE
        },
        elsewhere: COMPATIBLE,
    },
    Provider {
        name: "openai",
        base_url: "https://api.openai.com/v1",
        default_model: "gpt-4o-mini",
        wire: Wire::OpenAiChat,
        capabilities: Capabilities {
            output_limit: OutputLimit::MaxCompletionTokens,
            usage_in_stream: true,
            tools: true,
        },
        elsewhere: COMPATIBLE,
    },
];

impl Provider {
    /// Finds a provider by its name in settings.
    pub fn find(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    /// What can be relied on at `base_url`: only at the provider's own host is it the provider.
    pub fn capabilities_at(&self, base_url: &Url) -> Capabilities {
        let own = Url::parse(self.base_url).ok();
        if own.is_some_and(|own| own.host() == base_url.host()) {
            self.capabilities
        } else {
            self.elsewhere
        }
    }
}

/// What a single model takes over Chat Completions, wherever it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelRules {
    /// Whether it takes a sampling temperature.
    pub temperature: bool,
    /// Whether it takes tools.
    pub tools: ToolRule,
}

/// How a model takes tools over Chat Completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolRule {
    /// As any other parameter.
    Plain,
    /// Only if its reasoning is turned off.
    WithoutReasoning,
    /// Not at all.
    Never,
}

/// Models with rules of their own, by the start of their name; the first that fits counts.
///
/// Source: developers.openai.com and community.openai.com/t/1386454, 2026-11.
const MODEL_RULES: &[(&str, ModelRules)] = &[
    ("gpt-6-astra", reasoning(ToolRule::Never)),
    ("gpt-6.1", reasoning(ToolRule::Never)),
    ("gpt-6", reasoning(ToolRule::WithoutReasoning)),
    ("gpt-5.6", reasoning(ToolRule::WithoutReasoning)),
    ("gpt-5", reasoning(ToolRule::Plain)),
    ("o1", reasoning(ToolRule::Plain)),
    ("o3", reasoning(ToolRule::Plain)),
    ("o4", reasoning(ToolRule::Plain)),
];

const fn reasoning(tools: ToolRule) -> ModelRules {
    ModelRules {
        temperature: false,
        tools,
    }
}

impl ModelRules {
    /// The rules for a model; gateways write it as `openai/<name>`.
    pub fn of(model: &str) -> Self {
        let name = model.strip_prefix("openai/").unwrap_or(model);
        let known = MODEL_RULES
            .iter()
            .find(|(start, _)| name.starts_with(start));
        known.map_or(
            Self {
                temperature: true,
                tools: ToolRule::Plain,
            },
            |(_, rules)| *rules,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_providers_own_host_gets_the_providers_own_parameters() {
        let openai = Provider::find("openai").unwrap();
        let at = |url: &str| {
            openai
                .capabilities_at(&Url::parse(url).unwrap())
                .output_limit
        };
        assert_eq!(
            at("https://api.openai.com/v1/"),
            OutputLimit::MaxCompletionTokens
        );
        assert_eq!(at("https://vllm.example/v1"), OutputLimit::MaxTokens);
    }

    #[test]
    fn the_longest_start_of_a_models_name_counts() {
        assert_eq!(ModelRules::of("gpt-6.1-sol").tools, ToolRule::Never);
        assert_eq!(
            ModelRules::of("gpt-6-luna").tools,
            ToolRule::WithoutReasoning
        );
        assert_eq!(ModelRules::of("openai/gpt-5-mini").tools, ToolRule::Plain);
        assert!(!ModelRules::of("gpt-5-mini").temperature);
        assert!(ModelRules::of("gpt-4o-mini").temperature);
        assert!(ModelRules::of("llama3.2").temperature);
    }
}
