use chrono::TimeDelta;
use domain::TenantId;
use jobs::control::LimitKey;
use jobs::inspect::timeline;
use jobs::kinds::InboundMessage;
use jobs::{JobFilter, JobState, Lane, OnDuplicate, Options, Unique, Until};

use crate::desk::{Desk, of, with};
use crate::harness::Probe;

async fn found(desk: &Desk, filter: JobFilter) -> Vec<i64> {
    let mut tx = desk.tx().await;
    let page = jobs::list(&mut tx, &filter, None, 100).await.unwrap();
    page.data.into_iter().map(|job| job.id).collect()
}

#[tokio::test]
async fn jobs_are_found_by_what_they_are() {
    let desk = Desk::new().await;
    let tenant = TenantId::new();
    let plain = desk.enqueue(&of(1, tenant)).await;
    let unique = Some(Unique {
        key: "u".to_owned(),
        until: Until::Ended,
        on_duplicate: OnDuplicate::Keep,
    });
    let rich = Options {
        ordering_key: Some("k".to_owned()),
        unique,
        limit_keys: [None, Some("endpoint:7".to_owned())],
        ..Options::default()
    };
    let rich = desk.enqueue(&with(2, rich)).await;
    let dead = desk.enqueue(&of(3, tenant)).await;
    desk.bury(dead, "Timed out at 100%").await;
    let cancelled = desk.enqueue(&Probe::new(4)).await;
    desk.cancel(cancelled).await.unwrap();
    let any = JobFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let limit = |key: &str| JobFilter {
        limit_key: Some(LimitKey::parse(key).unwrap()),
        ..any()
    };
    let state = |state| JobFilter {
        state: Some(state),
        ..any()
    };
    let error = |part: &str| JobFilter {
        error: text(part),
        ..any()
    };
    #[rustfmt::skip]
    let cases = [
        (any(), vec![cancelled, dead, rich, plain]),
        (JobFilter { kind: text("probe"), tenant: Some(tenant), ..any() }, vec![dead, plain]),
        (JobFilter { kind: text("other"), ..any() }, vec![]),
        (JobFilter { lane: Some(Lane::Bulk), ..any() }, vec![]),
        (JobFilter { lane: Some(Lane::Interactive), ordering_key: text("k"), ..any() }, vec![rich]),
        (JobFilter { unique_key: text("u"), ..any() }, vec![rich]),
        (JobFilter { unique_key: text("u"), state: Some(JobState::Dead), ..any() }, vec![]),
        (state(JobState::Ready), vec![rich, plain]),
        (state(JobState::Held), vec![]),
        (state(JobState::Cancelled), vec![cancelled]),
        (state(JobState::Dead), vec![dead]),
        (limit("endpoint:7"), vec![rich]),
        (limit(&format!("tenant:{tenant}")), vec![dead, plain]),
        (limit(&format!("tenant:{tenant}/other")), vec![]),
        (limit("kind:probe"), vec![cancelled, dead, rich, plain]),
        (error("timed OUT"), vec![dead]),
        (error("100%"), vec![dead]),
        (error("1_0"), vec![]),
        (error("needed"), vec![cancelled]),
    ];
    for (filter, expected) in cases {
        assert_eq!(found(&desk, filter.clone()).await, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn jobs_are_found_by_their_age() {
    let desk = Desk::new().await;
    let old = desk.enqueue(&Probe::new(1)).await;
    let young = desk.enqueue(&Probe::new(2)).await;
    desk.sql(format!(
        "UPDATE jobs SET created_at = now() - interval '2 days' WHERE id = {old}"
    ))
    .await;
    desk.cancel(old).await.unwrap();
    let day_ago = desk.view(young).await.created_at - TimeDelta::days(1);
    let before = JobFilter {
        created_before: Some(day_ago),
        ..JobFilter::default()
    };
    assert_eq!(found(&desk, before).await, [old]);
    let after = JobFilter {
        created_after: Some(day_ago),
        ..JobFilter::default()
    };
    assert_eq!(found(&desk, after).await, [young]);
}

#[tokio::test]
async fn pages_follow_each_other_over_all_tables() {
    let desk = Desk::new().await;
    let mut expected = Vec::new();
    for n in 0..12 {
        let id = desk.enqueue(&Probe::new(n)).await;
        match n % 3 {
            0 => {
                desk.cancel(id).await.unwrap();
            }
            1 => desk.bury(id, "over").await,
            _ => {}
        }
        expected.insert(0, id);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let mut tx = desk.tx().await;
        let page = jobs::list(&mut tx, &JobFilter::default(), after, 5)
            .await
            .unwrap();
        seen.extend(page.data.into_iter().map(|job| job.id));
        match page.next_cursor {
            Some(cursor) => after = Some(cursor.key().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn who_wrote_is_not_shown() {
    let desk = Desk::new().await;
    let job = InboundMessage {
        tenant_id: TenantId::new(),
        raw_item_id: domain::RawItemId::new(),
        received_at: chrono::DateTime::UNIX_EPOCH,
        contact_key: "7:+4930123456".to_owned(),
    };
    let mut tx = desk.tx().await;
    let id = jobs::enqueue(&mut tx, &job).await.unwrap().id;
    tx.commit().await.unwrap();
    let view = desk.view(id).await;
    assert_eq!(view.payload["tenant_id"], job.tenant_id.to_string());
    assert_eq!(view.payload["contact_key"], "redacted");
    assert!(!format!("{view:?}").contains("4930123456"), "{view:?}");
    // Its line is found by what is shown, and by who knows the key.
    for key in [view.ordering_key.unwrap(), job.contact_key] {
        let filter = JobFilter {
            ordering_key: Some(key),
            ..JobFilter::default()
        };
        let found = jobs::list(&mut desk.tx().await, &filter, None, 5)
            .await
            .unwrap();
        assert_eq!(found.data.len(), 1);
        assert_eq!(found.data[0].id, id);
    }
}

#[tokio::test]
async fn the_timeline_tells_a_jobs_life_in_order() {
    let desk = Desk::new().await;
    let id = desk.enqueue(&Probe::new(1)).await;
    desk.sql(format!(
        "UPDATE jobs SET created_at = now() - interval '10 minutes',
                run_at = now() - interval '4 minutes' WHERE id = {id};
         INSERT INTO job_attempts (job_id, attempt, claimed_at, ended_at, session_id, outcome, error)
         VALUES ({id}, 1, now() - interval '9 minutes', now() - interval '8 minutes', 7, 'retry',
                 'no answer'),
                ({id}, 2, now() - interval '7 minutes', now() - interval '5 minutes', 7,
                 'timed_out', 'took longer than 2m')"
    ))
    .await;
    desk.run(id).await;
    desk.sql("UPDATE jobs SET attempt = 3").await;
    desk.cancel(id).await.unwrap();
    let events = events(&desk, id).await;
    let expected = [
        "enqueued -",
        "begun 1",
        "retry 1 no answer",
        "begun 2",
        "timed_out 2 took longer than 2m",
        "due -",
        "begun 3",
        "cancel_requested -",
    ];
    assert_eq!(events, expected);
    desk.sql("UPDATE jobs SET cancel_requested_at = NULL").await;
    desk.bury(id, "hopeless").await;
    let last = crate::inspect::events(&desk, id).await.pop();
    assert_eq!(last.as_deref(), Some("dead - hopeless"));
}

async fn events(desk: &Desk, id: i64) -> Vec<String> {
    let view = desk.view(id).await;
    let mut tx = desk.tx().await;
    let attempts = jobs::attempts(&mut tx, id).await.unwrap();
    let entries = timeline(&view, &attempts).into_iter();
    let line = |entry: jobs::inspect::TimelineEntry| {
        let attempt = entry.attempt.map_or("-".to_owned(), |n| n.to_string());
        let detail = entry.detail.unwrap_or_default();
        format!("{} {attempt} {detail}", entry.event)
            .trim()
            .to_owned()
    };
    entries.map(line).collect()
}
