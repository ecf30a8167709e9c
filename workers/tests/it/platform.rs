//! The platform that the workers of the tests work for.

use std::path::PathBuf;
use std::sync::Arc;

use assistant::spending::Spending;
use assistant::{Assistant, MetaPlatform, Retention, Settings, WebchatCaps};
use channels::Graph;
use db::Db;
use domain::Clock;
use files::Files;
use llm::manager::{Manager, ManagerPolicy};
use llm::{Embedder, Embedders, Models, PlatformProviders, Prices, Timeouts};
use outbound::Guard;
use secrets::{Keyring, MasterKey};
use tempfile::TempDir;
use testkit::standin::{GraphServer, OpenAiServer};

use crate::stage::{APP_SECRET, RECONCILE};

pub(crate) fn assistant(
    db: Db,
    folder: &TempDir,
    graph: &GraphServer,
    model: &OpenAiServer,
    embedder: Arc<dyn Embedder>,
) -> Assistant {
    let (models, manager) = models_at(&model.base_url());
    Assistant {
        db,
        clock: Clock::fixed(Clock::system().now()),
        keyring: Arc::new(Keyring::new(MasterKey::generate(), Vec::new())),
        files: Files::disk(folder.path()),
        models,
        manager,
        spending: Arc::new(Spending::new(Prices::bundled().unwrap())),
        embedders: Arc::new(Embedders::only(embedder)),
        trusted: outbound::Client::trusted(outbound::Timeouts::default()).unwrap(),
        guarded: outbound::Client::guarded(&guard()).unwrap(),
        settings: Arc::new(Settings {
            meta: MetaPlatform {
                graph: Graph {
                    url: graph.url().parse().unwrap(),
                    version: "v25.0".to_owned(),
                },
                app_id: None,
                app_secret: Some(APP_SECRET.into()),
                verify_token: None,
            },
            send_reconcile: RECONCILE,
            provider_check: None,
            extract_program: extract_program(),
            max_upload_bytes: 1024 * 1024,
            webchat: WebchatCaps {
                sessions_per_address_hour: 5,
                sessions_per_tenant_hour: 8,
                messages_per_session: 10,
                messages_per_minute: 6,
                files_per_session: 3,
                max_file_bytes: 50_000,
            },
            retention: Retention::default(),
        }),
    }
}

/// Models of the platform's key at that address.
pub(crate) fn models_at(openai: &str) -> (Arc<Models>, Arc<Manager>) {
    let platform = PlatformProviders {
        openai_api_key: Some("the-platforms-key".into()),
        openai_base_url: Some(openai.parse().unwrap()),
        ..PlatformProviders::default()
    };
    let models = Arc::new(Models::new(platform, &guard(), Timeouts::default()).unwrap());
    let manager = Manager::new(Arc::clone(&models), ManagerPolicy::default());
    (models, Arc::new(manager))
}

fn guard() -> Guard {
    Guard::new(["127.0.0.0/8".parse().unwrap()])
}

/// The reader of documents, a program of `rag`'s own tests: it lies beside the folder of the tests'
/// programs.
fn extract_program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let target = own.parent().and_then(|deps| deps.parent()).unwrap();
    target.join("rag-extract-child")
}
