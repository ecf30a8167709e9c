use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use db::{TenantTx, Tx as _};
use domain::{BudgetSettings, CallOutcome, CallPurpose, ConversationId, ModelCallId, TenantId};
use llm::manager::{Call, Chain, Fault, KeyOwner, Observer, estimate_tokens};
use llm::{Embedded, Embedder, Error, Model, Payer, Phase, Usage};
use store::model_calls::{self, ModelCall, Tokens};
use tokio::time::timeout;

use super::health::{self, Standing};
use super::{Month, Verdict, budget, lock};
use crate::Assistant;

/// What calls are made for.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Whose calls they are.
    pub tenant: TenantId,
    /// What for.
    pub purpose: CallPurpose,
    /// The conversation they are made for.
    pub conversation: Option<ConversationId>,
    /// The tenant's budget.
    pub budget: BudgetSettings,
}

/// A call that no chain makes: an embedder's, a reranker's.
#[derive(Clone, Copy, Debug)]
pub struct PlainCall<'a> {
    /// The provider.
    pub provider: &'a str,
    /// Whom it is billed to, and with whose key it was made.
    pub payer: &'a Payer,
    /// The model.
    pub model: &'a str,
    /// What was read: its tokens are estimated where the provider does not say.
    pub texts: &'a [String],
    /// The tokens it took, if the provider said so.
    pub tokens: Option<u64>,
    /// How long it took.
    pub took: Duration,
    /// What went wrong; nothing is billed then.
    pub fault: Option<Fault>,
}

/// The calls that one piece of work makes, until they are stored.
///
/// Hand [`Calls::record`] the transaction that commits what came of them; [`Calls::close`] stores
/// the rest, because money was spent on them too. Dropped without it, as when the work is cut off,
/// they are stored by a task of their own. What a killed process had not stored is lost.
pub struct Calls(Arc<Shared>);

struct Shared {
    assistant: Assistant,
    about: About,
    ended: Mutex<Vec<ModelCall>>,
    standings: Mutex<Vec<Standing>>,
}

/// Tells the calls of one chain.
struct Telling {
    shared: Arc<Shared>,
    is_fallback: bool,
}

impl Observer for Telling {
    fn ended(&self, call: Call) {
        self.shared.note(&call, self.is_fallback);
    }
}

impl Calls {
    /// None yet.
    pub fn begin(assistant: &Assistant, about: About) -> Self {
        Self(Arc::new(Shared {
            assistant: assistant.clone(),
            about,
            ended: Mutex::default(),
            standings: Mutex::default(),
        }))
    }

    /// A model whose calls are noted here. `is_fallback`: the whole chain stands in for the
    /// tenant's choice.
    pub fn observe(&self, chain: &Arc<Chain>, is_fallback: bool) -> Arc<dyn Model> {
        chain.observed(Arc::new(Telling {
            shared: Arc::clone(&self.0),
            is_fallback,
        }))
    }

    /// Has texts embedded by one call, and notes what it took. `patience` bounds it where the
    /// embedder's own is too much.
    ///
    /// # Errors
    /// Those of the embedder, and `TimedOut` after `patience`.
    pub async fn embed(
        &self,
        purpose: CallPurpose,
        embedder: &dyn Embedder,
        texts: &[String],
        patience: Option<Duration>,
    ) -> Result<Embedded, Error> {
        let (begun, payer) = (Instant::now(), embedder.payer());
        let work = embedder.embed(texts);
        let embedded = match patience {
            None => work.await,
            Some(patience) => timeout(patience, work).await.unwrap_or_else(|_| {
                Err(Error::TimedOut {
                    provider: embedder.provider(),
                    phase: Phase::Total,
                })
            }),
        };
        let fault = embedded.as_ref().err().map(Fault::of);
        let standing = Standing::of_embedder(&payer.account, fault);
        lock(&self.0.standings).extend(standing);
        self.made_for(
            purpose,
            &PlainCall {
                provider: embedder.provider(),
                payer: &payer,
                model: embedder.model(),
                texts,
                tokens: embedded.as_ref().ok().and_then(|embedded| embedded.tokens),
                took: begun.elapsed(),
                fault,
            },
        );
        embedded
    }

