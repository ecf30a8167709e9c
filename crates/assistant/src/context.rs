use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use channels::Graph;
use db::Db;
use domain::Clock;
use files::Files;
use llm::manager::Manager;
use llm::{Embedders, Models};
use secrecy::SecretString;
use secrets::Keyring;

use crate::spending::Spending;

/// What the use cases work with; clones share everything.
#[derive(Clone)]
pub struct Assistant {
    /// The database.
    pub db: Db,
    /// The time, as rules see it.
    pub clock: Clock,
    /// Opens and seals tenants' secrets.
    pub keyring: Arc<Keyring>,
    /// Uploaded files.
    pub files: Files,
    /// The models that tenants may choose.
    pub models: Arc<Models>,
    /// The chains of tenants' models, with how their providers do.
    pub manager: Arc<Manager>,
    /// What calls to models cost.
    pub spending: Arc<Spending>,
    /// What turns texts into vectors, for each tenant what it chose.
    pub embedders: Arc<Embedders>,
    /// The client for addresses that the operator set.
    pub trusted: outbound::Client,
    /// The client for addresses that a tenant can set.
    pub guarded: outbound::Client,
    /// Everything that is only a value.
    pub settings: Arc<Settings>,
}

impl std::fmt::Debug for Assistant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assistant")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The operator's choices.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Meta's side of things.
    pub meta: MetaPlatform,
    /// How long a send whose end nobody saw waits for the channel's report.
    pub send_reconcile: Duration,
    /// How long after its last look a tenant's providers are looked at again; `None`: never.
    pub provider_check: Option<Duration>,
    /// The program that reads documents in a process of its own: this one.
    pub extract_program: PathBuf,
    /// The largest upload, in bytes.
    pub max_upload_bytes: u64,
    /// Caps on anonymous web chats.
    pub webchat: WebchatCaps,
    /// For how long what only grows is kept.
    pub retention: Retention,
}

/// For how many days what only grows is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Finished jobs, and the attempts of jobs.
    pub job_history_days: NonZeroU32,
    /// Dead jobs; `None`: for ever.
    pub dead_jobs_days: Option<NonZeroU32>,
    /// Items as channels posted them.
    pub raw_items_days: NonZeroU32,
    /// Attempts to deliver webhooks.
    pub webhook_attempts_days: NonZeroU32,
    /// Vectors by their text, after they were last used.
    pub embedding_cache_days: NonZeroU32,
    /// Calls to models, one by one; their sums are kept for ever.
    pub model_calls_days: NonZeroU32,
}

impl Default for Retention {
    /// 30 days, and 90 for dead jobs, vectors and calls to models.
    fn default() -> Self {
        const MONTH: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
        const QUARTER: NonZeroU32 = NonZeroU32::MIN.saturating_add(89);
        Self {
            job_history_days: MONTH,
            dead_jobs_days: Some(QUARTER),
            model_calls_days: QUARTER,
            raw_items_days: MONTH,
            webhook_attempts_days: MONTH,
            embedding_cache_days: QUARTER,
        }
    }
}

/// What the platform's own Meta app is called by.
#[derive(Clone, Debug)]
pub struct MetaPlatform {
    /// Where the Graph API is.
    pub graph: Graph,
    /// The id of the platform's app.
    pub app_id: Option<String>,
    /// Signs the posts of the platform's app.
    pub app_secret: Option<SecretString>,
    /// Verifies the platform's subscription.
    pub verify_token: Option<SecretString>,
}

/// What anonymous visitors may do before they can spend a model's money.
#[derive(Clone, Copy, Debug)]
pub struct WebchatCaps {
    /// Sessions from one address in an hour.
    pub sessions_per_address_hour: u32,
    /// Sessions of one tenant in an hour.
    pub sessions_per_tenant_hour: u32,
    /// Messages in one session.
    pub messages_per_session: u32,
    /// Messages of one session in a minute.
    pub messages_per_minute: u32,
    /// Files of one session.
    pub files_per_session: u32,
    /// The largest file, in bytes.
    pub max_file_bytes: u64,
}
