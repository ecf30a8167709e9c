use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jobs::{
    Backoff, Engine, EngineOptions, Failure, Job, JobHandle, JobState, KindInfo, Lane, Options,
    Policy,
};
use serde::{Deserialize, Serialize};
use testkit::TestDb;
use tokio::sync::mpsc;

use crate::harness::{connect, reach};

/// A job that is of no use half a second after it was due, and may take a fifth of one.
#[derive(Serialize, Deserialize)]
struct Hurried {
    delay_ms: u64,
    key: Option<String>,
}

impl Job for Hurried {
    const KIND: &'static str = "hurried";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Policy {
        max_attempts: 2,
        timeout: Duration::from_millis(200),
        backoff: Backoff::Schedule(&[Duration::from_millis(10)]),
    };
    const DEADLINE: Option<Duration> = Some(Duration::from_millis(500));

    fn options(&self) -> Options {
        Options {
            delay: Duration::from_millis(self.delay_ms),
            ordering_key: self.key.clone(),
            ..Options::default()
        }
    }
}

/// A job that may take a fifth of a second, whenever it begins.
#[derive(Serialize, Deserialize)]
struct Brief;

impl Job for Brief {
    const KIND: &'static str = "brief";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Hurried::POLICY;
}

async fn start(test_db: &TestDb) -> (db::Db, Engine, mpsc::UnboundedReceiver<i64>) {
    let db = connect(test_db).await;
    let mut options = EngineOptions::new(vec![KindInfo::of::<Hurried>(), KindInfo::of::<Brief>()]);
    options.lease = Duration::from_millis(900);
    options.poll = Duration::from_millis(100);
    let (engine, backends) = Engine::start(db.clone(), options, HashMap::new())
        .await
        .unwrap();
    let (began, runs) = mpsc::unbounded_channel();
    for backend in backends {
        let began = began.clone();
        jobs::work(backend, move |handle: JobHandle| {
            began.send(handle.job.id).unwrap();
            std::future::pending::<Result<(), Failure>>()
        });
    }
    (db, engine, runs)
}

async fn enqueue<J: Job>(db: &db::Db, job: J) -> i64 {
    let mut tx = db.system().await.unwrap();
    let id = jobs::enqueue(&mut tx, &job).await.unwrap().id;
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn a_handler_that_never_ends_is_timed_out_and_its_slot_is_free() {
    let test_db = TestDb::new().await;
    let (db, engine, mut runs) = start(&test_db).await;
    let id = enqueue(&db, Brief).await;
    assert_eq!(runs.recv().await, Some(id));
    let view = reach(&db, id, JobState::Dead).await;
    assert_eq!(view.attempt, 2);
    let mut tx = db.system().await.unwrap();
    let attempts = jobs::attempts(&mut tx, id).await.unwrap();
    assert_eq!(attempts[0].outcome, "timed_out");
    engine.shut_down().await;
}

#[tokio::test]
async fn what_did_not_begin_by_its_deadline_dies_even_while_it_is_held_or_paused() {
    let test_db = TestDb::new().await;
    sqlx::query("INSERT INTO job_limits (key, paused_until) VALUES ('kind:hurried', 'infinity')")
        .execute(test_db.pool())
        .await
        .unwrap();
    let (db, engine, mut runs) = start(&test_db).await;
    let key = Some("k".to_owned());
    let head = enqueue(
        &db,
        Hurried {
            delay_ms: 0,
            key: key.clone(),
        },
    )
    .await;
    let held = enqueue(&db, Hurried { delay_ms: 0, key }).await;
    for id in [head, held] {
        let view = reach(&db, id, JobState::Dead).await;
        assert_eq!(view.attempt, 0);
        assert!(view.error.unwrap().contains("deadline"));
    }
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM job_keys")
        .fetch_one(test_db.pool())
        .await
        .unwrap();
    assert_eq!(keys, 0, "its place in its key is given up");
    engine.shut_down().await;
    assert!(runs.try_recv().is_err());
}

#[tokio::test]
async fn a_deadline_counts_from_when_a_job_was_due() {
    let test_db = TestDb::new().await;
    let (db, engine, mut runs) = start(&test_db).await;
    let job = Hurried {
        delay_ms: 700,
        key: None,
    };
    let id = enqueue(&db, job).await;
    assert_eq!(runs.recv().await, Some(id));
    engine.shut_down().await;
    drop(Arc::new(test_db));
}
