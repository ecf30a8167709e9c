//! What is promised of a running engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::TenantId;
use jobs::control::LimitValues;
use jobs::{Backoff, Engine, EngineOptions, Job, JobHandle, KindInfo, Lane, Policy};
use serde::{Deserialize, Serialize};
use telemetry::trace;
use testkit::TestDb;
use tokio::sync::{Semaphore, mpsc};

use crate::harness::{Bench, Probe, behave, connect, options, start_engine};
use crate::setting::{enqueue_all, of, set};

#[tokio::test]
async fn a_share_that_is_set_is_the_share_of_the_claims() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let (heavy, light) = (TenantId::new(), TenantId::new());
    let weight = LimitValues {
        weight: Some(4.0),
        ..LimitValues::default()
    };
    set(&db, heavy, weight).await;
    let mut backlog: Vec<_> = (0..300).map(|n| of(heavy, n)).collect();
    backlog.extend((1000..1300).map(|n| of(light, n)));
    enqueue_all(&db, &backlog).await;
    let (began, mut runs) = mpsc::unbounded_channel();
    let mut single = options();
    single.interactive_slots = 1;
    let idle = behave(|_, _, _| async { Ok(()) });
    let engine = start_engine(&db, single, HashMap::new(), idle, began).await;
    let mut heavys = 0;
    for _ in 0..100 {
        let (n, _) = runs.recv().await.unwrap();
        heavys += i32::from(n < 1000);
    }
    // Four of five, give or take the turn that is going on.
    assert!((70..=90).contains(&heavys), "{heavys} of 100");
    engine.shut_down().await;
}

/// A job for which nobody waits.
#[derive(Serialize, Deserialize)]
struct Later;

impl Job for Later {
    const KIND: &'static str = "later";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 1,
        timeout: Duration::from_mins(1),
        backoff: Backoff::Schedule(&[]),
    };
}

#[tokio::test]
async fn jobs_that_somebody_waits_for_begin_while_every_bulk_slot_is_taken() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let kinds = vec![KindInfo::of::<Probe>(), KindInfo::of::<Later>()];
    let mut options = EngineOptions::new(kinds);
    (options.interactive_slots, options.bulk_slots) = (1, 2);
    let (engine, backends) = Engine::start(db.clone(), options, HashMap::new())
        .await
        .unwrap();
    let (began, mut runs) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    for backend in backends {
        let (began, gate) = (began.clone(), Arc::clone(&gate));
        jobs::work(backend, move |handle: JobHandle| {
            let (began, gate) = (began.clone(), Arc::clone(&gate));
            async move {
                began.send(handle.job.kind).unwrap();
                if handle.job.kind == Later::KIND {
                    gate.acquire().await.unwrap().forget();
                }
                Ok(())
            }
        });
    }
    let mut tx = db.system().await.unwrap();
    jobs::enqueue_many(&mut tx, &[Later, Later, Later, Later])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for _ in 0..2 {
        assert_eq!(runs.recv().await, Some(Later::KIND));
    }
    for n in 0..3 {
        enqueue_all(&db, &[Probe::new(n)]).await;
        assert_eq!(runs.recv().await, Some(Probe::KIND));
    }
    assert!(runs.try_recv().is_err(), "there are two bulk slots");
    gate.add_permits(4);
    engine.shut_down().await;
}

#[tokio::test]
async fn a_handler_goes_on_with_the_trace_of_the_request_that_enqueued_its_job() {
    let (traces, mut seen) = mpsc::unbounded_channel();
    let bench = Bench::start(behave(move |_, _, _| {
        traces.send(trace::current()).unwrap();
        async { Ok(()) }
    }))
    .await;
    let request = trace::request_scope("a-request", None);
    let context = request.context();
    request.run(bench.enqueue(&Probe::new(1))).await;
    let of_handler = seen.recv().await.unwrap().expect("a trace");
    assert_eq!(of_handler.trace_id, context.trace_id);
    assert_ne!(
        of_handler.span_id, context.span_id,
        "a piece of work of its own"
    );
    bench.shut_down().await;
}

#[tokio::test]
async fn lower_priorities_run_first_among_the_jobs_of_their_tenant() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let tenants = [TenantId::new(), TenantId::new()];
    let mut backlog = Vec::new();
    for (n, priority) in (0..).zip([5, 0, -5, 0, 5, -5]) {
        for (tens, tenant) in (0..).zip(tenants) {
            let mut job = of(tenant, 10 * tens + n);
            job.options.priority = priority;
            backlog.push(job);
        }
    }
    enqueue_all(&db, &backlog).await;
    let (began, mut runs) = mpsc::unbounded_channel();
    let mut single = options();
    single.interactive_slots = 1;
    let idle = behave(|_, _, _| async { Ok(()) });
    let engine = start_engine(&db, single, HashMap::new(), idle, began).await;
    let mut order = [Vec::new(), Vec::new()];
    for _ in 0..backlog.len() {
        let (n, _) = runs.recv().await.unwrap();
        order[usize::from(n >= 10)].push(n % 10);
    }
    // Those of one priority in the order in which they were enqueued.
    assert_eq!(order, [[2, 5, 1, 3, 0, 4], [2, 5, 1, 3, 0, 4]]);
    engine.shut_down().await;
}
