//! Contacts who want to be left alone or forgotten, and what tenants will not have said.

use assistant::people;
use chrono::TimeDelta;
use domain::{Content, MessageStatus, ModerationSettings, TenantSettings, UnansweredReason};
use store::{contact_erasures, contacts};
use testkit::standin::{OpenAiBehaviour, Sender, TextMessage, WhatsappPost};

use crate::looks::eventually;
use crate::people::slow;
use crate::stage::{CUSTOMER, NUMBER, PATIENCE, Stage, settings};

const STOPPED: &str = "You will get no more messages from us. Write START to hear from us again.";

impl Stage {
    async fn contact(&self) -> contacts::Contact {
        let id = self.standing().await.contact_id;
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        contacts::get(&mut tx, id).await.unwrap()
    }

    async fn say_from(&self, sender: &str, text: &str) {
        let mut message = TextMessage::new(Sender::phone(sender, "Bo"), text);
        message.at = self.assistant.clock.now();
        let post = WhatsappPost::to_number(NUMBER).text(&message);
        self.deliver(&Self::sign(&post)).await;
    }
}

#[tokio::test]
async fn a_stop_is_confirmed_once_and_ends_all_messages_until_a_start() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    let rest = async |stored: usize| {
        eventually("all is stored and sent", async || {
            let work = "jobs WHERE kind <> 'deliver-webhook'";
            let is_stored = stage.inbound().await.len() == stored;
            (is_stored && stage.count(work).await == 0).then_some(())
        })
        .await;
    };
    stage.say("STOP").await;
    stage.say("stop").await;
    stage.say("What does it cost?").await;
    rest(3).await;
    assert_eq!(stage.graph.received().len(), 1);
    assert_eq!(stage.graph.received()[0].text, STOPPED);
    assert_eq!(stage.model.received().len(), 0);
    assert!(stage.contact().await.opted_out_at.is_some());
    // A person may not write either.
    let id = stage.conversation().await;
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let refused =
        people::send_message(&stage.assistant, &mut tx, id, &Content::text("Hi"), None).await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("no more messages")
    );
    drop(tx);
    stage.say("Start").await;
    stage.say("What does it cost?").await;
    rest(5).await;
    let sent: Vec<String> = stage
        .graph
        .received()
        .into_iter()
        .map(|sent| sent.text)
        .collect();
    assert_eq!(sent[1], "Welcome back: we answer your messages again.");
    assert_eq!(sent[2], "Answer to: What does it cost?");
    let word = Some(UnansweredReason::OptWord);
    let out = Some(UnansweredReason::OptedOut);
    assert_eq!(stage.silences().await, [word, word, out, word, None]);
    let told = stage.events().await;
    let told: Vec<_> = told
        .iter()
        .filter(|kind| kind.starts_with("contact."))
        .collect();
    assert_eq!(told, ["contact.opted_out", "contact.opted_in"]);
}

#[tokio::test]
async fn an_answer_that_is_being_made_is_not_sent_after_a_stop() {
    let stage = Stage::start().await;
    stage.model.script([slow("Much.")]);
    stage.say("What does it cost?").await;
    eventually("the model is asked", async || {
        (stage.model.received().len() == 1).then_some(())
    })
    .await;
    stage.say("STOP").await;
    assert_eq!(stage.texts().await, [STOPPED]);
}

#[tokio::test]
async fn a_message_that_arrives_late_is_stored_and_not_answered() {
    let stage = Stage::start().await;
    for (hours, answers) in [(7, 0), (5, 1)] {
        let text = format!("Written {hours} hours ago");
        let mut message = TextMessage::new(Sender::phone(CUSTOMER, "Ana"), &text);
        message.at = stage.assistant.clock.now() - TimeDelta::hours(hours);
        let post = WhatsappPost::to_number(NUMBER).text(&message);
        stage.deliver(&Stage::sign(&post)).await;
        assert_eq!(stage.texts().await.len(), answers);
    }
    assert_eq!(stage.silences().await, [Some(UnansweredReason::Late), None]);
}

fn moderated() -> TenantSettings {
    let mut settings = settings();
    settings.moderation = ModerationSettings {
        blocked: vec!["dynamite".to_owned()],
        text: "We do not talk about that.".to_owned(),
        ..ModerationSettings::default()
    };
    settings
}

#[tokio::test]
async fn what_the_tenant_blocks_reaches_no_model_and_has_a_visible_reason() {
    let stage = Stage::start_with(moderated()).await;
    stage.say("Do you sell Dynamite?").await;
    assert_eq!(stage.texts().await, ["We do not talk about that."]);
    assert_eq!(stage.model.received().len(), 0);
    assert_eq!(stage.silences().await, [Some(UnansweredReason::Blocked)]);
    // Not even as what was said before.
    stage.say("And tea?").await;
    assert_eq!(stage.texts().await[1], "Answer to: And tea?");
    let asked = &stage.model.received()[0].body;
    assert!(!asked.to_string().contains("Dynamite"), "{asked}");
}

