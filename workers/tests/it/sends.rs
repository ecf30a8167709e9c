//! An answer goes out, whatever the channel makes of it: once, in order, or visibly not at all.

use std::time::Duration;

use domain::{ConversationStatus, MessageStatus};
use testkit::standin::{GraphBehaviour, GraphReply, OpenAiBehaviour, SentMessage, StatusPlan};

use crate::looks::eventually;
use crate::stage::{PATIENCE, RECONCILE, Stage};

/// Lets the time for a report go by, once the send is seen to wait for it.
async fn wait_in_vain(stage: &Stage) {
    stage.answer(MessageStatus::Unknown).await;
    stage.put_off("send-reply").await;
    stage.pass(RECONCILE);
    stage.hurry().await;
}

#[tokio::test]
async fn a_send_whose_end_nobody_saw_is_settled_by_its_tag_and_not_repeated() {
    for reply in [
        GraphReply::AcceptThenDrop,
        GraphReply::Status { status: 500 },
    ] {
        let stage = Stage::start().await;
        stage.graph.script([reply.clone()]);
        stage.say("Do you sell tea?").await;
        let waiting = stage.answer(MessageStatus::Unknown).await;
        assert!(waiting.error.is_some());
        // A 500 says nothing either way: Meta may have taken the message.
        let taken = stage.graph.received().pop();
        let sent = taken.unwrap_or_else(|| SentMessage {
            phone_number_id: String::new(),
            to: String::new(),
            is_user_id: false,
            text: String::new(),
            tag: Some(waiting.id.to_string()),
            wamid: "wamid.of-the-500".to_owned(),
            at: stage.assistant.clock.now(),
            ..SentMessage::default()
        });
        stage.report_tagged(&sent, "sent").await;
        let settled = stage.answer(MessageStatus::Sent).await;
        assert_eq!(settled.external_id, Some(sent.wamid), "{reply:?}");
        assert_eq!(settled.error, None);
        stage.pass(RECONCILE * 2);
        stage.hurry().await;
        stage.rest_in_peace().await;
        assert_eq!(stage.graph.requests().len(), 1, "{reply:?}");
        stage.end().await;
    }
}

#[tokio::test]
async fn a_send_that_is_never_reported_is_repeated_once() {
    let stage = Stage::start().await;
    stage.graph.script([GraphReply::AcceptThenDrop]);
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Unknown).await;
    stage.put_off("send-reply").await;
    stage.hurry().await;
    // Its time is not over: it goes on waiting.
    eventually("it looked and waits on", async || {
        let waits = "job_attempts WHERE outcome = 'snoozed'";
        (stage.count(waits).await >= 2).then_some(())
    })
    .await;
    assert_eq!(stage.graph.requests().len(), 1);
    wait_in_vain(&stage).await;
    stage.answer(MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    let sent = stage.graph.received();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].tag, sent[1].tag);
}

#[tokio::test]
async fn a_send_whose_end_is_missed_twice_fails_visibly() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    stage.graph.otherwise(GraphReply::AcceptThenDrop);
    stage.say("Do you sell tea?").await;
    wait_in_vain(&stage).await;
    stage.graph.wait_for(2, PATIENCE).await.unwrap();
    wait_in_vain(&stage).await;
    let failed = stage.answer(MessageStatus::Failed).await;
    assert!(failed.error.unwrap().contains("did not say"));
    assert_eq!(stage.graph.requests().len(), 2);
    assert_eq!(
        stage.messages_told().await,
        ["message.received", "message.failed"]
    );
}

#[tokio::test]
async fn a_refusal_for_good_fails_visibly_and_at_once() {
    let later = [131_049, 130_472, 131_064, 130_497];
    for code in [131_047, 100, 131_026, 190].into_iter().chain(later) {
        let stage = Stage::start().await;
        stage.endpoint("http://127.0.0.1:1/").await;
        stage.graph.otherwise(GraphBehaviour::error(code));
        stage.say("Do you sell tea?").await;
        let failed = stage.answer(MessageStatus::Failed).await;
        assert!(failed.error.is_some(), "{code}");
        assert_eq!(stage.graph.requests().len(), 1, "{code}");
        eventually("the send is not tried again", async || {
            let left = "jobs WHERE kind = 'send-reply'";
            (stage.count(left).await == 0).then_some(())
        })
        .await;
        assert_eq!(
            stage.messages_told().await,
            ["message.received", "message.failed"],
            "{code}"
        );
        let coded = format!("webhook_deliveries WHERE strpos(body, '\"error_code\":{code},') > 0");
        assert_eq!(stage.count(&coded).await, 1, "{code}");
        stage.end().await;
    }
}

