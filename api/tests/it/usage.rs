//! What calls to models took and cost.

use chrono::{DateTime, Utc};
use domain::{CallOutcome, CallPurpose, ContactId, ConversationId, ModelCallId, TenantId};
use serde_json::{Value, json};
use store::model_calls::{self, ModelCall, Tokens};

use crate::server::{ADMIN_KEY, TestServer};

fn call(started_at: &str, model: &str, cost_microdollars: Option<i64>) -> ModelCall {
    let started_at: DateTime<Utc> = started_at.parse().unwrap();
    ModelCall {
        id: ModelCallId::new(),
        started_at,
        conversation_id: None,
        purpose: CallPurpose::Answer,
        provider: "openai".to_owned(),
        account: "openai".to_owned(),
        model: model.to_owned(),
        own_key: true,
        is_fallback: false,
        outcome: CallOutcome::Completed,
        fault: None,
        tokens: Tokens {
            input: 100,
            cached: 40,
            cache_written: 0,
            output: 20,
        },
        is_estimated: false,
        cost_microdollars,
        first_event_ms: Some(300),
        duration_ms: 900,
    }
}

async fn store(server: &TestServer, tenant: &str, calls: &[ModelCall]) {
    let id: TenantId = tenant.rsplit('/').next().unwrap().parse().unwrap();
    let mut tx = server.state.db.tenant(id).await.unwrap();
    model_calls::insert(&mut tx, calls).await.unwrap();
    tx.commit().await.unwrap();
}

/// A conversation with a contact of its own that began at a time.
async fn conversation(server: &TestServer, tenant: &str, created_at: &str) -> ConversationId {
    let channel = server
        .post(
            ADMIN_KEY,
            &format!("{tenant}/channels"),
            json!({"type": "webchat", "name": "Chat"}),
        )
        .await
        .expect(201)["id"]
        .clone();
    let (id, contact) = (ConversationId::new(), ContactId::new());
    let (tenant, channel) = (
        tenant.rsplit('/').next().unwrap(),
        channel.as_str().unwrap(),
    );
    for statement in [
        format!(
            "INSERT INTO contacts (id, tenant_id, channel_id, external_id)
             VALUES ('{contact}', '{tenant}', '{channel}', '{contact}')"
        ),
        format!(
            "INSERT INTO conversations (id, tenant_id, channel_id, contact_id, created_at)
             VALUES ('{id}', '{tenant}', '{channel}', '{contact}', '{created_at}')"
        ),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(server.database.pool())
            .await
            .unwrap();
    }
    id
}

#[tokio::test]
async fn a_month_is_shown_by_model_by_day_and_as_a_whole() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let failed = ModelCall {
        outcome: CallOutcome::Failed,
        fault: Some("key_refused".to_owned()),
        purpose: CallPurpose::Eval,
        tokens: Tokens::default(),
        ..call("2026-11-23T11:00:00Z", "gpt-4o-mini", Some(0))
    };
    let calls = [
        call("2026-10-31T23:59:59Z", "gpt-4o-mini", Some(1_000_000)),
        call("2026-11-01T00:00:00Z", "gpt-4o-mini", Some(30)),
        call("2026-11-23T10:00:00Z", "gpt-4o-mini", Some(12)),
        call("2026-11-23T10:30:00Z", "own-model", None),
        failed,
    ];
    store(&server, &tenant, &calls).await;
    let path = format!("{tenant}/usage");
    let usage = server.get(&key, &path).await.expect(200);
    assert_eq!(usage["month"], "2026-11");
    let expected = json!({
        "calls": 4, "failed_calls": 1, "unpriced_calls": 1,
        "tokens": {"input": 300, "cached": 120, "cache_written": 0, "output": 60},
        "cost_microdollars": 42,
    });
    assert_eq!(usage["totals"], expected);
    let models = usage["by_model"].as_array().unwrap();
    assert_eq!(models.len(), 2);
    assert_eq!(models[0]["sum"]["cost_microdollars"], 42);
    assert_eq!(models[1]["model"], "own-model");
    assert_eq!(models[1]["sum"]["cost_microdollars"], Value::Null);
    let days: Vec<_> = usage["by_day"].as_array().unwrap().iter().collect();
    assert_eq!(days.len(), 2);
    assert_eq!(
        (&days[0]["day"], &days[0]["sum"]["calls"]),
        (&json!("2026-11-01"), &json!(1))
    );
    assert_eq!(usage["by_purpose"][1]["purpose"], "eval");
    assert_eq!(usage["budget"]["state"], "unlimited");
    let before = server
        .get(&key, &format!("{path}?month=2026-10"))
        .await
        .expect(200);
    assert_eq!(before["totals"]["cost_microdollars"], 1_000_000);
    let empty = server
        .get(&key, &format!("{path}?month=2026-09"))
        .await
        .expect(200);
    assert_eq!(empty["totals"]["cost_microdollars"], 0);
    let wrong = server.get(&key, &format!("{path}?month=November")).await;
    assert_eq!(wrong.problem(422), "invalid_request");
}

