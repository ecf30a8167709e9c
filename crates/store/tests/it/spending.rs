use chrono::{DateTime, NaiveDate, Utc};
use db::TenantTx;
use domain::{
    BudgetLevel, CallOutcome, CallPurpose, CircuitState, ConversationId, Health, ModelCallId,
};
use store::budget_notices::{self, BudgetNotice};
use store::model_calls::{self, ModelCall, Tokens};
use store::provider_health::{self, Seen};
use store::provider_reports;

use crate::world::World;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn call(model: &str, cost_microdollars: Option<i64>) -> ModelCall {
    ModelCall {
        id: ModelCallId::new(),
        started_at: at("2026-11-23T12:00:00Z"),
        conversation_id: None,
        purpose: CallPurpose::Answer,
        provider: "openai".to_owned(),
        account: "openai".to_owned(),
        model: model.to_owned(),
        own_key: false,
        is_fallback: false,
        outcome: CallOutcome::Completed,
        fault: None,
        tokens: Tokens {
            input: 100,
            cached: 40,
            cache_written: 10,
            output: 20,
        },
        is_estimated: false,
        cost_microdollars,
        first_event_ms: Some(300),
        duration_ms: 900,
    }
}

async fn tx(world: &World) -> TenantTx {
    world.db.tenant(world.one).await.unwrap()
}

async fn store(world: &World, calls: &[ModelCall]) {
    let mut tx = tx(world).await;
    model_calls::insert(&mut tx, calls).await.unwrap();
    tx.commit().await.unwrap();
}

async fn spent(world: &World) -> i64 {
    let mut tx = tx(world).await;
    model_calls::spent(&mut tx, day("2026-11-01"), day("2026-12-01"))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_call_is_stored_once_and_counted_once_however_often_it_is_stored() {
    let world = World::new().await;
    let mut calls = vec![call("a", Some(7)), call("b", None)];
    calls.push(ModelCall {
        outcome: CallOutcome::Failed,
        fault: Some("key_refused".to_owned()),
        conversation_id: Some(ConversationId::new()),
        first_event_ms: None,
        ..call("a", Some(0))
    });
    store(&world, &calls).await;
    store(&world, &calls).await;
    store(&world, &[]).await;
    let mut tx = tx(&world).await;
    let listed = model_calls::list(&mut tx, None, None, 10).await.unwrap();
    let newest_first: Vec<ModelCall> = calls.iter().rev().cloned().collect();
    assert_eq!(listed.data, newest_first);
    let usage = model_calls::usage(&mut tx, day("2026-11-01"), day("2026-12-01"))
        .await
        .unwrap();
    assert_eq!(usage.len(), 2);
    let a = &usage[0];
    assert_eq!((a.day, a.model.as_str()), (day("2026-11-23"), "a"));
    assert_eq!((a.calls, a.failed_calls, a.unpriced_calls), (2, 1, 0));
    assert_eq!((a.tokens.input, a.tokens.cached), (200, 80));
    assert_eq!((a.tokens.cache_written, a.tokens.output), (20, 40));
    assert_eq!(a.cost_microdollars, 7);
    // Unknown is counted apart and is not nothing.
    let b = &usage[1];
    assert_eq!((b.calls, b.unpriced_calls, b.cost_microdollars), (1, 1, 0));
    let conversation = calls[2].conversation_id;
    let of_it = model_calls::list(&mut tx, conversation, None, 10)
        .await
        .unwrap();
    assert_eq!(of_it.data, [calls[2].clone()]);
}

#[tokio::test]
async fn pages_of_calls_follow_each_other() {
    let world = World::new().await;
    let calls: Vec<ModelCall> = (0..5).map(|_| call("a", Some(1))).collect();
    store(&world, &calls).await;
    let mut tx = tx(&world).await;
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = model_calls::list(&mut tx, None, before, 2).await.unwrap();
        seen.extend(page.data.into_iter().map(|call| call.id));
        let Some(cursor) = page.next_cursor else {
            break;
        };
        before = Some(cursor.key().unwrap());
    }
    let expected: Vec<ModelCallId> = calls.iter().rev().map(|call| call.id).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_day_is_that_of_utc_and_a_month_ends_with_its_last() {
    let world = World::new().await;
    let calls = [
        "2026-10-31T23:59:59.999Z",
        "2026-11-01T00:00:00Z",
        "2026-11-30T23:59:59.999Z",
        "2026-12-01T00:00:00Z",
    ];
    let calls: Vec<ModelCall> = calls
        .iter()
        .zip([1, 10, 100, 1000])
        .map(|(started_at, cost)| ModelCall {
            started_at: at(started_at),
            ..call("a", Some(cost))
        })
        .collect();
    store(&world, &calls).await;
    assert_eq!(spent(&world).await, 110);
}

#[tokio::test]
async fn sums_are_right_when_many_connections_add_at_once() {
    const AT_ONCE: usize = 16;
    const EACH: usize = 20;
    let world = World::new().await;
    // Two models in opposite orders: whoever locks as it is told would wait in a circle.
    let work = (0..AT_ONCE).map(|nth| {
        let db = world.db.clone();
        let tenant = world.one;
        async move {
            for _ in 0..EACH {
                let mut calls = vec![call("a", Some(3)), call("b", Some(5)), call("c", None)];
                if nth % 2 == 1 {
                    calls.reverse();
                }
                let mut tx = db.tenant(tenant).await.unwrap();
                model_calls::insert(&mut tx, &calls).await.unwrap();
                tx.commit().await.unwrap();
            }
        }
    });
    let tasks: Vec<_> = work.map(tokio::spawn).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let rounds = i64::try_from(AT_ONCE * EACH).unwrap();
    assert_eq!(spent(&world).await, rounds * 8);
    let mut tx = tx(&world).await;
    let usage = model_calls::usage(&mut tx, day("2026-11-01"), day("2026-12-01"))
        .await
        .unwrap();
    let calls: Vec<i64> = usage.iter().map(|part| part.calls).collect();
    assert_eq!(calls, [rounds; 3]);
    assert_eq!(usage[2].unpriced_calls, rounds);
    let slots: i64 = sqlx::query_scalar("SELECT count(DISTINCT slot) FROM model_usage")
        .fetch_one(world.database.pool())
        .await
        .unwrap();
    assert!((2..=8).contains(&slots), "{slots}");
}

#[tokio::test]
async fn what_is_one_tenants_is_not_anothers() {
    let world = World::new().await;
    store(&world, &[call("a", Some(7))]).await;
    let mut tx = world.db.tenant(world.other).await.unwrap();
    let listed = model_calls::list(&mut tx, None, None, 10).await.unwrap();
    assert!(listed.data.is_empty());
    let (from, until) = (day("2026-11-01"), day("2026-12-01"));
    assert_eq!(model_calls::spent(&mut tx, from, until).await.unwrap(), 0);
    let usage = model_calls::usage(&mut tx, from, until).await.unwrap();
    assert!(usage.is_empty());
}

#[tokio::test]
async fn a_level_of_a_budget_is_noted_once_a_month_by_whoever_is_first() {
    let world = World::new().await;
    let notice = |month: &str, level| BudgetNotice {
        month: day(month),
        level,
        spent_microdollars: 80,
        monthly_microdollars: 100,
        noticed_at: at("2026-11-23T12:00:00Z"),
    };
    let warning = notice("2026-11-01", BudgetLevel::Warning);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (db, tenant) = (world.db.clone(), world.one);
            tokio::spawn(async move {
                let mut tx = db.tenant(tenant).await.unwrap();
                let first = budget_notices::insert(&mut tx, &warning).await.unwrap();
                tx.commit().await.unwrap();
                first
            })
        })
        .collect();
    let mut firsts = 0;
    for task in tasks {
        firsts += usize::from(task.await.unwrap());
    }
    assert_eq!(firsts, 1);
    let mut tx = tx(&world).await;
    for other in [
        notice("2026-11-01", BudgetLevel::Exhausted),
        notice("2026-12-01", BudgetLevel::Warning),
    ] {
        assert!(budget_notices::insert(&mut tx, &other).await.unwrap());
    }
    let listed = budget_notices::list(&mut tx, day("2026-11-01"))
        .await
        .unwrap();
    let levels: Vec<_> = listed.iter().map(|notice| notice.level).collect();
    assert_eq!(levels, [BudgetLevel::Exhausted, BudgetLevel::Warning]);
}

