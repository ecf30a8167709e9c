//! What Meta's codes lead to, besides another try at the same message.

use domain::{ChannelHealth, MessageStatus, UnansweredReason};
use testkit::standin::{GraphBehaviour, OpenAiFault};

use crate::channel_health::channel;
use crate::looks::eventually;
use crate::stage::{PATIENCE, Stage};

#[tokio::test]
async fn a_service_that_is_down_pauses_the_whole_number() {
    for code in [131_016, 2] {
        let stage = Stage::start().await;
        stage.graph.script([GraphBehaviour::error(code)]);
        stage.say("Do you sell tea?").await;
        let wait = stage.put_off("send-reply").await;
        assert!(wait.as_secs_f64() > 3.0, "{code}: {wait:?}");
        let paused = "job_limits WHERE key = 'wa-number:200000000000001'
            AND paused_until < now() + interval '6 seconds'";
        assert_eq!(stage.count(paused).await, 1, "{code}");
        stage.hurry().await;
        stage.graph.wait_for(1, PATIENCE).await.unwrap();
        stage.answer(MessageStatus::Sent).await;
        stage.rest_in_peace().await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_number_that_may_not_be_registered_fails_its_messages_at_once() {
    let stage = Stage::start().await;
    stage.graph.script([GraphBehaviour::error(133_016)]);
    stage.say("Do you sell tea?").await;
    let failed = stage.answer(MessageStatus::Failed).await;
    assert_eq!(failed.error_code, Some(133_016));
    stage.rest_in_peace().await;
    assert_eq!(channel(&stage).await.health, ChannelHealth::Misconfigured);
    // Nobody waits for days, and the next message finds out by itself.
    let paused = "job_limits WHERE paused_until IS NOT NULL";
    assert_eq!(stage.count(paused).await, 0);
    stage.say("And coffee?").await;
    stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.rest_in_peace().await;
    assert_eq!(channel(&stage).await.health, ChannelHealth::Working);
}

/// A stage where Meta says of the answer to a message that the contact wants no more: as the answer to
/// the send, or in a later report, while the model is about to answer the next message.
async fn told_to_stop(is_late: bool) -> Stage {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    if !is_late {
        stage.graph.script([GraphBehaviour::error(131_050)]);
    }
    stage.say("Do you sell tea?").await;
    if is_late {
        let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
        stage.answer(MessageStatus::Sent).await;
        stage.model.otherwise(OpenAiFault::Hang);
        stage.say("And coffee?").await;
        stage.model.wait_for(2, PATIENCE).await.unwrap();
        stage.report_failed(&sent[0], 131_050).await;
    }
    let failed = stage.answer(MessageStatus::Failed).await;
    assert_eq!(failed.error_code, Some(131_050));
    if !is_late {
        stage.say("And coffee?").await;
    }
    stage.rest_but_for_webhooks().await;
    stage
}

#[tokio::test]
async fn who_tells_the_operator_to_be_left_alone_is_left_alone() {
    for is_late in [false, true] {
        let stage = told_to_stop(is_late).await;
        assert_eq!(
            stage.count("contacts WHERE opted_out_at IS NOT NULL").await,
            1
        );
        let out = Some(UnansweredReason::OptedOut);
        assert_eq!(stage.silences().await, [None, out], "{is_late}");
        assert_eq!(stage.outbound().await.len(), 1);
        assert_eq!(stage.graph.requests().len(), 1);
        let told = stage.events().await;
        for kind in ["message.failed", "contact.opted_out"] {
            let times = told.iter().filter(|it| *it == kind).count();
            assert_eq!(times, 1, "{kind}: {told:?}");
        }
        // As after a stop word of theirs.
        stage.say("START").await;
        eventually("they are welcome again", async || {
            let welcome = "contacts WHERE opted_out_at IS NULL";
            (stage.count(welcome).await == 1).then_some(())
        })
        .await;
        stage.end().await;
    }
}
