//! Jobs that begin where they are enqueued, without a claim.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::{SystemTx, Tx as _};
use domain::TenantId;
use futures::FutureExt as _;
use jobs::control::{self, LimitKey, LimitValues};
use jobs::{JobMetrics, JobState, OnDuplicate, Options, Unique, Until};
use tokio::sync::Semaphore;

use crate::harness::{Bench, Probe, behave, find, options, start_engine};

/// An engine whose handlers wait for a permit each.
async fn gated(slots: usize) -> (Bench, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let behaviour = behave(move |_, _, _| {
        let open = Arc::clone(&open);
        async move {
            open.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let mut options = options();
    options.interactive_slots = slots;
    let bench = Bench::start_with(options, HashMap::default(), behaviour).await;
    (bench, gate)
}

/// Enqueues; tells where the job stands before anybody else can see it.
async fn enqueue(tx: &mut SystemTx, job: &Probe) -> (i64, JobState) {
    let id = jobs::enqueue(tx, job).await.unwrap().id;
    let view = jobs::get(tx, id, None).await.unwrap().unwrap();
    (id, view.state)
}

/// The same in a transaction of its own.
async fn enqueue_one(bench: &Bench, job: &Probe) -> (i64, JobState) {
    let mut tx = bench.db.system().await.unwrap();
    let enqueued = enqueue(&mut tx, job).await;
    tx.commit().await.unwrap();
    enqueued
}

/// Lets one job of a tenant run at a time.
async fn limit(tx: &mut SystemTx, tenant: TenantId) {
    let one = LimitValues {
        concurrency: Some(1),
        ..LimitValues::default()
    };
    control::set_limit(tx, &LimitKey::tenant(tenant), one)
        .await
        .unwrap();
}

fn with(n: i64, options: Options) -> Probe {
    Probe { n, options }
}

#[tokio::test]
async fn a_job_that_nothing_stands_in_the_way_of_begins_without_a_claim() {
    let metrics = JobMetrics::new(["probe"]);
    let registry = telemetry::metrics::Registry::default();
    metrics.register(&registry);
    let mut options = options();
    options.metrics = Some(metrics);
    let behaviour = behave(|_, handle, db| async move {
        let mut tx = db.system().await?;
        handle.fence(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    });
    let bench = Bench::start_with(options, HashMap::default(), behaviour).await;
    for n in 1..=5 {
        let (id, state) = enqueue_one(&bench, &Probe::keyed(n, "k")).await;
        assert_eq!(state, JobState::Running);
        assert_eq!(bench.next_run().await, (n, 1));
        let done = bench.reach(id, JobState::Done).await;
        assert_eq!(done.attempt, 1);
    }
    let shown = registry.render().await;
    assert!(
        shown.contains("metachat_job_direct_starts_total{kind=\"probe\"} 5"),
        "{shown}"
    );
    assert!(
        shown.contains("metachat_job_claims_total{kind=\"probe\"} 0"),
        "{shown}"
    );
    bench.shut_down().await;
}

#[tokio::test]
async fn what_is_rolled_back_never_begins_and_takes_no_slot() {
    let (bench, gate) = gated(4).await;
    for n in 0..20 {
        let mut tx = bench.db.system().await.unwrap();
        assert_eq!(enqueue(&mut tx, &Probe::new(n)).await.1, JobState::Running);
        drop(tx);
    }
    assert_eq!(
        enqueue_one(&bench, &Probe::new(99)).await.1,
        JobState::Running
    );
    gate.add_permits(1);
    assert_eq!(bench.next_run().await, (99, 1));
    assert!(bench.runs.lock().await.try_recv().is_err());
    bench.shut_down().await;
}

#[tokio::test]
async fn half_of_the_slots_are_for_those_who_wait() {
    let (bench, gate) = gated(4).await;
    let mut states = Vec::new();
    for n in 0..4 {
        states.push(enqueue_one(&bench, &Probe::new(n)).await.1);
        if n < 2 {
            bench.next_run().await;
        }
    }
    let (running, ready) = (JobState::Running, JobState::Ready);
    assert_eq!(states, [running, running, ready, ready]);
    gate.add_permits(4);
    for _ in 0..2 {
        bench.next_run().await;
    }
    bench.shut_down().await;
}

#[tokio::test]
async fn what_has_to_wait_goes_the_way_of_all_others() {
    let (bench, gate) = gated(64).await;
    let key = |key: &str| Some(key.to_owned());
    let later = Options {
        delay: Duration::from_hours(1),
        ..Options::default()
    };
    let limited = Options {
        limit_keys: [key("endpoint:a"), None],
        ..Options::default()
    };
    let (first, state) = enqueue_one(&bench, &Probe::keyed(1, "k")).await;
    assert_eq!(state, JobState::Running);
    let (second, state) = enqueue_one(&bench, &Probe::keyed(2, "k")).await;
    assert_eq!(state, JobState::Held);
    assert_eq!(
        enqueue_one(&bench, &with(3, later)).await.1,
        JobState::Scheduled
    );
    assert_eq!(
        enqueue_one(&bench, &with(4, limited)).await.1,
        JobState::Ready
    );
    gate.add_permits(3);
    bench.reach(first, JobState::Done).await;
    bench.reach(second, JobState::Done).await;
    bench.shut_down().await;
}

#[tokio::test]
async fn a_limit_or_a_pause_on_its_kind_or_tenant_sends_a_job_to_be_claimed() {
    let (bench, _gate) = gated(64).await;
    let (limited, paused) = (TenantId::new(), TenantId::new());
    let of = |n, tenant| {
        let options = Options {
            tenant: Some(tenant),
            ..Options::default()
        };
        with(n, options)
    };
    let mut tx = bench.db.system().await.unwrap();
    limit(&mut tx, limited).await;
    control::pause(&mut tx, &LimitKey::tenant(paused), None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // From the very next job on.
    for tenant in [limited, paused] {
        assert_eq!(enqueue_one(&bench, &of(1, tenant)).await.1, JobState::Ready);
    }
    // Others begin as before, once it is known who is meant.
    let is_free = async || {
        let mut tx = bench.db.system().await.unwrap();
        enqueue(&mut tx, &of(2, TenantId::new())).await.1 == JobState::Running
    };
    let known = async { while !is_free().await {} };
    tokio::time::timeout(Duration::from_secs(20), known)
        .await
        .unwrap();
    bench.shut_down().await;
}

#[tokio::test]
async fn a_limit_that_is_set_before_the_commit_holds_for_the_job() {
    let (bench, gate) = gated(64).await;
    let tenant = TenantId::new();
    let options = Options {
        tenant: Some(tenant),
        ..Options::default()
    };
    let mut tx = bench.db.system().await.unwrap();
    let (id, state) = enqueue(&mut tx, &with(1, options)).await;
    assert_eq!(state, JobState::Running);
    let mut other = bench.db.system().await.unwrap();
    limit(&mut other, tenant).await;
    other.commit().await.unwrap();
    tx.commit().await.unwrap();
    // Given back and claimed: only a claim counts a run.
    assert_eq!(bench.next_run().await, (1, 1));
    let counted: i64 = sqlx::query_scalar("SELECT sum(running) FROM job_limits")
        .fetch_one(bench.test_db.pool())
        .await
        .unwrap();
    assert_eq!(counted, 1);
    gate.add_permits(1);
    bench.reach(id, JobState::Done).await;
    bench.shut_down().await;
}

/// Sets a rate, and waits until the engine knows it.
async fn set_rate(bench: &Bench, key: &str, burst: i32) {
    let values = LimitValues {
        rate_per_second: Some(0.0001),
        burst: Some(burst),
        ..LimitValues::default()
    };
    let key = LimitKey::parse(key).unwrap();
    let mut tx = bench.db.system().await.unwrap();
    control::set_limit(&mut tx, &key, values).await.unwrap();
    tx.commit().await.unwrap();
    let is_known = async || {
        let mut tx = bench.db.system().await.unwrap();
        enqueue(&mut tx, &rated(0)).await.1 == JobState::Running
    };
    let known = async { while !is_known().await {} };
    tokio::time::timeout(Duration::from_secs(20), known)
        .await
        .unwrap();
}

fn rated(n: i64) -> Probe {
    let options = Options {
        limit_keys: [Some("endpoint:a".to_owned()), None],
        ..Options::default()
    };
    with(n, options)
}

#[tokio::test]
async fn a_rate_is_paid_by_what_begins_and_keeps_back_what_it_has_nothing_for() {
    let (bench, gate) = gated(64).await;
    set_rate(&bench, "endpoint:a", 2).await;
    gate.add_permits(64);
    let mut states = Vec::new();
    for n in 1..=3 {
        states.push(enqueue_one(&bench, &rated(n)).await.1);
    }
    let (running, ready) = (JobState::Running, JobState::Ready);
    assert_eq!(states, [running, running, ready]);
    for _ in 0..2 {
        assert!(bench.next_run().await.0 <= 2);
    }
    assert!(bench.runs.lock().await.try_recv().is_err());
    let mut tx = bench.db.system().await.unwrap();
    let key = LimitKey::parse("endpoint:a").unwrap();
    control::clear_limit(&mut tx, &key).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(bench.next_run().await, (3, 1));
    bench.shut_down().await;
}

#[tokio::test]
async fn a_rate_that_somebody_has_locked_is_not_waited_for() {
    let (bench, _gate) = gated(64).await;
    set_rate(&bench, "endpoint:a", 100).await;
    let mut holder = bench.db.system().await.unwrap();
    sqlx::query("SELECT FROM job_limits FOR UPDATE")
        .execute(holder.conn())
        .await
        .unwrap();
    assert_eq!(enqueue_one(&bench, &rated(1)).await.1, JobState::Ready);
    holder.commit().await.unwrap();
    assert_eq!(bench.next_run().await, (1, 1));
    bench.shut_down().await;
}

#[tokio::test]
async fn a_unique_key_is_free_once_its_job_began_and_keeps_others_out_until_it_ends() {
    let (bench, _gate) = gated(64).await;
    let unique = |n, key: &str, until| {
        let unique = Unique {
            key: key.to_owned(),
            until,
            on_duplicate: OnDuplicate::Keep,
        };
        let options = Options {
            unique: Some(unique),
            ..Options::default()
        };
        with(n, options)
    };
    let (first, _) = enqueue_one(&bench, &unique(1, "a", Until::Started)).await;
    let (second, state) = enqueue_one(&bench, &unique(2, "a", Until::Started)).await;
    assert_ne!(first, second);
    assert_eq!(state, JobState::Running);
    assert_eq!(find(&bench.db, second).await.unwrap().unique_key, None);
    let (third, _) = enqueue_one(&bench, &unique(3, "b", Until::Ended)).await;
    let (again, _) = enqueue_one(&bench, &unique(4, "b", Until::Ended)).await;
    assert_eq!(third, again);
    // One that waits is met, although whatever came instead would begin at once.
    let mut waiting = unique(5, "c", Until::Started);
    waiting.options.delay = Duration::from_hours(1);
    let (waiting, _) = enqueue_one(&bench, &waiting).await;
    let (met, state) = enqueue_one(&bench, &unique(6, "c", Until::Started)).await;
    assert_eq!((met, state), (waiting, JobState::Scheduled));
    bench.shut_down().await;
}

#[tokio::test]
async fn a_job_whose_commit_was_never_answered_is_brought_back_by_its_lease() {
    let (bench, gate) = gated(64).await;
    let mut tx = bench.db.system().await.unwrap();
    let (id, state) = enqueue(&mut tx, &Probe::new(1)).await;
    assert_eq!(state, JobState::Running);
    // Committed past whoever would have let it begin.
    sqlx::raw_sql("COMMIT").execute(tx.conn()).await.unwrap();
    drop(tx);
    gate.add_permits(1);
    assert_eq!(bench.next_run().await, (1, 2));
    assert_eq!(bench.reach(id, JobState::Done).await.attempt, 2);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_job_begins_although_its_enqueuer_is_dropped_in_the_middle_of_the_commit() {
    let (bench, gate) = gated(64).await;
    let mut tx = bench.db.system().await.unwrap();
    let (id, state) = enqueue(&mut tx, &Probe::new(1)).await;
    assert_eq!(state, JobState::Running);
    assert!(tx.commit().now_or_never().is_none());
    gate.add_permits(1);
    assert_eq!(bench.next_run().await, (1, 1));
    assert_eq!(bench.reach(id, JobState::Done).await.attempt, 1);
    bench.shut_down().await;
}

#[tokio::test]
async fn a_job_that_is_committed_while_the_engine_ends_is_given_back_whole() {
    let (bench, _gate) = gated(64).await;
    let mut tx = bench.db.system().await.unwrap();
    let (id, state) = enqueue(&mut tx, &Probe::new(1)).await;
    assert_eq!(state, JobState::Running);
    let mut ending = Box::pin(bench.shut_down());
    // It waits for what may still begin.
    assert!(ending.as_mut().now_or_never().is_none());
    let (late, state) = enqueue_one(&bench, &Probe::new(2)).await;
    assert_eq!(state, JobState::Ready);
    tx.commit().await.unwrap();
    ending.await;
    for id in [id, late] {
        let view = find(&bench.db, id).await.unwrap();
        assert_eq!((view.state, view.attempt), (JobState::Ready, 0));
    }
    assert!(bench.runs.lock().await.try_recv().is_err());
}

#[tokio::test]
async fn the_next_engine_of_a_process_takes_over_from_the_one_that_ended() {
    let (bench, gate) = gated(64).await;
    bench.shut_down().await;
    assert_eq!(enqueue_one(&bench, &Probe::new(1)).await.1, JobState::Ready);
    let (began, mut runs) = tokio::sync::mpsc::unbounded_channel();
    let behaviour = behave(|_, _, _| async { Ok(()) });
    let engine = start_engine(&bench.db, options(), HashMap::default(), behaviour, began).await;
    assert_eq!(runs.recv().await.unwrap(), (1, 1));
    assert_eq!(
        enqueue_one(&bench, &Probe::new(2)).await.1,
        JobState::Running
    );
    assert_eq!(runs.recv().await.unwrap(), (2, 1));
    engine.shut_down().await;
    drop(gate);
}
