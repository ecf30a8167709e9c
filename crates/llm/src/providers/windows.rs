//! How much models read at once.

/// The tokens of a request and its answer together, by the start of the model's name; the first that
/// fits counts.
///
/// Source: the price table of `LiteLLM` 1.109.1 and rig-core 0.46.0's models.json of 2026-10-30.
const WINDOWS: &[(&str, u64)] = &[
    ("gpt-6", 922_000),
    ("gpt-5.4", 272_000),
    ("gpt-5", 272_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-3.5-turbo", 16_385),
    ("o3", 200_000),
    ("o4", 200_000),
    ("claude-haiku-5", 1_000_000),
    ("claude-sonnet-5", 1_000_000),
    ("claude-opus-5", 1_000_000),
    ("claude-sonnet-4-6", 1_000_000),
    ("claude-opus-4-8", 1_000_000),
    ("claude-haiku-4-5", 200_000),
    ("claude-3", 200_000),
];

/// How many tokens a model reads at once; gateways write it as `openai/<name>`. `None`: not known.
pub(crate) fn window_of(model: &str) -> Option<u64> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let known = WINDOWS.iter().find(|(start, _)| name.starts_with(start));
    known.map(|(_, tokens)| *tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_found_by_the_start_of_the_models_name() {
        assert_eq!(window_of("gpt-4o-mini-2024-07-18"), Some(128_000));
        assert_eq!(window_of("openai/gpt-6-luna"), Some(922_000));
        assert_eq!(window_of("claude-haiku-4-5-20251001"), Some(200_000));
        assert_eq!(window_of("llama3.2"), None);
    }
}
