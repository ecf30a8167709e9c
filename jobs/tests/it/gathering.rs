//! Jobs that several callers enqueue by one statement.

use std::time::Duration;

use db::{Signal, Tx as _};
use domain::TenantId;
use jobs::counters::Counters;
use jobs::{Gathered, Options};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sqlx::AssertSqlSafe;
use telemetry::trace::TraceContext;
use tokio::sync::broadcast::Receiver;

use crate::desk::{Desk, said};
use crate::harness::{Probe, connect};

/// Cases that are tried; each takes some dozens of statements.
const CASES: usize = 40;

/// A job of a plan, before it has a key of its case's own.
#[derive(Clone, Debug)]
struct Planned {
    /// One of a few keys; `None`: without order.
    key: Option<usize>,
    is_delayed: bool,
    tenant: Option<usize>,
    priority: i16,
    limit: Option<bool>,
}

fn planned() -> impl Strategy<Value = Planned> {
    let key = prop::option::weighted(0.8, 0_usize..4);
    let tenant = prop::option::of(0_usize..2);
    (
        key,
        prop::bool::weighted(0.2),
        tenant,
        0_i16..2,
        prop::option::weighted(0.3, any::<bool>()),
    )
        .prop_map(|(key, is_delayed, tenant, priority, limit)| Planned {
            key,
            is_delayed,
            tenant,
            priority,
            limit,
        })
}

/// How many jobs each key has already, and those that come.
fn plan() -> impl Strategy<Value = ([usize; 4], Vec<Planned>)> {
    (
        prop::array::uniform4(0_usize..3),
        prop::collection::vec(planned(), 1..30),
    )
}

impl Planned {
    /// The job, with keys of those whose names begin so.
    fn probe(&self, n: usize, prefix: &str, tenants: &[TenantId]) -> Probe {
        let delay = Duration::from_secs(if self.is_delayed { 3600 } else { 0 });
        let limit = self.limit.map(|it| format!("endpoint:{it}"));
        Probe {
            n: i64::try_from(n).unwrap(),
            options: Options {
                tenant: self.tenant.map(|nth| tenants[nth]),
                ordering_key: self.key.map(|key| format!("{prefix}-{key}")),
                delay,
                priority: self.priority,
                limit_keys: [limit.clone(), limit],
                ..Options::default()
            },
        }
    }
}

/// Jobs above a number as they stand, in the order of their numbers; keys without their prefix.
async fn rows(desk: &Desk, after: i64) -> Vec<String> {
    let query = format!(
        "SELECT concat_ws(' ', payload, kind, lane, state, priority, max_attempts, flow, tenant_id,
                split_part(ordering_key, '-', 2), ordering_seq, limit_key_1, limit_key_2,
                run_at - created_at, coalesce(deadline_at - run_at, '0'), traceparent)
         FROM jobs WHERE id > {after} ORDER BY id"
    );
    sqlx::query_scalar(AssertSqlSafe(query))
        .fetch_all(desk.test_db.pool())
        .await
        .unwrap()
}

async fn last(desk: &Desk) -> i64 {
    desk.number("SELECT coalesce(max(id), 0) FROM jobs").await
}

fn gathered(jobs: &[Probe]) -> Vec<Gathered<'_, Probe>> {
    jobs.iter()
        .map(|job| Gathered { job, trace: None })
        .collect()
}

async fn enqueue_gathered(desk: &Desk, jobs: &[Probe]) {
    let mut tx = desk.db.system_shared().await.unwrap();
    jobs::enqueue_gathered(&mut tx, &gathered(jobs))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn jobs_enqueued_by_one_statement_stand_as_if_one_after_the_other() {
    let desk = Desk::new().await;
    let counters = Counters::install(&desk.db);
    let tenants = [TenantId::new(), TenantId::new()];
    let mut runner = TestRunner::default();
    for case in 0..CASES {
        let (backlog, plan) = plan().new_tree(&mut runner).unwrap().current();
        let mut stand = Vec::new();
        for way in ["singly", "together"] {
            let prefix = format!("{way}{case}");
            for (key, jobs) in backlog.iter().enumerate() {
                for _ in 0..*jobs {
                    let behind = Probe::keyed(-1, &format!("{prefix}-{key}"));
                    desk.enqueue(&behind).await;
                }
            }
            let before = last(&desk).await;
            let probes = plan.iter().enumerate();
            let probes: Vec<Probe> = probes
                .map(|(n, planned)| planned.probe(n, &prefix, &tenants))
                .collect();
            if way == "together" {
                enqueue_gathered(&desk, &probes).await;
            } else {
                for probe in &probes {
                    desk.enqueue(probe).await;
                }
            }
            stand.push(rows(&desk, before).await);
        }
        assert_eq!(stand[0].len(), plan.len());
        assert_eq!(stand[0], stand[1], "{backlog:?} {plan:#?}");
    }
    counters.fold(&desk.db, None).await.unwrap();
    for state in 0..3_i16 {
        let stand = desk
            .number(format!("SELECT count(*) FROM jobs WHERE state = {state}"))
            .await;
        assert!(stand > 0, "no case for state {state}");
        assert_eq!(desk.depth(state).await, stand, "state {state}");
    }
    let given_out = "SELECT count(*) FROM job_keys AS k WHERE last_seq <> (
        SELECT max(ordering_seq) FROM jobs AS j WHERE j.kind = k.kind AND j.ordering_key = k.key)";
    assert_eq!(desk.number(given_out).await, 0);
}

