//! The worker pool: one handler file for each kind of job, their wiring, and the schedules that the
//! product brings itself.

mod dispatch;
mod handlers;
mod hooks;
mod schedules;
mod together;
mod young_tables;

use assistant::Assistant;
use db::Db;
use jobs::{Engine, EngineOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use dispatch::known_kinds;

/// The running workers of one process.
pub struct Workers {
    engine: Engine,
    lanes: Vec<JoinHandle<()>>,
    /// Ends what else the workers do.
    stop: CancellationToken,
}

impl Workers {
    /// Starts the engine, an apalis worker for each lane, and the schedules.
    ///
    /// # Errors
    /// `Unavailable` if the database cannot be reached.
    pub async fn start(assistant: Assistant, options: EngineOptions) -> db::Result<Self> {
        ensure(&assistant.db).await?;
        let hooks = hooks::all(&assistant);
        let (engine, backends) = Engine::start(assistant.db.clone(), options, hooks).await?;
        let lanes = backends
            .into_iter()
            .map(|backend| {
                let assistant = assistant.clone();
                jobs::work_batches(backend, move |batch| {
                    dispatch::run(assistant.clone(), batch)
                })
            })
            .collect();
        let stop = CancellationToken::new();
        tokio::spawn(jobs::schedules::run(
            assistant.db.clone(),
            jobs::schedules::kinds(),
            stop.clone(),
        ));
        let look = young_tables::look_for_ever(assistant.db.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(look));
        Ok(Self {
            engine,
            lanes,
            stop,
        })
    }

    /// The number of this process start.
    pub fn session(&self) -> i64 {
        self.engine.session()
    }

    /// Takes no more jobs, lets running ones end within the drain time, and returns when their
    /// outcomes are committed.
    pub async fn shut_down(self) {
        self.stop.cancel();
        self.engine.shut_down().await;
        for lane in self.lanes {
            lane.abort();
        }
    }
}

/// Makes what the workers count on: the partitions of the coming week, though the DEFAULT ones would
/// do, and the schedules of the product.
async fn ensure(db: &Db) -> db::Result<()> {
    if let Err(error) = db.ensure_partitions(handlers::upkeep::DAYS_AHEAD).await {
        tracing::warn!(error = %error, "partitions could not be made ahead");
    }
    let ensured = match schedules::builtin() {
        Ok(builtin) => jobs::schedules::ensure(db, &builtin).await,
        Err(error) => Err(error),
    };
    match ensured {
        Ok(_) => Ok(()),
        Err(jobs::schedules::Error::Database(error)) => Err(error),
        Err(error) => Err(db::Error::Unfit(error.to_string())),
    }
}
