//! Handlers that do not end as they should.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use db::Db;
use jobs::{
    Backoff, Engine, EngineOptions, Failure, Job, JobHandle, JobState, KindInfo, Lane, Policy,
};
use serde::{Deserialize, Serialize};
use testkit::TestDb;
use tokio::sync::mpsc;

use crate::harness::{connect, reach};

/// A job that has hardly any time.
#[derive(Serialize, Deserialize)]
struct Hasty;

impl Job for Hasty {
    const KIND: &'static str = "hasty";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Policy {
        max_attempts: 2,
        timeout: Duration::from_millis(300),
        backoff: Backoff::Schedule(&[Duration::from_millis(10)]),
    };
    const CANCEL_GRACE: Duration = Duration::from_millis(200);
}

/// Starts an engine for the kind and enqueues one job, which it returns.
async fn start<F, Fut>(handler: F) -> (TestDb, Db, Engine, i64)
where
    F: Fn(JobHandle) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let mut options = EngineOptions::new(vec![KindInfo::of::<Hasty>()]);
    options.lease = Duration::from_millis(1500);
    options.poll = Duration::from_millis(200);
    options.drain = Duration::from_secs(2);
    let (engine, backends) = Engine::start(db.clone(), options, HashMap::new())
        .await
        .unwrap();
    for backend in backends {
        jobs::work(backend, handler.clone());
    }
    let mut tx = db.system().await.unwrap();
    let id = jobs::enqueue(&mut tx, &Hasty).await.unwrap().id;
    tx.commit().await.unwrap();
    (test_db, db, engine, id)
}

async fn outcomes(test_db: &TestDb) -> Vec<(i16, String)> {
    sqlx::query_as("SELECT attempt, outcome FROM job_attempts ORDER BY ended_at")
        .fetch_all(test_db.pool())
        .await
        .unwrap()
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

#[tokio::test]
async fn a_handler_that_panics_while_it_is_dropped_has_its_outcome_all_the_same() {
    let (test_db, db, engine, id) = start(|_| async {
        let _bomb = Bomb;
        std::future::pending().await
    })
    .await;
    reach(&db, id, JobState::Dead).await;
    let twice = [1, 2].map(|attempt| (attempt, "timed_out".to_owned()));
    assert_eq!(outcomes(&test_db).await, twice);
    engine.shut_down().await;
}

/// Opens once.
#[derive(Default)]
struct Door {
    is_open: Mutex<bool>,
    changed: Condvar,
}

impl Door {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    /// Blocks the thread until it opens; not for ever, so that a test that failed ends.
    fn wait(&self) {
        let is_open = self.is_open.lock().unwrap();
        let longest = Duration::from_mins(1);
        drop(
            self.changed
                .wait_timeout_while(is_open, longest, |is_open| !*is_open)
                .unwrap(),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_whose_handler_blocks_its_thread_runs_elsewhere_after_its_time() {
    let door = Arc::new(Door::default());
    let closed = Arc::clone(&door);
    let (test_db, db, engine, id) = start(move |handle| {
        let closed = Arc::clone(&closed);
        async move {
            if handle.job.attempt == 1 {
                closed.wait();
            }
            Ok(())
        }
    })
    .await;
    let view = reach(&db, id, JobState::Done).await;
    assert_eq!(view.attempt, 2);
    let mut tx = db.system().await.unwrap();
    let workers = jobs::inspect::list_workers(&mut tx, None, 10)
        .await
        .unwrap();
    assert_eq!(workers.data[0].lost_leases, 1);
    drop(tx);
    // Whatever the first does when it wakes up changes nothing.
    door.open();
    engine.shut_down().await;
    assert_eq!(outcomes(&test_db).await, [(1, "crashed".to_owned())]);
    let ended: i64 = sqlx::query_scalar("SELECT count(*) FROM job_history")
        .fetch_one(test_db.pool())
        .await
        .unwrap();
    assert_eq!(ended, 1);
}

/// How a job ends that has the only slot there is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Manner {
    /// Never.
    Hangs,
    Panics,
    /// Well, but something of it goes on for ever.
    Leaks,
    Ends,
}

/// A job with a manner, which is tried once.
#[derive(Serialize, Deserialize)]
struct Mannered(Manner);

impl Job for Mannered {
    const KIND: &'static str = "mannered";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Policy {
        max_attempts: 1,
        ..Hasty::POLICY
    };
}

/// Runs a job in its manner, and hands out what it leaks.
async fn run_mannered(
    handle: JobHandle,
    manner: Manner,
    leak: mpsc::UnboundedSender<JobHandle>,
) -> Result<(), Failure> {
    match manner {
        Manner::Hangs => std::future::pending().await,
        Manner::Panics => panic!("as it does"),
        Manner::Leaks => {
            leak.send(handle.clone()).unwrap();
            tokio::spawn(async move {
                let _kept = handle;
                std::future::pending::<()>().await;
            });
            Ok(())
        }
        Manner::Ends => Ok(()),
    }
}

#[tokio::test]
async fn the_only_slot_is_free_again_after_a_handler_that_hangs_one_that_panics_and_one_that_leaks()
{
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let ends = [
        (Manner::Hangs, JobState::Dead),
        (Manner::Panics, JobState::Dead),
        (Manner::Leaks, JobState::Done),
        (Manner::Ends, JobState::Done),
    ];
    let mut ids = Vec::new();
    let mut tx = db.system().await.unwrap();
    for (manner, _) in ends {
        ids.push(jobs::enqueue(&mut tx, &Mannered(manner)).await.unwrap().id);
    }
    tx.commit().await.unwrap();
    let mut options = EngineOptions::new(vec![KindInfo::of::<Mannered>()]);
    options.interactive_slots = 1;
    let (engine, backends) = Engine::start(db.clone(), options, HashMap::new())
        .await
        .unwrap();
    let (began, mut runs) = mpsc::unbounded_channel();
    let (leak, mut leaked) = mpsc::unbounded_channel();
    for backend in backends {
        let (began, leak) = (began.clone(), leak.clone());
        jobs::work(backend, move |handle: JobHandle| {
            let (began, leak) = (began.clone(), leak.clone());
            async move {
                let Mannered(manner) = handle.job.decode()?;
                began.send(manner).unwrap();
                run_mannered(handle, manner, leak).await
            }
        });
    }
    for (id, (manner, state)) in ids.into_iter().zip(ends) {
        reach(&db, id, state).await;
        assert_eq!(runs.recv().await, Some(manner), "one after the other");
    }
    let said = ["timed_out", "panicked"].map(|outcome| (1, outcome.to_owned()));
    assert_eq!(outcomes(&test_db).await, said);
    // What is left of a job has no say in anything, and nobody waits for it.
    let handle = leaked.recv().await.unwrap();
    let mut tx = db.system().await.unwrap();
    assert!(handle.fence(&mut tx).await.is_err());
    drop(tx);
    let ending = tokio::time::timeout(Duration::from_secs(10), engine.shut_down());
    ending.await.expect("before the time to drain is over");
}
