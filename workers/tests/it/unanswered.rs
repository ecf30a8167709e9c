//! What a contact wrote and the machine does not answer: each message says why.

use assistant::people;
use domain::{
    ChannelKind, ConversationStep, MessageStatus, TenantSettings, UnansweredReason, WhenClosed,
};
use serde_json::json;
use testkit::standin::{MessengerPost, OpenAiBehaviour, OpenAiFault, OpenAiReply};

use crate::changes::{echo, post, wire};
use crate::looks::eventually;
use crate::messenger::{self, PAGE, PERSON};
use crate::people::closed;
use crate::stage::{APP_SECRET, Stage, settings};

const NOWHERE: &str = "http://127.0.0.1:1/";

/// How many events told of a message that is not answered for that reason.
async fn told(stage: &Stage, reason: UnansweredReason) -> i64 {
    let named = format!("\"unanswered_reason\":\"{reason}\"");
    let events = "webhook_deliveries WHERE event_type = 'message.received'";
    stage
        .count(&format!("{events} AND strpos(body, '{named}') > 0"))
        .await
}

#[tokio::test]
async fn what_is_not_for_the_machine_says_why_it_is_not_answered() {
    use UnansweredReason::{Group, Standby, Unsupported};
    let stage = Stage::start().await;
    stage.endpoint(NOWHERE).await;
    let mut in_group = wire(&stage, "wamid.g", "text", &json!({"body": "Hello all"}));
    in_group["group_id"] = json!("group-1");
    let thumb = json!({"message_id": "wamid.u", "emoji": "\u{1f44d}"});
    for message in [
        wire(&stage, "wamid.u", "unsupported", &json!({"type": "poll"})),
        in_group,
        // Nobody waits for an answer to that.
        wire(&stage, "wamid.r", "reaction", &thumb),
    ] {
        post(&stage, message).await;
        stage.rest_but_for_webhooks().await;
    }
    assert_eq!(
        stage.silences().await,
        [Some(Unsupported), Some(Group), None]
    );
    for reason in [Unsupported, Group] {
        assert_eq!(told(&stage, reason).await, 1, "{reason}");
    }
    assert_eq!(stage.model.received().len(), 0);
    stage.end().await;

    let stage = messenger::stage().await;
    stage.endpoint(NOWHERE).await;
    let now = stage.assistant.clock.now();
    let page = || MessengerPost::of_page(PAGE);
    let unknown = json!({"mid": "m_2", "is_unsupported": true});
    for post in [
        page().standby(PERSON, "m_1", "Hello?", now),
        page().from_person(PERSON, now, "message", &unknown),
    ] {
        let signed = post.sign(APP_SECRET);
        stage.deliver_to(ChannelKind::Messenger, &signed).await;
        stage.rest_but_for_webhooks().await;
    }
    assert_eq!(stage.silences().await, [Some(Standby), Some(Unsupported)]);
    assert_eq!(told(&stage, Standby).await, 1);
    assert_eq!(stage.model.received().len(), 0);
}

/// What an open turn may be settled by besides an answer.
#[derive(Clone, Copy, Debug)]
enum Way {
    Stop,
    OptedOut,
    AsksForPerson,
    Echo,
    Assigned,
    Written,
    Resolved,
    Closed,
}

