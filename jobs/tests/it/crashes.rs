use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::Tx as _;
use jobs::{Failure, JobState};
use testkit::TestDb;
use tokio::sync::Semaphore;

use crate::harness::{Bench, Probe, behave, connect, options, reach, start_engine};

/// Makes the claim of a running job look like that of a process that died long ago.
async fn abandon(bench: &Bench, id: i64) {
    sqlx::query(
        "UPDATE jobs SET session_id = -1, lease_until = now() - interval '1 hour' WHERE id = $1",
    )
    .bind(id)
    .execute(bench.test_db.pool())
    .await
    .unwrap();
}

#[tokio::test]
async fn an_abandoned_job_runs_again_and_the_first_run_is_dropped() {
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let bench = Bench::start(behave(move |_, handle, _| {
        let open = Arc::clone(&open);
        async move {
            if handle.job.attempt == 1 {
                open.acquire().await.unwrap().forget();
            }
            Ok(())
        }
    }))
    .await;
    let id = bench.enqueue(&Probe::new(1)).await;
    assert_eq!(bench.next_run().await, (1, 1));
    abandon(&bench, id).await;
    assert_eq!(bench.next_run().await, (1, 2));
    let view = bench.reach(id, JobState::Done).await;
    assert_eq!(view.attempt, 2);
    // Whatever the first run does now changes nothing.
    gate.add_permits(1);
    bench.shut_down().await;
    let ended: i64 = sqlx::query_scalar("SELECT count(*) FROM job_history")
        .fetch_one(bench.test_db.pool())
        .await
        .unwrap();
    assert_eq!(ended, 1);
}

#[tokio::test]
async fn a_job_that_crashes_its_worker_every_time_is_dead_in_the_end() {
    let bench = Bench::start(behave(|_, _, _| async {
        std::future::pending::<()>().await;
        Ok(())
    }))
    .await;
    let id = bench.enqueue(&Probe::new(1)).await;
    for attempt in 1..=3 {
        assert_eq!(bench.next_run().await, (1, attempt));
        abandon(&bench, id).await;
    }
    let view = bench.reach(id, JobState::Dead).await;
    assert_eq!(view.attempt, 3, "rescue respects the maximum");
    assert!(view.error.unwrap().contains("crashed"));
    bench.shut_down().await;
}

