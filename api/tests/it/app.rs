//! What the API of the tests is made of.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use api::{AppState, Limits, StateParts};
use assistant::spending::Spending;
use assistant::{Assistant, MetaPlatform, Retention, Settings, WebchatCaps};
use channels::Graph;
use db::Db;
use domain::{Clock, EmbeddingSettings};
use files::Files;
use llm::manager::{Manager, ManagerPolicy};
use llm::{Embedders, LocalModel, Models, PlatformEmbedding, PlatformProviders, Prices, Timeouts};
use outbound::Guard;
use secrets::{Keyring, MasterKey};
use telemetry::metrics::Registry;
use tempfile::TempDir;

use crate::server::{ADMIN_KEY, APP_SECRET, VERIFY_TOKEN};

pub(crate) fn state(db: Db, folder: &TempDir, clock: Clock, limits: Limits) -> Arc<AppState> {
    let platform = PlatformProviders::default();
    let guard = Guard::default();
    let assistant = assistant(db, folder, clock, platform, &guard, caps());
    state_of(assistant, limits, guard)
}

pub(crate) fn state_of(assistant: Assistant, limits: Limits, guard: Guard) -> Arc<AppState> {
    AppState::new(StateParts {
        assistant,
        guard,
        admin_key: ADMIN_KEY.into(),
        limits,
        trust_forwarded_for: false,
        registry: Registry::of_process("0.0.0"),
    })
}

/// What the platform embeds with: no model.
fn embedders(models: &Arc<Models>) -> Embedders {
    let platform = PlatformEmbedding {
        settings: EmbeddingSettings::default(),
        local: LocalModel {
            folder: "/nonexistent".into(),
            at_a_time: NonZeroUsize::MIN,
        },
    };
    Embedders::new(Arc::clone(models), &platform).unwrap()
}

pub(crate) fn assistant(
    db: Db,
    folder: &TempDir,
    clock: Clock,
    platform: PlatformProviders,
    guard: &Guard,
    webchat: WebchatCaps,
) -> Assistant {
    let models = Arc::new(Models::new(platform, guard, Timeouts::default()).unwrap());
    let manager = Manager::new(Arc::clone(&models), ManagerPolicy::default());
    Assistant {
        db,
        clock,
        keyring: Arc::new(Keyring::new(MasterKey::generate(), Vec::new())),
        files: Files::disk(folder.path()),
        embedders: Arc::new(embedders(&models)),
        models,
        manager: Arc::new(manager),
        spending: Arc::new(Spending::new(Prices::bundled().unwrap())),
        trusted: outbound::Client::trusted(outbound::Timeouts::default()).unwrap(),
        guarded: outbound::Client::guarded(guard).unwrap(),
        settings: Arc::new(Settings {
            meta: MetaPlatform {
                graph: Graph {
                    url: "http://127.0.0.1:1".parse().unwrap(),
                    version: "v25.0".to_owned(),
                },
                app_id: None,
                app_secret: Some(APP_SECRET.into()),
                verify_token: Some(VERIFY_TOKEN.into()),
            },
            send_reconcile: Duration::from_secs(30),
            provider_check: None,
            extract_program: "metachat".into(),
            max_upload_bytes: 1024 * 1024,
            webchat,
            retention: Retention::default(),
        }),
    }
}

/// What visitors of web chats may do.
pub(crate) const fn caps() -> WebchatCaps {
    WebchatCaps {
        sessions_per_address_hour: 5,
        sessions_per_tenant_hour: 8,
        messages_per_session: 10,
        messages_per_minute: 6,
        files_per_session: 3,
        max_file_bytes: 50_000,
    }
}

/// What no test comes to the end of.
pub(crate) const fn no_caps() -> WebchatCaps {
    const MANY: u32 = 1_000_000;
    WebchatCaps {
        sessions_per_address_hour: MANY,
        sessions_per_tenant_hour: MANY,
        messages_per_session: MANY,
        messages_per_minute: MANY,
        files_per_session: MANY,
        ..caps()
    }
}