    /// Whether the tenant's budget has something left for one more call.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn look(&self) -> db::Result<Verdict> {
        let About { tenant, budget, .. } = &self.0.about;
        budget::look(&self.0.assistant, *tenant, budget).await
    }

    /// Notes a call that no chain made, and what it was made for.
    pub fn made_for(&self, purpose: CallPurpose, call: &PlainCall<'_>) {
        let estimated = || call.texts.iter().map(|text| estimate_tokens(text)).sum();
        let input = match call.fault {
            Some(_) => 0,
            None => call.tokens.unwrap_or_else(estimated),
        };
        let usage = Usage {
            input,
            ..Usage::default()
        };
        let outcome = match call.fault {
            Some(_) => CallOutcome::Failed,
            None => CallOutcome::Completed,
        };
        let (payer, model) = (call.payer, call.model.to_owned());
        self.0.keep(ModelCall {
            provider: call.provider.to_owned(),
            account: payer.account.clone(),
            own_key: payer.key == KeyOwner::Tenant,
            purpose,
            outcome,
            fault: call.fault.map(|fault| fault.as_str().to_owned()),
            is_estimated: call.fault.is_none() && call.tokens.is_none(),
            cost_microdollars: self.0.cost(&payer.account, &model, usage),
            model,
            ..self.0.blank(usage, call.took)
        });
    }

    /// Stores the calls so far in the caller's transaction, and counts them as stored once it is
    /// committed. Call it last: it locks rows that others add to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record(&self, tx: &mut TenantTx) -> db::Result<()> {
        let ended = lock(&self.0.ended).clone();
        model_calls::insert(tx, &ended).await?;
        let stored: HashSet<ModelCallId> = ended.iter().map(|call| call.id).collect();
        let shared = Arc::clone(&self.0);
        tx.after_commit(Box::new(move || {
            lock(&shared.ended).retain(|call| !stored.contains(&call.id));
        }));
        Ok(())
    }

    /// Stores what is not stored yet, notes how the accounts stand, and looks at the budget. What
    /// cannot be stored now is logged and lost: the work itself goes on.
    pub async fn close(self) {
        self.0.settle().await;
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        let is_settled = lock(&self.0.ended).is_empty() && lock(&self.0.standings).is_empty();
        if is_settled {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let shared = Arc::clone(&self.0);
            runtime.spawn(async move { shared.settle().await });
        }
    }
}

impl Shared {
    fn note(&self, call: &Call, is_fallback: bool) {
        // An answer that nobody waited for tells something only if it had begun.
        if call.outcome != CallOutcome::Dropped || call.first_event.is_some() {
            lock(&self.standings).push(Standing {
                account: call.account.clone(),
                circuit: call.circuit,
                fault: call.fault,
                is_away: false,
            });
        }
        self.keep(ModelCall {
            provider: call.provider.to_owned(),
            account: call.account.clone(),
            model: call.model.clone(),
            own_key: call.key == KeyOwner::Tenant,
            is_fallback: is_fallback || call.place > 0,
            outcome: call.outcome,
            fault: call.fault.map(|fault| fault.as_str().to_owned()),
            is_estimated: call.is_estimated,
            cost_microdollars: self.cost(&call.account, &call.model, call.usage),
            first_event_ms: call.first_event.map(millis),
            ..self.blank(call.usage, call.duration)
        });
    }

    /// A call that ends at this moment, of which little is known.
    fn blank(&self, usage: Usage, took: Duration) -> ModelCall {
        let took = TimeDelta::from_std(took).unwrap_or_default();
        ModelCall {
            id: ModelCallId::new(),
            started_at: self.assistant.clock.now() - took,
            conversation_id: self.about.conversation,
            purpose: self.about.purpose,
            provider: String::new(),
            account: String::new(),
            model: String::new(),
            own_key: false,
            is_fallback: false,
            outcome: CallOutcome::Completed,
            fault: None,
            tokens: Tokens {
                input: count(usage.input),
                cached: count(usage.cached),
                cache_written: count(usage.cache_written),
                output: count(usage.output),
            },
            is_estimated: false,
            cost_microdollars: None,
            first_event_ms: None,
            duration_ms: took.num_milliseconds(),
        }
    }

    fn cost(&self, account: &str, model: &str, usage: Usage) -> Option<i64> {
        self.assistant.spending.prices.cost(account, model, usage)
    }

    fn keep(&self, call: ModelCall) {
        let spending = &self.assistant.spending;
        if let Some(cost) = call.cost_microdollars {
            let month = Month::of(call.started_at);
            spending.months.add(self.about.tenant, month, cost);
        }
        spending.metrics.ended(&call);
        lock(&self.ended).push(call);
    }

    async fn settle(&self) {
        let ended = std::mem::take(&mut *lock(&self.ended));
        let standings = std::mem::take(&mut *lock(&self.standings));
        if ended.is_empty() && standings.is_empty() {
            return;
        }
        let tenant = self.about.tenant;
        if let Err(error) = self.store(&ended).await {
            let cost: i64 = ended.iter().filter_map(|call| call.cost_microdollars).sum();
            tracing::error!(
                %error, tenant.id = %tenant, calls = ended.len(), cost_microdollars = cost,
                "calls to models could not be stored"
            );
        }
        if let Err(error) = health::note(&self.assistant, tenant, &standings).await {
            tracing::warn!(%error, tenant.id = %tenant, "the health of providers was not noted");
        }
        if let Err(error) = budget::look_again(&self.assistant, tenant, &self.about.budget).await {
            tracing::warn!(%error, tenant.id = %tenant, "the budget was not looked at");
        }
    }

    async fn store(&self, ended: &[ModelCall]) -> db::Result<()> {
        if ended.is_empty() {
            return Ok(());
        }
        let mut tx = self.assistant.db.tenant(self.about.tenant).await?;
        model_calls::insert(&mut tx, ended).await?;
        tx.commit().await
    }
}

fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
