//! A tenant's providers: who would answer, in which order, and how each of them does.

use std::fmt;

use domain::{CircuitState, Health, LlmChoice, TenantId};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use llm::Payer;
use llm::manager::{Checked, LinkView};
pub use llm::manager::{Fault, KeyOwner};
use store::provider_health::{self, ProviderHealth};

use crate::spending::{Standing, embedding_account, note_health};
use crate::{Assistant, Error, TenantProfile};

/// How many checks a tenant may ask for in a minute, within one process.
const CHECKS_PER_MINUTE: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add(5);

/// One provider of a tenant's chain.
#[derive(Clone, Debug)]
pub struct ProviderState {
    /// What the settings say.
    pub choice: LlmChoice,
    /// The account; see [`LlmChoice::account`].
    pub account: String,
    /// The model, the provider's default where the settings name none.
    pub model: String,
    /// Whose key it is called with.
    pub key: KeyOwner,
    /// Why the settings lead to no model.
    pub misconfigured: Option<String>,
    /// How it does; `None`: nobody has called it yet.
    pub health: Option<ProviderHealth>,
}

/// Whom a tenant's texts and questions go to.
#[derive(Clone, Debug)]
pub struct ProviderStates {
    /// Who answers, in the order in which they are asked.
    pub chain: Vec<ProviderState>,
    /// What turns texts into vectors.
    pub embedding: ProviderState,
}

impl ProviderStates {
    /// What keeps the one who is asked first from answering, by the name of its [`Fault`]; `None`:
    /// nothing that is known.
    pub fn fault_of_first(&self) -> Option<&str> {
        let first = self.chain.first()?;
        let is_well = |seen: &ProviderHealth| seen.health == Health::Healthy;
        let goes_well = first.misconfigured.is_none() && first.health.as_ref().is_some_and(is_well);
        first.fault().filter(|_| !goes_well)
    }
}

impl ProviderState {
    /// What went wrong last, even if it goes well again, by the name of its [`Fault`].
    pub fn fault(&self) -> Option<&str> {
        match &self.misconfigured {
            Some(_) => Some(Fault::Misconfigured.as_str()),
            None => self.health.as_ref()?.fault.as_deref(),
        }
    }
}

/// One provider of a tenant's chain, after it was asked how it does.
#[derive(Clone, Debug)]
pub struct CheckedProvider {
    /// The provider.
    pub state: ProviderState,
    /// What went wrong; `None`: nothing did, or it cannot be asked without cost.
    pub fault: Option<Fault>,
    /// The same for people to read, in the provider's own words as far as they say no secret.
    pub detail: Option<String>,
    /// Whether the provider lists the model; `None`: it did not say.
    pub has_model: Option<bool>,
}

/// Tells tenants of their providers.
pub struct Providers {
    assistant: Assistant,
    checks: DefaultKeyedRateLimiter<TenantId>,
    clock: DefaultClock,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers").finish_non_exhaustive()
    }
}

impl Providers {
    /// Tells of the providers of this assistant's tenants.
    pub fn new(assistant: Assistant) -> Self {
        Self {
            assistant,
            checks: RateLimiter::dashmap(Quota::per_minute(CHECKS_PER_MINUTE)),
            clock: DefaultClock::default(),
        }
    }

    /// The tenant's providers, as far as anybody knows how they do.
    ///
    /// # Errors
    /// `NotFound` if the tenant is not there, and those of the database.
    pub async fn list(&self, tenant: TenantId) -> Result<ProviderStates, Error> {
        let profile = self.profile(tenant).await?;
        let llm = &profile.settings.llm;
        let chain = self.assistant.manager.chain(tenant, llm, &profile.llm_keys);
        let known = self.known(tenant).await?;
        let chain = chain.view().into_iter();
        Ok(ProviderStates {
            chain: chain.map(|link| state(link, &known)).collect(),
            embedding: self.embedding(&profile, &known),
        })
    }

