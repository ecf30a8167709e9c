//! What a running engine counts and measures.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use db::Db;
use domain::TenantId;
use jobs::control::{self, LimitKey};
use jobs::{
    Backoff, Engine, EngineOptions, Failure, Job, JobHandle, JobMetrics, JobState, KindInfo, Lane,
    Options, Policy,
};
use serde::{Deserialize, Serialize};
use telemetry::metrics::Registry;
use testkit::TestDb;
use tokio::sync::Semaphore;

use crate::harness::{Bench, Probe, behave, connect, options, reach};
use crate::setting::{of, rate, set};

/// The value of a series, if it is shown.
fn shown(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series))?;
    Some(line.trim().parse().unwrap())
}

/// The value of a series; none counts as zero.
async fn value(registry: &Registry, series: &str) -> f64 {
    shown(&registry.render().await, series).unwrap_or_default()
}

/// The value of a series that has to be shown.
#[track_caller]
fn in_text(text: &str, series: &str) -> f64 {
    shown(text, series).unwrap_or_else(|| panic!("no {series}:\n{text}"))
}

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
    let lost = "metachat_job_leases_lost_total{kind=\"probe\"}";
    while value(&registry, lost).await < 1.0 {
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

/// What a job does in each of its two attempts.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Deed {
    Succeed,
    /// The first time; then it succeeds.
    Retry,
    /// The first time; then it succeeds.
    Snooze,
    Die,
    Panic,
    Hang,
}

/// A job with a deed.
#[derive(Serialize, Deserialize)]
struct Measured(Deed);

impl Job for Measured {
    const KIND: &'static str = "measured";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Policy {
        max_attempts: 2,
        timeout: Duration::from_millis(200),
        backoff: Backoff::Schedule(&[Duration::from_millis(10)]),
    };
}

async fn do_deed(handle: &JobHandle, snoozed: &AtomicBool) -> Result<(), Failure> {
    let Measured(deed) = handle.job.decode()?;
    match deed {
        Deed::Retry if handle.job.attempt == 1 => Err(Failure::retry("once more")),
        Deed::Snooze if !snoozed.swap(true, Ordering::SeqCst) => {
            Err(Failure::snooze(Duration::from_millis(10), "not yet"))
        }
        Deed::Succeed | Deed::Retry | Deed::Snooze => Ok(()),
        Deed::Die => Err(Failure::dead("hopeless")),
        Deed::Panic => panic!("as it does"),
        Deed::Hang => std::future::pending().await,
    }
}

/// An engine whose probes run until the gate lets them end, and the metrics of its process.
async fn measured(test_db: &TestDb) -> (Db, Engine, Registry, Arc<Semaphore>) {
    let db = connect(test_db).await;
    let registry = Registry::default();
    let metrics = JobMetrics::new([Measured::KIND, Probe::KIND]);
    metrics.register(&registry);
    let looked_at = db.clone();
    metrics.look_at_tables(&registry, move || {
        let db = looked_at.clone();
        async move { jobs::metrics::depths(&db).await }
    });
    let kinds = vec![KindInfo::of::<Measured>(), KindInfo::of::<Probe>()];
    let options = EngineOptions {
        kinds,
        metrics: Some(metrics),
        ..options()
    };
    let (engine, backends) = Engine::start(db.clone(), options, HashMap::new())
        .await
        .unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let snoozed = Arc::new(AtomicBool::new(false));
    for backend in backends {
        let (open, snoozed) = (Arc::clone(&gate), Arc::clone(&snoozed));
        jobs::work(backend, move |handle: JobHandle| {
            let (open, snoozed) = (Arc::clone(&open), Arc::clone(&snoozed));
            async move {
                if handle.job.kind == Measured::KIND {
                    return do_deed(&handle, &snoozed).await;
                }
                open.acquire().await.unwrap().forget();
                Ok(())
            }
        });
    }
    (db, engine, registry, gate)
}

async fn enqueue<J: Job>(db: &Db, job: &J) -> i64 {
    let mut tx = db.system().await.unwrap();
    let id = jobs::enqueue(&mut tx, job).await.unwrap().id;
    tx.commit().await.unwrap();
    id
}

/// Runs a job of each deed to its end.
async fn do_all_deeds(db: &Db) {
    for (deed, state) in [
        (Deed::Succeed, JobState::Done),
        (Deed::Retry, JobState::Done),
        (Deed::Snooze, JobState::Done),
        (Deed::Die, JobState::Dead),
        (Deed::Panic, JobState::Dead),
        (Deed::Hang, JobState::Dead),
    ] {
        let id = enqueue(db, &Measured(deed)).await;
        reach(db, id, state).await;
    }
}

/// Fails unless the series has that value.
#[track_caller]
fn assert_value(text: &str, series: &str, value: f64) {
    let shown = in_text(text, series);
    assert!((shown - value).abs() < 1e-9, "{series} is {shown}:\n{text}");
}

