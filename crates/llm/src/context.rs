use domain::LlmSettings;

use crate::models::PlatformProviders;
use crate::providers::{LEAST_CONTEXT, ModelRules, Provider, Wire};

/// What an Ollama server gives a model whose context nobody has set.
///
/// Source: docs.ollama.com/context-length, 2026-11: less than any server with more memory gives.
const OLLAMA_TOKENS: u32 = 4_096;

/// How many tokens a model takes at once, its answer included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelContext {
    /// The provider's name of the model; empty for the built-in one.
    pub model: String,
    /// The tokens; where nobody knows, as few as any model takes.
    pub tokens: u32,
    /// Whether it takes just so many, as far as anybody knows.
    pub is_known: bool,
}

impl ModelContext {
    /// The context of the first model that `settings` name. `is_own`: what they say of a context is
    /// about that model, whatever serves it; about others it counts only on Ollama servers, which
    /// are told to give it.
    pub(crate) fn of(settings: &LlmSettings, is_own: bool, platform: &PlatformProviders) -> Self {
        let provider = Provider::find(&settings.provider);
        let model = match (settings.model.as_str(), provider) {
            ("", Some(provider)) => provider.default_model,
            (named, _) => named,
        };
        let is_tenants = settings.base_url.is_some();
        let told = settings.context_tokens.filter(|_| is_tenants);
        let (tokens, known) = match provider.map(|provider| provider.wire) {
            Some(Wire::Builtin) => return Self::boundless(),
            Some(Wire::Ollama) if is_tenants => (OLLAMA_TOKENS, told),
            Some(Wire::Ollama) => (OLLAMA_TOKENS, platform.ollama_context_tokens),
            _ => {
                let tokens = ModelRules::of(model).context_tokens;
                let known = (tokens > LEAST_CONTEXT).then_some(tokens);
                (tokens, told.filter(|_| is_own).or(known))
            }
        };
        Self {
            model: model.to_owned(),
            tokens: known.unwrap_or(tokens),
            is_known: known.is_some(),
        }
    }

    /// That of the built-in answerer, which reads whatever there is.
    pub const fn boundless() -> Self {
        Self {
            model: String::new(),
            tokens: u32::MAX,
            is_known: false,
        }
    }

    /// The tokens, if they are known.
    pub(crate) fn known(&self) -> Option<u64> {
        self.is_known.then_some(u64::from(self.tokens))
    }

    /// The tokens that a request may have beside an answer of up to `answer_tokens`, and what a model
    /// that reasons unseen needs for that.
    pub fn request_tokens(&self, answer_tokens: u32) -> u32 {
        let answer = ModelRules::of(&self.model).with_room_to_reason(answer_tokens);
        self.tokens.saturating_sub(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(provider: &str, model: &str, is_elsewhere: bool, told: Option<u32>) -> LlmSettings {
        LlmSettings {
            provider: provider.to_owned(),
            model: model.to_owned(),
            base_url: is_elsewhere.then(|| "https://llm.example/v1".parse().unwrap()),
            context_tokens: told,
            ..LlmSettings::default()
        }
    }

    #[test]
    fn a_context_is_what_the_server_is_told_or_what_is_known_of_the_model() {
        let platform = PlatformProviders {
            ollama_context_tokens: Some(16_384),
            ..PlatformProviders::default()
        };
        for (provider, model, is_elsewhere, told, tokens) in [
            ("openai", "gpt-4o-mini", false, None, 128_000),
            ("openai", "", false, None, 922_000),
            ("openai", "my-own", true, None, 8_192),
            ("openai", "my-own", true, Some(32_000), 32_000),
            // The provider's own model has what it has.
            ("openai", "gpt-4o-mini", false, Some(32_000), 128_000),
            ("ollama", "llama3.2", true, None, 4_096),
            ("ollama", "llama3.2", true, Some(8_000), 8_000),
            ("ollama", "llama3.2", false, Some(8_000), 16_384),
            ("builtin", "", false, None, u32::MAX),
            ("nobody", "", false, None, 8_192),
        ] {
            let settings = settings(provider, model, is_elsewhere, told);
            let context = ModelContext::of(&settings, true, &platform);
            assert_eq!(context.tokens, tokens, "{settings:?}");
        }
        let fallback = settings("openai", "my-own", true, Some(32_000));
        assert_eq!(ModelContext::of(&fallback, false, &platform).tokens, 8_192);
    }

    #[test]
    fn the_answer_and_unseen_reasoning_are_kept_free() {
        let context = |model: &str, tokens| ModelContext {
            model: model.to_owned(),
            tokens,
            is_known: true,
        };
        assert_eq!(context("gpt-4", 8_192).request_tokens(1_024), 7_168);
        assert_eq!(context("gpt-6-luna", 10_000).request_tokens(1_024), 4_880);
        assert_eq!(context("tiny", 500).request_tokens(1_024), 0);
    }
}
