use std::time::Duration;

use domain::TenantId;
use jobs::control::{BulkAction, BulkDone, ControlError, Count, act_on_matching, count_matching};
use jobs::{JobFilter, JobState, Options};

use crate::desk::{Desk, of, with};
use crate::harness::Probe;

async fn act(desk: &Desk, action: BulkAction, filter: &JobFilter) -> BulkDone {
    act_on_matching(&desk.db, action, filter, false, None, "bulk")
        .await
        .unwrap()
}

async fn count(desk: &Desk, action: BulkAction, filter: &JobFilter) -> Count {
    let mut tx = desk.tx().await;
    count_matching(&mut tx, action, filter).await.unwrap()
}

fn probes() -> JobFilter {
    JobFilter {
        kind: Some("probe".to_owned()),
        ..JobFilter::default()
    }
}

#[tokio::test]
async fn everything_that_matches_is_cancelled_whatever_it_waits_for() {
    let desk = Desk::new().await;
    let tenant = TenantId::new();
    let own = desk.enqueue(&of(0, tenant)).await;
    let other = desk.enqueue(&Probe::new(1)).await;
    let of_key = |n, tenant| {
        with(
            n,
            Options {
                tenant,
                ordering_key: Some("k".to_owned()),
                ..Options::default()
            },
        )
    };
    let head = desk.enqueue(&of_key(2, Some(tenant))).await;
    let held = desk.enqueue(&of_key(3, Some(tenant))).await;
    let last = desk.enqueue(&of_key(4, None)).await;
    let running = desk.enqueue(&of(5, tenant)).await;
    desk.run(running).await;
    let filter = JobFilter {
        tenant: Some(tenant),
        ..JobFilter::default()
    };
    let expected = count(&desk, BulkAction::Cancel, &filter).await;
    assert_eq!((expected.jobs, expected.more), (4, false));
    let done = act(&desk, BulkAction::Cancel, &filter).await;
    assert_eq!((done.jobs, done.remaining), (4, false));
    for id in [own, head, held] {
        assert_eq!(desk.state(id).await, JobState::Cancelled);
    }
    assert!(desk.view(running).await.cancel_requested_at.is_some());
    assert_eq!(desk.state(other).await, JobState::Ready);
    assert_eq!(desk.state(last).await, JobState::Ready, "it is the head");
    assert_eq!(desk.number("SELECT count(*) FROM job_keys").await, 1);
    assert_eq!(act(&desk, BulkAction::Cancel, &filter).await.jobs, 0);
}

#[tokio::test]
async fn many_are_cancelled_in_batches_and_a_call_has_an_end() {
    let desk = Desk::new().await;
    desk.sql(
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload)
         SELECT 'probe', 0, 0, 3, '{}' FROM generate_series(1, 10700)",
    )
    .await;
    let expected = count(&desk, BulkAction::Cancel, &probes()).await;
    assert_eq!((expected.jobs, expected.more), (10_000, true));
    let done = act(&desk, BulkAction::Cancel, &probes()).await;
    assert_eq!((done.jobs, done.remaining), (10_000, true));
    let done = act(&desk, BulkAction::Cancel, &probes()).await;
    assert_eq!((done.jobs, done.remaining), (700, false));
    let history = "SELECT count(*) FROM job_history WHERE reason = 'bulk'";
    assert_eq!(desk.number(history).await, 10_700);
    assert_eq!(desk.depth(0).await, -10_700);
}

#[tokio::test]
async fn what_waits_for_its_time_runs_at_once() {
    let desk = Desk::new().await;
    let later = |n| {
        with(
            n,
            Options {
                delay: Duration::from_hours(1),
                ..Options::default()
            },
        )
    };
    for n in 0..3 {
        desk.enqueue(&later(n)).await;
    }
    desk.enqueue(&Probe::new(9)).await;
    let done = act(&desk, BulkAction::Retry, &probes()).await;
    assert_eq!(done.jobs, 3);
    let ready = "SELECT count(*) FROM jobs WHERE state = 0 AND run_at <= now()";
    assert_eq!(desk.number(ready).await, 4);
}

