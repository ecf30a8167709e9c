use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::Tx as _;
use jobs::{DeadHook, Failure, JobState};

use crate::harness::{Bench, Probe, behave, options};

#[tokio::test]
async fn a_finished_job_moves_to_the_history() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let id = bench.enqueue(&Probe::new(1)).await;
    let view = bench.reach(id, JobState::Done).await;
    assert_eq!((view.attempt, view.kind.as_str()), (1, "probe"));
    assert!(view.finished_at.is_some());
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs")
        .fetch_one(bench.test_db.pool())
        .await
        .unwrap();
    assert_eq!(left, 0);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_failing_job_is_tried_as_often_as_allowed_with_a_wait_between() {
    let bench = Bench::start(behave(|_, _, _| async { Err(Failure::retry("boom")) })).await;
    let id = bench.enqueue(&Probe::new(1)).await;
    let view = bench.reach(id, JobState::Dead).await;
    assert_eq!(view.attempt, 3);
    assert!(view.error.unwrap().contains("boom"));
    let mut tx = bench.db.system().await.unwrap();
    let attempts = jobs::attempts(&mut tx, id).await.unwrap();
    let outcomes: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt.outcome.as_str())
        .collect();
    assert_eq!(outcomes, ["retry", "retry", "retry"]);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_retry_after_is_not_shortened_by_the_backoff() {
    let bench = Bench::start(behave(|_, handle, _| async move {
        if handle.job.attempt == 1 {
            return Err(Failure::retry_after(Duration::from_millis(700), "later"));
        }
        Ok(())
    }))
    .await;
    let id = bench.enqueue(&Probe::new(1)).await;
    bench.reach(id, JobState::Done).await;
    let (waited,): (f64,) = sqlx::query_as(
        "SELECT extract(epoch FROM h.claimed_at - a.ended_at)::float8
         FROM job_history h JOIN job_attempts a ON a.job_id = h.id",
    )
    .fetch_one(bench.test_db.pool())
    .await
    .unwrap();
    assert!(waited >= 0.7, "{waited}");
    bench.shut_down().await;
}

#[tokio::test]
async fn a_snooze_burns_no_attempt() {
    let bench = Bench::start(behave(|_, handle, db| async move {
        let mut tx = db.system().await?;
        let naps: i64 = sqlx::query_scalar("SELECT count(*) FROM job_attempts WHERE job_id = $1")
            .bind(handle.job.id)
            .fetch_one(tx.conn())
            .await
            .map_err(db::Error::from)?;
        if naps < 5 {
            Err(Failure::snooze(Duration::from_millis(10), "not yet"))
        } else {
            Ok(())
        }
    }))
    .await;
    let id = bench.enqueue(&Probe::new(1)).await;
    let view = bench.reach(id, JobState::Done).await;
    assert_eq!(view.attempt, 1);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_panic_is_an_outcome_and_the_worker_lives() {
    let bench = Bench::start(behave(|probe, _, _| async move {
        assert!(probe.n != 13, "bad luck");
        Ok(())
    }))
    .await;
    let unlucky = bench.enqueue(&Probe::new(13)).await;
    let view = bench.reach(unlucky, JobState::Dead).await;
    assert!(view.error.unwrap().contains("bad luck"));
    let next = bench.enqueue(&Probe::new(1)).await;
    bench.reach(next, JobState::Done).await;
    bench.shut_down().await;
}

#[tokio::test]
async fn an_undecodable_payload_is_dead_and_the_worker_lives() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload)
         VALUES ('probe', 0, 0, 3, '{\"wrong\": true}') RETURNING id",
    )
    .fetch_one(bench.test_db.pool())
    .await
    .unwrap();
    let view = bench.reach(id, JobState::Dead).await;
    assert!(view.error.unwrap().starts_with("undecodable payload"));
    assert_eq!(view.attempt, 1);
    let next = bench.enqueue(&Probe::new(1)).await;
    bench.reach(next, JobState::Done).await;
    bench.shut_down().await;
}

#[tokio::test]
async fn a_kind_this_worker_does_not_know_is_left_for_one_that_does() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let foreign: i64 = sqlx::query_scalar(
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload)
         VALUES ('of-tomorrow', 0, 0, 3, '{}') RETURNING id",
    )
    .fetch_one(bench.test_db.pool())
    .await
    .unwrap();
    let known = bench.enqueue(&Probe::new(1)).await;
    bench.reach(known, JobState::Done).await;
    assert_eq!(bench.reach(foreign, JobState::Ready).await.attempt, 0);
    bench.shut_down().await;
}

