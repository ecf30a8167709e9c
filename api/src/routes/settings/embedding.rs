//! A tenant's choice of what turns its texts into vectors.

use domain::EmbeddingSettings;
use outbound::Guard;
use poem_openapi::Object;
use serde::Deserialize;
use store::tenants::TenantSecrets;

use crate::payload::Checks;

/// Providers whose models turn texts into vectors.
const PROVIDERS: [&str; 4] = ["builtin", "local", "openai", "ollama"];
/// The most numbers a stored vector may have.
const MAX_DIMENSIONS: u32 = 4000;

/// Which model turns texts into vectors.
#[derive(Debug, Object)]
#[oai(rename = "EmbeddingSettings")]
pub(super) struct EmbeddingView {
    /// The provider.
    provider: String,
    /// The provider's name of the model; empty: the provider's default.
    model: String,
    /// How many numbers a vector has; `null`: as many as the model makes by itself.
    dimensions: Option<u32>,
    /// Another address that speaks the provider's format.
    base_url: Option<String>,
    /// Whether a key was set for it; the key itself never comes back.
    api_key_set: bool,
}

impl EmbeddingView {
    pub(super) fn new(settings: EmbeddingSettings, secrets: &TenantSecrets) -> Self {
        Self {
            provider: settings.provider,
            model: settings.model,
            dimensions: settings.dimensions.map(Into::into),
            base_url: settings.base_url.map(Into::into),
            api_key_set: secrets.embedding_api_key.is_some(),
        }
    }
}

/// A change to which model turns texts into vectors.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmbeddingChange {
    /// The provider: `builtin` (no model), `local` (a model beside the product), `openai`,
    /// `ollama`. Default `builtin`. A change of it without a new `api_key` takes the old one away.
    provider: Option<String>,
    /// The provider's name of the model; empty: the provider's default.
    model: Option<String>,
    /// How many numbers a vector has, 1 to 4000; `null`: as many as the model makes by itself.
    /// Needed for a model that the product does not know.
    dimensions: Option<u32>,
    /// Another address that speaks the provider's format. A change to another scheme, host or port
    /// without a new `api_key` takes the old one away.
    base_url: Option<String>,
    /// The tenant's own key to the provider, for it and its address alone. Never comes back; `null`
    /// takes it away, and then the key of `llm` is used if that is for the same provider and address.
    #[oai(write_only)]
    pub(super) api_key: Option<String>,
}

impl std::fmt::Debug for EmbeddingChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddingChange").finish_non_exhaustive()
    }
}

/// Notes what does not hold.
pub(super) fn check(settings: &EmbeddingSettings, guard: &Guard, checks: &mut Checks) {
    checks.require(
        PROVIDERS.contains(&settings.provider.as_str()),
        "settings.embedding.provider",
        format!("must be one of {}", PROVIDERS.join(", ")),
    );
    let model = &settings.model;
    checks.require(
        model.chars().count() <= 200 && !model.contains('\0'),
        "settings.embedding.model",
        "must have at most 200 characters",
    );
    checks.require(
        settings
            .dimensions
            .is_none_or(|it| it.get() <= MAX_DIMENSIONS),
        "settings.embedding.dimensions",
        format!("must be from 1 to {MAX_DIMENSIONS}"),
    );
    if let Some(url) = &settings.base_url
        && let Err(outbound::Error::Refused(refusal)) = outbound::check_url(url, guard)
    {
        checks.require(false, "settings.embedding.base_url", refusal.to_string());
    }
}
