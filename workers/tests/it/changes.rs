//! What becomes of a message after it was written: other words, none at all, another name of the
//! person who wrote it.

use domain::{ConversationStatus, MessageStatus};
use serde_json::{Value, json};
use testkit::standin::{OpenAiBehaviour, Sender, TextMessage, WhatsappPost};

use crate::stage::{CUSTOMER, NUMBER, PATIENCE, Stage};

/// Meta posts a message in its wire form.
pub(crate) async fn post(stage: &Stage, message: Value) {
    let post = WhatsappPost::to_number(NUMBER).raw_message(message);
    stage.deliver(&Stage::sign(&post)).await;
}

/// A message of the customer's in its wire form.
pub(crate) fn wire(stage: &Stage, id: &str, kind: &str, content: &Value) -> Value {
    let seconds = stage.assistant.clock.now().timestamp();
    json!({
        "id": id, "from": CUSTOMER, "timestamp": seconds.to_string(), "type": kind, kind: content,
    })
}

/// Other words for a message.
pub(crate) fn edit(stage: &Stage, id: &str, target: &str, text: &str) -> Value {
    let message = json!({"type": "text", "text": {"body": text}});
    let content = json!({"original_message_id": target, "message": message});
    wire(stage, id, "edit", &content)
}

#[tokio::test]
async fn other_words_before_the_answer_are_what_is_answered() {
    let stage = Stage::start().await;
    stage.model.script([
        OpenAiBehaviour {
            first_token_ms: 1500,
            ..OpenAiBehaviour::text("to the first words")
        },
        OpenAiBehaviour::text("to the words that stand"),
    ]);
    let text = json!({"body": "Do you sell tee?"});
    post(&stage, wire(&stage, "wamid.a", "text", &text)).await;
    stage.model.wait_for(1, PATIENCE).await.unwrap();
    post(
        &stage,
        edit(&stage, "wamid.b", "wamid.a", "Do you sell tea?"),
    )
    .await;
    let answer = stage.answer(MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    assert_eq!(answer.text, "to the words that stand");
    let asked = stage.model.received().pop().unwrap().body["messages"].to_string();
    assert!(
        asked.contains("Do you sell tea?") && !asked.contains("tee"),
        "{asked}"
    );
    let inbound = stage.inbound().await;
    assert_eq!(inbound.len(), 1);
    assert!(inbound[0].edited_at.is_some());
    assert_eq!(stage.graph.received().len(), 1);
}

#[tokio::test]
async fn other_words_after_the_answer_change_the_message_and_are_not_answered() {
    let stage = Stage::start().await;
    let text = json!({"body": "Do you sell tee?"});
    post(&stage, wire(&stage, "wamid.a", "text", &text)).await;
    stage.answer(MessageStatus::Sent).await;
    for _ in 0..2 {
        post(
            &stage,
            edit(&stage, "wamid.b", "wamid.a", "Do you sell tea?"),
        )
        .await;
    }
    stage.rest_in_peace().await;
    let inbound = stage.inbound().await;
    assert_eq!(inbound[0].text, "Do you sell tea?");
    assert_eq!((inbound.len(), stage.outbound().await.len()), (1, 1));
    assert_eq!(stage.model.received().len(), 1);
}

#[tokio::test]
async fn a_change_of_what_nobody_knows_waits_and_is_not_answered() {
    let stage = Stage::start().await;
    post(
        &stage,
        edit(&stage, "wamid.b", "wamid.lost", "Do you sell tea?"),
    )
    .await;
    let gone = json!({"original_message_id": "wamid.gone"});
    post(&stage, wire(&stage, "wamid.c", "revoke", &gone)).await;
    stage.rest_in_peace().await;
    assert_eq!(stage.count("parked_changes").await, 2);
    assert_eq!(stage.count("messages").await, 0);
    assert_eq!(stage.model.received().len(), 0);
}

#[tokio::test]
async fn what_was_taken_back_is_gone_from_here_as_well() {
    let stage = Stage::start().await;
    let text = json!({"body": "my card is 4111"});
    post(&stage, wire(&stage, "wamid.a", "text", &text)).await;
    stage.answer(MessageStatus::Sent).await;
    let gone = json!({"original_message_id": "wamid.a"});
    post(&stage, wire(&stage, "wamid.c", "revoke", &gone)).await;
    stage.rest_in_peace().await;
    let inbound = stage.inbound().await;
    assert_eq!(inbound[0].text, "[message deleted]");
    assert!(inbound[0].revoked_at.is_some());
    let kept = "messages WHERE direction = 'inbound' AND content::text LIKE '%4111%'";
    assert_eq!(stage.count(kept).await, 0);
    // Words that come later for it do not bring it back.
    post(
        &stage,
        edit(&stage, "wamid.d", "wamid.a", "my card is 4222"),
    )
    .await;
    stage.rest_in_peace().await;
    let inbound = stage.inbound().await;
    assert_eq!(inbound.len(), 1);
    assert_eq!(inbound[0].text, "[message deleted]");
}

#[tokio::test]
async fn a_customer_known_by_number_stays_the_same_once_a_user_id_comes_along() {
    let stage = Stage::start().await;
    let say = async |sender: Sender, text: &str| {
        let mut message = TextMessage::new(sender, text);
        message.at = stage.assistant.clock.now();
        let post = WhatsappPost::to_number(NUMBER).text(&message);
        stage.deliver(&Stage::sign(&post)).await;
        stage.rest_in_peace().await;
    };
    say(Sender::phone(CUSTOMER, "Ana"), "Hello").await;
    say(Sender::phone(CUSTOMER, "Ana").with_user_id("US.1"), "Again").await;
    // Without the number: the user id is the name that lasts.
    say(Sender::user_id("US.1", "Ana"), "And again").await;
    assert_eq!(stage.count("contacts").await, 1);
    assert_eq!(stage.count("conversations").await, 1);
    // Another person with that number now: never the same contact.
    say(Sender::phone(CUSTOMER, "Bo").with_user_id("US.2"), "Hello").await;
    assert_eq!(stage.count("contacts").await, 2);
}

#[tokio::test]
async fn a_customer_with_another_user_id_stays_the_same() {
    let stage = Stage::start().await;
    let mut message = TextMessage::new(Sender::user_id("US.1", "Ana"), "Hello");
    message.at = stage.assistant.clock.now();
    let post_one = WhatsappPost::to_number(NUMBER).text(&message);
    stage.deliver(&Stage::sign(&post_one)).await;
    stage.rest_in_peace().await;
    let seconds = stage.assistant.clock.now().timestamp().to_string();
    let notice = json!({
        "id": "wamid.s", "from_user_id": "US.1", "timestamp": seconds, "type": "system",
        "system": {
            "type": "user_changed_user_id", "user_id": "US.9", "previous_user_id": "US.1",
            "body": "changed",
        },
    });
    post(&stage, notice).await;
    stage.rest_in_peace().await;
    let ids = "contacts WHERE external_id = 'US.9'";
    assert_eq!(stage.count(ids).await, 1);
    assert_eq!(stage.count("conversations WHERE status = 'open'").await, 1);
}

/// What the owner did in the app, as Meta posts it.
pub(crate) fn echo(stage: &Stage, id: &str, kind: &str, content: &Value) -> String {
    let seconds = stage.assistant.clock.now().timestamp().to_string();
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{
        "field": "smb_message_echoes",
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "1", "phone_number_id": NUMBER},
            "message_echoes": [{
                "from": "1", "to": CUSTOMER, "id": id, "timestamp": seconds, "type": kind,
                kind: content,
            }],
        },
    }]}]});
    body.to_string()
}