#[tokio::test]
async fn attempts_are_counted_by_how_they_end_and_measured_from_due_to_committed() {
    let test_db = TestDb::new().await;
    let (db, engine, registry, _gate) = measured(&test_db).await;
    do_all_deeds(&db).await;
    // Whatever was committed is counted by the time the engine has ended.
    engine.shut_down().await;
    let text = registry.render().await;
    for (outcome, attempts) in [
        ("done", 3.0),
        ("retry", 1.0),
        ("snoozed", 1.0),
        ("dead", 1.0),
        ("panicked", 2.0),
        ("timed_out", 2.0),
        ("cancelled", 0.0),
        ("crashed", 0.0),
        ("expired", 0.0),
        ("other", 0.0),
    ] {
        let labels = format!("{{kind=\"measured\",outcome=\"{outcome}\"}}");
        let series = format!("metachat_job_outcomes_total{labels}");
        assert_value(&text, &series, attempts);
    }
    let of_kind = |name: &str| in_text(&text, &format!("metachat_job_{name}{{kind=\"measured\"}}"));
    let claims = of_kind("claims_total");
    for (name, count) in [
        ("attempts_total", 10.0),
        ("buried_total", 3.0),
        ("pick_up_delay_seconds_count", 10.0),
        ("run_duration_seconds_count", 10.0),
        ("direct_starts_total", 10.0 - claims),
        ("kind_finish_duration_seconds_count", 10.0),
    ] {
        assert!((of_kind(name) - count).abs() < 1e-9, "{name}:\n{text}");
    }
    let ran = of_kind("run_duration_seconds_sum");
    let hung = 2.0 * Measured::POLICY.timeout.as_secs_f64();
    assert!((hung..hung + 60.0).contains(&ran), "{ran}");
    // Second attempts are claimed, each by a statement of its own, and end by one of their own.
    assert!(claims >= 4.0, "{claims}");
    let claim_took = of_kind("kind_claim_duration_seconds_count");
    assert!((4.0..=claims).contains(&claim_took), "{claim_took}");
    let all_claims = "metachat_job_claim_duration_seconds_count{lane=\"interactive\"}";
    assert!(in_text(&text, all_claims) >= claim_took);
    for (step, steps) in [("end_free", 3.0), ("run_again", 4.0), ("bury", 3.0)] {
        let count = format!("metachat_job_finish_duration_seconds_count{{step=\"{step}\"}}");
        assert_value(&text, &count, steps);
    }
}

/// Leaves a probe in each state: ready, scheduled, running, and held behind the running one.
async fn leave_one_of_each(test_db: &TestDb, db: &Db) {
    let paused = TenantId::new();
    let mut tx = db.system().await.unwrap();
    control::pause(&mut tx, &LimitKey::tenant(paused), None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let ready = enqueue(db, &of(paused, 1)).await;
    sqlx::query("UPDATE jobs SET run_at = now() - interval '90 seconds' WHERE id = $1")
        .bind(ready)
        .execute(test_db.pool())
        .await
        .unwrap();
    let later = Probe {
        n: 2,
        options: Options {
            delay: Duration::from_hours(1),
            ..Options::default()
        },
    };
    enqueue(db, &later).await;
    let head = enqueue(db, &Probe::keyed(3, "key")).await;
    enqueue(db, &Probe::keyed(4, "key")).await;
    reach(db, head, JobState::Running).await;
}

#[tokio::test]
async fn the_gauges_of_the_queue_show_what_the_tables_hold() {
    let test_db = TestDb::new().await;
    let (db, engine, registry, gate) = measured(&test_db).await;
    do_all_deeds(&db).await;
    leave_one_of_each(&test_db, &db).await;
    let states = ["ready", "scheduled", "held", "running"];
    let mut expected: Vec<(String, f64)> = Vec::new();
    for (kind, jobs) in [("measured", 0.0), ("probe", 1.0)] {
        for state in states {
            let labels = format!("{{kind=\"{kind}\",state=\"{state}\"}}");
            expected.push((format!("metachat_job_queue_depth{labels}"), jobs));
        }
    }
    for (kind, letters) in [("measured", 3.0), ("probe", 0.0)] {
        let series = format!("metachat_job_dead_letters{{kind=\"{kind}\"}}");
        expected.push((series, letters));
    }
    let is_shown = |text: &str| {
        let mut series = expected.iter();
        series.all(|(series, value)| {
            shown(text, series).is_some_and(|shown| (shown - value).abs() < 1e-9)
        })
    };
    // What is counted is folded into the tables once a second. The engine set the depths right when it
    // started, and what it noted in that second may count twice; of a quiet system it is exact.
    let mut text = registry.render().await;
    for n in 1..=1000 {
        if is_shown(&text) {
            break;
        }
        if n % 100 == 0 {
            jobs::counters::reconcile(&db).await.ok();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        text = registry.render().await;
    }
    assert!(is_shown(&text), "{text}");
    let oldest = |kind| {
        let series = format!("metachat_job_oldest_ready_age_seconds{{kind=\"{kind}\"}}");
        in_text(&text, &series)
    };
    assert!((90.0..150.0).contains(&oldest("probe")), "{text}");
    assert!(oldest("measured").abs() < 1e-9, "{text}");
    gate.add_permits(2);
    engine.shut_down().await;
}