    /// What turns the tenant's texts into vectors.
    fn embedding(&self, profile: &TenantProfile, known: &[ProviderHealth]) -> ProviderState {
        let settings = profile.settings.embedding.as_ref();
        let key = profile.embedding_key();
        let has_key = key.is_some();
        let wanted = settings.cloned().unwrap_or_default();
        let choice = LlmChoice {
            provider: wanted.provider,
            model: wanted.model,
            base_url: wanted.base_url,
        };
        match self.assistant.embedders.for_tenant(settings, key) {
            Ok(embedder) => {
                let Payer { account, key } = embedder.payer();
                ProviderState {
                    health: health_of(known, &embedding_account(&account)),
                    account,
                    model: embedder.model().to_owned(),
                    key,
                    misconfigured: None,
                    choice: LlmChoice {
                        provider: embedder.provider().to_owned(),
                        ..choice
                    },
                }
            }
            Err(error) => ProviderState {
                health: None,
                account: choice.account(),
                model: choice.model.clone(),
                key: if has_key {
                    KeyOwner::Tenant
                } else {
                    KeyOwner::Platform
                },
                misconfigured: Some(match error {
                    llm::Error::Misconfigured { detail, .. } => detail,
                    other => other.to_string(),
                }),
                choice,
            },
        }
    }

    /// Asks each of the tenant's providers at once how it does: the list of its models, where it
    /// has one, costs nothing.
    ///
    /// # Errors
    /// `RateLimited` beyond six checks a minute, `NotFound` if the tenant is not there, and those
    /// of the database.
    pub async fn check(&self, tenant: TenantId) -> Result<Vec<CheckedProvider>, Error> {
        let profile = self.profile(tenant).await?;
        self.checks
            .check_key(&tenant)
            .map_err(|until| Error::RateLimited {
                retry_after: until.wait_time_from(self.clock.now()),
            })?;
        let (manager, models) = (&self.assistant.manager, &self.assistant.models);
        let (llm, keys) = (&profile.settings.llm, &profile.llm_keys);
        let checked = manager.check(tenant, llm, keys, &**models).await;
        let standings: Vec<Standing> = checked.iter().filter_map(standing).collect();
        note_health(&self.assistant, tenant, &standings).await?;
        let known = self.known(tenant).await?;
        Ok(checked
            .iter()
            .map(|checked| CheckedProvider {
                state: state(checked.link.clone(), &known),
                fault: checked.error.as_ref().map(Fault::of),
                detail: checked.error.as_ref().map(ToString::to_string),
                has_model: checked.has_model,
            })
            .collect())
    }

    async fn profile(&self, tenant: TenantId) -> Result<TenantProfile, Error> {
        let mut tx = self.assistant.db.tenant(tenant).await?;
        let profile = TenantProfile::load(&mut tx, &self.assistant.keyring).await;
        profile.map_err(|error| match error {
            db::Error::NotFound => Error::NotFound,
            other => other.into(),
        })
    }

    /// What is known of the tenant's accounts, as it is at this moment.
    async fn known(&self, tenant: TenantId) -> Result<Vec<ProviderHealth>, Error> {
        let mut tx = self.assistant.db.tenant(tenant).await?;
        let mut known = provider_health::list(&mut tx).await?;
        let now = self.assistant.clock.now();
        for health in &mut known {
            // Its time is over: the next call is let through.
            if health.circuit == CircuitState::Open && health.retry_at.is_some_and(|at| at <= now) {
                health.circuit = CircuitState::HalfOpen;
                health.retry_at = None;
                if health.health == Health::Down {
                    health.health = Health::Degraded;
                }
            }
        }
        Ok(known)
    }
}

fn health_of(known: &[ProviderHealth], account: &str) -> Option<ProviderHealth> {
    let health = known.iter().find(|known| known.account == account);
    health.cloned()
}

fn state(link: LinkView, known: &[ProviderHealth]) -> ProviderState {
    ProviderState {
        health: health_of(known, &link.account),
        choice: link.choice,
        account: link.account,
        model: link.model,
        key: link.key,
        misconfigured: link.misconfigured,
    }
}

/// How an account stands after its check; `None`: nobody was asked.
pub(crate) fn standing(checked: &Checked) -> Option<Standing> {
    let was_asked = checked.has_model.is_some() || checked.error.is_some();
    let is_there = checked.link.misconfigured.is_none();
    (was_asked && is_there).then(|| Standing {
        account: checked.link.account.clone(),
        circuit: checked.link.circuit,
        fault: checked.error.as_ref().map(Fault::of),
        is_away: false,
    })
}
