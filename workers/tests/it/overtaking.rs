//! Edits and deletions that come before the message they are about.

use assistant::people;
use chrono::TimeDelta;
use domain::{ChannelKind, MessageStatus};
use serde_json::{Value, json};
use testkit::standin::{MessengerPost, Sender, TextMessage, WhatsappPost};

use crate::changes::{echo, post, wire};
use crate::messenger;
use crate::stage::{APP_SECRET, CUSTOMER, Stage, add_channel, add_tenant, settings};

const FIRST_WORDS: &str = "Do you sell tee?";
const LATER_WORDS: &str = "Do you sell tea?";

/// What a channel tells of one message, its id given.
#[derive(Clone, Copy, Debug)]
enum Told {
    Message,
    Words(&'static str),
    Deletion,
}

/// A channel posts something about a message of the customer's. `nth` tells the posts apart.
async fn tell(stage: &Stage, kind: ChannelKind, nth: i64, told: Told) {
    let id = "the-message";
    if kind == ChannelKind::Whatsapp {
        let text = |words: &str| json!({"type": "text", "text": {"body": words}});
        let (kind, content) = match told {
            Told::Message => ("text", json!({"body": FIRST_WORDS})),
            Told::Words(words) => (
                "edit",
                json!({"original_message_id": id, "message": text(words)}),
            ),
            Told::Deletion => ("revoke", json!({"original_message_id": id})),
        };
        let own = format!("change-{nth}");
        let own = if kind == "text" { id } else { &own };
        let mut message = wire(stage, own, kind, &content);
        let at = stage.assistant.clock.now().timestamp() + nth;
        message["timestamp"] = at.to_string().into();
        post(stage, message).await;
    } else {
        let (key, event) = match told {
            Told::Message => ("message", json!({"mid": id, "text": FIRST_WORDS})),
            Told::Words(words) => (
                "message_edit",
                json!({"mid": id, "text": words, "num_edit": nth}),
            ),
            Told::Deletion => ("message", json!({"mid": id, "is_deleted": true})),
        };
        let at = stage.assistant.clock.now() + TimeDelta::seconds(nth);
        let page = MessengerPost::of_page(messenger::PAGE);
        let signed = page
            .from_person(messenger::PERSON, at, key, &event)
            .sign(APP_SECRET);
        stage.deliver_to(ChannelKind::Messenger, &signed).await;
    }
    stage.rest_in_peace().await;
}

/// Sees what becomes of the posts on each of Meta's channels, one after the other.
async fn on_each_channel(told: &[Told], see: impl AsyncFn(&Stage)) {
    for kind in [ChannelKind::Whatsapp, ChannelKind::Messenger] {
        let stage = messenger::stage().await;
        for (nth, told) in (1..).zip(told) {
            tell(&stage, kind, nth, *told).await;
        }
        see(&stage).await;
        assert_eq!(stage.count("parked_changes").await, 0, "{kind}: {told:?}");
        stage.end().await;
    }
}

#[tokio::test]
async fn words_that_come_before_their_message_are_what_is_stored_and_answered() {
    let told = [Told::Words(LATER_WORDS), Told::Message, Told::Message];
    on_each_channel(&told, async |stage| {
        let answer = stage.answer(MessageStatus::Sent).await;
        assert_eq!(answer.text, format!("Answer to: {LATER_WORDS}"));
        let asked = stage.model.received().pop().unwrap().body.to_string();
        assert!(!asked.contains(FIRST_WORDS), "{asked}");
        let inbound = stage.inbound().await;
        assert_eq!(inbound.len(), 1);
        assert_eq!(inbound[0].text, LATER_WORDS);
        assert!(inbound[0].edited_at.is_some() && inbound[0].revoked_at.is_none());
        assert_eq!(inbound[0].external_id.as_deref(), Some("the-message"));
        assert_eq!(
            stage
                .count("messages WHERE content::text LIKE '%tee%'")
                .await,
            0
        );
    })
    .await;
}

#[tokio::test]
async fn a_message_that_was_deleted_before_it_came_is_not_answered_and_its_words_are_not_kept() {
    let told = [Told::Deletion, Told::Message, Told::Message];
    on_each_channel(&told, async |stage| {
        let inbound = stage.inbound().await;
        assert_eq!(inbound.len(), 1);
        assert_eq!(inbound[0].text, "[message deleted]");
        assert!(inbound[0].revoked_at.is_some() && inbound[0].turn.is_none());
        assert_eq!(stage.outbound().await.len(), 0);
        assert_eq!(stage.model.received().len(), 0);
        assert_eq!(
            stage
                .count("messages WHERE content::text LIKE '%tee%'")
                .await,
            0
        );
    })
    .await;
}

#[tokio::test]
async fn of_several_words_that_come_before_their_message_the_last_written_stand() {
    // Of words written at different times, whichever comes first.
    for told in [
        [Told::Words("once"), Told::Words(LATER_WORDS)],
        [Told::Words(LATER_WORDS), Told::Words("once")],
    ] {
        let stage = messenger::stage().await;
        let is_in_order = matches!(told[0], Told::Words("once"));
        let times = if is_in_order { [1, 2] } else { [2, 1] };
        for (told, nth) in told.into_iter().zip(times) {
            tell(&stage, ChannelKind::Whatsapp, nth, told).await;
        }
        tell(&stage, ChannelKind::Whatsapp, 0, Told::Message).await;
        assert_eq!(stage.inbound().await[0].text, LATER_WORDS, "{told:?}");
        stage.end().await;
    }
}

#[tokio::test]
async fn words_do_not_bring_back_what_was_deleted_before_it_came() {
    for told in [
        [Told::Deletion, Told::Words(LATER_WORDS), Told::Message],
        [Told::Words(LATER_WORDS), Told::Deletion, Told::Message],
        [Told::Deletion, Told::Message, Told::Words(LATER_WORDS)],
    ] {
        on_each_channel(&told, async |stage| {
            let inbound = stage.inbound().await;
            let texts: Vec<&str> = inbound.iter().map(|it| it.text.as_str()).collect();
            assert_eq!(texts, ["[message deleted]"], "{told:?}");
            assert_eq!(stage.outbound().await.len(), 0, "{told:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn words_before_their_message_are_heeded_once_it_comes() {
    let told = [Told::Words("STOP"), Told::Message];
    on_each_channel(&told, async |stage| {
        let said = stage.outbound().await;
        assert_eq!(said.len(), 1);
        assert_eq!(stage.model.received().len(), 0);
        assert_eq!(
            stage.count("contacts WHERE opted_out_at IS NOT NULL").await,
            1
        );
    })
    .await;
}

/// Somebody's words for a message of that id, on a number.
async fn reword(stage: &Stage, number: &str, phone: &str, target: &str) {
    let content = json!({
        "original_message_id": target,
        "message": {"type": "text", "text": {"body": LATER_WORDS}},
    });
    let mut message: Value = wire(stage, &format!("edit-by-{phone}"), "edit", &content);
    message["from"] = phone.into();
    let post = WhatsappPost::to_number(number).raw_message(message);
    stage.deliver(&Stage::sign(&post)).await;
    stage.rest_in_peace().await;
}

#[tokio::test]
async fn a_change_meets_no_message_of_another_tenant_or_of_another_contact() {
    let other_number = "200000000000009";
    let stage = Stage::start().await;
    let other = add_tenant(&stage.assistant, &settings()).await;
    let config = json!({
        "phone_number_id": other_number, "access_token": "EAAG-other",
        "business_account_id": "102290129340399",
    });
    add_channel(&stage.assistant, other, ChannelKind::Whatsapp, config).await;
    let mut message = TextMessage::new(Sender::phone(CUSTOMER, "Ana"), FIRST_WORDS);
    message.at = stage.assistant.clock.now();
    let of_other = WhatsappPost::to_number(other_number).text(&message);
    let id = &of_other.payload()["entry"][0]["changes"][0]["value"]["messages"][0]["id"];
    let id = id.as_str().unwrap().to_owned();
    // Before the message and after it.
    reword(&stage, crate::stage::NUMBER, CUSTOMER, &id).await;
    reword(&stage, other_number, "15550009999", &id).await;
    stage.deliver(&Stage::sign(&of_other)).await;
    stage.rest_in_peace().await;
    reword(&stage, crate::stage::NUMBER, "15550007777", &id).await;
    let kept = format!("messages WHERE direction = 'inbound' AND text = '{FIRST_WORDS}'");
    assert_eq!(stage.count(&kept).await, 1);
    assert_eq!(stage.count("messages WHERE direction = 'inbound'").await, 1);
    assert_eq!(stage.count("messages WHERE edited_at IS NOT NULL").await, 0);
    let theirs = format!("parked_changes WHERE tenant_id = '{other}'");
    assert_eq!(stage.count(&theirs).await, 1);
    let ours = format!("parked_changes WHERE tenant_id = '{}'", stage.tenant);
    assert_eq!(stage.count(&ours).await, 2);
}

#[tokio::test]
async fn what_the_business_changed_elsewhere_before_its_message_came_reads_so() {
    let stage = Stage::start().await;
    stage.say("Are you there?").await;
    stage.answer(MessageStatus::Sent).await;
    let words = json!({
        "original_message_id": "wamid.e1",
        "message": {"type": "text", "text": {"body": "tomorrow"}},
    });
    for (id, kind, content) in [
        ("wamid.e2", "edit", words),
        ("wamid.e1", "text", json!({"body": "today"})),
    ] {
        let body = echo(&stage, id, kind, &content);
        stage.deliver(&Stage::sign_bytes(&body)).await;
        stage.rest_in_peace().await;
    }
    let said = stage.outbound().await;
    assert_eq!(said.len(), 2);
    assert_eq!(said[1].text, "tomorrow");
    assert_eq!(stage.count("parked_changes").await, 0);
}

#[tokio::test]
async fn what_waits_for_a_message_goes_with_its_contact() {
    let stage = Stage::start().await;
    reword(&stage, crate::stage::NUMBER, CUSTOMER, "wamid.lost").await;
    assert_eq!(stage.count("parked_changes").await, 1);
    let contact = sqlx::query_scalar("SELECT id FROM contacts")
        .fetch_one(stage.database.pool())
        .await;
    let contact: domain::ContactId = contact.unwrap();
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let asked = people::request_erasure(&stage.assistant, &mut tx, contact).await;
    let erasure = asked.unwrap();
    tx.commit().await.unwrap();
    stage.rest_in_peace().await;
    assert_eq!(stage.count("parked_changes").await, 0);
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let proof = store::contact_erasures::get(&mut tx, erasure.id)
        .await
        .unwrap();
    assert_eq!(proof.counts["parked_changes"], 1);
}

#[tokio::test]
async fn what_waits_for_a_message_is_forgotten_with_what_the_tenant_forgets() {
    let mut settings = settings();
    settings.retention_days = std::num::NonZeroU32::new(2);
    let stage = Stage::start_with(settings).await;
    reword(&stage, crate::stage::NUMBER, CUSTOMER, "wamid.old").await;
    let age = "UPDATE parked_changes SET created_at = now() - interval '3 days'";
    sqlx::query(age)
        .execute(stage.database.pool())
        .await
        .unwrap();
    reword(&stage, crate::stage::NUMBER, "15550009999", "wamid.young").await;
    people::forget_old(&stage.assistant).await.unwrap();
    let kept = "parked_changes WHERE external_id = 'wamid.young'";
    assert_eq!(stage.count(kept).await, 1);
    assert_eq!(stage.count("parked_changes").await, 1);
}
