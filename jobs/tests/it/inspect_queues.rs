use domain::TenantId;
use jobs::Lane;
use jobs::control::{LimitKey, Pause, pause};
use jobs::inspect::{QueueStatus, find_queue, list_workers, overview, tenant_overview};

use crate::desk::{Desk, of};
use crate::harness::Probe;

async fn probes(desk: &Desk) -> QueueStatus {
    let mut tx = desk.tx().await;
    find_queue(&mut tx, "probe").await.unwrap().unwrap()
}

#[tokio::test]
async fn a_queue_tells_its_depths_its_oldest_wait_and_its_throughput() {
    let desk = Desk::new().await;
    let oldest = desk.enqueue(&Probe::new(1)).await;
    desk.enqueue(&Probe::new(2)).await;
    let running = desk.enqueue(&Probe::new(3)).await;
    desk.run(running).await;
    desk.sql(format!(
        "UPDATE jobs SET run_at = now() - interval '90 seconds' WHERE id = {oldest};
         INSERT INTO job_depths VALUES
             ('probe', 0, 2), ('probe', 1, 5), ('probe', 2, -1), ('probe', 3, 9), ('probe', 4, 7);
         INSERT INTO job_minutes (minute, kind, enqueued, started, done, failed, wait_ms, run_ms)
         SELECT date_trunc('minute', now()) - make_interval(mins => n), 'probe', 10, 10, 9, 1,
                2000, 500
         FROM generate_series(0, 5) AS n"
    ))
    .await;
    let queue = probes(&desk).await;
    let depths = [
        queue.ready,
        queue.scheduled,
        queue.held,
        queue.running,
        queue.dead,
    ];
    assert_eq!(
        depths,
        [2, 5, 0, 1, 7],
        "running is looked up, negatives are a fold's lag"
    );
    let view = desk.view(oldest).await;
    assert_eq!(queue.oldest_ready_at, view.run_at);
    let throughput = queue.throughput.unwrap();
    assert!(
        (throughput.done_per_minute - 9.0).abs() < 1e-9,
        "{throughput:?}"
    );
    assert_eq!(throughput.error_rate, Some(0.1));
    assert_eq!(throughput.mean_wait_ms, Some(200.0));
    assert_eq!(throughput.mean_run_ms, Some(50.0));
}

#[tokio::test]
async fn the_overview_names_every_kind_and_counts_live_slots() {
    let desk = Desk::new().await;
    desk.sql(
        "INSERT INTO worker_sessions (host, process_id, kinds, seen_at, interactive_slots,
                                      interactive_busy, answers_slots, answers_busy,
                                      bulk_slots, bulk_busy)
         VALUES ('a', 1, ARRAY['probe', 'send-reply'], now(), 8, 3, 6, 1, 4, 4),
                ('b', 2, ARRAY['probe'], now(), 8, 8, 5, 5, 0, 0),
                ('gone', 3, ARRAY['probe'], now() - interval '1 minute', 8, 8, 8, 8, 8, 8)",
    )
    .await;
    let mut tx = desk.tx().await;
    pause(&mut tx, &LimitKey::kind("send-reply"), None)
        .await
        .unwrap();
    let overview = overview(&mut tx).await.unwrap();
    let queue = |kind: &str| {
        overview
            .queues
            .iter()
            .find(|queue| queue.kind == kind)
            .unwrap()
    };
    assert_eq!(queue("probe").workers, Some(2));
    assert_eq!(queue("send-reply").pause, Some(Pause { until: None }));
    assert_eq!(queue("ingest-document").workers, Some(0));
    let lanes: Vec<_> = overview
        .lanes
        .iter()
        .map(|lane| (lane.lane, lane.workers, lane.load.slots, lane.load.busy))
        .collect();
    assert_eq!(
        lanes,
        [
            (Lane::Interactive, 2, 16, 11),
            (Lane::Answers, 2, 11, 6),
            (Lane::Bulk, 1, 4, 4)
        ]
    );
    assert!(find_queue(&mut tx, "no-such-kind").await.unwrap().is_none());
    let workers = list_workers(&mut tx, None, 2).await.unwrap();
    let seen: Vec<_> = workers
        .data
        .iter()
        .map(|w| (w.host.as_str(), w.live))
        .collect();
    assert_eq!(seen, [("gone", false), ("b", true)]);
    let after = workers.next_cursor.unwrap().key().unwrap();
    let rest = list_workers(&mut tx, Some(after), 2).await.unwrap();
    assert_eq!((rest.data.len(), rest.data[0].process_id), (1, 1));
}

#[tokio::test]
async fn a_tenant_sees_its_own_jobs_counted() {
    let desk = Desk::new().await;
    let (own, other) = (TenantId::new(), TenantId::new());
    let first = desk.enqueue(&of(1, own)).await;
    desk.enqueue(&of(2, own)).await;
    let running = desk.enqueue(&of(3, own)).await;
    desk.run(running).await;
    let dead = desk.enqueue(&of(4, own)).await;
    desk.bury(dead, "over").await;
    desk.enqueue(&of(5, other)).await;
    let mut tx = desk.tx().await;
    pause(&mut tx, &LimitKey::tenant(own), None).await.unwrap();
    let overview = tenant_overview(&mut tx, own).await.unwrap();
    assert!(overview.lanes.is_empty());
    let [queue] = &overview.queues[..] else {
        panic!("{overview:?}");
    };
    let depths = [
        queue.ready,
        queue.scheduled,
        queue.held,
        queue.running,
        queue.dead,
    ];
    assert_eq!(depths, [2, 0, 0, 1, 1]);
    assert!(!queue.at_least && queue.throughput.is_none() && queue.workers.is_none());
    assert_eq!(queue.oldest_ready_at, desk.view(first).await.run_at);
    assert_eq!(queue.pause, Some(Pause { until: None }));
    let of_other = tenant_overview(&mut tx, other).await.unwrap();
    assert_eq!(
        (of_other.queues[0].ready, of_other.queues[0].pause),
        (1, None)
    );
}

#[tokio::test]
async fn what_is_too_much_to_count_says_so() {
    let desk = Desk::new().await;
    let tenant = TenantId::new();
    desk.sql(format!(
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload, tenant_id)
         SELECT 'probe', 0, 0, 3, '{{}}', '{tenant}' FROM generate_series(1, 10500)"
    ))
    .await;
    let mut tx = desk.tx().await;
    let overview = tenant_overview(&mut tx, tenant).await.unwrap();
    let queue = &overview.queues[0];
    assert_eq!((queue.ready, queue.at_least), (10_000, true));
}