#[tokio::test]
async fn dead_jobs_of_one_key_come_back_in_their_order() {
    let desk = Desk::new().await;
    let mut dead = Vec::new();
    for n in 0..4 {
        let id = desk.enqueue(&Probe::keyed(n, "k")).await;
        let why = if n == 3 {
            "a typo"
        } else {
            "timed out: 50% of_it"
        };
        desk.bury(id, why).await;
        dead.push(id);
    }
    let free = desk.enqueue(&Probe::new(5)).await;
    desk.bury(free, "Timed Out").await;
    let filter = |error: &str| JobFilter {
        error: Some(error.to_owned()),
        ..JobFilter::default()
    };
    assert_eq!(
        count(&desk, BulkAction::Redrive, &filter("0% of_"))
            .await
            .jobs,
        3
    );
    let wild = filter("t_med%");
    assert_eq!(count(&desk, BulkAction::Redrive, &wild).await.jobs, 0);
    let done = act(&desk, BulkAction::Redrive, &filter("timed out")).await;
    assert_eq!(done.jobs, 4);
    assert_eq!(desk.state(dead[3]).await, JobState::Dead);
    assert_eq!(desk.state(dead[0]).await, JobState::Ready);
    assert_eq!(desk.state(free).await, JobState::Ready);
    let order: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM jobs WHERE ordering_key = 'k' ORDER BY ordering_seq")
            .fetch_all(desk.test_db.pool())
            .await
            .unwrap();
    assert_eq!(order, dead[..3]);
    let heads = "SELECT count(*) FROM jobs WHERE ordering_key = 'k' AND state = 0";
    assert_eq!(desk.number(heads).await, 1);
}

#[tokio::test]
async fn to_hit_everything_its_count_has_to_be_confirmed() {
    let desk = Desk::new().await;
    let tenant = TenantId::new();
    for n in 0..3 {
        desk.enqueue(&of(n, tenant)).await;
    }
    let all = JobFilter::default();
    let of_all = [
        JobFilter {
            state: Some(JobState::Ready),
            ..JobFilter::default()
        },
        JobFilter {
            created_after: Some(chrono::DateTime::UNIX_EPOCH),
            ..JobFilter::default()
        },
    ];
    for filter in &of_all {
        let refused = act_on_matching(&desk.db, BulkAction::Cancel, filter, false, None, "").await;
        let Err(ControlError::Unconfirmed { count }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(count.jobs, 3);
    }
    for confirmed in [None, Some(2), Some(4)] {
        let refused =
            act_on_matching(&desk.db, BulkAction::Cancel, &all, false, confirmed, "").await;
        let Err(ControlError::Unconfirmed { count }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(count.jobs, 3);
    }
    let of_caller = JobFilter {
        tenant: Some(tenant),
        ..JobFilter::default()
    };
    let refused = act_on_matching(&desk.db, BulkAction::Cancel, &of_caller, true, None, "").await;
    assert!(matches!(refused, Err(ControlError::Unconfirmed { .. })));
    let done = act_on_matching(&desk.db, BulkAction::Cancel, &all, false, Some(3), "").await;
    assert_eq!(done.unwrap().jobs, 3);
}

#[tokio::test]
async fn a_state_that_the_action_does_nothing_about_is_refused() {
    let desk = Desk::new().await;
    for (action, state) in [
        (BulkAction::Cancel, JobState::Dead),
        (BulkAction::Cancel, JobState::Done),
        (BulkAction::Retry, JobState::Ready),
        (BulkAction::Redrive, JobState::Scheduled),
    ] {
        let filter = JobFilter {
            state: Some(state),
            ..JobFilter::default()
        };
        let mut tx = desk.tx().await;
        let refused = count_matching(&mut tx, action, &filter).await;
        let Err(ControlError::Invalid(fields)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(fields[0].field, "state");
    }
}

/// A row that somebody holds must not stop the others, and is not forgotten.
#[tokio::test]
async fn a_row_in_use_is_taken_when_it_is_free() {
    let desk = Desk::new().await;
    let first = desk.enqueue(&Probe::new(1)).await;
    let second = desk.enqueue(&Probe::new(2)).await;
    let mut holder = desk.test_db.pool().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE")
        .bind(first)
        .execute(&mut *holder)
        .await
        .unwrap();
    let db = desk.db.clone();
    let acting = tokio::spawn(async move {
        act_on_matching(&db, BulkAction::Cancel, &probes(), false, None, "").await
    });
    while desk.state(second).await != JobState::Cancelled {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(desk.state(first).await, JobState::Ready);
    holder.commit().await.unwrap();
    assert_eq!(acting.await.unwrap().unwrap().jobs, 2);
    assert_eq!(desk.state(first).await, JobState::Cancelled);
}
