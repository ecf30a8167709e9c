//! What those who lost a job can still do: nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::Tx as _;
use domain::TenantId;
use jobs::{DeadHook, DeadHooks, Failure, JobState, JobView};
use testkit::TestDb;
use tokio::sync::Semaphore;

use crate::desk::of;
use crate::harness::{Bench, Probe, behave, connect, find, options, reach, start_engine};

#[tokio::test]
async fn an_earlier_hold_on_a_snoozed_job_cannot_fence_the_later_one() {
    let holds = Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = Arc::clone(&holds);
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let bench = Bench::start(behave(move |_, handle, _| {
        let (kept, open) = (Arc::clone(&kept), Arc::clone(&open));
        async move {
            let runs = {
                let mut kept = kept.lock().unwrap();
                kept.push(handle);
                kept.len()
            };
            if runs == 1 {
                return Err(Failure::snooze(Duration::from_millis(10), "once"));
            }
            open.acquire().await.unwrap().forget();
            Ok(())
        }
    }))
    .await;
    let id = bench.enqueue(&Probe::new(1)).await;
    // The same attempt twice, which is what makes the two hard to tell apart.
    assert_eq!(bench.next_run().await, (1, 1));
    assert_eq!(bench.next_run().await, (1, 1));
    let holds = holds.lock().unwrap().clone();
    let mut tx = bench.db.system().await.unwrap();
    assert!(holds[0].fence(&mut tx).await.is_err());
    holds[1].fence(&mut tx).await.unwrap();
    drop(tx);
    gate.add_permits(1);
    bench.reach(id, JobState::Done).await;
    bench.shut_down().await;
}

/// Leaves a mark when a job is buried.
fn marking() -> DeadHooks {
    let hook: DeadHook = Arc::new(|tx, _| {
        Box::pin(async move {
            sqlx::query("INSERT INTO job_keys (kind, key, last_seq) VALUES ('hook', 'mark', 0)")
                .execute(tx.conn())
                .await?;
            Ok(())
        })
    });
    HashMap::from([("probe", hook)])
}

/// One engine loses a job to another, and ends its run only then, as `end` says. Returns what the
/// tables hold while the other still runs it.
async fn end_after_another_has_begun(end: fn() -> Result<(), Failure>) -> (JobView, i64, i64) {
    let test_db = TestDb::new().await;
    let gates = [Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0))];
    let mut engines = Vec::new();
    let well: fn() -> Result<(), Failure> = || Ok(());
    for (gate, end) in gates.iter().zip([end, well]) {
        let gate = Arc::clone(gate);
        let behaviour = behave(move |_, _, _| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                end()
            }
        });
        let db = connect(&test_db).await;
        let mut options = options();
        if engines.is_empty() {
            // Its heart does not beat before it has ended.
            options.lease = Duration::from_mins(5);
        }
        let (began, runs) = tokio::sync::mpsc::unbounded_channel();
        let engine = start_engine(&db, options, marking(), behaviour, began).await;
        engines.push((engine, db, runs));
        if engines.len() == 1 {
            let (_, db, runs) = &mut engines[0];
            let mut tx = db.system().await.unwrap();
            // Only the deaths of tenants' jobs have hooks.
            let job = of(1, TenantId::new());
            jobs::enqueue(&mut tx, &job).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(runs.recv().await, Some((1, 1)));
        }
    }
    let (other, db, mut other_runs) = engines.pop().unwrap();
    let (first, ..) = engines.pop().unwrap();
    first.stop_claiming();
    sqlx::query("UPDATE jobs SET session_id = -1, lease_until = now() - interval '1 hour'")
        .execute(test_db.pool())
        .await
        .unwrap();
    assert_eq!(other_runs.recv().await, Some((1, 2)));
    gates[0].add_permits(1);
    // It returns when the last outcome was committed, or refused.
    first.shut_down().await;
    let id: i64 = sqlx::query_scalar("SELECT id FROM jobs")
        .fetch_one(test_db.pool())
        .await
        .expect("the job is still there");
    let view = find(&db, id).await.unwrap();
    let ended: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM job_history) + (SELECT count(*) FROM dead_jobs)
              + (SELECT count(*) FROM job_attempts WHERE outcome <> 'crashed')
              + (SELECT count(*) FROM job_keys WHERE kind = 'hook')",
    )
    .fetch_one(test_db.pool())
    .await
    .unwrap();
    let session = other.session();
    gates[1].add_permits(1);
    assert_eq!(reach(&db, id, JobState::Done).await.session, Some(session));
    other.shut_down().await;
    (view, session, ended)
}

#[tokio::test]
async fn whoever_lost_a_job_can_neither_end_it_nor_put_it_back_nor_bury_it() {
    let ends: [fn() -> Result<(), Failure>; 3] = [
        || Ok(()),
        || Err(Failure::retry("once more")),
        || Err(Failure::dead("hopeless")),
    ];
    for end in ends {
        let (view, session, ended) = end_after_another_has_begun(end).await;
        assert_eq!(view.state, JobState::Running);
        assert_eq!((view.attempt, view.session), (2, Some(session)));
        assert_eq!(
            ended, 0,
            "nothing is said of the first run but that it crashed"
        );
    }
}
