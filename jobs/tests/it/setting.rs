//! What operators set counts within a second in an engine that runs, in whatever process it is set.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use db::Db;
use domain::TenantId;
use jobs::control::{self, LimitKey, LimitValues};
use jobs::{Job as _, JobState, Options};
use testkit::TestDb;
use tokio::sync::{Semaphore, mpsc};

use crate::harness::{Bench, Probe, behave, connect, find, options, start_engine};

/// How soon what is set has to count.
const SOON: Duration = Duration::from_secs(1);

pub(crate) fn of(tenant: TenantId, n: i64) -> Probe {
    Probe {
        n,
        options: Options {
            tenant: Some(tenant),
            ..Options::default()
        },
    }
}

/// Sets a tenant's limit as the API does, in a process that is not the engine's.
pub(crate) async fn set(db: &Db, tenant: TenantId, values: LimitValues) -> Instant {
    let mut tx = db.system().await.unwrap();
    control::set_limit(&mut tx, &LimitKey::tenant(tenant), values)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    Instant::now()
}

pub(crate) async fn enqueue_all(db: &Db, jobs: &[Probe]) {
    let mut tx = db.system().await.unwrap();
    jobs::enqueue_many(&mut tx, jobs).await.unwrap();
    tx.commit().await.unwrap();
}

pub(crate) fn rate(per_second: f64, burst: i32) -> LimitValues {
    LimitValues {
        rate_per_second: Some(per_second),
        burst: Some(burst),
        ..LimitValues::default()
    }
}

fn at_a_time(most: i32) -> LimitValues {
    LimitValues {
        concurrency: Some(most),
        ..LimitValues::default()
    }
}

/// Enqueues jobs of a tenant until one stays behind a later one of somebody else.
async fn first_that_waits(bench: &Bench, tenant: TenantId) -> i64 {
    loop {
        let own = bench.enqueue(&of(tenant, 1)).await;
        let witness = bench.enqueue(&of(TenantId::new(), 2)).await;
        bench.reach(witness, JobState::Done).await;
        let view = find(&bench.db, own).await.unwrap();
        if view.state == JobState::Ready {
            return own;
        }
    }
}

#[tokio::test]
async fn a_rate_that_is_set_counts_within_a_second_whether_lowered_or_raised() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let elsewhere = connect(&bench.test_db).await;
    let tenant = TenantId::new();
    let lowered = set(&elsewhere, tenant, rate(0.0001, 1)).await;
    // One takes the only token, and the next one waits for it.
    let waiting = first_that_waits(&bench, tenant).await;
    assert!(lowered.elapsed() < SOON, "{:?}", lowered.elapsed());
    let raised = set(&elsewhere, tenant, rate(1000.0, 1000)).await;
    bench.reach(waiting, JobState::Done).await;
    assert!(raised.elapsed() < SOON, "{:?}", raised.elapsed());
    bench.shut_down().await;
}

#[tokio::test]
async fn a_concurrency_that_is_raised_counts_within_a_second() {
    let test_db = TestDb::new().await;
    let (db, elsewhere) = (connect(&test_db).await, connect(&test_db).await);
    let tenant = TenantId::new();
    set(&elsewhere, tenant, at_a_time(1)).await;
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let behaviour = behave(move |_, _, _| {
        let open = Arc::clone(&open);
        async move {
            open.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let (began, mut runs) = mpsc::unbounded_channel();
    let engine = start_engine(&db, options(), HashMap::new(), behaviour, began).await;
    let many: Vec<_> = (0..5).map(|n| of(tenant, n)).collect();
    enqueue_all(&db, &many).await;
    runs.recv().await.unwrap();
    let number = async |query: &'static str| -> i64 {
        sqlx::query_scalar(query)
            .fetch_one(test_db.pool())
            .await
            .unwrap()
    };
    let ready = "SELECT count(*) FROM jobs WHERE state = 0";
    assert_eq!(number(ready).await, 4);
    let raised = set(&elsewhere, tenant, at_a_time(3)).await;
    runs.recv().await.unwrap();
    runs.recv().await.unwrap();
    assert!(raised.elapsed() < SOON, "{:?}", raised.elapsed());
    assert_eq!(number(ready).await, 2);
    assert_eq!(number("SELECT running::bigint FROM job_limits").await, 3);
    gate.add_permits(5);
    engine.shut_down().await;
}

#[tokio::test]
async fn a_pause_begins_and_is_lifted_within_a_second() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let elsewhere = connect(&bench.test_db).await;
    let tenant = TenantId::new();
    let key = LimitKey::tenant(tenant);
    let mut tx = elsewhere.system().await.unwrap();
    control::pause(&mut tx, &key, None).await.unwrap();
    tx.commit().await.unwrap();
    let paused = Instant::now();
    let mut waiting = vec![first_that_waits(&bench, tenant).await];
    assert!(paused.elapsed() < SOON, "{:?}", paused.elapsed());
    // From then on nothing of the tenant's begins.
    for _ in 0..5 {
        waiting.push(bench.enqueue(&of(tenant, 1)).await);
    }
    let witness = bench.enqueue(&of(TenantId::new(), 2)).await;
    bench.reach(witness, JobState::Done).await;
    for id in &waiting {
        let view = find(&bench.db, *id).await.unwrap();
        assert_eq!((view.state, view.attempt), (JobState::Ready, 0));
    }
    let mut tx = elsewhere.system().await.unwrap();
    control::resume(&mut tx, &key).await.unwrap();
    tx.commit().await.unwrap();
    let lifted = Instant::now();
    for id in waiting {
        bench.reach(id, JobState::Done).await;
    }
    assert!(lifted.elapsed() < SOON, "{:?}", lifted.elapsed());
    bench.shut_down().await;
}

#[tokio::test]
async fn a_pause_with_a_time_ends_by_itself_then_and_not_before() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let tenant = TenantId::new();
    for key in [LimitKey::tenant(tenant), LimitKey::kind(Probe::KIND)] {
        let until: DateTime<Utc> = sqlx::query_scalar("SELECT now() + interval '1 second'")
            .fetch_one(bench.test_db.pool())
            .await
            .unwrap();
        let mut tx = bench.db.system().await.unwrap();
        control::pause(&mut tx, &key, Some(until)).await.unwrap();
        tx.commit().await.unwrap();
        let id = bench.enqueue(&of(tenant, 1)).await;
        bench.reach(id, JobState::Done).await;
        let late: f64 = sqlx::query_scalar(
            "SELECT extract(epoch FROM claimed_at - $2)::float8 FROM job_history WHERE id = $1",
        )
        .bind(id)
        .bind(until)
        .fetch_one(bench.test_db.pool())
        .await
        .unwrap();
        assert!((0.0..SOON.as_secs_f64()).contains(&late), "{key}: {late} s");
    }
    bench.shut_down().await;
}