#[tokio::test]
async fn a_limit_puts_off_and_keeps_the_order() {
    let limited = GraphReply::RateLimited {
        retry_after_seconds: 7,
    };
    let cases = [
        (GraphBehaviour::from(limited), 7.0),
        (GraphBehaviour::error(131_056), 1.0),
        (GraphBehaviour::error(130_429), 10.0),
        (GraphBehaviour::error(131_016), 5.0),
    ];
    for (limit, seconds) in cases {
        let stage = Stage::start().await;
        stage.graph.script([limit]);
        stage.model.script([
            OpenAiBehaviour::text("the first"),
            OpenAiBehaviour::text("the second"),
        ]);
        stage.say("One").await;
        let wait = stage.put_off("send-reply").await;
        assert!(wait.as_secs_f64() > 0.6 * seconds, "{wait:?}");
        stage.say("Two").await;
        eventually("the second answer waits behind the first", async || {
            let held = "jobs WHERE kind = 'send-reply' AND state = 2";
            (stage.count(held).await == 1).then_some(())
        })
        .await;
        assert_eq!(stage.graph.received().len(), 0);
        stage.hurry().await;
        stage.rest_in_peace().await;
        let sent = stage.graph.received();
        let texts: Vec<&str> = sent.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts, ["the first", "the second"]);
        assert_eq!(stage.graph.requests().len(), 3);
        stage.end().await;
    }
}

#[tokio::test]
async fn an_answer_is_held_back_when_a_person_takes_over_before_it_leaves() {
    let stage = Stage::start().await;
    stage.graph.script([GraphReply::RateLimited {
        retry_after_seconds: 30,
    }]);
    stage.say("Do you sell tea?").await;
    stage.put_off("send-reply").await;
    stage.set_status(ConversationStatus::AssignedHuman).await;
    stage.hurry().await;
    let failed = stage.answer(MessageStatus::Failed).await;
    assert!(failed.error.unwrap().contains("a person took over"));
    stage.rest_in_peace().await;
    assert_eq!(stage.graph.received().len(), 0);
}

#[tokio::test]
async fn nothing_is_sent_once_the_window_of_a_day_is_closed() {
    let stage = Stage::start().await;
    stage.graph.script([GraphReply::RateLimited {
        retry_after_seconds: 30,
    }]);
    stage.say("Do you sell tea?").await;
    stage.put_off("send-reply").await;
    stage.pass(Duration::from_hours(24) + Duration::from_mins(1));
    stage.hurry().await;
    let failed = stage.answer(MessageStatus::Failed).await;
    assert!(failed.error.unwrap().contains("too long ago"));
    stage.rest_in_peace().await;
    assert_eq!(stage.graph.requests().len(), 1);
}

#[tokio::test]
async fn a_long_answer_leaves_in_several_messages_in_their_order() {
    let stage = Stage::start().await;
    let words: Vec<String> = (0..1500).map(|word| format!("word{word}")).collect();
    stage
        .model
        .script([OpenAiBehaviour::text(&words.join(" "))]);
    stage.say("Tell me everything.").await;
    stage.graph.wait_for(3, PATIENCE).await.unwrap();
    stage.rest_in_peace().await;
    let sent = stage.graph.received();
    assert!(sent.iter().all(|message| message.text.len() <= 4096));
    let said: Vec<&str> = sent
        .iter()
        .flat_map(|message| message.text.split_whitespace())
        .collect();
    assert_eq!(said, words);
    let stored = stage.outbound().await;
    assert_eq!(stored.len(), sent.len());
    assert!(stored.is_sorted_by_key(|message| message.seq));
}

#[tokio::test]
async fn a_report_quicker_than_the_answer_to_the_send_counts() {
    for is_tagged in [true, false] {
        let stage = Stage::start().await;
        let slow = GraphBehaviour::statuses(StatusPlan::withheld());
        stage.graph.script([slow.delayed(Duration::from_secs(2))]);
        stage.say("Do you sell tea?").await;
        let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
        if is_tagged {
            stage.report_tagged(&sent[0], "delivered").await;
            stage.answer(MessageStatus::Delivered).await;
        } else {
            // Whose it is shows only when the send is answered: until then it is parked.
            stage.report(&sent[0], "delivered").await;
            eventually("the report is parked", async || {
                (stage.count("parked_statuses").await == 1).then_some(())
            })
            .await;
        }
        stage.rest_in_peace().await;
        let answer = stage.answer(MessageStatus::Delivered).await;
        assert_eq!(answer.external_id.as_deref(), Some(sent[0].wamid.as_str()));
        assert!(answer.sent_at.is_some());
        assert_eq!(stage.count("parked_statuses").await, 0);
        assert_eq!(stage.graph.requests().len(), 1);
        stage.end().await;
    }
}
