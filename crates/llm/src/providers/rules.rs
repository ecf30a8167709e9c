/// What a single model takes, wherever it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says one thing about a model, and every mixture is possible"
)]
pub struct ModelRules {
    /// Whether it takes a sampling temperature.
    pub temperature: bool,
    /// How it takes tools over Chat Completions.
    pub chat_tools: ToolRule,
    /// Whether it reasons unseen, which its limit of output tokens counts.
    pub reasons: bool,
    /// Whether it can be asked for less effort, in Anthropic's format.
    pub effort: bool,
    /// Whether it reads images. A model that is not known may: its server says if not.
    pub images: bool,
    /// Whether its answer can be held to a JSON schema. As with images.
    pub output_schema: bool,
    /// The tokens it takes at once, its answer included; of a model that is not known, what next to
    /// all have.
    pub context_tokens: u32,
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

/// The room for unseen reasoning beside an answer's own limit, in tokens.
const ROOM_TO_REASON: u32 = 4096;

/// The tokens that a model takes at once of which nothing is known.
pub(crate) const LEAST_CONTEXT: u32 = 8_192;

const PLAIN: ModelRules = ModelRules {
    temperature: true,
    chat_tools: ToolRule::Plain,
    reasons: false,
    effort: false,
    images: true,
    output_schema: true,
    context_tokens: LEAST_CONTEXT,
};

const TEXT_ONLY: ModelRules = ModelRules {
    images: false,
    output_schema: false,
    ..PLAIN
};

const CLAUDE: ModelRules = ModelRules {
    temperature: false,
    context_tokens: 200_000,
    ..PLAIN
};

const QUIET_CLAUDE: ModelRules = ModelRules {
    effort: true,
    ..CLAUDE
};

const THINKING_CLAUDE: ModelRules = ModelRules {
    reasons: true,
    ..QUIET_CLAUDE
};

const fn reasoning(chat_tools: ToolRule) -> ModelRules {
    ModelRules {
        temperature: false,
        chat_tools,
        reasons: true,
        context_tokens: 272_000,
        ..PLAIN
    }
}

impl ModelRules {
    /// The same with another context.
    const fn reading(mut self, context_tokens: u32) -> Self {
        self.context_tokens = context_tokens;
        self
    }
}

/// Models with rules of their own, by the start of their name; the first that fits counts.
///
/// Source: developers.openai.com, community.openai.com/t/1386454 (which names gpt-5.4 as the first
/// to refuse), platform.claude.com/docs/en/build-with-claude/thinking, 2026-11. Contexts: the price
/// table of LiteLLM 1.109.1 and the models.json of rig-core 0.46.0; where one limits requests alone,
/// that limit; where they name not all models of a start, the smallest known of the family.
const MODEL_RULES: &[(&str, ModelRules)] = &[
    ("gpt-6-astra", reasoning(ToolRule::Never).reading(922_000)),
    ("gpt-6.", reasoning(ToolRule::Never).reading(922_000)),
    (
        "gpt-6",
        reasoning(ToolRule::WithoutReasoning).reading(922_000),
    ),
    ("gpt-5.6", reasoning(ToolRule::WithoutReasoning)),
    ("gpt-5.5", reasoning(ToolRule::WithoutReasoning)),
    ("gpt-5.4", reasoning(ToolRule::WithoutReasoning)),
    ("gpt-5", reasoning(ToolRule::Plain)),
    (
        "o3-mini",
        ModelRules {
            images: false,
            ..reasoning(ToolRule::Plain).reading(200_000)
        },
    ),
    ("o1", reasoning(ToolRule::Plain).reading(200_000)),
    ("o3", reasoning(ToolRule::Plain).reading(200_000)),
    ("o4", reasoning(ToolRule::Plain).reading(200_000)),
    ("gpt-4o", PLAIN.reading(128_000)),
    ("gpt-4-turbo", PLAIN.reading(128_000)),
    ("gpt-4.1", PLAIN.reading(1_047_576)),
    ("gpt-4", PLAIN),
    ("gpt-3.5", TEXT_ONLY.reading(16_385)),
    ("claude-haiku-5", THINKING_CLAUDE.reading(1_000_000)),
    ("claude-sonnet-5", THINKING_CLAUDE.reading(1_000_000)),
    ("claude-opus-5", THINKING_CLAUDE.reading(1_000_000)),
    ("claude-fable-5", THINKING_CLAUDE),
    ("claude-mythos", THINKING_CLAUDE),
    // These think only if they are told to.
    ("claude-sonnet-4-6", QUIET_CLAUDE.reading(1_000_000)),
    ("claude-opus-4-6", QUIET_CLAUDE),
    ("claude-opus-4-7", QUIET_CLAUDE),
    ("claude-opus-4-8", QUIET_CLAUDE.reading(1_000_000)),
    ("claude-haiku-4", CLAUDE),
    ("claude-sonnet-4", CLAUDE),
    ("claude-opus-4", CLAUDE),
    ("claude-3", CLAUDE),
    // Of a later day: it will think, and what else it takes is not known.
    (
        "claude-",
        ModelRules {
            reasons: true,
            ..CLAUDE
        },
    ),
];

impl ModelRules {
    /// The rules for a model; gateways write it as `openai/<name>`.
    pub fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let known = MODEL_RULES
            .iter()
            .find(|(start, _)| name.starts_with(start));
        known.map_or(PLAIN, |(_, rules)| *rules)
    }

