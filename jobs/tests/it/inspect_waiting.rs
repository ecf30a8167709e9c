use std::time::Duration;

use domain::TenantId;
use jobs::control::{LimitKey, LimitValues, pause, resume, set_limit};
use jobs::{JobFilter, Options};

use crate::desk::{Desk, of, with};
use crate::harness::Probe;

/// The code and the sentence, which a page has to tell like a single look.
async fn why(desk: &Desk, id: i64) -> (&'static str, String) {
    let view = desk.view(id).await;
    let mut tx = desk.tx().await;
    let page = jobs::list(&mut tx, &JobFilter::default(), None, 100)
        .await
        .unwrap();
    let listed = page.data.into_iter().find(|job| job.id == id).unwrap();
    assert_eq!(listed.waiting_because, view.waiting_because);
    assert_eq!(listed.waiting_code, view.waiting_code);
    let code = view.waiting_code.expect("it waits").as_str();
    (code, view.waiting_because.unwrap())
}

/// A live process that knows probes.
async fn worker(desk: &Desk, slots: i32, busy: i32) {
    desk.sql(format!(
        "INSERT INTO worker_sessions (host, process_id, kinds, interactive_slots, interactive_busy)
         VALUES ('here', 1, ARRAY['other', 'probe'], {slots}, {busy})"
    ))
    .await;
}

async fn limit(desk: &Desk, key: &str, values: LimitValues) {
    let mut tx = desk.tx().await;
    let key = LimitKey::parse(key).unwrap();
    set_limit(&mut tx, &key, values).await.unwrap();
    tx.commit().await.unwrap();
}

fn scheduled() -> Probe {
    let delay = Duration::from_hours(1);
    with(
        1,
        Options {
            delay,
            ..Options::default()
        },
    )
}

#[tokio::test]
async fn a_job_waits_for_its_time_or_for_its_backoff_or_because_its_handler_said_so() {
    let desk = Desk::new().await;
    let id = desk.enqueue(&scheduled()).await;
    let (code, text) = why(&desk, id).await;
    assert_eq!(code, "scheduled");
    assert!(text.starts_with("scheduled for 20"), "{text}");
    desk.sql("UPDATE jobs SET attempt = 1, last_error = 'no answer'")
        .await;
    let (code, text) = why(&desk, id).await;
    assert_eq!(code, "backoff");
    assert!(
        text.starts_with("backoff after a failed attempt, until 20"),
        "{text}"
    );
    desk.sql(format!(
        "INSERT INTO job_attempts (job_id, attempt, outcome, error)
         VALUES ({id}, 1, 'retry', 'no answer'),
                ({id}, 2, 'snoozed', 'put off for 60s: the window is closed: until noon');
         UPDATE job_attempts SET ended_at = now() - interval '1 hour' WHERE outcome = 'retry'"
    ))
    .await;
    let (code, text) = why(&desk, id).await;
    assert_eq!(code, "snoozed");
    assert!(
        text.ends_with("Z: the window is closed: until noon"),
        "{text}"
    );
}

#[tokio::test]
async fn a_held_job_names_the_one_before_it_whatever_that_does() {
    let desk = Desk::new().await;
    let head = desk.enqueue(&Probe::keyed(0, "k")).await;
    desk.enqueue(&Probe::keyed(1, "k")).await;
    let last = desk.enqueue(&Probe::keyed(2, "k")).await;
    let expected = ("key_held", format!("ordering key held by job {head}"));
    assert_eq!(why(&desk, last).await, expected);
    desk.run(head).await;
    assert_eq!(why(&desk, last).await, expected);
    desk.sql(format!(
        "UPDATE jobs SET state = 1, session_id = NULL, lease_until = NULL,
                run_at = now() + interval '1 hour' WHERE id = {head}"
    ))
    .await;
    assert_eq!(why(&desk, last).await, expected);
}

#[tokio::test]
async fn a_ready_job_says_whether_anybody_could_run_it() {
    let desk = Desk::new().await;
    let id = desk.enqueue(&Probe::new(1)).await;
    let nobody = ("no_worker", "no worker for this kind".to_owned());
    assert_eq!(why(&desk, id).await, nobody);
    worker(&desk, 0, 0).await;
    assert_eq!(
        why(&desk, id).await.0,
        "others_first",
        "it has not told of its slots"
    );
    worker(&desk, 8, 8).await;
    let (code, text) = why(&desk, id).await;
    assert_eq!(code, "lane_full");
    assert_eq!(
        text,
        "all 8 slots of the interactive lane of 1 workers are busy"
    );
    worker(&desk, 4, 3).await;
    assert_eq!(
        why(&desk, id).await,
        ("others_first", "others are served first".to_owned())
    );
    desk.sql("UPDATE worker_sessions SET seen_at = now() - interval '31 seconds'")
        .await;
    assert_eq!(why(&desk, id).await, nobody);
}

