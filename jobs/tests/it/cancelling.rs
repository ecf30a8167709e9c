use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jobs::control::{self, Cancelled};
use jobs::{Backoff, Engine, Failure, Job, JobHandle, JobState, KindInfo, Lane, Policy};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use testkit::TestDb;
use tokio::sync::{Semaphore, mpsc};

use crate::harness::{Bench, Probe, behave, connect, options, reach};

/// Notes that somebody wants a job ended, without telling anybody: the heartbeat has to notice.
async fn request(pool: &PgPool, id: i64) {
    sqlx::query("UPDATE jobs SET cancel_requested_at = now() WHERE id = $1")
        .bind(id)
        .execute(pool)
        .await
        .unwrap();
}

fn quick() -> jobs::EngineOptions {
    let mut options = options();
    options.lease = Duration::from_millis(1500);
    options
}

#[tokio::test]
async fn a_running_handler_is_told_and_may_end_by_itself() {
    let behaviour = behave(|_, handle, _| async move {
        handle.cancelled().await;
        Err(Failure::retry("put away what was begun"))
    });
    let bench = Bench::start_with(quick(), HashMap::new(), behaviour).await;
    let id = bench.enqueue(&Probe::new(1)).await;
    bench.next_run().await;
    request(bench.test_db.pool(), id).await;
    let view = bench.reach(id, JobState::Cancelled).await;
    assert_eq!(view.attempt, 1);
    bench.shut_down().await;
}

/// A job that may take its time, but next to none once it is cancelled.
#[derive(Serialize, Deserialize)]
struct Leisurely;

impl Job for Leisurely {
    const KIND: &'static str = "leisurely";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Policy {
        max_attempts: 3,
        timeout: Duration::from_mins(10),
        backoff: Backoff::Schedule(&[]),
    };
    const CANCEL_GRACE: Duration = Duration::from_millis(200);
}

/// Tells when it is dropped.
struct Farewell(mpsc::UnboundedSender<Instant>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.send(Instant::now()).ok();
    }
}

#[tokio::test]
async fn a_handler_that_does_not_listen_is_dropped_after_its_grace_and_not_before() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let mut options = quick();
    options.kinds = vec![KindInfo::of::<Leisurely>()];
    let (engine, backends) = Engine::start(db.clone(), options, HashMap::new())
        .await
        .unwrap();
    let (moment, mut moments) = mpsc::unbounded_channel();
    for backend in backends {
        let moment = moment.clone();
        jobs::work(backend, move |handle: JobHandle| {
            let moment = moment.clone();
            async move {
                moment.send(Instant::now()).unwrap();
                let _farewell = Farewell(moment.clone());
                // It is told, and goes on all the same.
                handle.cancelled().await;
                moment.send(Instant::now()).unwrap();
                std::future::pending().await
            }
        });
    }
    let mut tx = db.system().await.unwrap();
    let id = jobs::enqueue(&mut tx, &Leisurely).await.unwrap().id;
    tx.commit().await.unwrap();
    // It has begun.
    moments.recv().await.unwrap();
    request(test_db.pool(), id).await;
    let view = reach(&db, id, JobState::Cancelled).await;
    let reason = view.error.unwrap();
    assert!(reason.contains("did not end within its grace"), "{reason}");
    let told = moments.recv().await.unwrap();
    let dropped = moments.recv().await.unwrap();
    assert!(dropped - told >= Leisurely::CANCEL_GRACE);
    engine.shut_down().await;
}

#[tokio::test]
async fn what_a_cancelled_handler_has_finished_is_done() {
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let behaviour = behave(move |_, handle, _| {
        let open = Arc::clone(&open);
        async move {
            handle.cancelled().await;
            open.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let bench = Bench::start_with(quick(), HashMap::new(), behaviour).await;
    let id = bench.enqueue(&Probe::new(1)).await;
    bench.next_run().await;
    request(bench.test_db.pool(), id).await;
    gate.add_permits(1);
    bench.reach(id, JobState::Done).await;
    bench.shut_down().await;
}

#[tokio::test]
async fn a_waiting_job_that_was_cancelled_never_begins() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let mut later = Probe::new(1);
    later.options.delay = Duration::from_millis(500);
    let id = bench.enqueue(&later).await;
    request(bench.test_db.pool(), id).await;
    bench.reach(id, JobState::Cancelled).await;
    let witness = bench.enqueue(&Probe::new(2)).await;
    bench.reach(witness, JobState::Done).await;
    assert_eq!(bench.next_run().await.0, 2);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_it_waits_for_a_slot_in_the_process_never_begins() {
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let mut single = options();
    single.interactive_slots = 1;
    let behaviour = behave(move |probe: Probe, _, _| {
        let open = Arc::clone(&open);
        async move {
            if probe.n == 1 {
                open.acquire().await.unwrap().forget();
            }
            Ok(())
        }
    });
    let bench = Bench::start_with(single, HashMap::new(), behaviour).await;
    // Handlers that take next to no time: more is claimed than there are slots.
    let mut tx = bench.db.system().await.unwrap();
    let quick: Vec<_> = (100..500).map(Probe::new).collect();
    jobs::enqueue_many(&mut tx, &quick).await.unwrap();
    tx.commit().await.unwrap();
    for _ in &quick {
        bench.next_run().await;
    }
    bench.enqueue(&Probe::new(1)).await;
    assert_eq!(bench.next_run().await.0, 1);
    let id = bench.enqueue(&Probe::new(2)).await;
    bench.reach(id, JobState::Running).await;
    let mut tx = bench.db.system().await.unwrap();
    let cancelled = control::cancel(&mut tx, id, None, "by a test").await;
    assert_eq!(cancelled.unwrap(), Cancelled::Requested);
    tx.commit().await.unwrap();
    gate.add_permits(1);
    bench.reach(id, JobState::Cancelled).await;
    bench.enqueue(&Probe::new(3)).await;
    assert_eq!(bench.next_run().await.0, 3);
    bench.shut_down().await;
}
