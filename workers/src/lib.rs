//! The worker pool: one handler file for each kind of job, their wiring, and the upkeep that runs
//! beside them.

mod dispatch;
mod handlers;
mod hooks;
mod upkeep;

use assistant::Assistant;
use jobs::{Engine, EngineOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use dispatch::known_kinds;

/// The running workers of one process.
pub struct Workers {
    engine: Engine,
    lanes: Vec<JoinHandle<()>>,
    upkeep: CancellationToken,
}

impl Workers {
    /// Starts the engine, an apalis worker for each lane, and the upkeep.
    ///
    /// # Errors
    /// `Unavailable` if the database cannot be reached.
    pub async fn start(assistant: Assistant, options: EngineOptions) -> db::Result<Self> {
        let hooks = hooks::all(&assistant);
        let (engine, backends) = Engine::start(assistant.db.clone(), options, hooks).await?;
        let lanes = backends
            .into_iter()
            .map(|backend| {
                let assistant = assistant.clone();
                jobs::work(backend, move |handle| {
                    dispatch::run(assistant.clone(), handle)
                })
            })
            .collect();
        let upkeep = CancellationToken::new();
        let work = upkeep::run(assistant.db.clone(), assistant.clock.clone());
        tokio::spawn(upkeep.clone().run_until_cancelled_owned(work));
        Ok(Self {
            engine,
            lanes,
            upkeep,
        })
    }

    /// The number of this process start.
    pub fn session(&self) -> i64 {
        self.engine.session()
    }

    /// Takes no more jobs, lets running ones end within the drain time, and returns when their
    /// outcomes are committed.
    pub async fn shut_down(self) {
        self.upkeep.cancel();
        self.engine.shut_down().await;
        for lane in self.lanes {
            lane.abort();
        }
    }
}
