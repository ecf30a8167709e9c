use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use db::TenantTx;
use domain::{CallPurpose, CircuitState, Health, TenantId};
use events::{Event, ProviderData};
use llm::manager::{CircuitView, Fault};
use store::provider_health::{self, Seen};
use store::provider_reports;

use super::lock;
use crate::Assistant;

/// After how long the same health is noted again: another process may have noted another one.
const NOTED_FOR: Duration = Duration::from_mins(1);
/// Accounts whose health is remembered at once.
const REMEMBERED: usize = 10_000;

/// What this process noted of accounts, so that only what changes is written.
#[derive(Debug, Default)]
pub(super) struct Noted(Mutex<HashMap<(TenantId, String), (Look, Instant)>>);

type Look = (Health, CircuitState, Option<Fault>);

impl Noted {
    /// Whether that is to be written; if so it counts as noted.
    fn is_news(&self, tenant: TenantId, account: &str, look: Look) -> bool {
        let mut noted = lock(&self.0);
        let key = (tenant, account.to_owned());
        if let Some((known, at)) = noted.get(&key)
            && *known == look
            && at.elapsed() < NOTED_FOR
        {
            return false;
        }
        if noted.len() >= REMEMBERED {
            noted.clear();
        }
        noted.insert(key, (look, Instant::now()));
        true
    }
}

/// How an account stands after a call or a check, and what was wrong with that.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) account: String,
    pub(crate) circuit: CircuitView,
    pub(crate) fault: Option<Fault>,
    /// Whether looks of the schedule found nobody there.
    pub(crate) is_away: bool,
}

impl Standing {
    /// How an account stands after an embedder's call; `None`: the call says nothing of it. An
    /// embedder has no circuit: jobs wait for it, and questions do without.
    pub(crate) fn of_embedder(account: &str, fault: Option<Fault>) -> Option<Self> {
        let health = match fault {
            None => Health::Healthy,
            Some(fault) if fault.needs_a_person() => Health::Down,
            Some(fault) if fault.is_of_the_account() => Health::Degraded,
            Some(_) => return None,
        };
        Some(Self {
            account: embedding_account(account),
            circuit: CircuitView {
                state: CircuitState::Closed,
                health,
                open_for: None,
                fault,
            },
            fault,
            is_away: false,
        })
    }

    /// The same account, where nobody answered the schedule's looks.
    pub(crate) fn away(mut self) -> Self {
        self.circuit.health = Health::Down;
        self.is_away = true;
        self
    }

    /// Whether the tenant has to know that the account is dead (`true`) or alive (`false`); `None`:
    /// neither, for what passes by itself is nobody's business.
    fn news(&self) -> Option<bool> {
        let needs_a_person = self.circuit.fault.is_some_and(Fault::needs_a_person);
        match self.circuit.health {
            Health::Down if self.is_away || needs_a_person => Some(true),
            // What a model does not take may never have been sent.
            Health::Healthy if self.fault != Some(Fault::Unsupported) => Some(false),
            Health::Healthy | Health::Degraded | Health::Down => None,
        }
    }

    fn told(&self, at: DateTime<Utc>) -> Event {
        let (purpose, account) = match self.account.strip_prefix(EMBEDDING) {
            Some(account) => (CallPurpose::Embedding, account),
            None => (CallPurpose::Answer, self.account.as_str()),
        };
        let is_dead = self.circuit.health == Health::Down;
        Event::ProviderHealthChanged(ProviderData {
            account: account.to_owned(),
            purpose,
            health: self.circuit.health,
            error: self
                .circuit
                .fault
                .filter(|_| is_dead)
                .map(|fault| fault.as_str().to_owned()),
            occurred_at: at,
        })
    }
}

/// What leads the account of an embedder, whose health is noted apart.
const EMBEDDING: &str = "embedding:";

/// What the health of an account's embedder is noted under: apart from that of its models, for the
/// two may have keys of their own.
pub(crate) fn embedding_account(account: &str) -> String {
    format!("{EMBEDDING}{account}")
}