#[tokio::test]
async fn the_death_of_a_job_and_what_its_kind_does_about_it_are_one_transaction() {
    let hook: DeadHook = Arc::new(|tx, dead| {
        Box::pin(async move {
            sqlx::query(
                "INSERT INTO job_keys (kind, key, last_seq)
                 VALUES ('hook', $1, pg_current_xact_id()::text::bigint)",
            )
            .bind(&dead.reason)
            .execute(tx.conn())
            .await?;
            Ok(())
        })
    });
    let behaviour = behave(|_, _, _| async { Err(Failure::dead("no such order")) });
    let bench = Bench::start_with(options(), HashMap::from([("probe", hook)]), behaviour).await;
    let id = bench.enqueue(&of_a_tenant()).await;
    bench.reach(id, JobState::Dead).await;
    let (reason, is_one): (String, bool) = sqlx::query_as(
        "SELECT k.key, k.last_seq::text::xid8::xid = d.xmin
         FROM job_keys AS k CROSS JOIN dead_jobs AS d WHERE k.kind = 'hook'",
    )
    .fetch_one(bench.test_db.pool())
    .await
    .unwrap();
    assert_eq!((reason.as_str(), is_one), ("no such order", true));
    bench.shut_down().await;
}

#[tokio::test]
async fn a_job_is_buried_even_if_what_its_kind_does_about_it_fails() {
    let hook: DeadHook = Arc::new(|tx, _| {
        Box::pin(async move {
            sqlx::query("SELECT 1 / 0").execute(tx.conn()).await?;
            Ok(())
        })
    });
    let behaviour = behave(|_, _, _| async { Err(Failure::dead("over")) });
    let bench = Bench::start_with(options(), HashMap::from([("probe", hook)]), behaviour).await;
    let id = bench.enqueue(&of_a_tenant()).await;
    bench.reach(id, JobState::Dead).await;
    bench.shut_down().await;
}

fn of_a_tenant() -> Probe {
    let tenant = Some(domain::TenantId::new());
    Probe {
        n: 1,
        options: jobs::Options {
            tenant,
            ..jobs::Options::default()
        },
    }
}

/// Handlers that take next to nothing are handed out together; what some of them do is no concern of
/// the others.
#[tokio::test]
async fn jobs_that_are_handed_out_together_end_each_in_its_own_way() {
    let waiting = Arc::new(tokio::sync::Barrier::new(10));
    let behaviour = behave(move |probe, handle, _| {
        let waiting = Arc::clone(&waiting);
        async move {
            match probe.n {
                n if n < 0 => {}
                // Only if all of these run at a time does any of them end.
                n if n % 4 == 0 => {
                    waiting.wait().await;
                }
                n if n % 4 == 1 && handle.job.attempt == 1 => panic!("probe {n}"),
                n if n % 4 == 2 => return Err(Failure::dead("hopeless")),
                _ => {}
            }
            Ok(())
        }
    });
    let bench = Bench::start(behaviour).await;
    // These show the engine how little a run takes.
    enqueue_all(&bench, -300..0).await;
    wait_for_count(&bench, "job_history", 300).await;
    enqueue_all(&bench, 0..40).await;
    wait_for_count(&bench, "job_history", 330).await;
    wait_for_count(&bench, "dead_jobs", 10).await;
    let outcomes: Vec<(String, i64)> = sqlx::query_as(
        "SELECT outcome, count(*) FROM job_attempts GROUP BY outcome ORDER BY outcome",
    )
    .fetch_all(bench.test_db.pool())
    .await
    .unwrap();
    assert_eq!(
        outcomes,
        [("dead".to_owned(), 10), ("panicked".to_owned(), 10)]
    );
    bench.shut_down().await;
}

async fn enqueue_all(bench: &Bench, numbers: std::ops::Range<i64>) {
    let probes: Vec<Probe> = numbers.map(Probe::new).collect();
    let mut tx = bench.db.system().await.unwrap();
    jobs::enqueue_many(&mut tx, &probes).await.unwrap();
    tx.commit().await.unwrap();
}

async fn wait_for_count(bench: &Bench, table: &str, count: i64) {
    let sql = format!("SELECT count(*) FROM {table}");
    let mut last = 0;
    for _ in 0..500 {
        last = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.clone()))
            .fetch_one(bench.test_db.pool())
            .await
            .unwrap();
        if last == count {
            return;
        }
        // There is nothing to be notified by.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{last} rows in {table}, not {count}");
}
