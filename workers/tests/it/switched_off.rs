//! Tenants and channels that are switched off: what comes is kept, and nothing leaves.

use domain::{MessageStatus, TenantSettings, UnansweredReason};
use store::tenants::{self, TenantValues};
use testkit::standin::GraphReply;

use crate::http_channel::Other;
use crate::messenger;
use crate::stage::{Stage, settings};

const QUESTION: &str = "Do you sell tea?";

#[derive(Clone, Copy, Debug)]
enum Switch {
    Tenant,
    Channel,
}

async fn turn(stage: &Stage, switch: Switch, enabled: bool) {
    match switch {
        Switch::Tenant => {
            let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
            let known = tenants::get(&mut tx).await.unwrap();
            let values = TenantValues {
                name: &known.name,
                enabled,
                settings: &known.settings,
                sealed_secrets: known.sealed_secrets.as_deref(),
            };
            tenants::update(&mut tx, &values).await.unwrap();
            tx.commit().await.unwrap();
        }
        Switch::Channel => {
            sqlx::query("UPDATE channels SET enabled = $1")
                .bind(enabled)
                .execute(stage.database.pool())
                .await
                .unwrap();
        }
    }
}

/// A stage of which that is switched off from the start.
async fn off(stage: &Stage, switch: Switch) {
    stage.endpoint("http://127.0.0.1:1/").await;
    turn(stage, switch, false).await;
}

/// The question is kept and says why it is not answered, and nobody is asked or told anything else.
async fn check(stage: &Stage, switch: Switch) {
    stage.rest_but_for_webhooks().await;
    let inbound = stage.inbound().await;
    let texts: Vec<&str> = inbound.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, [QUESTION], "{switch:?}");
    let reason = Some(UnansweredReason::SwitchedOff);
    assert_eq!(stage.silences().await, [reason], "{switch:?}");
    assert_eq!(stage.outbound().await.len(), 0);
    assert_eq!(stage.model.received().len(), 0);
    assert_eq!(stage.graph.requests().len(), 0);
    assert_eq!(stage.messages_told().await, ["message.received"]);
    assert_eq!(stage.count("raw_items WHERE outcome <> 'done'").await, 0);
}

#[tokio::test]
async fn what_comes_to_a_tenant_or_a_channel_that_is_switched_off_is_stored_with_the_reason() {
    for switch in [Switch::Tenant, Switch::Channel] {
        let stage = Stage::start().await;
        off(&stage, switch).await;
        stage.say(QUESTION).await;
        check(&stage, switch).await;
        stage.end().await;

        let stage = messenger::stage().await;
        off(&stage, switch).await;
        messenger::say(&stage, "m_1", QUESTION).await;
        check(&stage, switch).await;
        stage.end().await;

        let other = Other::start().await;
        off(&other.stage, switch).await;
        other.post(&other.question()).await.unwrap();
        check(&other.stage, switch).await;
        assert_eq!(other.system.received().len(), 0);
        other.stage.end().await;
    }
}

#[tokio::test]
async fn what_was_stored_before_a_switch_was_turned_off_is_settled_with_the_reason() {
    for switch in [Switch::Tenant, Switch::Channel] {
        let stage = Stage::start_with(TenantSettings {
            settle_ms: 60_000,
            settle_max_ms: 60_000,
            ..settings()
        })
        .await;
        stage.say(QUESTION).await;
        stage.put_off("answer-turn").await;
        turn(&stage, switch, false).await;
        stage.hurry().await;
        stage.rest_in_peace().await;
        let reason = Some(UnansweredReason::SwitchedOff);
        assert_eq!(stage.silences().await, [reason], "{switch:?}");
        assert_eq!(stage.model.received().len(), 0);
        // It stays settled: what is written later is a turn of its own.
        turn(&stage, switch, true).await;
        stage.say("And coffee?").await;
        stage.put_off("answer-turn").await;
        stage.hurry().await;
        assert_eq!(stage.texts().await.len(), 1, "{switch:?}");
        assert_eq!(stage.silences().await, [reason, None], "{switch:?}");
        stage.end().await;
    }
}

#[tokio::test]
async fn an_answer_whose_channel_is_switched_off_before_it_leaves_fails_visibly() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    stage.graph.script([GraphReply::RateLimited {
        retry_after_seconds: 30,
    }]);
    stage.say(QUESTION).await;
    stage.put_off("send-reply").await;
    turn(&stage, Switch::Channel, false).await;
    stage.hurry().await;
    let failed = stage.answer(MessageStatus::Failed).await;
    assert_eq!(failed.error.as_deref(), Some("the channel is switched off"));
    stage.rest_but_for_webhooks().await;
    assert_eq!(stage.graph.received().len(), 0);
    assert_eq!(
        stage.messages_told().await,
        ["message.received", "message.failed"]
    );
}
