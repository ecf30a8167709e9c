//! Messages that the channel took, or refused as too late, and that go after all: again, or as the
//! tenant's template.

use domain::MessageStatus;
use serde_json::json;
use testkit::standin::{GraphBehaviour, SentMessage};

use crate::looks::eventually;
use crate::stage::{NUMBER, PATIENCE, Stage};

/// Lets whatever waits be over, until so many messages were taken.
async fn go_on(stage: &Stage, sends: usize) -> Vec<SentMessage> {
    eventually("the message is sent again", async || {
        stage.hurry().await;
        let sent = stage.graph.received();
        (sent.len() >= sends).then_some(sent)
    })
    .await
}

/// The tenant sets a template for answers that come too late.
async fn with_template(stage: &Stage) {
    let config = json!({"phone_number_id": NUMBER, "fallback_template": "we_are_back"});
    sqlx::query("UPDATE channels SET config = $1")
        .bind(config)
        .execute(stage.database.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_failure_that_passes_is_sent_again_when_it_is_reported_late() {
    for code in [131_056, 130_429, 131_016, 131_000] {
        let stage = Stage::start().await;
        stage.endpoint("http://127.0.0.1:1/").await;
        stage.say("Do you sell tea?").await;
        let first = stage.graph.wait_for(1, PATIENCE).await.unwrap();
        stage.answer(MessageStatus::Sent).await;
        stage.report_failed(&first[0], code).await;
        if code == 130_429 {
            // For ten seconds, and with a reason that is seen.
            let queued = stage.answer(MessageStatus::Queued).await;
            assert!(queued.error.unwrap().contains("130429"));
            let wait = stage.put_off("send-reply").await;
            assert!(wait.as_secs_f64() > 6.0, "{wait:?}");
        }
        let sent = go_on(&stage, 2).await;
        let again = stage.answer(MessageStatus::Sent).await;
        assert_eq!((again.error, again.retry_count), (None, 0), "{code}");
        assert_eq!(again.external_id.as_ref(), Some(&sent[1].wamid));
        assert_eq!(sent[0].tag, sent[1].tag);
        // The same report once more is about a send that counts no longer.
        stage.report_tagged(&first[0], "failed").await;
        stage.report(&sent[1], "delivered").await;
        stage.answer(MessageStatus::Delivered).await;
        stage.rest_but_for_webhooks().await;
        let told = stage.messages_told().await;
        assert!(!told.contains(&"message.failed".to_owned()), "{told:?}");
        stage.end().await;
    }
}

#[tokio::test]
async fn a_message_that_fails_again_and_again_fails_visibly() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    stage.say("Do you sell tea?").await;
    for sends in 1..=4 {
        let sent = go_on(&stage, sends).await;
        stage.answer(MessageStatus::Sent).await;
        stage.report_failed(&sent[sends - 1], 131_016).await;
    }
    let failed = stage.answer(MessageStatus::Failed).await;
    assert!(failed.error.unwrap().contains("131016"));
    eventually("nothing is left to send", async || {
        let left = "jobs WHERE kind <> 'deliver-webhook'";
        (stage.count(left).await == 0).then_some(())
    })
    .await;
    assert_eq!(stage.graph.received().len(), 4);
    let told = stage.messages_told().await;
    let failed = told.iter().filter(|kind| *kind == "message.failed");
    assert_eq!(failed.count(), 1, "{told:?}");
}

#[tokio::test]
async fn a_failure_for_good_stays_one_however_late_it_is_reported() {
    for code in [131_026, 131_047, 133_016] {
        let stage = Stage::start().await;
        stage.say("Do you sell tea?").await;
        let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
        stage.answer(MessageStatus::Sent).await;
        stage.report_failed(&sent[0], code).await;
        stage.answer(MessageStatus::Failed).await;
        stage.rest_in_peace().await;
        assert_eq!(stage.graph.requests().len(), 1, "{code}");
        stage.end().await;
    }
}

#[tokio::test]
async fn the_template_goes_where_meta_says_that_the_window_is_closed() {
    for is_late in [false, true] {
        let stage = Stage::start().await;
        with_template(&stage).await;
        if is_late {
            stage.say("Do you sell tea?").await;
            let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
            stage.answer(MessageStatus::Sent).await;
            stage.report_failed(&sent[0], 131_047).await;
        } else {
            stage.graph.script([GraphBehaviour::error(131_047)]);
            stage.say("Do you sell tea?").await;
        }
        let taken = eventually("the template is taken", async || {
            let sent = stage.graph.received();
            sent.into_iter().find(|it| it.body["type"] == "template")
        })
        .await;
        assert_eq!(taken.body["template"]["name"], "we_are_back");
        let answer = stage.answer(MessageStatus::Sent).await;
        assert_eq!(answer.external_id.as_ref(), Some(&taken.wamid));
        assert_eq!(stage.graph.requests().len(), 2);
        // There is nothing left to put in its place.
        stage.report_failed(&taken, 131_047).await;
        stage.answer(MessageStatus::Failed).await;
        stage.rest_in_peace().await;
        assert_eq!(stage.graph.requests().len(), 2);
        stage.end().await;
    }
}