#[tokio::test]
async fn a_concurrency_that_is_lowered_holds_for_whatever_begins_after_that() {
    let test_db = TestDb::new().await;
    let (db, elsewhere) = (connect(&test_db).await, connect(&test_db).await);
    let tenant = TenantId::new();
    set(&elsewhere, tenant, at_a_time(3)).await;
    let (gate, running) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (open, now) = (Arc::clone(&gate), Arc::clone(&running));
    let (noted, mut at_a_time_now) = mpsc::unbounded_channel();
    let behaviour = behave(move |_, _, _| {
        let (open, now, noted) = (Arc::clone(&open), Arc::clone(&now), noted.clone());
        async move {
            noted.send(now.fetch_add(1, Ordering::SeqCst) + 1).unwrap();
            open.acquire().await.unwrap().forget();
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let (began, _runs) = mpsc::unbounded_channel();
    let engine = start_engine(&db, options(), HashMap::new(), behaviour, began).await;
    let many: Vec<_> = (0..6).map(|n| of(tenant, n)).collect();
    enqueue_all(&db, &many).await;
    for running in 1..=3 {
        assert_eq!(at_a_time_now.recv().await, Some(running));
    }
    set(&elsewhere, tenant, at_a_time(1)).await;
    gate.add_permits(6);
    // Those that had begun go on; then one follows the other.
    for _ in 0..3 {
        assert_eq!(at_a_time_now.recv().await, Some(1));
    }
    engine.shut_down().await;
}

#[tokio::test]
async fn a_weight_that_is_changed_counts_within_a_second() {
    let test_db = TestDb::new().await;
    let (db, elsewhere) = (connect(&test_db).await, connect(&test_db).await);
    let (heavy, light) = (TenantId::new(), TenantId::new());
    let mut backlog: Vec<_> = (0..100).map(|n| of(heavy, n)).collect();
    backlog.extend((1000..1100).map(|n| of(light, n)));
    enqueue_all(&db, &backlog).await;
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let behaviour = behave(move |_, _, _| {
        let open = Arc::clone(&open);
        async move {
            open.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let mut single = options();
    single.interactive_slots = 1;
    let (began, mut runs) = mpsc::unbounded_channel();
    let engine = start_engine(&db, single, HashMap::new(), behaviour, began).await;
    let mut heavies_of = async |next: usize| {
        let mut heavies = 0;
        for _ in 0..next {
            let (n, _) = runs.recv().await.unwrap();
            heavies += i32::from(n < 1000);
            gate.add_permits(1);
        }
        heavies
    };
    let heavies = heavies_of(10).await;
    assert!((4..=6).contains(&heavies), "{heavies} of 10");
    let weight = LimitValues {
        weight: Some(4.0),
        ..LimitValues::default()
    };
    let changed = set(&elsewhere, heavy, weight).await;
    // The one slot is taken until then: whatever begins next begins by what is promised.
    tokio::time::sleep_until((changed + SOON).into()).await;
    let heavies = heavies_of(20).await;
    // Four of five, give or take the turn that is going on and the one that had begun.
    assert!((13..=18).contains(&heavies), "{heavies} of 20");
    engine.shut_down().await;
}
