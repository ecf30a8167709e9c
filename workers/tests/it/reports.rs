//! What the channel reports of messages that were sent.

use domain::MessageStatus;
use testkit::standin::SentMessage;

use crate::stage::{PATIENCE, Stage};

#[tokio::test]
async fn reports_in_any_order_only_move_a_message_forward() {
    use MessageStatus::{Delivered, Failed, Read};
    let cases: [(&[&str], MessageStatus); 5] = [
        (&["sent", "delivered", "read"], Read),
        (&["read", "delivered", "sent"], Read),
        (&["delivered", "delivered", "sent", "failed"], Delivered),
        (&["failed", "sent", "delivered"], Failed),
        (&["sent", "failed"], Failed),
    ];
    for (reports, end) in cases {
        let stage = Stage::start().await;
        stage.say("Do you sell tea?").await;
        let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
        stage.rest_in_peace().await;
        for report in reports {
            stage.report(&sent[0], report).await;
            stage.rest_in_peace().await;
        }
        let answer = stage.answer(end).await;
        assert_eq!(answer.error.is_some(), end == Failed, "{reports:?}");
        assert_eq!(stage.graph.requests().len(), 1, "{reports:?}");
        stage.end().await;
    }
}

#[tokio::test]
async fn integrators_hear_of_a_send_once_and_of_its_failure() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    stage.say("Do you sell tea?").await;
    let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.answer(MessageStatus::Sent).await;
    for report in ["sent", "sent", "failed", "failed"] {
        stage.report(&sent[0], report).await;
    }
    stage.answer(MessageStatus::Failed).await;
    let expected = ["message.received", "message.sent", "message.failed"];
    assert_eq!(stage.messages_told().await, expected);
}

#[tokio::test]
async fn integrators_hear_that_a_message_was_delivered_and_read_once_each() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    stage.say("Do you sell tea?").await;
    let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.answer(MessageStatus::Sent).await;
    for (report, status) in [
        ("delivered", MessageStatus::Delivered),
        ("delivered", MessageStatus::Delivered),
        ("read", MessageStatus::Read),
        ("delivered", MessageStatus::Read),
    ] {
        stage.report(&sent[0], report).await;
        stage.rest_but_for_webhooks().await;
        stage.answer(status).await;
    }
    let expected = [
        "message.received",
        "message.sent",
        "message.delivered",
        "message.read",
    ];
    assert_eq!(stage.messages_told().await, expected);
}

/// Three customers have their answers, and the workers are away.
pub(crate) async fn three_answers() -> (Stage, Vec<SentMessage>) {
    let mut stage = Stage::start().await;
    for phone in ["15550100001", "15550100002", "15550100003"] {
        stage.say_as(phone, "Do you sell tea?").await;
    }
    let sent = stage.graph.wait_for(3, PATIENCE).await.unwrap();
    stage.rest_in_peace().await;
    stage.stop_work().await;
    (stage, sent)
}

#[tokio::test]
async fn deliveries_that_have_gathered_are_told_of_one_by_one() {
    let (mut stage, sent) = three_answers().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    for message in &sent {
        stage.report(message, "delivered").await;
    }
    stage.work().await;
    stage.rest_but_for_webhooks().await;
    assert_eq!(stage.count("messages WHERE status = 'delivered'").await, 3);
    assert_eq!(stage.messages_told().await, ["message.delivered"; 3]);
    stage.end().await;
}

#[tokio::test]
async fn reports_that_have_gathered_are_applied_by_one_transaction() {
    let (mut stage, sent) = three_answers().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    for status in ["read", "sent", "delivered"] {
        for message in &sent {
            stage.report(message, status).await;
        }
    }
    stage.work().await;
    stage.rest_but_for_webhooks().await;
    let read = "messages WHERE status = 'read'";
    assert_eq!(stage.count(read).await, 3);
    let writers = format!("(SELECT DISTINCT xmin::text FROM {read}) AS writers");
    assert_eq!(stage.count(&writers).await, 1);
    assert_eq!(stage.messages_told().await, ["message.read"; 3]);
    assert_eq!(stage.count("raw_items WHERE outcome = 'pending'").await, 0);
    stage.end().await;
}

#[tokio::test]
async fn a_report_that_needs_more_than_moving_on_is_applied_alone_and_the_others_all_the_same() {
    let (mut stage, sent) = three_answers().await;
    let mut unknown = sent[0].clone();
    unknown.wamid = "wamid.of-another-program".to_owned();
    stage.report(&sent[0], "delivered").await;
    stage.report(&unknown, "delivered").await;
    stage.report(&sent[1], "failed").await;
    stage.report(&sent[2], "delivered").await;
    stage.work().await;
    stage.rest_in_peace().await;
    assert_eq!(stage.count("messages WHERE status = 'delivered'").await, 2);
    assert_eq!(stage.count("messages WHERE status = 'failed'").await, 1);
    assert_eq!(stage.count("parked_statuses").await, 1);
    assert_eq!(stage.count("raw_items WHERE outcome <> 'done'").await, 0);
    stage.end().await;
}

#[tokio::test]
async fn a_report_of_an_unknown_message_is_kept_once() {
    let stage = Stage::start().await;
    let unknown = SentMessage {
        phone_number_id: String::new(),
        to: String::new(),
        is_user_id: false,
        text: String::new(),
        tag: None,
        wamid: "wamid.of-another-program".to_owned(),
        at: stage.assistant.clock.now(),
        ..SentMessage::default()
    };
    stage.report(&unknown, "delivered").await;
    stage.report(&unknown, "delivered").await;
    stage.rest_in_peace().await;
    let kept = "parked_statuses WHERE external_id = 'wamid.of-another-program'";
    assert_eq!(stage.count(kept).await, 1);
    assert_eq!(stage.count("raw_items WHERE outcome = 'done'").await, 2);
}