#[tokio::test]
async fn jobs_of_several_callers_go_on_with_the_trace_of_each() {
    let desk = Desk::new().await;
    let probes: Vec<Probe> = (0..3).map(|n| Probe::keyed(n, "k")).collect();
    let traces = [
        Some(TraceContext::generate()),
        None,
        Some(TraceContext::generate()),
    ];
    let jobs = probes.iter().zip(traces);
    let jobs: Vec<_> = jobs.map(|(job, trace)| Gathered { job, trace }).collect();
    let mut tx = desk.tx().await;
    jobs::enqueue_gathered(&mut tx, &jobs).await.unwrap();
    tx.commit().await.unwrap();
    let stored: Vec<Option<String>> =
        sqlx::query_scalar("SELECT traceparent FROM jobs ORDER BY ordering_seq")
            .fetch_all(desk.test_db.pool())
            .await
            .unwrap();
    assert_eq!(stored, traces.map(|trace| trace.map(|it| it.to_string())));
}

#[tokio::test]
async fn one_word_is_said_of_each_flow_and_none_of_jobs_that_are_held() {
    let desk = Desk::new().await;
    let mut signals: Receiver<Signal> = desk.db.subscribe();
    let (one, other) = (TenantId::new(), TenantId::new());
    let of = |n: i64, tenant, key: &str, delay| {
        let mut probe = Probe::keyed(n, key);
        probe.options.tenant = Some(tenant);
        probe.options.delay = Duration::from_secs(delay);
        probe
    };
    let probes = [
        of(0, one, "a", 0),
        of(1, one, "a", 0),
        of(2, one, "b", 0),
        of(3, other, "c", 0),
        of(4, other, "d", 60),
    ];
    enqueue_gathered(&desk, &probes).await;
    let mut words = said(&mut signals);
    let expected = "SELECT flow, min(id) FROM jobs WHERE state = 0 GROUP BY flow";
    let flows: Vec<(i64, i64)> = sqlx::query_as(expected)
        .fetch_all(desk.test_db.pool())
        .await
        .unwrap();
    let flows = flows.iter().map(|(flow, id)| format!("f{flow:x}:{id:x}"));
    let mut expected: Vec<String> = flows.chain(["d".to_owned()]).collect();
    words.sort();
    expected.sort();
    assert_eq!(expected.len(), 3);
    assert_eq!(words, expected);
    // Behind a head that waits nothing is said at all.
    enqueue_gathered(&desk, &[of(5, one, "a", 0)]).await;
    assert_eq!(said(&mut signals), [""; 0]);
}

#[tokio::test]
async fn those_who_enqueue_for_the_same_keys_at_once_do_not_lock_each_other_out() {
    let desk = Desk::new().await;
    let (writers, rounds, keys) = (4, 20, 7);
    let writing = (0..writers).map(|writer| {
        let db = desk.db.clone();
        tokio::spawn(async move {
            for round in 0..rounds {
                // Each names the keys in an order of its own, and every second enqueues them singly.
                let probe = |nth| {
                    let key = (nth * (writer + 1) + round) % keys;
                    Probe::keyed(writer * 1000 + round, &format!("key-{key}"))
                };
                let mut probes: Vec<Probe> = (0..keys).map(probe).collect();
                let mut tx = db.system().await.unwrap();
                if writer % 2 == 0 {
                    jobs::enqueue_gathered(&mut tx, &gathered(&probes))
                        .await
                        .unwrap();
                } else {
                    let key = |probe: &Probe| probe.options.ordering_key.clone();
                    probes.sort_by_key(key);
                    for probe in &probes {
                        jobs::enqueue(&mut tx, probe).await.unwrap();
                    }
                }
                tx.commit().await.unwrap();
            }
        })
    });
    for done in futures::future::join_all(writing).await {
        done.unwrap();
    }
    let gaps = "SELECT count(*) FROM (
        SELECT ordering_seq - row_number() OVER (PARTITION BY ordering_key ORDER BY ordering_seq)
            AS gap FROM jobs) AS g WHERE gap <> 0";
    assert_eq!(desk.number(gaps).await, 0);
    let heads = "SELECT count(*) FROM jobs WHERE (ordering_seq = 1) <> (state = 0)";
    assert_eq!(desk.number(heads).await, 0);
    let all = desk.number("SELECT count(*) FROM jobs").await;
    assert_eq!(all, writers * rounds * keys);
}

#[tokio::test]
async fn nothing_is_enqueued_by_one_statement_if_one_of_all_is_refused() {
    let desk = Desk::new().await;
    desk.sql("ALTER TABLE jobs ADD CHECK (payload ->> 'n' <> '2')")
        .await;
    let probes: Vec<Probe> = (0..4).map(|n| Probe::keyed(n, &format!("k{n}"))).collect();
    let mut tx = desk.tx().await;
    let refused = jobs::enqueue_gathered(&mut tx, &gathered(&probes)).await;
    assert!(refused.unwrap_err().is_refusal());
    assert!(sqlx::query("SELECT").execute(tx.conn()).await.is_err());
    drop(tx);
    let left = "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM job_keys)";
    assert_eq!(desk.number(left).await, 0);
    let elsewhere = connect(&desk.test_db).await;
    let mut tx = elsewhere.system().await.unwrap();
    jobs::enqueue_gathered::<Probe>(&mut tx, &[]).await.unwrap();
    tx.commit().await.unwrap();
}
