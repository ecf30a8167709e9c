use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use domain::{CircuitState, Health, TenantId};
use llm::manager::{CircuitView, Fault};
use store::provider_health::{self, Seen};

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
}

impl Standing {
    /// How an account stands after an embedder's call; `None`: the call says nothing of it. An
    /// embedder has no circuit: jobs wait for it, and questions do without.
    pub(super) fn of_embedder(account: &str, fault: Option<Fault>) -> Option<Self> {
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
        })
    }
}

/// What the health of an account's embedder is noted under: apart from that of its models, for the
/// two may have keys of their own.
pub(crate) fn embedding_account(account: &str) -> String {
    format!("embedding:{account}")
}

/// Notes how accounts stand, where that is news.
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
    }
    tx.commit().await
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
}