#[tokio::test]
async fn an_answer_that_holds_what_the_tenant_blocks_is_not_sent() {
    let stage = Stage::start_with(moderated()).await;
    stage
        .model
        .script([OpenAiBehaviour::text("Yes: tea and dynamite.")]);
    stage.say("What do you sell?").await;
    assert_eq!(stage.texts().await, ["We do not talk about that."]);
    assert_eq!(stage.silences().await, [Some(UnansweredReason::Blocked)]);
    stage.say("And tea?").await;
    assert_eq!(stage.texts().await[1], "Answer to: And tea?");
}

#[tokio::test]
async fn an_erasure_leaves_its_proof_and_nothing_of_the_person() {
    let stage = Stage::start().await;
    stage.say("My name is Ana Zorrilla").await;
    stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.rest_in_peace().await;
    stage.say_from("15550003333", "I am somebody else").await;
    eventually("both are answered", async || {
        (stage.graph.received().len() == 2).then_some(())
    })
    .await;
    stage.rest_in_peace().await;
    let first = "SELECT contact_id FROM conversations ORDER BY id LIMIT 1";
    let contact: domain::ContactId = sqlx::query_scalar(first)
        .fetch_one(stage.database.pool())
        .await
        .unwrap();
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let export = people::export(&mut tx, contact).await.unwrap();
    assert_eq!(export.conversations.len(), 1);
    assert_eq!(export.conversations[0].messages.len(), 2);
    assert_eq!(export.conversations[0].calls.len(), 1);
    let request = async || {
        let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
        let asked = people::request_erasure(&stage.assistant, &mut tx, contact).await;
        tx.commit().await.unwrap();
        asked.unwrap()
    };
    drop(tx);
    let erasure = request().await;
    stage.rest_in_peace().await;
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let proof = contact_erasures::get(&mut tx, erasure.id).await.unwrap();
    assert!(proof.finished_at.is_some());
    let count = |what: &str| proof.counts[what];
    assert_eq!((count("contacts"), count("conversations")), (1, 1));
    assert_eq!((count("messages"), count("jobs")), (2, 1));
    // Their message, and the report of the answer if Meta made one.
    assert!(count("raw_items") >= 1, "{:?}", proof.counts);
    drop(tx);
    for (table, row) in [
        ("contacts", "t.external_id"),
        ("messages", "t.text"),
        ("raw_items", "t::text"),
        ("job_history", "t::text"),
        ("webhook_deliveries", "t.body"),
        ("parked_statuses", "t::text"),
    ] {
        for word in [CUSTOMER, "Zorrilla"] {
            let held = format!("{table} AS t WHERE strpos({row}, '{word}') > 0");
            assert_eq!(stage.count(&held).await, 0, "{held}");
        }
    }
    // Of the other person everything is there.
    assert_eq!(stage.count("messages").await, 2);
    let other = "raw_items WHERE strpos(payload::text, '15550003333') > 0";
    assert!(stage.count(other).await >= 1);
    // Who writes again is somebody new.
    stage.say("It is me again").await;
    stage.graph.wait_for(3, PATIENCE).await.unwrap();
    stage.rest_in_peace().await;
    let fresh = format!("contacts WHERE external_id = '{CUSTOMER}' AND id <> '{contact}'");
    assert_eq!(stage.count(&fresh).await, 1);
}

#[tokio::test]
async fn a_tenant_that_forgets_keeps_what_is_young_enough() {
    let mut settings = settings();
    settings.retention_days = std::num::NonZeroU32::new(30);
    let stage = Stage::start_with(settings).await;
    stage.say("Old").await;
    stage.answer(MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    stage.say_from("15550003333", "Young").await;
    eventually("both are answered", async || {
        (stage.graph.received().len() == 2).then_some(())
    })
    .await;
    stage.rest_in_peace().await;
    for statement in [
        "UPDATE messages SET created_at = now() - interval '31 days'
         WHERE conversation_id = (SELECT id FROM conversations ORDER BY id LIMIT 1)",
        "UPDATE conversations SET last_message_at = now() - interval '31 days'
         WHERE id = (SELECT id FROM conversations ORDER BY id LIMIT 1)",
        "UPDATE contacts SET updated_at = now() - interval '31 days'
         WHERE id = (SELECT contact_id FROM conversations ORDER BY id LIMIT 1)",
    ] {
        sqlx::query(statement)
            .execute(stage.database.pool())
            .await
            .unwrap();
    }
    // More of them than one transaction empties.
    sqlx::query(
        "INSERT INTO raw_items (id, received_at, channel_kind, tenant_id, channel_id, payload, outcome)
         SELECT gen_random_uuid(), now() - interval '31 days', 'whatsapp', tenant_id, id, '{}', 'done'
         FROM channels, generate_series(1, 1200)",
    )
    .execute(stage.database.pool())
    .await
    .unwrap();
    let old = "raw_items WHERE received_at < now() - interval '30 days' AND payload IS NOT NULL";
    assert_eq!(stage.count(old).await, 1200);
    people::forget_old(&stage.assistant).await.unwrap();
    assert_eq!(stage.count(old).await, 0);
    for table in ["contacts", "conversations"] {
        assert_eq!(stage.count(table).await, 1, "{table}");
    }
    assert_eq!(stage.count("messages").await, 2);
    assert_eq!(stage.count("messages WHERE text = 'Old'").await, 0);
    people::forget_old(&stage.assistant).await.unwrap();
    assert_eq!(stage.count("messages").await, 2);
}
