//! How channels are found to be, and what follows from it.

use assistant::channel_health::{Look, Witness, look};
use domain::{ChannelHealth, ChannelKind, MessageStatus, TenantSettings};
use serde_json::json;
use store::channels as stored;
use testkit::standin::GraphBehaviour;

use crate::looks::eventually;
use crate::stage::{NUMBER, PATIENCE, Stage, settings};

/// The stage's number.
pub(crate) async fn channel(stage: &Stage) -> stored::Channel {
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let page = stored::list(&mut tx, None, 10).await.unwrap();
    page.data.into_iter().next().unwrap()
}

/// A person looks.
async fn look_at(stage: &Stage) -> Look {
    let id = channel(stage).await.id;
    let looked = look(&stage.assistant, stage.tenant, id, Witness::Person).await;
    looked.unwrap()
}

#[tokio::test]
async fn a_dead_token_holds_messages_back_until_the_channel_works_again() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    stage.graph.script([GraphBehaviour::error(190)]);
    stage.say("One").await;
    stage.answer(MessageStatus::Failed).await;
    assert_eq!(channel(&stage).await.health, ChannelHealth::TokenDead);
    stage.say("Two").await;
    // It waits, and no request is made: the limit of the number is paused.
    eventually("the second answer waits", async || {
        let held = "jobs AS j JOIN job_limits AS l ON l.key = 'wa-number:200000000000001'
            WHERE j.kind = 'send-reply' AND l.paused_until = 'infinity'";
        (stage.count(held).await == 1).then_some(())
    })
    .await;
    assert_eq!(stage.graph.requests().len(), 1);
    let found = look_at(&stage).await;
    assert_eq!(found.health, ChannelHealth::Working, "{found:?}");
    stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.rest_but_for_webhooks().await;
    let changes = stage.events().await;
    let changes = changes.iter().filter(|it| *it == "channel.health_changed");
    assert_eq!(changes.count(), 2);
}

#[tokio::test]
async fn a_number_nobody_posts_for_is_subscribed_and_told_of() {
    let stage = Stage::start().await;
    stage.graph.unsubscribe();
    let first = look_at(&stage).await;
    assert_eq!(first.health, ChannelHealth::Warned);
    let second = look_at(&stage).await;
    assert_eq!(second.health, ChannelHealth::Working);
    stage.graph.set_quality("RED");
    let third = look_at(&stage).await;
    assert_eq!(third.health, ChannelHealth::Warned);
    assert!(channel(&stage).await.checked_at.is_some());
}

#[tokio::test]
async fn what_meta_tells_of_an_account_reaches_every_number_of_it() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    let config = json!({
        "phone_number_id": "200000000000002", "access_token": "EAAG-token",
        "business_account_id": "102290129340398",
    });
    stage.connect(ChannelKind::Whatsapp, config).await;
    let told = |event: &str| {
        json!({"object": "whatsapp_business_account", "entry": [{
            "id": "102290129340398", "time": 1,
            "changes": [{"field": "account_update", "value": {"event": event}}],
        }]})
    };
    for _ in 0..2 {
        let body = told("ACCOUNT_RESTRICTION").to_string();
        stage.deliver(&Stage::sign_bytes(&body)).await;
        stage.rest_but_for_webhooks().await;
    }
    assert_eq!(stage.count("channels WHERE health = 'restricted'").await, 2);
    // Told once each, however often it comes.
    assert_eq!(stage.events().await, ["channel.health_changed"; 2]);
    let other = told("ACCOUNT_RESTRICTION")
        .to_string()
        .replace("102290129340398", "9");
    stage.deliver(&Stage::sign_bytes(&other)).await;
    assert_eq!(
        stage.count("raw_items WHERE outcome = 'unroutable'").await,
        1
    );
}

#[tokio::test]
async fn channels_are_looked_at_now_and_then() {
    let stage = Stage::start().await;
    for _ in 0..2 {
        assistant::channel_health::look_at_due(&stage.assistant)
            .await
            .unwrap();
        stage.rest_in_peace().await;
    }
    let looks = "job_history WHERE kind = 'check-channel' AND outcome = 'done'";
    assert_eq!(stage.count(looks).await, 1);
    assert_eq!(channel(&stage).await.health, ChannelHealth::Working);
}

#[tokio::test]
async fn outside_the_window_a_template_goes_where_the_tenant_has_one() {
    for (template, status) in [
        (None, MessageStatus::Failed),
        (Some("we_are_back"), MessageStatus::Sent),
    ] {
        let slow = TenantSettings {
            settle_ms: 60_000,
            settle_max_ms: 60_000,
            answer_deadline_seconds: 600_000,
            ..settings()
        };
        let stage = Stage::start_with(slow).await;
        if let Some(template) = template {
            let config = json!({
                "phone_number_id": NUMBER, "business_account_id": "102290129340398",
                "fallback_template": template, "fallback_template_language": "de",
            });
            sqlx::query("UPDATE channels SET config = $1")
                .bind(config)
                .execute(stage.database.pool())
                .await
                .unwrap();
        }
        stage.say("Do you sell tea?").await;
        stage.put_off("answer-turn").await;
        stage.pass(std::time::Duration::from_hours(25));
        stage.hurry().await;
        let answer = stage.answer(status).await;
        match template {
            None => assert!(answer.error.unwrap().contains("too long ago")),
            Some(name) => {
                let sent = stage.graph.received();
                assert_eq!(sent[0].body["type"], "template");
                assert_eq!(sent[0].body["template"]["name"], name);
                assert_eq!(sent[0].body["template"]["language"]["code"], "de");
            }
        }
        stage.end().await;
    }
}