#[tokio::test]
async fn a_fence_stops_whoever_lost_the_lease_from_committing() {
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let bench = Bench::start(behave(move |_, handle, db| {
        let open = Arc::clone(&open);
        async move {
            if handle.job.attempt == 1 {
                open.acquire().await.unwrap().forget();
            }
            let mut tx = db.system().await?;
            handle.fence(&mut tx).await?;
            sqlx::query("INSERT INTO job_keys (kind, key, last_seq) VALUES ('w', $1, 0)")
                .bind(handle.job.attempt.to_string())
                .execute(tx.conn())
                .await
                .map_err(db::Error::from)?;
            tx.commit().await?;
            Ok(())
        }
    }))
    .await;
    let id = bench.enqueue(&Probe::new(1)).await;
    assert_eq!(bench.next_run().await, (1, 1));
    // Taken away, but the process does not know yet.
    abandon(&bench, id).await;
    gate.add_permits(1);
    bench.reach(id, JobState::Done).await;
    let written: Vec<String> = sqlx::query_scalar("SELECT key FROM job_keys WHERE kind = 'w'")
        .fetch_all(bench.test_db.pool())
        .await
        .unwrap();
    assert_eq!(written, ["2"]);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_rescue_waits_for_the_transaction_of_a_fenced_handler() {
    let gate = Arc::new(Semaphore::new(0));
    let fenced = Arc::new(Semaphore::new(0));
    let (open, reached) = (Arc::clone(&gate), Arc::clone(&fenced));
    let bench = Bench::start(behave(move |_, handle, db| {
        let (open, reached) = (Arc::clone(&open), Arc::clone(&reached));
        async move {
            let mut tx = db.system().await?;
            handle.fence(&mut tx).await?;
            reached.add_permits(1);
            open.acquire().await.unwrap().forget();
            tx.commit().await?;
            Ok(())
        }
    }))
    .await;
    let id = bench.enqueue(&Probe::new(1)).await;
    fenced.acquire().await.unwrap().forget();
    let locked = sqlx::query("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE NOWAIT")
        .bind(id)
        .execute(bench.test_db.pool())
        .await;
    assert!(locked.is_err(), "the row is the handler's until it commits");
    gate.add_permits(1);
    assert_eq!(bench.reach(id, JobState::Done).await.attempt, 1);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_long_job_keeps_its_lease_by_heartbeat() {
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let mut quick = options();
    quick.lease = Duration::from_millis(1500);
    let behaviour = behave(move |_, handle, _| {
        let open = Arc::clone(&open);
        async move {
            open.acquire().await.unwrap().forget();
            handle.check_lease()
        }
    });
    let bench = Bench::start_with(quick, HashMap::new(), behaviour).await;
    let id = bench.enqueue(&Probe::new(1)).await;
    bench.next_run().await;
    // Three leases long: seen by the lease moving on, not by the clock of the test.
    let start: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT claimed_at FROM jobs WHERE id = $1")
            .bind(id)
            .fetch_one(bench.test_db.pool())
            .await
            .unwrap();
    loop {
        let (lease_until, state): (Option<chrono::DateTime<chrono::Utc>>, i16) =
            sqlx::query_as("SELECT lease_until, state FROM jobs WHERE id = $1")
                .bind(id)
                .fetch_one(bench.test_db.pool())
                .await
                .unwrap();
        assert_eq!(state, 3);
        if lease_until.unwrap() > start + chrono::TimeDelta::milliseconds(4500) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    gate.add_permits(1);
    assert_eq!(bench.reach(id, JobState::Done).await.attempt, 1);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_shutdown_gives_back_what_does_not_end_in_time() {
    let mut quick = options();
    quick.drain = Duration::from_millis(200);
    let behaviour = behave(|_, _, _| async {
        std::future::pending::<()>().await;
        Ok(())
    });
    let bench = Bench::start_with(quick, HashMap::new(), behaviour).await;
    let id = bench.enqueue(&Probe::new(1)).await;
    bench.next_run().await;
    bench.shut_down().await;
    let view = bench.reach(id, JobState::Ready).await;
    assert_eq!(view.attempt, 0, "a deploy burns no attempt");
    let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM worker_sessions")
        .fetch_one(bench.test_db.pool())
        .await
        .unwrap();
    assert_eq!(sessions, 0);
}

#[tokio::test]
async fn what_a_claim_brings_after_the_shutdown_began_is_given_back() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let mut tx = db.system().await.unwrap();
    let id = jobs::enqueue(&mut tx, &Probe::new(1)).await.unwrap().id;
    tx.commit().await.unwrap();
    // Claims wait for it.
    let mut locker = test_db.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE jobs IN EXCLUSIVE MODE")
        .execute(&mut *locker)
        .await
        .unwrap();
    let (began, mut runs) = tokio::sync::mpsc::unbounded_channel();
    let idle = behave(|_, _, _| async { Ok(()) });
    let mut patient = options();
    patient.drain = Duration::from_secs(20);
    let engine = start_engine(&db, patient, HashMap::new(), idle, began).await;
    let claims = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                  AND wait_event_type = 'Lock' AND query LIKE '%SKIP LOCKED%'";
    while sqlx::query_scalar::<_, i64>(claims)
        .fetch_one(test_db.pool())
        .await
        .unwrap()
        == 0
    {
        tokio::task::yield_now().await;
    }
    engine.stop_claiming();
    let ended = tokio::spawn(engine.shut_down());
    locker.rollback().await.unwrap();
    ended.await.unwrap();
    let view = reach(&db, id, JobState::Ready).await;
    assert_eq!(view.attempt, 0);
    assert!(runs.try_recv().is_err(), "it began");
}

#[tokio::test]
async fn work_goes_on_after_every_connection_was_cut() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    for round in 0..5 {
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'metachat'",
        )
        .execute(bench.test_db.pool())
        .await
        .unwrap();
        let id = loop {
            let Ok(mut tx) = bench.db.system().await else {
                continue;
            };
            let Ok(enqueued) = jobs::enqueue(&mut tx, &Probe::new(round)).await else {
                continue;
            };
            if tx.commit().await.is_ok() {
                break enqueued.id;
            }
        };
        bench.reach(id, JobState::Done).await;
    }
    bench.shut_down().await;
}

#[tokio::test]
async fn an_attempt_that_failed_says_why_while_the_job_waits() {
    let bench = Bench::start(behave(|_, _, _| async {
        Err(Failure::retry_after(
            Duration::from_hours(1),
            "the provider is down",
        ))
    }))
    .await;
    let id = bench.enqueue(&Probe::new(1)).await;
    let view = bench.reach(id, JobState::Scheduled).await;
    assert!(view.error.unwrap().contains("the provider is down"));
    let because = view.waiting_because.unwrap();
    assert!(
        because.starts_with("backoff after a failed attempt"),
        "{because}"
    );
    bench.shut_down().await;
}

#[tokio::test]
async fn a_row_locked_by_its_own_handler_holds_up_no_other_lease() {
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let mut quick = options();
    quick.lease = Duration::from_millis(1500);
    let behaviour = behave(move |probe: Probe, handle, db| {
        let open = Arc::clone(&open);
        async move {
            let mut tx = db.system().await?;
            if probe.n == 1 {
                handle.fence(&mut tx).await?;
            }
            open.acquire().await.unwrap().forget();
            tx.commit().await?;
            handle.check_lease()
        }
    });
    let bench = Bench::start_with(quick, HashMap::new(), behaviour).await;
    bench.enqueue(&Probe::new(1)).await;
    let other = bench.enqueue(&Probe::new(2)).await;
    bench.next_run().await;
    bench.next_run().await;
    let lease = async || -> chrono::DateTime<chrono::Utc> {
        sqlx::query_scalar("SELECT lease_until FROM jobs WHERE id = $1")
            .bind(other)
            .fetch_one(bench.test_db.pool())
            .await
            .unwrap()
    };
    let first = lease().await;
    // Three leases later, by the leases themselves, the other job still has its hold.
    while lease().await < first + chrono::TimeDelta::milliseconds(4500) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    gate.add_permits(2);
    assert_eq!(bench.reach(other, JobState::Done).await.attempt, 1);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_worker_that_was_struck_off_while_it_lived_is_seen_again() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let workers = async || {
        let mut tx = bench.db.system().await.unwrap();
        jobs::inspect::list_workers(&mut tx, None, 10)
            .await
            .unwrap()
            .data
    };
    let before = workers().await.pop().unwrap();
    sqlx::query("DELETE FROM worker_sessions")
        .execute(bench.test_db.pool())
        .await
        .unwrap();
    let after = loop {
        if let Some(worker) = workers().await.pop() {
            break worker;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(after.live);
    assert_eq!(
        (after.id, after.host, after.process_id, after.kinds),
        (before.id, before.host, before.process_id, before.kinds)
    );
    assert_eq!(after.started_at, before.started_at);
    bench.shut_down().await;
}