/// Notes how accounts stand, where that is news, and tells of those that died or live again.
pub(crate) async fn note(
    assistant: &Assistant,
    tenant: TenantId,
    standings: &[Standing],
) -> db::Result<()> {
    let is_news = |standing: &&Standing| {
        let look = (
            standing.circuit.health,
            standing.circuit.state,
            standing.fault,
        );
        let noted = &assistant.spending.health;
        noted.is_news(tenant, &standing.account, look)
    };
    let mut news: Vec<&Standing> = standings.iter().filter(is_news).collect();
    if news.is_empty() {
        return Ok(());
    }
    // One order for all, so that none waits for another in a circle.
    news.sort_by(|a, b| a.account.cmp(&b.account));
    let now = assistant.clock.now();
    let mut tx = assistant.db.tenant(tenant).await?;
    let mut told = Vec::new();
    for standing in news {
        let open_for = standing.circuit.open_for;
        let open_for = open_for.and_then(|wait| TimeDelta::from_std(wait).ok());
        let seen = Seen {
            account: &standing.account,
            health: standing.circuit.health,
            circuit: standing.circuit.state,
            retry_at: open_for.map(|wait| now + wait),
            fault: standing.fault.map(Fault::as_str),
            at: now,
        };
        provider_health::put(&mut tx, &seen).await?;
        if is_to_be_told(&mut tx, standing, now).await? {
            told.push(standing.told(now));
        }
    }
    events::emit(&mut tx, &told, &assistant.clock).await?;
    tx.commit().await
}

/// Whether the tenant does not know yet that an account died, or lives again; it does from then on.
async fn is_to_be_told(
    tx: &mut TenantTx,
    standing: &Standing,
    now: DateTime<Utc>,
) -> db::Result<bool> {
    let account = &standing.account;
    match standing.news() {
        Some(true) => {
            let is_news = provider_reports::insert(tx, account, now).await?;
            if is_news {
                let fault = standing.circuit.fault.map_or("", Fault::as_str);
                tracing::warn!(
                    tenant.id = %tx.tenant(), account, fault,
                    "an account at a provider of models is dead"
                );
            }
            Ok(is_news)
        }
        Some(false) => provider_reports::delete(tx, account).await,
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_news() {
        let noted = Noted::default();
        let tenant = TenantId::new();
        let good = (Health::Healthy, CircuitState::Closed, None);
        let bad = (Health::Down, CircuitState::Closed, Some(Fault::KeyRefused));
        let news = |look| noted.is_news(tenant, "openai", look);
        assert!(news(good));
        assert!(!news(good));
        assert!(news(bad) && !news(bad));
        assert!(news(good));
        assert!(noted.is_news(TenantId::new(), "openai", good));
    }

    #[test]
    fn what_only_a_person_can_mend_is_told_and_what_passes_is_not() {
        let standing = |health, fault| Standing {
            account: "embedding:openai".to_owned(),
            circuit: CircuitView {
                state: CircuitState::Closed,
                health,
                open_for: None,
                fault,
            },
            fault,
            is_away: false,
        };
        let refused = standing(Health::Down, Some(Fault::KeyRefused));
        assert_eq!(refused.news(), Some(true));
        let outage = standing(Health::Down, Some(Fault::Unavailable));
        assert_eq!(outage.news(), None);
        let busy = standing(Health::Degraded, Some(Fault::Unavailable));
        assert_eq!(busy.news(), None);
        assert_eq!(busy.away().news(), Some(true));
        let alive = standing(Health::Healthy, None);
        assert_eq!(alive.news(), Some(false));
        let Event::ProviderHealthChanged(told) = refused.told(DateTime::UNIX_EPOCH) else {
            panic!("another event");
        };
        assert_eq!(
            (told.account.as_str(), told.purpose),
            ("openai", CallPurpose::Embedding)
        );
        assert_eq!(told.error.as_deref(), Some("key_refused"));
    }
}
