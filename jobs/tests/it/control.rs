use std::time::Duration;

use domain::TenantId;
use jobs::control::{self, Cancelled, ControlError};
use jobs::{JobState, OnDuplicate, Options, Unique, Until};

use crate::desk::{Desk, conflict, of, said, with};
use crate::harness::Probe;

#[tokio::test]
async fn a_waiting_job_that_is_cancelled_is_history_with_its_reason() {
    let desk = Desk::new().await;
    let unique = Some(Unique {
        key: "one".to_owned(),
        until: Until::Ended,
        on_duplicate: OnDuplicate::Keep,
    });
    let options = Options {
        unique,
        delay: Duration::from_mins(1),
        priority: 3,
        ..Options::default()
    };
    let id = desk.enqueue(&with(1, options.clone())).await;
    assert_eq!(desk.cancel(id).await.unwrap(), Cancelled::Ended);
    let view = desk.view(id).await;
    assert_eq!(view.state, JobState::Cancelled);
    assert_eq!(view.error.as_deref(), Some("not needed"));
    assert_eq!((view.priority, view.waiting_because), (3, None));
    assert_ne!(
        desk.enqueue(&with(2, options)).await,
        id,
        "its unique key is free"
    );
    assert_eq!(desk.depth(1).await, -1);
    let cancelled = "SELECT sum(cancelled)::bigint FROM job_minutes";
    assert_eq!(desk.number(cancelled).await, 1);
}

#[tokio::test]
async fn a_cancelled_head_lets_the_next_of_its_key_go() {
    let desk = Desk::new().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(desk.enqueue(&Probe::keyed(n, "k")).await);
    }
    let mut signals = desk.db.subscribe();
    desk.cancel(ids[0]).await.unwrap();
    assert_eq!(desk.state(ids[1]).await, JobState::Ready);
    assert_eq!(desk.state(ids[2]).await, JobState::Held);
    let flow = desk.number("SELECT flow FROM jobs LIMIT 1").await;
    assert_eq!(said(&mut signals), [format!("f{flow:x}:{:x}", ids[1])]);
    desk.cancel(ids[1]).await.unwrap();
    desk.cancel(ids[2]).await.unwrap();
    assert_eq!(desk.number("SELECT count(*) FROM job_keys").await, 0);
}

#[tokio::test]
async fn a_cancelled_job_of_the_line_lets_nobody_go() {
    let desk = Desk::new().await;
    let head = desk.enqueue(&Probe::keyed(0, "k")).await;
    let middle = desk.enqueue(&Probe::keyed(1, "k")).await;
    let last = desk.enqueue(&Probe::keyed(2, "k")).await;
    desk.run(head).await;
    desk.cancel(middle).await.unwrap();
    assert_eq!(desk.state(last).await, JobState::Held);
    assert_eq!(desk.number("SELECT count(*) FROM job_keys").await, 1);
    assert_eq!(desk.state(middle).await, JobState::Cancelled);
}

#[tokio::test]
async fn a_held_job_is_cancelled_after_whoever_finishes_its_head() {
    let desk = Desk::new().await;
    let head = desk.enqueue(&Probe::keyed(0, "k")).await;
    let held = desk.enqueue(&Probe::keyed(1, "k")).await;
    let last = desk.enqueue(&Probe::keyed(2, "k")).await;
    let mut finisher = desk.test_db.pool().begin().await.unwrap();
    sqlx::query("DELETE FROM jobs WHERE id = $1")
        .bind(head)
        .execute(&mut *finisher)
        .await
        .unwrap();
    sqlx::query("UPDATE jobs SET state = 0 WHERE id = $1")
        .bind(held)
        .execute(&mut *finisher)
        .await
        .unwrap();
    let mut tx = desk.tx().await;
    let cancelling = tokio::spawn(async move {
        let cancelled = control::cancel(&mut tx, held, None, "late").await;
        tx.commit().await.unwrap();
        cancelled
    });
    wait_for_a_lock(&desk).await;
    finisher.commit().await.unwrap();
    assert_eq!(cancelling.await.unwrap().unwrap(), Cancelled::Ended);
    assert_eq!(desk.state(held).await, JobState::Cancelled);
    assert_eq!(
        desk.state(last).await,
        JobState::Ready,
        "it was at the head"
    );
    assert_eq!(desk.number("SELECT count(*) FROM job_keys").await, 1);
}