#[tokio::test]
async fn the_budget_is_shown_as_far_as_it_is_spent() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    store(
        &server,
        &tenant,
        &[call("2026-11-23T10:00:00Z", "gpt-4o-mini", Some(85))],
    )
    .await;
    for (monthly, state) in [(200, "within"), (100, "warning"), (85, "exhausted")] {
        let budget = json!({"monthly_microdollars": monthly, "when_spent": "builtin"});
        let change = json!({"settings": {"budget": budget}});
        let changed = server.put(&key, &tenant, change).await.expect(200);
        assert_eq!(changed["settings"]["budget"]["warn_percent"], 80);
        let usage = server
            .get(&key, &format!("{tenant}/usage"))
            .await
            .expect(200);
        let expected = json!({
            "state": state, "spent_microdollars": 85, "monthly_microdollars": monthly,
            "warn_percent": 80, "when_spent": "builtin", "warned_at": null, "exhausted_at": null,
        });
        assert_eq!(usage["budget"], expected);
    }
}

#[tokio::test]
async fn calls_are_listed_newest_first_page_by_page() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let conversation = ConversationId::new();
    let mut calls: Vec<ModelCall> = (0..3)
        .map(|minute| call(&format!("2026-11-23T10:0{minute}:00Z"), "m", Some(minute)))
        .collect();
    calls[1].conversation_id = Some(conversation);
    store(&server, &tenant, &calls).await;
    let path = format!("{tenant}/usage/calls");
    let first = server
        .get(&key, &format!("{path}?limit=2"))
        .await
        .expect(200);
    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    assert_eq!(first["data"][0]["cost_microdollars"], 2);
    assert_eq!(first["data"][0]["tokens"]["cached"], 40);
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = server
        .get(&key, &format!("{path}?limit=2&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(next["data"][0]["id"], calls[0].id.to_string());
    assert_eq!(next["next_cursor"], Value::Null);
    let of_it = server
        .get(&key, &format!("{path}?conversation_id={conversation}"))
        .await
        .expect(200);
    assert_eq!(of_it["data"].as_array().unwrap().len(), 1);
    assert_eq!(of_it["data"][0]["id"], calls[1].id.to_string());
    assert_eq!(of_it["data"][0]["own_key"], true);
}

#[tokio::test]
async fn a_conversations_calls_are_added_up_and_an_unknown_cost_is_not_nothing() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let asked = conversation(&server, &tenant, "2026-11-20T10:00:00Z").await;
    let other = conversation(&server, &tenant, "2026-08-01T10:00:00Z").await;
    let of = |id: ConversationId, call: ModelCall| ModelCall {
        conversation_id: Some(id),
        ..call
    };
    let failed = ModelCall {
        outcome: CallOutcome::Failed,
        fault: Some("timed_out".to_owned()),
        ..call("2026-11-21T10:00:30Z", "gpt-4o-mini", Some(5))
    };
    let search = ModelCall {
        purpose: CallPurpose::Search,
        ..call("2026-11-22T10:00:00Z", "own-vectors", None)
    };
    let calls = [
        of(asked, call("2026-11-20T10:00:00Z", "gpt-4o-mini", Some(30))),
        of(asked, failed),
        of(asked, search),
        of(other, call("2026-11-20T10:00:00Z", "own-model", None)),
        call("2026-11-20T10:00:00Z", "gpt-4o-mini", Some(1000)),
    ];
    store(&server, &tenant, &calls).await;
    let path = |id: ConversationId| format!("{tenant}/conversations/{id}/usage");
    let usage = server.get(&key, &path(asked)).await.expect(200);
    let expected = json!({
        "calls": 3, "failed_calls": 1, "unpriced_calls": 1,
        "tokens": {"input": 300, "cached": 120, "cache_written": 0, "output": 60},
        "cost_microdollars": 35,
    });
    assert_eq!(usage["totals"], expected);
    assert_eq!(usage["is_whole"], true);
    let models = usage["by_model"].as_array().unwrap();
    assert_eq!(models[1]["model"], "own-vectors");
    assert_eq!(models[1]["sum"]["cost_microdollars"], Value::Null);
    assert_eq!(usage["by_purpose"][1]["purpose"], "search");
    // Nothing that is known: unknown, and not 0. It is older than calls are kept.
    let usage = server.get(&key, &path(other)).await.expect(200);
    assert_eq!(usage["totals"]["cost_microdollars"], Value::Null);
    assert_eq!(usage["totals"]["unpriced_calls"], 1);
    assert_eq!(usage["is_whole"], false);
    // Nothing at all is nothing.
    let silent = conversation(&server, &tenant, "2026-11-20T10:00:00Z").await;
    let usage = server.get(&key, &path(silent)).await.expect(200);
    assert_eq!(usage["totals"]["cost_microdollars"], 0);
    let missing = server.get(&key, &path(ConversationId::new())).await;
    assert_eq!(missing.problem(404), "not_found");
}