    /// Whether it does more over Responses than over Chat Completions.
    pub fn prefers_responses(self) -> bool {
        self.chat_tools != ToolRule::Plain
    }

    /// The limit to ask for so that an answer may take `answer` tokens.
    pub(crate) const fn with_room_to_reason(self, answer: u32) -> u32 {
        if self.reasons {
            answer.saturating_add(ROOM_TO_REASON)
        } else {
            answer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_of_a_models_name_counts() {
        let tools = |model: &str| ModelRules::of(model).chat_tools;
        assert_eq!(tools("gpt-6.1-sol"), ToolRule::Never);
        assert_eq!(tools("gpt-6.2-astra"), ToolRule::Never);
        assert_eq!(tools("gpt-6-luna"), ToolRule::WithoutReasoning);
        assert_eq!(tools("openai/gpt-5-mini"), ToolRule::Plain);
        assert!(!ModelRules::of("gpt-5-mini").temperature);
        assert!(ModelRules::of("gpt-4o-mini").temperature);
        assert_eq!(ModelRules::of("llama3.2"), PLAIN);
        assert!(!ModelRules::of("gpt-3.5-turbo").images);
        assert!(ModelRules::of("claude-haiku-5-5").effort);
        assert!(!ModelRules::of("anthropic/claude-haiku-4-5-20251001").effort);
        assert!(!ModelRules::of("claude-opus-4-1").effort);
        assert!(!ModelRules::of("claude-opus-4-8").reasons);
        assert!(ModelRules::of("claude-opus-7").reasons);
    }

    #[test]
    fn a_model_that_is_not_known_has_the_smallest_context() {
        let context = |model: &str| ModelRules::of(model).context_tokens;
        for (model, tokens) in [
            ("gpt-6-luna", 922_000),
            ("gpt-6.1-sol", 922_000),
            ("openai/gpt-5-mini", 272_000),
            ("gpt-4o-mini", 128_000),
            ("gpt-4-turbo-2024-04-09", 128_000),
            ("gpt-4.1-mini", 1_047_576),
            ("gpt-4-0613", 8_192),
            ("gpt-3.5-turbo", 16_385),
            ("o4-mini", 200_000),
            ("claude-haiku-5-5", 1_000_000),
            ("anthropic/claude-haiku-4-5-20251001", 200_000),
            ("claude-opus-9", 200_000),
            ("my-own-finetune", 8_192),
        ] {
            assert_eq!(context(model), tokens, "{model}");
            assert!(context(model) >= PLAIN.context_tokens, "{model}");
        }
    }

    #[test]
    fn reasoning_takes_nothing_from_the_answer() {
        let room = |model: &str| ModelRules::of(model).with_room_to_reason(100);
        assert_eq!(room("gpt-4o-mini"), 100);
        assert_eq!(room("gpt-6-luna"), 100 + ROOM_TO_REASON);
    }
}
