use std::num::NonZeroU32;
use std::sync::Arc;

use assistant::Assistant;
use assistant::providers::Providers;
use assistant::webchat::Webchat;
use db::Db;
use domain::Clock;
use files::Files;
use outbound::Guard;
use secrecy::{ExposeSecret, SecretString};
use secrets::Keyring;
use telemetry::metrics::Registry;

use crate::auth::KeyCache;
use crate::live::Live;
use crate::metrics::HttpMetrics;
use crate::queue_feed::QueueFeed;
use crate::rate_limit::RateLimits;

/// What every handler can reach; one per process, shared.
#[derive(Debug)]
pub struct AppState {
    /// The use cases.
    pub assistant: Assistant,
    /// The web chats.
    pub webchat: Webchat,
    /// The open connections of web chats.
    pub live: Live,
    /// Tenants' model providers.
    pub providers: Providers,
    /// The database.
    pub db: Db,
    /// What secrets are sealed under.
    pub keyring: Arc<Keyring>,
    /// Where uploaded files are kept.
    pub files: Files,
    /// The time.
    pub clock: Clock,
    /// Which addresses a tenant may set.
    pub guard: Guard,
    /// How much is taken from callers.
    pub limits: Limits,
    /// Whether a caller's address is what a proxy says it is.
    pub trust_forwarded_for: bool,
    /// The process's metrics.
    pub registry: Registry,
    /// What is counted of requests.
    pub(crate) metrics: HttpMetrics,
    /// Hash of the operator's own key.
    pub(crate) admin_key_hash: [u8; 32],
    /// Whose keys were asked for lately.
    pub(crate) keys: KeyCache,
    /// How much each key has left.
    pub(crate) rates: RateLimits,
    /// How many searches each tenant has left: each may call an embedder.
    pub(crate) searches: RateLimits,
    /// The overview of the queues, for whoever watches it.
    pub(crate) queue_feed: QueueFeed,
}

/// What an [`AppState`] is made of.
#[derive(Debug)]
pub struct StateParts {
    /// The use cases, with the database and all else they work on.
    pub assistant: Assistant,
    /// Which addresses a tenant may set.
    pub guard: Guard,
    /// The operator's own key, which works for every tenant.
    pub admin_key: SecretString,
    /// How much is taken from callers.
    pub limits: Limits,
    /// Whether a caller's address is what a proxy says it is.
    pub trust_forwarded_for: bool,
    /// The process's metrics, to which those of HTTP are added.
    pub registry: Registry,
}

/// How much is taken from callers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest file that may be uploaded, in bytes.
    pub max_upload_bytes: u64,
    /// Requests that a key gets back each second.
    pub requests_per_second: NonZeroU32,
    /// Requests that a key may have in store.
    pub burst: NonZeroU32,
    /// Searches that a tenant gets back each second.
    pub searches_per_second: NonZeroU32,
    /// Searches that a tenant may have in store.
    pub searches_burst: NonZeroU32,
}

impl Default for Limits {
    /// 50 MiB a file; 50 requests a second, 100 at once; 10 searches a second, 30 at once.
    fn default() -> Self {
        Self {
            max_upload_bytes: 50 * 1024 * 1024,
            requests_per_second: const { NonZeroU32::new(50).unwrap() },
            burst: const { NonZeroU32::new(100).unwrap() },
            searches_per_second: const { NonZeroU32::new(10).unwrap() },
            searches_burst: const { NonZeroU32::new(30).unwrap() },
        }
    }
}

impl AppState {
    /// Puts the parts together.
    pub fn new(parts: StateParts) -> Arc<Self> {
        let StateParts {
            assistant,
            guard,
            admin_key,
            limits,
            trust_forwarded_for,
            registry,
        } = parts;
        let webchat = Webchat::new(&assistant);
        Arc::new(Self {
            live: Live::new(&webchat),
            providers: Providers::new(assistant.clone()),
            webchat,
            db: assistant.db.clone(),
            keyring: Arc::clone(&assistant.keyring),
            files: assistant.files.clone(),
            clock: assistant.clock.clone(),
            guard,
            limits,
            trust_forwarded_for,
            metrics: HttpMetrics::new(&registry),
            registry,
            admin_key_hash: secrets::sha256(admin_key.expose_secret().as_bytes()),
            keys: KeyCache::default(),
            rates: RateLimits::new(limits.requests_per_second, limits.burst),
            searches: RateLimits::new(limits.searches_per_second, limits.searches_burst),
            queue_feed: QueueFeed::new(assistant.db.clone()),
            assistant,
        })
    }
}
