//! Who answers when the first choice cannot, and the keys to all of them.

use std::collections::HashMap;

use domain::LlmChoice;
use outbound::Guard;
use poem_openapi::Object;
use serde::Deserialize;
use store::tenants::TenantSecrets;
use url::Url;

use crate::payload::Checks;

/// Models that may stand in for the first one.
const MOST_FALLBACKS: usize = 5;
/// Accounts that a tenant may set keys for.
const MOST_KEYS: usize = 20;

/// One model, and where it is served.
#[derive(Debug, Object)]
#[oai(rename = "LlmChoice")]
pub(crate) struct LlmChoiceView {
    /// The provider.
    provider: String,
    /// The provider's name of the model; empty: the provider's default.
    model: String,
    /// Another address that speaks the provider's format.
    base_url: Option<String>,
    /// Whom its key belongs to and its bill comes from: the provider, or `<provider>@<host>` at
    /// another address.
    account: String,
}

impl LlmChoiceView {
    pub(crate) fn new(choice: LlmChoice) -> Self {
        Self {
            account: choice.account(),
            provider: choice.provider,
            model: choice.model,
            base_url: choice.base_url.map(Into::into),
        }
    }
}

/// One model, and where it is served.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LlmChoiceChange {
    /// The provider: `builtin`, `openai`, …
    provider: String,
    /// The provider's name of the model; empty or missing: the provider's default.
    model: Option<String>,
    /// Another address that speaks the provider's format.
    base_url: Option<String>,
}

/// Takes over the keys that are named; `None` takes one away.
pub(crate) fn apply_keys(
    by_account: HashMap<String, Option<String>>,
    secrets: &mut TenantSecrets,
    checks: &mut Checks,
) {
    for (account, key) in by_account {
        let Some(key) = key else {
            secrets.llm_api_keys.remove(&account);
            continue;
        };
        let account = checks.text("settings.llm.api_keys", &account, 300);
        let key = checks.text("settings.llm.api_keys", &key, 2000);
        secrets.llm_api_keys.insert(account, key);
    }
    checks.require(
        secrets.llm_api_keys.len() <= MOST_KEYS,
        "settings.llm.api_keys",
        format!("must be keys of at most {MOST_KEYS} accounts"),
    );
}

/// Notes what is wrong with those who answer instead.
pub(crate) fn check_fallbacks(fallbacks: &[LlmChoice], guard: &Guard, checks: &mut Checks) {
    checks.require(
        fallbacks.len() <= MOST_FALLBACKS,
        "settings.llm.fallbacks",
        format!("must list at most {MOST_FALLBACKS}"),
    );
    for (at, choice) in fallbacks.iter().enumerate() {
        let field = |name: &str| format!("settings.llm.fallbacks[{at}].{name}");
        checks.text(&field("provider"), &choice.provider, 64);
        let fits = choice.model.chars().count() <= 200 && !choice.model.contains('\0');
        checks.require(fits, &field("model"), "must have at most 200 characters");
        check_address(&field("base_url"), choice.base_url.as_ref(), guard, checks);
    }
}

/// Notes if an address is one that a tenant may not set.
pub(crate) fn check_address(field: &str, url: Option<&Url>, guard: &Guard, checks: &mut Checks) {
    if let Some(url) = url
        && let Err(outbound::Error::Refused(refusal)) = outbound::check_url(url, guard)
    {
        checks.require(false, field, refusal.to_string());
    }
}