async fn settle(stage: &Stage, way: Way) {
    match way {
        Way::Stop => stage.say("STOP").await,
        Way::AsksForPerson => stage.say("I want to talk to a human").await,
        Way::OptedOut => {
            let contact = stage.standing().await.contact_id;
            let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
            people::set_opted_out(&stage.assistant, &mut tx, contact, true)
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
        Way::Echo => {
            let body = echo(stage, "wamid.e", "text", &json!({"body": "Kim here"}));
            stage.deliver(&Stage::sign_bytes(&body)).await;
        }
        Way::Assigned => drop(stage.step(ConversationStep::GoToPerson).await),
        Way::Written => drop(stage.write("Kim here").await),
        Way::Resolved => drop(stage.step(ConversationStep::Resolve).await),
        Way::Closed => drop(stage.step(ConversationStep::Close).await),
    }
}

/// A stage where one message has its answer, and the model is silent about the two after it.
async fn waiting() -> Stage {
    let stage = Stage::start().await;
    stage.say("Hello").await;
    stage.answer(MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    stage.model.otherwise(OpenAiFault::Hang);
    stage.say("Do you sell tea?").await;
    stage.say("And coffee?").await;
    eventually("the model is asked about both", async || {
        let asked = stage.model.received();
        let asked = asked.last()?.body["messages"].to_string();
        ["tea", "coffee"]
            .iter()
            .all(|word| asked.contains(word))
            .then_some(())
    })
    .await;
    stage
}

/// Settles the open turn by each of these ways; its messages say the reason, and the last word its own.
async fn check(ways: [(Way, UnansweredReason, Option<UnansweredReason>); 4]) {
    for (way, reason, of_last_word) in ways {
        let stage = waiting().await;
        settle(&stage, way).await;
        stage.rest_in_peace().await;
        let mut expected = vec![None, Some(reason), Some(reason)];
        expected.extend(of_last_word.map(Some));
        assert_eq!(stage.silences().await, expected, "{way:?}");
        let open = "conversations WHERE answered_turn < turn_seq";
        assert_eq!(stage.count(open).await, 0, "{way:?}");
        stage.end().await;
    }
}

#[tokio::test]
async fn what_a_turn_is_settled_by_stands_on_each_of_its_messages() {
    use UnansweredReason::{Ended, WithPerson};
    check([
        (Way::Assigned, WithPerson, None),
        (Way::Written, WithPerson, None),
        (Way::Resolved, Ended, None),
        (Way::Closed, Ended, None),
    ])
    .await;
}

#[tokio::test]
async fn what_a_contact_asks_for_stands_on_what_they_wrote_before() {
    use UnansweredReason::{AskedForPerson, OptWord, OptedOut, WithPerson};
    check([
        (Way::Stop, OptedOut, Some(OptWord)),
        (Way::OptedOut, OptedOut, None),
        (Way::AsksForPerson, WithPerson, Some(AskedForPerson)),
        (Way::Echo, WithPerson, None),
    ])
    .await;
}

/// The model gives every conversation to a person, and nobody is there.
fn nobody_there(settings: &mut TenantSettings) {
    closed(settings);
    settings.handoff.tool = true;
    settings.handoff.when_closed = WhenClosed::Stay;
    settings.handoff.closed_text = Some(String::new());
}

#[tokio::test]
async fn a_turn_that_ends_in_silence_has_its_reason() {
    use UnansweredReason::{NoAnswer, WithPerson};
    let hand_off = OpenAiReply::ToolCall {
        name: "hand_off".to_owned(),
        arguments: json!({"reason": "Wants a refund."}),
    };
    let refused = || OpenAiBehaviour::from(OpenAiFault::Unauthorized);
    let silent: fn(&mut TenantSettings) = |settings| settings.fallback_text = String::new();
    let handed: fn(&mut TenantSettings) = |settings| settings.handoff.when_unanswered = true;
    let nobody: fn(&mut TenantSettings) = nobody_there;
    for (change, model, reason, texts) in [
        (silent, refused(), NoAnswer, 0),
        (nobody, OpenAiBehaviour::from(hand_off), NoAnswer, 0),
        (handed, refused(), WithPerson, 1),
    ] {
        let mut settings = settings();
        change(&mut settings);
        let stage = Stage::start_with(settings).await;
        stage.model.otherwise(model);
        stage.say("Where is my money?").await;
        stage.rest().await;
        assert_eq!(stage.silences().await, [Some(reason)]);
        assert_eq!(stage.graph.received().len(), texts, "{reason}");
        stage.end().await;
    }
}
