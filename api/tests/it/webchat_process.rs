//! An API process of its own beside a web chat's stage.

use std::net::SocketAddr;
use std::sync::Arc;

use api::{AppState, Limits, StateParts};
use assistant::{Assistant, Settings};
use db::{Db, DbOptions};
use outbound::Guard;
use telemetry::metrics::Registry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::server::ADMIN_KEY;
use crate::webchat_stage::Stage;

/// An API process beside the stage's own: with a database handle of its own, so that what happens in
/// the other reaches it through Postgres alone.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Process {
    pub(crate) async fn start(stage: &Stage) -> Self {
        let db = Db::connect_lazy(&DbOptions::new(stage.server.database.url())).unwrap();
        let assistant = stage.server.state.assistant.clone();
        let mut settings = Settings::clone(&assistant.settings);
        // What was not acknowledged is posted again and again, and some is posted at once.
        settings.webchat.messages_per_minute = 10_000;
        settings.webchat.messages_per_session = 10_000;
        let assistant = Assistant {
            db,
            settings: Arc::new(settings),
            ..assistant
        };
        let state = AppState::new(StateParts {
            assistant,
            guard: Guard::default(),
            admin_key: ADMIN_KEY.into(),
            limits: Limits::default(),
            trust_forwarded_for: false,
            registry: Registry::of_process("0.0.0"),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(api::serve(listener, Arc::clone(&state), async {
            stopped.await.ok();
        }));
        Self {
            address,
            _stop: stop,
        }
    }
}
