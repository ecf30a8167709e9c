use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{CircuitState, Health, LlmChoice, LlmSettings, TenantId};
use secrecy::SecretString;

use super::chain::Chain;
use super::circuit::{Circuit, CircuitPolicy};
use super::keys::Keys;
use super::link::{KeyOwner, Link};
use crate::models::Key;
use crate::{Error, Models, Provider};

/// The most chains kept ready; beyond that all are let go of and made again when needed.
const MOST_CHAINS: usize = 1024;
/// The most circuits kept; beyond that those that nobody uses and that have nothing to tell go.
const MOST_CIRCUITS: usize = 4096;

/// How a chain behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagerPolicy {
    /// When circuits open.
    pub circuit: CircuitPolicy,
    /// The longest wait for an answer's first event while a fallback could answer. Default 20 s.
    pub patience: Duration,
}

impl Default for ManagerPolicy {
    fn default() -> Self {
        Self {
            circuit: CircuitPolicy::default(),
            patience: Duration::from_secs(20),
        }
    }
}

/// Gives every tenant the chain that its settings name.
///
/// A chain is found by all that makes it: changed settings or keys lead to another one at the next
/// call, and nothing that was made for others is ever used. Circuits outlive chains.
pub struct Manager {
    models: Arc<Models>,
    policy: ManagerPolicy,
    chains: Mutex<HashMap<Wanted, Arc<Chain>>>,
    circuits: Mutex<HashMap<Account, Arc<Circuit>>>,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// All that makes one chain differ from another.
#[derive(PartialEq, Eq, Hash)]
struct Wanted {
    tenant: TenantId,
    /// The settings, whole: whatever changes in them leads to another chain.
    settings: String,
    keys: Vec<Key>,
}

/// Whose calls fail together.
#[derive(PartialEq, Eq, Hash)]
struct Account {
    name: String,
    key: Key,
    whose: Whose,
}

/// Whose an account is.
#[derive(PartialEq, Eq, Hash)]
enum Whose {
    /// A tenant's own.
    Tenant(TenantId),
    /// The platform's, which all tenants share: apart by model, so that what one tenant chooses and
    /// the provider keeps failing at is nobody else's trouble.
    Platform { model: String },
}

/// How many circuits of a process are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuits {
    /// Those that let calls through.
    pub closed: u64,
    /// Those that let one through, to see how it goes.
    pub half_open: u64,
    /// Those that let none through.
    pub open: u64,
}

impl Manager {
    /// Chains of these models.
    pub fn new(models: Arc<Models>, policy: ManagerPolicy) -> Self {
        Self {
            models,
            policy,
            chains: Mutex::default(),
            circuits: Mutex::default(),
        }
    }

    /// The chain of a tenant's settings and keys.
    ///
    /// A link whose settings lead to no model is part of it: it fails as misconfigured, and the
    /// next one is asked.
    pub fn chain(&self, tenant: TenantId, settings: &LlmSettings, keys: &Keys) -> Arc<Chain> {
        let choices = settings.chain();
        let found = keys.of_chain(&choices);
        let wanted = Wanted {
            tenant,
            settings: format!("{settings:?}"),
            keys: found.iter().cloned().map(Key).collect(),
        };
        let mut chains = lock(&self.chains);
        if let Some(chain) = chains.get(&wanted) {
            return Arc::clone(chain);
        }
        let links = choices.iter().zip(found);
        let links = links.map(|(choice, key)| Arc::new(self.link(tenant, settings, choice, key)));
        let chain = Arc::new(Chain {
            links: links.collect(),
            patience: self.policy.patience,
        });
        if chains.len() >= MOST_CHAINS {
            chains.clear();
        }
        chains.insert(wanted, Arc::clone(&chain));
        chain
    }

    /// How the circuits of this process stand.
    pub fn circuits(&self) -> Circuits {
        let mut count = Circuits::default();
        for circuit in lock(&self.circuits).values() {
            match circuit.view().state {
                CircuitState::Closed => count.closed += 1,
                CircuitState::HalfOpen => count.half_open += 1,
                CircuitState::Open => count.open += 1,
            }
        }
        count
    }

    fn link(
        &self,
        tenant: TenantId,
        settings: &LlmSettings,
        choice: &LlmChoice,
        key: Option<SecretString>,
    ) -> Link {
        let settings = LlmSettings {
            provider: choice.provider.clone(),
            model: choice.model.clone(),
            base_url: choice.base_url.clone(),
            ..settings.clone()
        };
        let key_owner = match key {
            Some(_) => KeyOwner::Tenant,
            None => KeyOwner::Platform,
        };
        let inner = self.models.model_for(&settings, key.clone());
        let known = Provider::find(&choice.provider);
        let model = match (choice.model.as_str(), known) {
            ("", Some(provider)) => provider.default_model,
            (named, _) => named,
        };
        Link {
            choice: choice.clone(),
            provider: known.map_or("none", |provider| provider.name),
            account: choice.account(),
            model: model.to_owned(),
            window: self.models.window_of(&settings, model),
            key_owner,
            circuit: self.circuit(tenant, choice, model, key),
            inner: inner.map_err(|error| match error {
                Error::Misconfigured { detail, .. } => detail,
                other => other.to_string(),
            }),
        }
    }

    /// The circuit of an account. What a tenant brings, a key or an address, is an account of its
    /// own: others neither feel nor see how it does.
    fn circuit(
        &self,
        tenant: TenantId,
        choice: &LlmChoice,
        model: &str,
        key: Option<SecretString>,
    ) -> Arc<Circuit> {
        let is_shared = key.is_none() && choice.base_url.is_none();
        let account = Account {
            name: choice.account(),
            key: Key(key),
            whose: if is_shared {
                let model = model.to_owned();
                Whose::Platform { model }
            } else {
                Whose::Tenant(tenant)
            },
        };
        let mut circuits = lock(&self.circuits);
        if circuits.len() >= MOST_CIRCUITS {
            circuits.retain(|_, circuit| {
                Arc::strong_count(circuit) > 1 || circuit.view().health != Health::Healthy
            });
        }
        let made = || Arc::new(Circuit::new(self.policy.circuit));
        Arc::clone(circuits.entry(account).or_insert_with(made))
    }
}

/// A panic while one of these locks is held leaves a map that is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
