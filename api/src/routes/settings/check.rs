use domain::{RerankMethod, TenantSettings};
use outbound::Guard;
use url::Url;

use super::budget::check_budget;
use super::embedding;
use super::llm::{check_address, check_fallbacks};
use super::moderation::check_moderation;
use super::people::check_people;
use crate::payload::Checks;
use crate::routes::retrieval;

pub(super) fn check(settings: &TenantSettings, guard: &Guard, checks: &mut Checks) {
    check_numbers(settings, checks);
    let chars = |text: &str| text.chars().count();
    let mut text = |field: &str, value: &str, low: usize, high: usize| {
        let fits = (low..=high).contains(&chars(value.trim())) && !value.contains('\0');
        let detail = format!("must have {low} to {high} characters");
        checks.require(fits, &format!("settings.{field}"), detail);
    };
    text("instructions", &settings.instructions, 0, 20_000);
    text("fallback_text", &settings.fallback_text, 1, 2000);
    text("llm.provider", &settings.llm.provider, 1, 64);
    text("llm.model", &settings.llm.model, 0, 200);
    let retrieval = &settings.retrieval;
    text("retrieval.rerank_model", &retrieval.rerank_model, 0, 200);
    let has_address = retrieval.rerank != RerankMethod::Provider || retrieval.rerank_url.is_some();
    checks.require(
        has_address,
        "settings.retrieval.rerank_url",
        "is needed for a provider's reranker",
    );
    let chunking = &settings.chunking;
    checks.require(
        chunking.overlap_tokens < chunking.max_tokens.div_ceil(2),
        "settings.chunking.overlap_tokens",
        "must be less than half of max_tokens",
    );
    if let Some(embedding) = &settings.embedding {
        embedding::check(embedding, guard, checks);
    }
    check_fallbacks(&settings.llm.fallbacks, guard, checks);
    check_budget(&settings.budget, checks);
    check_people(settings, checks);
    check_moderation(&settings.moderation, guard, checks);
    check_addresses(settings, guard, checks);
}

fn check_numbers(settings: &TenantSettings, checks: &mut Checks) {
    let llm = &settings.llm;
    let mut number = |field: &str, value: f64, low: f64, high: f64| {
        let detail = format!("must be from {low} to {high}");
        checks.require(
            (low..=high).contains(&value),
            &format!("settings.{field}"),
            detail,
        );
    };
    for (field, value, low, high) in [
        ("settle_ms", settings.settle_ms, 0, 60_000),
        ("settle_max_ms", settings.settle_max_ms, 0, 300_000),
        ("history_messages", settings.history_messages, 0, 100),
        (
            "answer_deadline_seconds",
            settings.answer_deadline_seconds,
            5,
            TenantSettings::LONGEST_ANSWER_SECONDS,
        ),
        (
            "retrieval.passage_tokens",
            settings.retrieval.passage_tokens,
            0,
            8000,
        ),
        ("llm.max_output_tokens", llm.max_output_tokens, 1, 32_000),
        (
            "chunking.max_tokens",
            settings.chunking.max_tokens,
            32,
            8192,
        ),
    ] {
        number(field, value.into(), low.into(), high.into());
    }
    if let Some(temperature) = llm.temperature {
        number("llm.temperature", temperature.into(), 0.0, 2.0);
    }
    if let Some(tokens) = settings.history_tokens {
        number("history_tokens", tokens.into(), 0.0, 2_000_000.0);
    }
    if let Some(tokens) = llm.context_tokens {
        number("llm.context_tokens", tokens.into(), 256.0, 2_000_000.0);
    }
    if let Some(seconds) = llm.keep_alive_seconds {
        number("llm.keep_alive_seconds", seconds.into(), 0.0, 604_800.0);
    }
    retrieval::check(&settings.retrieval, "settings.retrieval.", checks);
}

fn check_addresses(settings: &TenantSettings, guard: &Guard, checks: &mut Checks) {
    for (field, url) in [
        ("settings.llm.base_url", &settings.llm.base_url),
        (
            "settings.retrieval.rerank_url",
            &settings.retrieval.rerank_url,
        ),
    ] {
        check_address(field, url.as_ref(), guard, checks);
    }
    let is_short = settings.webchat_origins.len() <= 50;
    checks.require(
        is_short,
        "settings.webchat_origins",
        "must list at most 50 origins",
    );
    for (at, origin) in settings.webchat_origins.iter().enumerate() {
        let field = format!("settings.webchat_origins[{at}]");
        checks.require(
            is_origin(origin),
            &field,
            "must be an origin such as https://shop.example",
        );
    }
}

fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    })
}