#[tokio::test]
async fn who_is_seen_to_be_next_and_cancelled_meanwhile_is_passed_over() {
    let desk = Desk::new().await;
    let head = desk.enqueue(&Probe::keyed(0, "k")).await;
    let held = desk.enqueue(&Probe::keyed(1, "k")).await;
    let last = desk.enqueue(&Probe::keyed(2, "k")).await;
    let mut cancelling = desk.tx().await;
    control::cancel(&mut cancelling, held, None, "late")
        .await
        .unwrap();
    let ending = cancel_aside(&desk, head).await;
    wait_for_a_lock(&desk).await;
    cancelling.commit().await.unwrap();
    ending.await.unwrap();
    assert_eq!(desk.state(last).await, JobState::Ready);
}

#[tokio::test]
async fn who_is_enqueued_while_the_head_ends_is_not_left_behind() {
    let desk = Desk::new().await;
    let head = desk.enqueue(&Probe::keyed(0, "k")).await;
    let mut enqueuing = desk.tx().await;
    let job = Probe::keyed(1, "k");
    let late = jobs::enqueue(&mut enqueuing, &job).await.unwrap().id;
    let ending = cancel_aside(&desk, head).await;
    wait_for_a_lock(&desk).await;
    enqueuing.commit().await.unwrap();
    ending.await.unwrap();
    assert_eq!(desk.state(late).await, JobState::Ready);
    desk.cancel(late).await.unwrap();
    assert_eq!(desk.number("SELECT count(*) FROM job_keys").await, 0);
}

/// Cancels a job while the test goes on.
async fn cancel_aside(desk: &Desk, id: i64) -> tokio::task::JoinHandle<()> {
    let mut tx = desk.tx().await;
    tokio::spawn(async move {
        control::cancel(&mut tx, id, None, "done with")
            .await
            .unwrap();
        tx.commit().await.unwrap();
    })
}

async fn wait_for_a_lock(desk: &Desk) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..500 {
        if desk.number(waiting).await > 0 {
            return;
        }
        // Polling the server: there is nothing to be notified by.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody waits for a lock");
}

#[tokio::test]
async fn the_worker_of_a_running_job_is_told_to_cancel_it() {
    let desk = Desk::new().await;
    let id = desk.enqueue(&Probe::new(1)).await;
    desk.run(id).await;
    let mut signals = desk.db.subscribe();
    assert_eq!(desk.cancel(id).await.unwrap(), Cancelled::Requested);
    assert_eq!(said(&mut signals), [format!("c{id:x}")]);
    let view = desk.view(id).await;
    assert_eq!(view.state, JobState::Running);
    assert_eq!(view.waiting_code.unwrap().as_str(), "cancelling");
    let first = view.cancel_requested_at.unwrap();
    desk.cancel(id).await.unwrap();
    let again = desk.view(id).await.cancel_requested_at.unwrap();
    assert_eq!(again, first, "asking again changes nothing");
}

#[tokio::test]
async fn what_has_ended_cannot_be_cancelled() {
    let desk = Desk::new().await;
    let id = desk.enqueue(&Probe::new(1)).await;
    desk.cancel(id).await.unwrap();
    assert_eq!(conflict(desk.cancel(id).await), "job_cancelled");
    let dead = desk.enqueue(&Probe::new(2)).await;
    desk.bury(dead, "hopeless").await;
    assert_eq!(conflict(desk.cancel(dead).await), "job_dead");
    let nothing = desk.cancel(dead + 1).await;
    assert!(
        matches!(nothing, Err(ControlError::NotFound)),
        "{nothing:?}"
    );
}

