use chrono::TimeDelta;
use domain::{Clock, TenantId};
use jobs::control::{
    self, ControlError, LimitKey, LimitValues, LimitView, clear_limit, get_limit, list_limits,
    pause, resume, set_limit,
};

use crate::desk::{Desk, said};

fn key(text: &str) -> LimitKey {
    LimitKey::parse(text).unwrap()
}

async fn set(desk: &Desk, text: &str, values: LimitValues) -> LimitView {
    let mut tx = desk.tx().await;
    let limit = set_limit(&mut tx, &key(text), values).await.unwrap();
    tx.commit().await.unwrap();
    limit
}

fn rate(per_second: f64, burst: i32) -> LimitValues {
    LimitValues {
        rate_per_second: Some(per_second),
        burst: Some(burst),
        ..LimitValues::default()
    }
}

#[tokio::test]
async fn a_fresh_limit_has_its_whole_burst_and_a_lowered_one_no_more_than_that() {
    let desk = Desk::new().await;
    let mut signals = desk.db.subscribe();
    let limit = set(&desk, "endpoint:7", rate(0.001, 50)).await;
    assert_eq!(limit.tokens, Some(50.0));
    assert_eq!(said(&mut signals), ["l"]);
    let limit = set(&desk, "endpoint:7", rate(0.001, 20)).await;
    assert_eq!(limit.tokens, Some(20.0));
    let limit = set(&desk, "endpoint:7", rate(0.001, 80)).await;
    assert!(limit.tokens.unwrap() < 21.0, "{limit:?}");
    let alone = LimitValues {
        rate_per_second: Some(2.5),
        ..LimitValues::default()
    };
    assert_eq!(set(&desk, "endpoint:8", alone).await.rate.unwrap().burst, 3);
}

#[tokio::test]
async fn what_the_old_rate_gave_is_kept() {
    let desk = Desk::new().await;
    set(&desk, "endpoint:7", rate(1.0, 100)).await;
    desk.sql("UPDATE job_limits SET tokens = 0, refilled_at = now() - interval '30 seconds'")
        .await;
    let tokens = set(&desk, "endpoint:7", rate(0.001, 100)).await.tokens;
    assert!((29.0..35.0).contains(&tokens.unwrap()), "{tokens:?}");
}

#[tokio::test]
async fn a_limit_that_is_lifted_keeps_its_row_and_its_pause() {
    let desk = Desk::new().await;
    set(&desk, "kind:probe", rate(5.0, 5)).await;
    desk.sql("UPDATE job_limits SET running = 3").await;
    let mut tx = desk.tx().await;
    pause(&mut tx, &key("kind:probe"), None).await.unwrap();
    clear_limit(&mut tx, &key("kind:probe")).await.unwrap();
    let left = get_limit(&mut tx, &key("kind:probe")).await.unwrap();
    assert_eq!((left.rate, left.running), (None, 3));
    assert_eq!(left.pause, Some(control::Pause { until: None }));
    let again = clear_limit(&mut tx, &key("kind:probe")).await;
    assert!(matches!(again, Err(ControlError::NotFound)));
    resume(&mut tx, &key("kind:probe")).await.unwrap();
    let gone = get_limit(&mut tx, &key("kind:probe")).await;
    assert!(matches!(gone, Err(ControlError::NotFound)));
    tx.commit().await.unwrap();
    assert_eq!(desk.number("SELECT count(*) FROM job_limits").await, 1);
}

#[tokio::test]
async fn a_pause_lasts_until_its_time_or_until_it_is_resumed() {
    let desk = Desk::new().await;
    let mut signals = desk.db.subscribe();
    let until = Clock::system().now() + TimeDelta::hours(1);
    let mut tx = desk.tx().await;
    let limit = pause(&mut tx, &key("kind:probe"), Some(until))
        .await
        .unwrap();
    let paused = limit.pause.unwrap().until.unwrap();
    assert_eq!(paused.timestamp_micros(), until.timestamp_micros());
    let past = pause(
        &mut tx,
        &key("kind:probe"),
        Some(until - TimeDelta::hours(2)),
    )
    .await;
    let Err(ControlError::Invalid(fields)) = past else {
        panic!("{past:?}");
    };
    assert_eq!(fields[0].field, "until");
    tx.commit().await.unwrap();
    assert_eq!(said(&mut signals), ["l"]);
    let mut tx = desk.tx().await;
    resume(&mut tx, &key("kind:probe")).await.unwrap();
    resume(&mut tx, &key("kind:nobody-paused")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(said(&mut signals), ["l"]);
}

#[tokio::test]
async fn values_out_of_bounds_are_named_all_at_once() {
    let desk = Desk::new().await;
    let wrong = LimitValues {
        rate_per_second: Some(f64::NAN),
        burst: Some(0),
        concurrency: Some(-1),
        weight: Some(2.0),
    };
    let nothing = LimitValues::default();
    let burst_alone = LimitValues {
        burst: Some(3),
        ..nothing
    };
    let fields = async |key_text: &str, values| {
        let mut tx = desk.tx().await;
        match set_limit(&mut tx, &key(key_text), values).await {
            Err(ControlError::Invalid(fields)) => {
                fields.into_iter().map(|f| f.field).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        fields("kind:probe", wrong).await,
        ["rate_per_second", "burst", "concurrency", "weight"]
    );
    assert_eq!(fields("kind:probe", nothing).await, ["rate_per_second"]);
    assert!(fields("kind:probe", burst_alone).await.contains(&"burst"));
}

#[tokio::test]
async fn limits_are_listed_page_by_page() {
    let desk = Desk::new().await;
    let tenant = TenantId::new();
    let weight = LimitValues {
        weight: Some(3.0),
        ..LimitValues::default()
    };
    set(&desk, &format!("tenant:{tenant}"), weight).await;
    for n in 0..4 {
        set(&desk, &format!("endpoint:{n}"), rate(1.0, 1)).await;
    }
    let mut tx = desk.tx().await;
    clear_limit(&mut tx, &key("endpoint:1")).await.unwrap();
    let first = list_limits(&mut tx, None, 3).await.unwrap();
    let keys: Vec<&str> = first.data.iter().map(|limit| limit.key.as_str()).collect();
    assert_eq!(keys[1..], ["endpoint:0", "endpoint:2"]);
    assert_eq!(first.data[0].weight, Some(3.0));
    let after = first.next_cursor.unwrap().key().unwrap();
    let second = list_limits(&mut tx, Some(after), 3).await.unwrap();
    assert_eq!(second.data.len(), 1);
    assert!(second.next_cursor.is_none());
}
