//! Looks at providers of models that do badly or that nobody called for long: a key that was mended
//! is seen, and a dead one told of, before a customer meets it.

mod lists;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Health, LlmChoice, TenantId};
use jobs::Failure;
use jobs::kinds::CheckAccounts;
use llm::manager::{Checked, Fault, LinkView, Probe as _};
use llm::{Error, Phase, Provider, Wire};
use store::provider_checks;
use store::provider_health::{self, ProviderHealth};

use self::lists::Asking;
use crate::providers::standing;
use crate::spending::{Standing, embedding_account, note_health};
use crate::{Assistant, TenantProfile};

pub(crate) use self::lists::Lists;

/// After how long without a call an account that did well is looked at.
const SILENT_FOR: TimeDelta = TimeDelta::hours(1);
/// How many tenants' accounts are looked at in one go; what is left is due a minute later.
const AT_ONCE: i64 = 500;
/// How long an embedder's provider may take over a look.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has the providers of every tenant looked at that were not for a while; none if the operator wants
/// no looks.
///
/// # Errors
/// A retry for what may pass.
pub async fn look_at_due(assistant: &Assistant) -> Result<(), Failure> {
    let every = assistant.settings.provider_check;
    let Some(every) = every.and_then(|every| TimeDelta::from_std(every).ok()) else {
        return Ok(());
    };
    let now = assistant.clock.now();
    let mut tx = assistant.db.system().await?;
    let platform = assistant.embedders.platform_settings();
    let embeds = platform.is_some_and(|settings| outside(&settings.provider).is_some());
    let due = provider_checks::take_due(&mut tx, now - every, now, embeds, AT_ONCE).await?;
    for tenant_id in due {
        jobs::enqueue(&mut tx, &CheckAccounts { tenant_id }).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Looks at those of a tenant's accounts that do badly or were not called for long, and notes what
/// it finds.
///
/// Who does not answer is looked at again before that counts: it does once this `is_last`.
///
/// # Errors
/// A retry where somebody did not answer, and for what may pass.
pub async fn look(assistant: &Assistant, tenant: TenantId, is_last: bool) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let profile = match TenantProfile::load(&mut tx, &assistant.keyring).await {
        Ok(profile) if profile.enabled => profile,
        // Deleted or switched off meanwhile.
        Ok(_) | Err(db::Error::NotFound) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let known = Known {
        accounts: provider_health::list(&mut tx).await?,
        now: assistant.clock.now(),
    };
    drop(tx);
    let manager = &assistant.manager;
    let (settings, keys) = (&profile.settings.llm, &profile.llm_keys);
    let asking = Asking {
        models: &assistant.models,
        lists: assistant.spending.lists(),
    };
    let wanted = |link: &LinkView| known.wants(&link.account);
    let chain = manager.check_some(tenant, settings, keys, &asking, wanted);
    let embedder = look_at_embedder(assistant, &profile, &known, &asking);
    let (chain, embedder) = tokio::join!(chain, embedder);
    let chain = chain.into_iter().filter_map(Found::of_link);
    let mut standings = Vec::new();
    let mut silent = None;
    for found in chain.chain(embedder) {
        if known.is_unclear(&found) {
            continue;
        }
        match found.error {
            Some(error) if error.is_transient() && !is_last => silent = Some(error),
            Some(error) if error.is_transient() => standings.push(found.standing.away()),
            _ => standings.push(found.standing),
        }
    }
    note_health(assistant, tenant, &standings).await?;
    match silent {
        Some(error) => Err(Failure::retry(error)),
        None => Ok(()),
    }
}

/// A provider of that name, unless it is in this process.
fn outside(name: &str) -> Option<&'static Provider> {
    Provider::find(name).filter(|provider| provider.wire != Wire::Builtin)
}

/// What is known of a tenant's accounts.
struct Known {
    accounts: Vec<ProviderHealth>,
    now: DateTime<Utc>,
}

impl Known {
    fn find(&self, account: &str) -> Option<&ProviderHealth> {
        self.accounts.iter().find(|known| known.account == account)
    }

    /// Whether an account is worth a look.
    fn wants(&self, account: &str) -> bool {
        self.find(account).is_none_or(|known| {
            known.health != Health::Healthy || known.seen_at <= self.now - SILENT_FOR
        })
    }

    /// Whether what was found says nothing: one that asks to slow down is there, and one whose
    /// account is empty lists its models all the same.
    fn is_unclear(&self, found: &Found) -> bool {
        let known = self.find(&found.standing.account);
        let is_spent = known.is_some_and(|known| {
            known.health == Health::Down
                && known.fault.as_deref() == Some(Fault::QuotaSpent.as_str())
        });
        match &found.error {
            None => is_spent,
            Some(error) => matches!(error, Error::RateLimited { .. }),
        }
    }
}

/// What a look at one account found.
struct Found {
    standing: Standing,
    error: Option<Error>,
}

impl Found {
    /// `None`: nobody was asked.
    fn of_link(checked: Checked) -> Option<Self> {
        Some(Self {
            standing: standing(&checked)?,
            error: checked.error,
        })
    }
}

/// Looks at what turns the tenant's texts into vectors: what it chose, else the platform's; `None`:
/// nobody was asked.
async fn look_at_embedder(
    assistant: &Assistant,
    profile: &TenantProfile,
    known: &Known,
    asking: &Asking<'_>,
) -> Option<Found> {
    let own = profile.settings.embedding.as_ref();
    let settings = own.or_else(|| assistant.embedders.platform_settings())?;
    let provider = outside(&settings.provider)?;
    let key = own.and_then(|_| profile.embedding_key());
    let embedder = assistant.embedders.for_tenant(own, key.clone());
    let account = embedder.ok()?.payer().account;
    if !known.wants(&embedding_account(&account)) {
        return None;
    }
    let choice = LlmChoice {
        provider: settings.provider.clone(),
        base_url: settings.base_url.clone(),
        ..LlmChoice::default()
    };
    let listed = tokio::time::timeout(PATIENCE, asking.models(&choice, key)).await;
    let error = match listed {
        Ok(Ok(Some(_))) => None,
        // A server without such a list says nothing of its vectors.
        Ok(Ok(None) | Err(Error::BadRequest { .. } | Error::Unsupported { .. })) => return None,
        Ok(Err(error)) => Some(error),
        Err(_) => Some(Error::TimedOut {
            provider: provider.name,
            phase: Phase::Total,
        }),
    };
    let fault = error.as_ref().map(Fault::of);
    Some(Found {
        standing: Standing::of_embedder(&account, fault)?,
        error,
    })
}