#[tokio::test]
async fn another_tenants_job_is_no_job() {
    let desk = Desk::new().await;
    let (own, other) = (TenantId::new(), Some(TenantId::new()));
    let waiting = desk.enqueue(&of(1, own)).await;
    let dead = desk.enqueue(&of(2, own)).await;
    desk.bury(dead, "hopeless").await;
    for id in [waiting, dead] {
        let mut tx = desk.tx().await;
        for result in [
            control::cancel(&mut tx, id, other, "").await.map(drop),
            control::retry(&mut tx, id, other).await,
            control::redrive(&mut tx, id, other).await,
        ] {
            assert!(matches!(result, Err(ControlError::NotFound)), "{result:?}");
        }
        assert!(jobs::get(&mut tx, id, other).await.unwrap().is_none());
    }
    let mut tx = desk.tx().await;
    let cancelled = control::cancel(&mut tx, waiting, Some(own), "mine").await;
    assert_eq!(cancelled.unwrap(), Cancelled::Ended);
}

#[tokio::test]
async fn a_retry_ends_the_wait_for_a_time_and_no_other() {
    let desk = Desk::new().await;
    let delay = Duration::from_hours(1);
    let options = Options {
        delay,
        ..Options::default()
    };
    let scheduled = desk.enqueue(&with(1, options)).await;
    let mut signals = desk.db.subscribe();
    desk.retry(scheduled).await.unwrap();
    let view = desk.view(scheduled).await;
    assert_eq!(view.state, JobState::Ready);
    assert!(view.run_at.unwrap() < view.created_at + chrono::TimeDelta::minutes(1));
    assert!(said(&mut signals)[0].ends_with(&format!(":{scheduled:x}")));
    assert_eq!(conflict(desk.retry(scheduled).await), "job_ready");
    desk.run(scheduled).await;
    assert_eq!(conflict(desk.retry(scheduled).await), "job_running");
    desk.enqueue(&Probe::keyed(2, "k")).await;
    let held = desk.enqueue(&Probe::keyed(3, "k")).await;
    assert_eq!(conflict(desk.retry(held).await), "job_held");
    desk.cancel(held).await.unwrap();
    assert_eq!(conflict(desk.retry(held).await), "job_cancelled");
}

#[tokio::test]
async fn a_dead_job_runs_again_under_its_number_from_its_first_attempt() {
    let desk = Desk::new().await;
    let id = desk.enqueue(&Probe::new(1)).await;
    desk.run(id).await;
    desk.bury(id, "the provider was down").await;
    let mut signals = desk.db.subscribe();
    desk.retry(id).await.unwrap();
    let view = desk.view(id).await;
    assert_eq!(
        (view.state, view.attempt, view.max_attempts),
        (JobState::Ready, 0, 3)
    );
    assert_eq!(view.error.as_deref(), Some("the provider was down"));
    assert_eq!(said(&mut signals).len(), 1);
    assert_eq!((desk.depth(4).await, desk.depth(0).await), (-1, 1));
    assert_eq!(conflict(desk.redrive(id).await), "job_not_dead");
    let next = desk.enqueue(&Probe::new(2)).await;
    assert!(next > id, "numbers go on");
}

#[tokio::test]
async fn a_redriven_job_joins_the_end_of_its_key() {
    let desk = Desk::new().await;
    let dead = desk.enqueue(&Probe::keyed(0, "k")).await;
    desk.bury(dead, "hopeless").await;
    let head = desk.enqueue(&Probe::keyed(1, "k")).await;
    desk.redrive(dead).await.unwrap();
    assert_eq!(desk.state(head).await, JobState::Ready);
    let view = desk.view(dead).await;
    assert_eq!(view.state, JobState::Held);
    assert_eq!(
        view.waiting_because,
        Some(format!("ordering key held by job {head}"))
    );
    desk.cancel(head).await.unwrap();
    assert_eq!(desk.state(dead).await, JobState::Ready);
    let behind = desk.enqueue(&Probe::keyed(2, "k")).await;
    assert_eq!(desk.state(behind).await, JobState::Held);
}

#[tokio::test]
async fn a_redriven_job_of_a_free_key_is_at_its_head() {
    let desk = Desk::new().await;
    let dead = desk.enqueue(&Probe::keyed(0, "k")).await;
    desk.bury(dead, "hopeless").await;
    desk.redrive(dead).await.unwrap();
    assert_eq!(desk.state(dead).await, JobState::Ready);
    assert_eq!(desk.number("SELECT count(*) FROM job_keys").await, 1);
}