#[tokio::test]
async fn health_is_dated_by_its_change_and_what_was_wrong_stays_to_be_read() {
    let world = World::new().await;
    let mut tx = tx(&world).await;
    let seen = |health, fault, minute: u32| Seen {
        account: "openai",
        health,
        circuit: CircuitState::Closed,
        retry_at: None,
        fault,
        at: at(&format!("2026-11-23T12:{minute:02}:00Z")),
    };
    for seen in [
        seen(Health::Down, Some("key_refused"), 1),
        seen(Health::Down, Some("key_refused"), 2),
        seen(Health::Healthy, None, 3),
        seen(Health::Healthy, None, 4),
    ] {
        provider_health::put(&mut tx, &seen).await.unwrap();
    }
    let listed = provider_health::list(&mut tx).await.unwrap();
    assert_eq!(listed.len(), 1);
    let openai = &listed[0];
    assert_eq!(openai.health, Health::Healthy);
    assert_eq!(openai.since, at("2026-11-23T12:03:00Z"));
    assert_eq!(openai.fault.as_deref(), Some("key_refused"));
    assert_eq!(openai.failed_at, Some(at("2026-11-23T12:02:00Z")));
    assert_eq!(openai.seen_at, at("2026-11-23T12:04:00Z"));
    // A death is told once, and its end once; changed settings end nothing.
    let now = at("2026-11-23T12:05:00Z");
    for is_news in [true, false] {
        let told = provider_reports::insert(&mut tx, "openai", now).await;
        assert_eq!(told.unwrap(), is_news);
    }
    provider_health::delete_all(&mut tx).await.unwrap();
    assert!(provider_health::list(&mut tx).await.unwrap().is_empty());
    for is_news in [true, false] {
        let told = provider_reports::delete(&mut tx, "openai").await;
        assert_eq!(told.unwrap(), is_news);
    }
}
