//! What operators are promised of a running engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use db::Db;
use domain::TenantId;
use jobs::control::{self, LimitKey, LimitValues};
use jobs::{
    Backoff, Engine, EngineOptions, Job, JobHandle, JobMetrics, JobState, KindInfo, Lane, Options,
    Policy,
};
use serde::{Deserialize, Serialize};
use telemetry::metrics::Registry;
use telemetry::trace;
use testkit::TestDb;
use tokio::sync::{Semaphore, mpsc};

use crate::harness::{Bench, Probe, behave, connect, find, options, start_engine};

/// How soon what is set has to count.
const SOON: Duration = Duration::from_secs(1);

fn of(tenant: TenantId, n: i64) -> Probe {
    Probe {
        n,
        options: Options {
            tenant: Some(tenant),
            ..Options::default()
        },
    }
}

/// Sets a tenant's limit as the API does, in a process that is not the engine's.
async fn set(db: &Db, tenant: TenantId, values: LimitValues) -> Instant {
    let mut tx = db.system().await.unwrap();
    control::set_limit(&mut tx, &LimitKey::tenant(tenant), values)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    Instant::now()
}

async fn enqueue_all(db: &Db, jobs: &[Probe]) {
    let mut tx = db.system().await.unwrap();
    jobs::enqueue_many(&mut tx, jobs).await.unwrap();
    tx.commit().await.unwrap();
}

fn rate(per_second: f64, burst: i32) -> LimitValues {
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

#[tokio::test]
async fn a_rate_that_is_set_counts_within_a_second_whether_lowered_or_raised() {
    let bench = Bench::start(behave(|_, _, _| async { Ok(()) })).await;
    let elsewhere = connect(&bench.test_db).await;
    let tenant = TenantId::new();
    let lowered = set(&elsewhere, tenant, rate(0.0001, 1)).await;
    // One takes the only token; the first that stays behind a later one of somebody else waits for it.
    let waiting = loop {
        let own = bench.enqueue(&of(tenant, 1)).await;
        let witness = bench.enqueue(&of(TenantId::new(), 2)).await;
        bench.reach(witness, JobState::Done).await;
        let view = find(&bench.db, own).await.unwrap();
        if view.state == JobState::Ready {
            break own;
        }
    };
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

/// The value of a series; none counts as zero.
async fn value(registry: &Registry, series: &str) -> f64 {
    let text = registry.render().await;
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

const LEASES_LOST: &str = "metachat_job_leases_lost_total{kind=\"probe\"}";

#[tokio::test]
async fn an_engine_counts_its_claims_its_waits_and_the_leases_that_it_loses() {
    let (registry, metrics) = (Registry::default(), JobMetrics::new(["probe"]));
    metrics.register(&registry);
    let mut measured = options();
    measured.metrics = Some(metrics);
    measured.lease = Duration::from_millis(1500);
    let behaviour = behave(|probe, handle, _| async move {
        if probe.n == 1 && handle.job.attempt == 1 {
            std::future::pending::<()>().await;
        }
        Ok(())
    });
    let bench = Bench::start_with(measured, HashMap::new(), behaviour).await;
    let (limited, paused) = (TenantId::new(), TenantId::new());
    set(&bench.db, limited, rate(0.0001, 1)).await;
    let mut tx = bench.db.system().await.unwrap();
    control::pause(&mut tx, &LimitKey::tenant(paused), None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let first = bench.enqueue(&of(limited, 2)).await;
    bench.reach(first, JobState::Done).await;
    for tenant in [limited, paused] {
        bench.enqueue(&of(tenant, 3)).await;
    }
    let waits = |tenant| format!("metachat_job_limiter_waits_total{{tenant=\"{tenant}\"}}");
    while value(&registry, &waits(limited)).await < 1.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let id = bench.enqueue(&Probe::new(1)).await;
    while bench.next_run().await != (1, 1) {}
    sqlx::query("UPDATE jobs SET session_id = -1, lease_until = now() WHERE id = $1")
        .bind(id)
        .execute(bench.test_db.pool())
        .await
        .unwrap();
    bench.reach(id, JobState::Done).await;
    while value(&registry, LEASES_LOST).await < 1.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bench.shut_down().await;
    let claims = value(&registry, "metachat_job_claims_total{kind=\"probe\"}").await;
    let direct = value(
        &registry,
        "metachat_job_direct_starts_total{kind=\"probe\"}",
    )
    .await;
    // The one that was lost began twice, the second time by a claim.
    assert!((claims + direct - 3.0).abs() < 0.1 && claims > 0.9);
    assert!(
        value(&registry, &waits(paused)).await < 0.1,
        "a pause is no spent limit"
    );
    let crashed = "metachat_job_outcomes_total{kind=\"probe\",outcome=\"crashed\"}";
    assert!((value(&registry, crashed).await - 1.0).abs() < 0.1);
}
