//! Channels whose token died or that were blocked: what lets their messages go on, and what does not.

use assistant::channel_health::{Look, Witness, look};
use domain::{ChannelHealth, MessageStatus};
use serde_json::json;
use testkit::standin::GraphBehaviour;

use crate::channel_health::channel;
use crate::looks::eventually;
use crate::stage::{PATIENCE, Stage};

const PAUSED: &str = "job_limits WHERE paused_until = 'infinity'";

/// A stage whose number was stopped by an error of this code while one message left; another waits.
async fn stopped(code: i64) -> Stage {
    let stage = Stage::start().await;
    stage.graph.script([GraphBehaviour::error(code)]);
    stage.say("One").await;
    stage.answer(MessageStatus::Failed).await;
    stage.say("Two").await;
    eventually("the second answer waits", async || {
        let held = "jobs WHERE kind = 'send-reply' AND state = 0";
        (stage.count(held).await == 1).then_some(())
    })
    .await;
    assert_eq!(stage.count(PAUSED).await, 1);
    stage
}

async fn looked(stage: &Stage, witness: Witness) -> Look {
    let id = channel(stage).await.id;
    let looked = look(&stage.assistant, stage.tenant, id, witness).await;
    looked.unwrap()
}

/// Meta tells of the account.
async fn told(stage: &Stage, value: serde_json::Value) {
    let body = json!({"object": "whatsapp_business_account", "entry": [{
        "id": "102290129340398", "time": 1,
        "changes": [{"field": "account_update", "value": value}],
    }]});
    let before = stage.count("raw_items WHERE outcome = 'done'").await;
    let signed = Stage::sign_bytes(&body.to_string());
    stage.deliver(&signed).await;
    eventually("it is heard", async || {
        let done = stage.count("raw_items WHERE outcome = 'done'").await;
        (done > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn whatever_a_channel_was_in_between_its_messages_go_on_once_it_works() {
    for detour in [ChannelHealth::Misconfigured, ChannelHealth::Unsubscribed] {
        let stage = stopped(190).await;
        if detour == ChannelHealth::Misconfigured {
            // As where the new token is another number's.
            stage.graph.refuse_looks(Some(100));
        } else {
            stage.graph.unsubscribe();
            stage.graph.refuse_subscriptions(true);
        }
        let found = looked(&stage, Witness::Person).await;
        assert_eq!(found.health, detour, "{found:?}");
        assert_eq!(channel(&stage).await.health, detour);
        assert_eq!(stage.count(PAUSED).await, 1);
        stage.graph.refuse_looks(None);
        stage.graph.refuse_subscriptions(false);
        looked(&stage, Witness::Schedule).await;
        stage.graph.wait_for(1, PATIENCE).await.unwrap();
        stage.rest_in_peace().await;
        assert_eq!(stage.count(PAUSED).await, 0, "{detour}");
        stage.end().await;
    }
}

#[tokio::test]
async fn a_look_that_a_dead_token_overtakes_stops_nothing_for_ever() {
    let stage = Stage::start().await;
    looked(&stage, Witness::Person).await;
    stage.graph.hold_looks(true);
    let (found, ()) = tokio::join!(looked(&stage, Witness::Schedule), async {
        stage.graph.wait_for_looks(3, PATIENCE).await.unwrap();
        stage.graph.script([GraphBehaviour::error(190)]);
        stage.say("One").await;
        stage.answer(MessageStatus::Failed).await;
        assert_eq!(stage.count(PAUSED).await, 1);
        stage.graph.hold_looks(false);
    });
    assert_eq!(found.health, ChannelHealth::Working, "{found:?}");
    assert_eq!(channel(&stage).await.health, ChannelHealth::Working);
    stage.say("Two").await;
    stage.graph.wait_for(1, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_block_stays_until_a_person_has_looked() {
    for code in [368, 131_031, 131_048] {
        let stage = stopped(code).await;
        assert_eq!(channel(&stage).await.health, ChannelHealth::Restricted);
        // Requests that change nothing go through all the same, and with a dead token none does.
        for error in [None, Some(190), None] {
            stage.graph.refuse_looks(error);
            looked(&stage, Witness::Schedule).await;
            assert_eq!(channel(&stage).await.health, ChannelHealth::Restricted);
            assert_eq!(stage.count(PAUSED).await, 1, "{code}");
        }
        looked(&stage, Witness::Person).await;
        stage.graph.wait_for(1, PATIENCE).await.unwrap();
        assert_eq!(channel(&stage).await.health, ChannelHealth::Working);
        stage.end().await;
    }
}

#[tokio::test]
async fn the_operator_lifts_its_own_block_and_revives_no_token() {
    let reinstated =
        || json!({"event": "ACCOUNT_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}});
    let stage = stopped(131_031).await;
    // A warning beside the block does not lift it.
    told(&stage, json!({"event": "ACCOUNT_VIOLATION"})).await;
    assert_eq!(channel(&stage).await.health, ChannelHealth::Restricted);
    told(&stage, reinstated()).await;
    stage.graph.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(channel(&stage).await.health, ChannelHealth::Working);
    stage.end().await;
    let stage = stopped(190).await;
    told(&stage, reinstated()).await;
    assert_eq!(channel(&stage).await.health, ChannelHealth::TokenDead);
    assert_eq!(stage.count(PAUSED).await, 1);
}

#[tokio::test]
async fn what_a_late_failure_says_of_the_channel_is_noted_whenever_it_comes() {
    for is_quick in [false, true] {
        let stage = Stage::start().await;
        let slow = GraphBehaviour::default().delayed(std::time::Duration::from_secs(1));
        stage.graph.script([slow]);
        stage.say("One").await;
        let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
        if is_quick {
            // Whose it is shows only when the send is answered: until then it is parked.
            stage.report_failed(&sent[0], 131_031).await;
            eventually("the report is parked", async || {
                (stage.count("parked_statuses").await == 1).then_some(())
            })
            .await;
        } else {
            stage.answer(MessageStatus::Sent).await;
            stage.report_failed(&sent[0], 131_031).await;
        }
        stage.answer(MessageStatus::Failed).await;
        assert_eq!(channel(&stage).await.health, ChannelHealth::Restricted);
        stage.end().await;
    }
}