#[tokio::test]
async fn a_job_whose_time_has_come_is_like_a_ready_one() {
    let desk = Desk::new().await;
    let id = desk.enqueue(&scheduled()).await;
    desk.sql("UPDATE jobs SET run_at = now() - interval '1 minute'")
        .await;
    assert_eq!(why(&desk, id).await.0, "no_worker");
}

#[tokio::test]
async fn a_limit_that_stands_in_the_way_is_named() {
    let desk = Desk::new().await;
    worker(&desk, 4, 0).await;
    let tenant = TenantId::new();
    let options = Options {
        tenant: Some(tenant),
        limit_keys: [Some("endpoint:7".to_owned()), None],
        ..Options::default()
    };
    let id = desk.enqueue(&with(1, options)).await;
    let rate = LimitValues {
        rate_per_second: Some(0.001),
        burst: Some(1),
        ..LimitValues::default()
    };
    let concurrency = LimitValues {
        concurrency: Some(2),
        ..LimitValues::default()
    };
    let of_tenant = format!("tenant:{tenant}/probe");
    for (key, values, code, text) in [
        (
            of_tenant.as_str(),
            rate,
            "tenant_rate",
            "used up its rate of 0.001 a second",
        ),
        (
            "endpoint:7",
            rate,
            "limit_rate",
            "used up its rate of 0.001 a second",
        ),
        (
            of_tenant.as_str(),
            concurrency,
            "tenant_concurrency",
            "2 runs at a time",
        ),
        (
            "kind:probe",
            concurrency,
            "limit_concurrency",
            "2 runs at a time",
        ),
    ] {
        limit(&desk, key, values).await;
        assert_eq!(why(&desk, id).await.0, "others_first", "{key} is free yet");
        desk.sql(format!(
            "UPDATE job_limits SET tokens = 0.5, running = 2 WHERE key = '{key}'"
        ))
        .await;
        let (found, sentence) = why(&desk, id).await;
        assert_eq!(found, code, "{sentence}");
        assert!(
            sentence.starts_with(key) && sentence.contains(text),
            "{sentence}"
        );
        desk.sql("DELETE FROM job_limits").await;
    }
}

#[tokio::test]
async fn another_tenants_limit_stands_in_nobodys_way() {
    let desk = Desk::new().await;
    worker(&desk, 4, 0).await;
    let id = desk.enqueue(&of(1, TenantId::new())).await;
    let rate = LimitValues {
        rate_per_second: Some(0.001),
        ..LimitValues::default()
    };
    let other = format!("tenant:{}", TenantId::new());
    limit(&desk, &other, rate).await;
    desk.sql("UPDATE job_limits SET tokens = 0").await;
    assert_eq!(
        why(&desk, id).await.0,
        "others_first",
        "it is another tenant's limit"
    );
}

#[tokio::test]
async fn the_pause_that_lasts_longest_is_named() {
    let desk = Desk::new().await;
    let tenant = TenantId::new();
    let id = desk.enqueue(&of(1, tenant)).await;
    let of_tenant = LimitKey::tenant(tenant);
    let mut tx = desk.tx().await;
    let until = desk.view(id).await.created_at + chrono::TimeDelta::hours(1);
    pause(&mut tx, &LimitKey::kind("probe"), Some(until))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let (code, text) = why(&desk, id).await;
    assert_eq!(code, "paused");
    assert!(text.starts_with("paused by kind:probe until 20"), "{text}");
    let mut tx = desk.tx().await;
    pause(&mut tx, &of_tenant, None).await.unwrap();
    tx.commit().await.unwrap();
    let text = why(&desk, id).await.1;
    assert_eq!(
        text,
        format!("paused by {of_tenant} until somebody resumes it")
    );
    let mut tx = desk.tx().await;
    resume(&mut tx, &of_tenant).await.unwrap();
    resume(&mut tx, &LimitKey::kind("probe")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(why(&desk, id).await.0, "no_worker");
}

#[tokio::test]
async fn a_job_that_runs_or_has_ended_waits_for_nothing() {
    let desk = Desk::new().await;
    let id = desk.enqueue(&Probe::new(1)).await;
    desk.run(id).await;
    assert_eq!(desk.view(id).await.waiting_because, None);
    desk.cancel(id).await.unwrap();
    let (code, text) = why(&desk, id).await;
    assert_eq!(code, "cancelling");
    assert!(
        text.starts_with("to be cancelled, as was asked for at 20"),
        "{text}"
    );
    desk.bury(id, "over").await;
    assert_eq!(desk.view(id).await.waiting_code, None);
}
