//! What is neither answered nor said, and who judges that.

use domain::ModerationSettings;
use outbound::Guard;
use poem_openapi::{Enum, Object};
use secrets::WebhookSecret;
use serde::Deserialize;
use store::tenants::TenantSecrets;

use super::llm::check_address;
use super::people::are_phrases;
use crate::payload::Checks;

/// What is neither answered nor said.
#[derive(Debug, Object)]
#[oai(rename = "ModerationSettings")]
pub(super) struct ModerationView {
    /// Words and phrases that no model gets to read and no contact gets to read from one.
    blocked: Vec<String>,
    /// What the contact reads in their place; empty: nothing.
    text: String,
    /// Your own service, which judges what contacts write and what models answer; `null`: nobody
    /// does.
    url: Option<String>,
    /// Whether a secret was set that posts to it are signed with; the secret never comes back.
    secret_set: bool,
    /// What becomes of a text that the service gives no verdict on.
    on_failure: OnFailure,
    /// How long the service may take for a verdict, in seconds.
    timeout_seconds: u32,
}

/// What becomes of a text that a moderation service gives no verdict on.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum OnFailure {
    /// It is blocked.
    Block,
    /// It goes on.
    Allow,
}

impl ModerationView {
    pub(super) fn new(moderation: ModerationSettings, secrets: &TenantSecrets) -> Self {
        Self {
            blocked: moderation.blocked,
            text: moderation.text,
            url: moderation.url.map(Into::into),
            secret_set: secrets.moderation_secret.is_some(),
            on_failure: match moderation.on_failure {
                domain::OnFailure::Block => OnFailure::Block,
                domain::OnFailure::Allow => OnFailure::Allow,
            },
            timeout_seconds: moderation.timeout_seconds,
        }
    }
}

/// A change to what is neither answered nor said.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModerationChange {
    /// Words and phrases that no model gets to read and no contact gets to read from one, at most
    /// 1000 of at most 100 characters. Default none.
    blocked: Option<Vec<String>>,
    /// What the contact reads in their place, up to 2000 characters; empty: nothing. Default empty.
    text: Option<String>,
    /// Your own service, `http` or `https`, public: what a contact writes is posted to it before a
    /// model reads it, and an answer before it is stored; web chats show no answer before it is
    /// whole. Needs `secret`. Default `null`: nobody is asked.
    url: Option<String>,
    /// What posts to the service are signed with, by Standard Webhooks: `whsec_` and 24 to 64 bytes
    /// in base64. Never comes back; it goes when `url` does.
    #[oai(write_only)]
    pub(super) secret: Option<String>,
    /// What becomes of a text when the service fails, is late or answers something else than a
    /// verdict. Default `block`.
    on_failure: Option<OnFailure>,
    /// How long the service may take for a verdict, in seconds, 1 to 10. Default 3.
    timeout_seconds: Option<u32>,
}

impl std::fmt::Debug for ModerationChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModerationChange").finish_non_exhaustive()
    }
}

/// Notes what is wrong with it.
pub(super) fn check_moderation(
    moderation: &ModerationSettings,
    guard: &Guard,
    checks: &mut Checks,
) {
    checks.require(
        are_phrases(&moderation.blocked, 1000),
        "settings.moderation.blocked",
        "must be up to 1000 phrases of up to 100 characters",
    );
    let url = moderation.url.as_ref();
    check_address("settings.moderation.url", url, guard, checks);
    checks.require(
        (1..=10).contains(&moderation.timeout_seconds),
        "settings.moderation.timeout_seconds",
        "must be from 1 to 10",
    );
}

/// Notes what is wrong with the secret that a change sets; without a service there is none.
pub(super) fn check_secret(
    moderation: &ModerationSettings,
    is_named: bool,
    secrets: &mut TenantSecrets,
    checks: &mut Checks,
) {
    let field = "settings.moderation.secret";
    let secret = secrets.moderation_secret.as_deref();
    if moderation.url.is_none() {
        let is_set = is_named && secret.is_some();
        checks.require(!is_set, field, "is set together with url");
        secrets.moderation_secret = None;
        return;
    }
    checks.require(
        secret.is_some_and(|secret| secret.parse::<WebhookSecret>().is_ok()),
        field,
        "must be `whsec_` and 24 to 64 bytes in base64, which url needs",
    );
}
