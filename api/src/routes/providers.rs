use assistant::providers::{CheckedProvider, KeyOwner, ProviderState};
use chrono::{DateTime, Utc};
use poem_openapi::param::Path;
use poem_openapi::{Enum, Object, OpenApi};
use uuid::Uuid;

use super::Tag;
use crate::Problem;
use crate::answer::{Answer, Found};
use crate::auth::Auth;

/// Who would answer, in the order in which they are asked.
#[derive(Debug, Object)]
struct ProviderList {
    /// The providers: the tenant's choice first, then its fallbacks.
    data: Vec<ProviderView>,
    /// What turns the tenant's texts and questions into vectors; its health is that of such calls.
    embedding: ProviderView,
}

/// One provider of a tenant's.
#[derive(Debug, Object)]
#[oai(rename = "Provider")]
struct ProviderView {
    /// The provider's name.
    provider: String,
    /// The model, the provider's default where the settings name none.
    model: String,
    /// Another address that speaks the provider's format.
    base_url: Option<String>,
    /// Whom the key belongs to and the bill comes from: the provider, or `<provider>@<host>` at
    /// another address.
    account: String,
    /// Whose key it is called with.
    key: KeyName,
    /// How it does.
    health: HealthName,
    /// Since when it does so; `null` while nobody has called it.
    since: Option<DateTime<Utc>>,
    /// What went wrong last, even if it goes well again: `key_refused`, `quota_spent`,
    /// `rate_limited`, `unavailable`, `timed_out`, `broken_stream`, `context_too_long`,
    /// `bad_request`, `misconfigured`.
    last_error: Option<String>,
    /// When that was.
    last_error_at: Option<DateTime<Utc>>,
    /// Why the settings lead to no model, for people.
    detail: Option<String>,
    /// Whether calls are let through, by the process that last noted a change.
    circuit: CircuitView,
}

/// Whether calls are let through to a provider.
#[derive(Debug, Object)]
#[oai(rename = "ProviderCircuit")]
struct CircuitView {
    /// `closed` lets all through, `half_open` one to see how it goes, `open` none.
    state: String,
    /// When an open one lets a call through again.
    retry_at: Option<DateTime<Utc>>,
}

/// Whose key a provider is called with.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "ProviderKey")]
enum KeyName {
    /// The tenant's own.
    Tenant,
    /// The platform's, or none where the provider wants none.
    Platform,
}

/// How a provider does, as seen by the tenant's calls.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "ProviderHealth")]
enum HealthName {
    /// Nobody has called it since it was set up.
    Unknown,
    /// The newest call went well.
    Healthy,
    /// Calls fail, and are made all the same.
    Degraded,
    /// So many failed that none is made for a while, or a person has to act.
    Down,
}

/// What a check of a tenant's providers came to.
#[derive(Debug, Object)]
struct ProviderCheckList {
    /// The providers in the order in which they are asked.
    data: Vec<ProviderCheck>,
}

/// What the check of one provider came to.
#[derive(Debug, Object)]
struct ProviderCheck {
    /// The provider, as it stands after the check.
    provider: ProviderView,
    /// Whether nothing went wrong; also for a provider that cannot be asked without cost.
    ok: bool,
    /// What went wrong: `key_refused`, `unavailable`, …
    error: Option<String>,
    /// The same for people.
    detail: Option<String>,
    /// Whether the provider lists the model; `null`: it did not say.
    model_listed: Option<bool>,
}

pub(crate) struct ProviderRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Providers")]
impl ProviderRoutes {
    /// List a tenant's providers
    ///
    /// Who would answer, in which order, what turns texts into vectors, and how each of them does.
    #[oai(
        path = "/tenants/:tenant_id/providers",
        method = "get",
        operation_id = "list_providers"
    )]
    async fn list(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
    ) -> Result<Found<ProviderList>, Problem> {
        let tenant = tenant_id.0.into();
        auth.0.act_for(tenant).await?;
        let providers = auth.0.state().providers.list(tenant).await?;
        Ok(Answer(ProviderList {
            embedding: ProviderView::new(providers.embedding),
            data: providers.chain.into_iter().map(ProviderView::new).collect(),
        }))
    }

    /// Check a tenant's providers
    ///
    /// Asks each of them at once for its models, which costs nothing, and tells what came of it.
    /// At most six times a minute.
    #[oai(
        path = "/tenants/:tenant_id/providers/check",
        method = "post",
        operation_id = "check_providers"
    )]
    async fn check(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
    ) -> Result<Found<ProviderCheckList>, Problem> {
        let tenant = tenant_id.0.into();
        auth.0.act_for(tenant).await?;
        let checked = auth.0.state().providers.check(tenant).await?;
        Ok(Answer(ProviderCheckList {
            data: checked.into_iter().map(ProviderCheck::new).collect(),
        }))
    }
}

impl ProviderView {
    fn new(state: ProviderState) -> Self {
        let seen = state.health.as_ref();
        let health = match seen.map(|seen| seen.health) {
            _ if state.misconfigured.is_some() => HealthName::Down,
            None => HealthName::Unknown,
            Some(domain::Health::Healthy) => HealthName::Healthy,
            Some(domain::Health::Degraded) => HealthName::Degraded,
            Some(domain::Health::Down) => HealthName::Down,
        };
        Self {
            health,
            since: seen.map(|seen| seen.since),
            last_error: state.fault().map(str::to_owned),
            last_error_at: seen.and_then(|seen| seen.failed_at),
            circuit: CircuitView {
                state: seen
                    .map_or(domain::CircuitState::Closed, |seen| seen.circuit)
                    .to_string(),
                retry_at: seen.and_then(|seen| seen.retry_at),
            },
            key: match state.key {
                KeyOwner::Tenant => KeyName::Tenant,
                KeyOwner::Platform => KeyName::Platform,
            },
            provider: state.choice.provider,
            base_url: state.choice.base_url.map(Into::into),
            model: state.model,
            account: state.account,
            detail: state.misconfigured,
        }
    }
}

impl ProviderCheck {
    fn new(checked: CheckedProvider) -> Self {
        Self {
            ok: checked.fault.is_none(),
            error: checked.fault.map(|fault| fault.as_str().to_owned()),
            detail: checked.detail,
            model_listed: checked.has_model,
            provider: ProviderView::new(checked.state),
        }
    }
}
