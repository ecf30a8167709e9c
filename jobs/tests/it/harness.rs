use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use db::{Db, DbOptions, SystemTx};
use futures::future::BoxFuture;
use jobs::{
    Backoff, DeadHooks, Engine, EngineOptions, Failure, Job, JobHandle, JobState, JobView,
    KindInfo, Lane, Options, Policy,
};
use serde::{Deserialize, Serialize};
use testkit::TestDb;
use tokio::sync::mpsc;

/// A job whose options the test chooses.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) n: i64,
    #[serde(skip)]
    pub(crate) options: Options,
}

impl Probe {
    pub(crate) fn new(n: i64) -> Self {
        Self {
            n,
            options: Options::default(),
        }
    }

    pub(crate) fn keyed(n: i64, key: &str) -> Self {
        let ordering_key = Some(key.to_owned());
        Self {
            n,
            options: Options {
                ordering_key,
                ..Options::default()
            },
        }
    }
}

impl Job for Probe {
    const KIND: &'static str = "probe";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Policy {
        max_attempts: 3,
        timeout: Duration::from_secs(10),
        backoff: Backoff::Exponential {
            base: Duration::from_millis(20),
            cap: Duration::from_millis(40),
        },
    };

    fn options(&self) -> Options {
        self.options.clone()
    }
}

type Behaviour =
    Arc<dyn Fn(Probe, JobHandle, Db) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

/// A database with an engine on it.
pub(crate) struct Bench {
    pub(crate) test_db: TestDb,
    pub(crate) db: Db,
    engine: Mutex<Option<Engine>>,
    /// Every run, as it began.
    pub(crate) runs: tokio::sync::Mutex<mpsc::UnboundedReceiver<(i64, i16)>>,
}

pub(crate) async fn connect(test_db: &TestDb) -> Db {
    Db::connect_lazy(&DbOptions::new(test_db.url())).expect("an address")
}

pub(crate) fn options() -> EngineOptions {
    let mut options = EngineOptions::new(vec![KindInfo::of::<Probe>()]);
    options.lease = Duration::from_secs(2);
    options.poll = Duration::from_millis(200);
    options.drain = Duration::from_secs(2);
    options
}

pub(crate) fn behave<F, Fut>(run: F) -> Behaviour
where
    F: Fn(Probe, JobHandle, Db) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    Arc::new(move |probe, handle, db| Box::pin(run(probe, handle, db)))
}

impl Bench {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::start_with(options(), HashMap::new(), behaviour).await
    }

    pub(crate) async fn start_with(
        options: EngineOptions,
        hooks: DeadHooks,
        behaviour: Behaviour,
    ) -> Self {
        let test_db = TestDb::new().await;
        let db = connect(&test_db).await;
        let (began, runs) = mpsc::unbounded_channel();
        let engine = start_engine(&db, options, hooks, behaviour, began).await;
        let engine = Mutex::new(Some(engine));
        Self {
            test_db,
            db,
            engine,
            runs: tokio::sync::Mutex::new(runs),
        }
    }

    pub(crate) async fn enqueue(&self, job: &Probe) -> i64 {
        let mut tx = self.db.system().await.expect("a transaction");
        let id = jobs::enqueue(&mut tx, job).await.expect("enqueued").id;
        tx.commit().await.expect("committed");
        id
    }

    /// Waits for the next run to begin.
    pub(crate) async fn next_run(&self) -> (i64, i16) {
        let mut runs = self.runs.lock().await;
        tokio::time::timeout(Duration::from_secs(20), runs.recv())
            .await
            .expect("a run within 20 seconds")
            .expect("an engine")
    }

    /// Waits until the job is in that state.
    pub(crate) async fn reach(&self, id: i64, state: JobState) -> JobView {
        reach(&self.db, id, state).await
    }

    pub(crate) async fn shut_down(&self) {
        let engine = self.engine.lock().expect("whole").take();
        if let Some(engine) = engine {
            engine.shut_down().await;
        }
    }
}

pub(crate) async fn start_engine(
    db: &Db,
    options: EngineOptions,
    hooks: DeadHooks,
    behaviour: Behaviour,
    began: mpsc::UnboundedSender<(i64, i16)>,
) -> Engine {
    let (engine, backends) = Engine::start(db.clone(), options, hooks)
        .await
        .expect("an engine");
    for backend in backends {
        let (behaviour, began, db) = (Arc::clone(&behaviour), began.clone(), db.clone());
        jobs::work(backend, move |handle: JobHandle| {
            let (behaviour, began, db) = (Arc::clone(&behaviour), began.clone(), db.clone());
            async move {
                let probe: Probe = handle.job.decode()?;
                began.send((probe.n, handle.job.attempt)).ok();
                behaviour(probe, handle, db).await
            }
        });
    }
    engine
}

pub(crate) async fn find(db: &Db, id: i64) -> Option<JobView> {
    let mut tx: SystemTx = db.system().await.expect("a transaction");
    jobs::get(&mut tx, id, None).await.expect("looked up")
}

pub(crate) async fn reach(db: &Db, id: i64, state: JobState) -> JobView {
    let mut last = None;
    for _ in 0..1000 {
        last = find(db, id).await;
        if let Some(view) = &last
            && view.state == state
        {
            return view.clone();
        }
        // Polling another process's table: there is nothing to be notified by.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("job {id} never was {state}; last seen {last:?}");
}