#[tokio::test]
async fn what_the_business_changes_elsewhere_changes_its_message_and_makes_none() {
    let stage = Stage::start().await;
    let text = |body: &str| json!({"body": body});
    let edit = json!({
        "original_message_id": "wamid.e1", "message": {"type": "text", "text": text("tomorrow")},
    });
    let revoke = json!({"original_message_id": "wamid.e1"});
    let reaction = json!({"message_id": "wamid.e1", "emoji": "\u{1f44d}"});
    for (id, kind, content, said) in [
        // Of a person whom nobody knows.
        ("wamid.e0", "edit", &edit, None),
        ("wamid.e1", "text", &text("today"), Some("today")),
        ("wamid.e2", "edit", &edit, Some("tomorrow")),
        ("wamid.e3", "reaction", &reaction, Some("tomorrow")),
        ("wamid.e4", "revoke", &revoke, Some("[message deleted]")),
        ("wamid.e5", "edit", &edit, Some("[message deleted]")),
    ] {
        let body = echo(&stage, id, kind, content);
        stage.deliver(&Stage::sign_bytes(&body)).await;
        stage.rest_in_peace().await;
        let stored = stage.outbound().await;
        let texts: Vec<&str> = stored.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, said.into_iter().collect::<Vec<_>>(), "{id}");
    }
}

#[tokio::test]
async fn the_owner_who_writes_in_the_app_takes_the_conversation_over() {
    let stage = Stage::start().await;
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    let body = echo(
        &stage,
        "wamid.echo",
        "text",
        &json!({"body": "This is Kim"}),
    );
    stage.deliver(&Stage::sign_bytes(&body)).await;
    stage.rest_in_peace().await;
    stage.say("Hello Kim").await;
    stage.rest_in_peace().await;
    assert_eq!(stage.outbound().await[1].text, "This is Kim");
    assert_eq!(stage.model.received().len(), 1);
    let status = format!(
        "conversations WHERE status = '{}'",
        ConversationStatus::AssignedHuman
    );
    assert_eq!(stage.count(&status).await, 1);
}
