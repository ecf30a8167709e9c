use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::TenantId;
use jobs::{
    Backoff, Batch, Engine, EngineOptions, Failure, Job, JobState, KindInfo, Lane, Options, Policy,
};
use serde::{Deserialize, Serialize};
use testkit::TestDb;
use tokio::sync::mpsc;

use crate::harness::{connect, reach};

/// A job that runs together with up to three others of its tenant.
#[derive(Serialize, Deserialize)]
struct Together {
    n: i64,
    tenant: TenantId,
}

impl Job for Together {
    const KIND: &'static str = "together";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 2,
        timeout: Duration::from_secs(10),
        backoff: Backoff::Schedule(&[Duration::from_millis(10)]),
    };
    const BATCH: usize = 4;

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant),
            ..Options::default()
        }
    }
}

/// Enqueues, then runs everything with `outcome`, and reports which jobs ran together.
async fn run<F>(
    jobs: &[Together],
    outcome: F,
) -> (TestDb, db::Db, Engine, mpsc::UnboundedReceiver<Vec<i64>>)
where
    F: Fn(i64, &[i64]) -> Result<(), Failure> + Send + Sync + 'static,
{
    run_after(jobs, "SELECT", outcome).await
}

/// The same, with a statement between.
async fn run_after<F>(
    jobs: &[Together],
    statement: &'static str,
    outcome: F,
) -> (TestDb, db::Db, Engine, mpsc::UnboundedReceiver<Vec<i64>>)
where
    F: Fn(i64, &[i64]) -> Result<(), Failure> + Send + Sync + 'static,
{
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let mut tx = db.system().await.unwrap();
    jobs::enqueue_many(&mut tx, jobs).await.unwrap();
    tx.commit().await.unwrap();
    sqlx::query(statement)
        .execute(test_db.pool())
        .await
        .unwrap();
    let mut options = EngineOptions::new(vec![KindInfo::of::<Together>()]);
    options.poll = Duration::from_millis(200);
    options.bulk_slots = 2;
    let (engine, backends) = Engine::start(db.clone(), options, HashMap::new())
        .await
        .unwrap();
    let (ran, runs) = mpsc::unbounded_channel();
    let outcome = Arc::new(outcome);
    for backend in backends {
        let (ran, outcome) = (ran.clone(), Arc::clone(&outcome));
        jobs::work_batches(backend, move |batch: Batch| {
            let (ran, outcome) = (ran.clone(), Arc::clone(&outcome));
            async move {
                let numbers: Vec<i64> = batch
                    .handles
                    .iter()
                    .map(|handle| handle.job.decode::<Together>().unwrap().n)
                    .collect();
                ran.send(numbers.clone()).unwrap();
                numbers.iter().map(|n| outcome(*n, &numbers)).collect()
            }
        });
    }
    (test_db, db, engine, runs)
}

fn of(tenant: TenantId, numbers: std::ops::Range<i64>) -> Vec<Together> {
    numbers.map(|n| Together { n, tenant }).collect()
}

/// The number of a job in the order of enqueueing is its id.
async fn ends(db: &db::Db, id: i64, state: JobState) -> i16 {
    reach(db, id, state).await.attempt
}

#[tokio::test]
async fn jobs_of_one_tenant_run_together_and_those_of_others_do_not() {
    let (one, other) = (TenantId::new(), TenantId::new());
    let mut jobs = of(one, 1..9);
    jobs.extend(of(other, 9..13));
    let (_test_db, db, engine, mut runs) = run(&jobs, |_, _| Ok(())).await;
    for id in 1..13 {
        ends(&db, id, JobState::Done).await;
    }
    engine.shut_down().await;
    let mut seen = Vec::new();
    while let Ok(batch) = runs.try_recv() {
        assert!(batch.len() <= 4);
        assert!(batch.iter().all(|n| *n < 9) || batch.iter().all(|n| *n >= 9));
        seen.push(batch.len());
    }
    assert!(seen.len() < 12, "some ran together: {seen:?}");
}

#[tokio::test]
async fn every_job_of_a_batch_has_an_outcome_of_its_own() {
    let jobs = of(TenantId::new(), 1..5);
    let (_test_db, db, engine, _runs) = run(&jobs, |n, together| match n {
        2 => Err(Failure::dead("not this one")),
        3 if together.len() > 1 => Err(Failure::retry("alone")),
        _ => Ok(()),
    })
    .await;
    assert_eq!(ends(&db, 1, JobState::Done).await, 1);
    assert_eq!(ends(&db, 2, JobState::Dead).await, 1);
    assert_eq!(ends(&db, 3, JobState::Done).await, 2);
    assert_eq!(ends(&db, 4, JobState::Done).await, 1);
    engine.shut_down().await;
}

#[tokio::test]
async fn a_batch_that_panics_is_halved_until_only_the_culprit_pays() {
    let jobs = of(TenantId::new(), 1..5);
    let (_test_db, db, engine, _runs) = run(&jobs, |n, _| {
        assert!(n != 3, "job three breaks whatever it is in");
        Ok(())
    })
    .await;
    for id in [1, 2, 4] {
        assert_eq!(
            ends(&db, id, JobState::Done).await,
            1,
            "no attempt is burned"
        );
    }
    let view = reach(&db, 3, JobState::Dead).await;
    assert_eq!(view.attempt, 2);
    assert!(view.error.unwrap().contains("job three"));
    engine.shut_down().await;
}

#[tokio::test]
async fn a_cancelled_job_of_a_batch_does_not_begin() {
    let jobs = of(TenantId::new(), 1..5);
    // As a rescue leaves one that was cancelled while it ran.
    let cancelled = "UPDATE jobs SET cancel_requested_at = now() WHERE id = 2";
    let (_test_db, db, engine, mut runs) = run_after(&jobs, cancelled, |_, _| Ok(())).await;
    for id in [1, 3, 4] {
        ends(&db, id, JobState::Done).await;
    }
    ends(&db, 2, JobState::Cancelled).await;
    engine.shut_down().await;
    while let Ok(batch) = runs.try_recv() {
        assert!(!batch.contains(&2), "{batch:?}");
    }
}
