//! Conversations go to a person and come back.

use std::sync::Arc;
use std::time::Duration;

use assistant::people;
use domain::{
    AssignReason, Author, Content, ConversationStatus, ConversationStep, DocumentStatus,
    MessageStatus, TenantSettings, UnansweredReason, WhenClosed,
};
use llm::HashedNgrams;
use serde_json::json;
use store::conversations::{self, Conversation};
use store::messages::Message;
use testkit::standin::{GraphReply, OpenAiBehaviour, OpenAiFault, OpenAiReply};

use crate::looks::eventually;
use crate::stage::{PATIENCE, Stage, settings};

const ASKS: &str = "I want to talk to a human";
const COMES: &str = "A person will take over and answer you here.";

impl Stage {
    pub(crate) async fn standing(&self) -> Conversation {
        let id = self.conversation().await;
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        conversations::get(&mut tx, id).await.unwrap()
    }

    pub(crate) async fn step(&self, step: ConversationStep) -> Conversation {
        let id = self.conversation().await;
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        let stepped = people::step(&self.assistant, &mut tx, id, step, None).await;
        tx.commit().await.unwrap();
        stepped.unwrap()
    }

    /// A person writes.
    pub(crate) async fn write(&self, text: &str) -> Vec<Message> {
        let id = self.conversation().await;
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        let sent = people::send_message(
            &self.assistant,
            &mut tx,
            id,
            &Content::text(text),
            Some("Kim"),
        )
        .await;
        tx.commit().await.unwrap();
        sent.unwrap()
    }

    /// Waits until no job is left; returns what was sent, in order.
    pub(crate) async fn texts(&self) -> Vec<String> {
        self.rest_in_peace().await;
        let sent = self.graph.received().into_iter();
        sent.map(|message| message.text).collect()
    }

    /// Why the machine did not answer, message by message.
    pub(crate) async fn silences(&self) -> Vec<Option<UnansweredReason>> {
        let inbound = self.inbound().await.into_iter();
        inbound.map(|message| message.unanswered_reason).collect()
    }
}

/// An answer that takes two seconds to make.
pub(crate) fn slow(text: &str) -> OpenAiBehaviour {
    OpenAiBehaviour {
        first_token_ms: 2000,
        ..OpenAiBehaviour::text(text)
    }
}

fn with(change: impl FnOnce(&mut TenantSettings)) -> TenantSettings {
    let mut settings = settings();
    change(&mut settings);
    settings
}

#[tokio::test]
async fn who_asks_for_a_person_gets_one_without_a_model() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    stage.say(ASKS).await;
    let said = stage.answer(MessageStatus::Sent).await;
    assert_eq!((said.author, said.text.as_str()), (Author::System, COMES));
    let conversation = stage.standing().await;
    assert_eq!(conversation.status, ConversationStatus::AssignedHuman);
    assert_eq!(conversation.assign_reason, Some(AssignReason::Asked));
    // From here on the machine is silent.
    stage.say("Hello? Anybody?").await;
    eventually("both are stored", async || {
        (stage.inbound().await.len() == 2).then_some(())
    })
    .await;
    assert_eq!(stage.model.received().len(), 0);
    assert_eq!(
        stage.silences().await,
        [
            Some(UnansweredReason::AskedForPerson),
            Some(UnansweredReason::WithPerson)
        ]
    );
    let expected = [
        "conversation.created",
        "message.received",
        "handoff.requested",
        "conversation.assigned",
        "message.sent",
        "message.received",
    ];
    let mut told = stage.events().await;
    told.sort();
    let mut expected = expected.map(str::to_owned);
    expected.sort();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_word_in_an_old_message_does_not_hand_off_again() {
    let stage = Stage::start().await;
    stage.say(ASKS).await;
    assert_eq!(stage.texts().await, [COMES]);
    stage.step(ConversationStep::Release).await;
    stage.say("What does it cost?").await;
    let sent = stage.texts().await;
    assert_eq!(sent, [COMES, "Answer to: What does it cost?"]);
    let conversation = stage.standing().await;
    assert_eq!(conversation.status, ConversationStatus::Open);
    assert_eq!(conversation.assign_reason, None);
}

#[tokio::test]
async fn an_answer_that_is_being_made_is_dropped_when_a_person_is_asked_for() {
    let stage = Stage::start().await;
    stage.model.script([slow("Much.")]);
    stage.say("What does it cost?").await;
    eventually("the model is asked", async || {
        (stage.model.received().len() == 1).then_some(())
    })
    .await;
    stage.say(ASKS).await;
    assert_eq!(stage.texts().await, [COMES]);
    assert_eq!(stage.outbound().await.len(), 1);
}

#[tokio::test]
async fn the_model_gives_a_conversation_to_a_person_where_the_tenant_lets_it() {
    let call = OpenAiReply::ToolCall {
        name: "hand_off".to_owned(),
        arguments: json!({"reason": "Wants a refund."}),
    };
    let stage = Stage::start_with(with(|settings| settings.handoff.tool = true)).await;
    stage.model.script([OpenAiBehaviour::from(call)]);
    stage
        .say("Wo bleibt mein Geld? Das ist nicht in Ordnung!")
        .await;
    let sent = stage.texts().await;
    assert_eq!(sent, ["Ein Mensch übernimmt und antwortet Ihnen hier."]);
    let conversation = stage.standing().await;
    assert_eq!(conversation.assign_reason, Some(AssignReason::Model));
    let asked = &stage.model.received()[0].body["tools"];
    assert_eq!(asked[0]["function"]["name"], "hand_off");
    stage.end().await;
    // Others are not offered it.
    let stage = Stage::start().await;
    stage.say("Where is my money?").await;
    stage.texts().await;
    assert!(stage.model.received()[0].body.get("tools").is_none());
}

#[tokio::test]
async fn a_question_without_an_answer_goes_to_a_person_where_the_tenant_wants_it() {
    let stage = Stage::start_with(with(|settings| {
        settings.handoff.when_unanswered = true;
    }))
    .await;
    stage.model.otherwise(OpenAiFault::Unauthorized);
    stage.say("Do you sell tea?").await;
    let said = stage.answer(MessageStatus::Sent).await;
    assert_eq!(said.text, COMES);
    let conversation = stage.standing().await;
    assert_eq!(conversation.assign_reason, Some(AssignReason::Unanswered));
}

#[tokio::test]
async fn a_question_that_nothing_fits_goes_to_a_person_and_a_greeting_does_not() {
    let stage = Stage::start_with(with(|settings| settings.handoff.when_unknown = true)).await;
    stage.say("Hello").await;
    assert_eq!(stage.texts().await, ["Answer to: Hello"]);
    stage.say("Do you sell tea in tins of a pound?").await;
    assert_eq!(stage.texts().await, ["Answer to: Hello", COMES]);
    let conversation = stage.standing().await;
    assert_eq!(conversation.assign_reason, Some(AssignReason::Unknown));
    let asked = stage.model.received()[1].body["messages"].to_string();
    assert!(asked.contains("say that you do not know"), "{asked}");
}

#[tokio::test]
async fn an_answer_that_rests_on_no_document_goes_to_a_person_where_the_tenant_wants_it() {
    let stage = Stage::start_with(with(|settings| settings.handoff.when_unknown = true)).await;
    let id = stage
        .upload(
            "teas.txt",
            "text/plain",
            b"We sell green tea in tins of 100 grams.",
        )
        .await;
    stage.stands(id, DocumentStatus::Ready).await;
    let cited = "We sell it in tins of 100 grams [1].";
    stage.model.script([
        OpenAiBehaviour::text(cited),
        OpenAiBehaviour::text("I do not know that."),
    ]);
    stage.say("Do you sell green tea in tins?").await;
    let said = stage.texts().await;
    assert!(said[0].starts_with("We sell it in tins"), "{said:?}");
    stage.say("And is the green tea in tins from Japan?").await;
    assert_eq!(stage.texts().await[1], COMES);
    let conversation = stage.standing().await;
    assert_eq!(conversation.assign_reason, Some(AssignReason::Unknown));
    let asked = stage.model.received()[1].body["messages"].to_string();
    assert!(asked.contains("100 grams"), "{asked}");
}

/// Hours that are over on every day.
pub(crate) fn closed(settings: &mut TenantSettings) {
    settings.hours = serde_json::from_value(json!({
        "time_zone": "Pacific/Auckland",
        "weekly": [{"day": "monday", "from": "00:00", "to": "00:01"}],
        "holidays": [],
    }))
    .unwrap();
    settings.handoff.closed_text = Some("We are closed.".to_owned());
}

#[tokio::test]
async fn outside_business_hours_the_contact_reads_so_and_the_tenant_says_who_goes_on() {
    for (when_closed, status, answers) in [
        (WhenClosed::HandOff, ConversationStatus::AssignedHuman, 0),
        (WhenClosed::Stay, ConversationStatus::Open, 1),
    ] {
        let stage = Stage::start_with(with(|settings| {
            closed(settings);
            settings.handoff.when_closed = when_closed;
        }))
        .await;
        stage.say(ASKS).await;
        assert_eq!(stage.texts().await, ["We are closed."]);
        assert_eq!(stage.standing().await.status, status);
        stage.say("What does it cost?").await;
        assert_eq!(stage.texts().await.len(), 1 + answers, "{when_closed:?}");
        assert_eq!(stage.model.received().len(), answers, "{when_closed:?}");
        stage.end().await;
    }
}

#[tokio::test]
async fn the_machine_comes_back_when_no_person_writes_for_as_long_as_is_set() {
    let stage = Stage::start_with(with(|settings| {
        settings.handoff.release_after_minutes = 30;
        // Messages are stored by the database's clock, which the test does not move.
        settings.answer_deadline_seconds = 7200;
    }))
    .await;
    let minutes = |minutes: u64| Duration::from_mins(minutes);
    stage.say(ASKS).await;
    stage.texts().await;
    stage.pass(minutes(29));
    assert_eq!(people::release_due(&stage.assistant).await.unwrap(), 0);
    // A word from a person begins the time anew.
    stage.write("How can I help?").await;
    stage.pass(minutes(29));
    assert_eq!(people::release_due(&stage.assistant).await.unwrap(), 0);
    assert_eq!(
        stage.standing().await.status,
        ConversationStatus::AssignedHuman
    );
    stage.pass(minutes(1));
    assert_eq!(people::release_due(&stage.assistant).await.unwrap(), 1);
    assert_eq!(people::release_due(&stage.assistant).await.unwrap(), 0);
    assert_eq!(stage.standing().await.status, ConversationStatus::Open);
    stage.say("And the price?").await;
    let sent = stage.texts().await;
    assert_eq!(sent.last().unwrap(), "Answer to: And the price?");
}

#[tokio::test]
async fn a_message_after_that_time_is_answered_even_before_the_schedule_looks() {
    let stage = Stage::start_with(with(|settings| {
        settings.handoff.release_after_minutes = 30;
        // Messages are stored by the database's clock, which the test does not move.
        settings.answer_deadline_seconds = 7200;
    }))
    .await;
    stage.endpoint("http://127.0.0.1:1/").await;
    stage.say(ASKS).await;
    stage.answer(MessageStatus::Sent).await;
    stage.pass(Duration::from_mins(30));
    stage.say("What does it cost?").await;
    let sent = stage.graph.wait_for(2, PATIENCE).await.unwrap();
    assert_eq!(sent[1].text, "Answer to: What does it cost?");
    let told = stage.events().await;
    assert!(
        told.contains(&"conversation.released".to_owned()),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_person_who_writes_has_the_conversation_and_waits_for_no_model() {
    let stage = Stage::start().await;
    stage.model.otherwise(OpenAiFault::Hang);
    stage.say("Do you sell tea?").await;
    eventually("the model is asked and says nothing", async || {
        (stage.model.received().len() == 1).then_some(())
    })
    .await;
    let written = stage.write("Yes, we do.").await;
    assert_eq!(written[0].author, Author::Agent);
    let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(sent[0].text, "Yes, we do.");
    // The answer is given up, long before its deadline.
    stage.rest_in_peace().await;
    assert_eq!(stage.graph.received().len(), 1);
    let conversation = stage.standing().await;
    assert_eq!(conversation.status, ConversationStatus::AssignedHuman);
    assert_eq!(conversation.assign_reason, Some(AssignReason::Taken));
    assert_eq!(conversation.assigned_to.as_deref(), Some("Kim"));
    assert_eq!(conversation.read_seq, written[0].seq);
}

#[tokio::test]
async fn who_asks_for_a_person_waits_for_no_answer_that_others_wait_for() {
    const SLOTS: usize = 2;
    let mut stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    stage.model.otherwise(OpenAiFault::Hang);
    stage
        .work_with(|options| {
            (options.interactive_slots, options.answers_slots) = (SLOTS, SLOTS);
        })
        .await;
    for phone in ["49151000001", "49151000002", "49151000003", "49151000004"] {
        stage.say_as(phone, "Do you sell tea?").await;
    }
    eventually("every slot waits for the model", async || {
        (stage.model.received().len() == SLOTS).then_some(())
    })
    .await;
    stage.say_as("49151000005", ASKS).await;
    let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(
        (sent[0].to.as_str(), sent[0].text.as_str()),
        ("+49151000005", COMES)
    );
    assert_eq!(stage.count("jobs WHERE kind = 'answer-turn'").await, 4);
}

#[tokio::test]
async fn a_person_who_writes_in_another_app_takes_the_conversation_over() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:1/").await;
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    let id = stage.conversation().await;
    for _ in 0..2 {
        let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
        let profile = assistant::TenantProfile::load(&mut tx, &stage.assistant.keyring);
        let profile = profile.await.unwrap();
        let echo = AssignReason::Echo;
        let happened = people::take_over(&stage.assistant, &mut tx, &profile, id, echo, None).await;
        people::tell(&stage.assistant, &mut tx, &happened.unwrap())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let conversation = stage.standing().await;
    assert_eq!(conversation.status, ConversationStatus::AssignedHuman);
    assert_eq!(conversation.assign_reason, Some(AssignReason::Echo));
    let told = stage.events().await;
    let assigned = told.iter().filter(|kind| *kind == "conversation.assigned");
    assert_eq!(assigned.count(), 1, "{told:?}");
    assert!(!told.contains(&"handoff.requested".to_owned()));
    // Nothing is said in the product's name: the contact hears from a person.
    assert_eq!(stage.outbound().await.len(), 1);
}

#[tokio::test]
async fn a_failed_message_is_really_sent_again_when_a_person_asks_for_it() {
    let stage = Stage::start().await;
    stage
        .graph
        .script([testkit::standin::GraphBehaviour::error(131_026)]);
    stage.say("Do you sell tea?").await;
    let failed = stage.answer(MessageStatus::Failed).await;
    let conversation = failed.conversation_id;
    let again = async || {
        let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
        let retried =
            people::retry_message(&stage.assistant, &mut tx, conversation, failed.id).await;
        tx.commit().await.unwrap();
        retried
    };
    let retried = again().await.unwrap();
    assert_eq!((retried.retry_count, retried.error), (1, None));
    let sent = stage.answer(MessageStatus::Sent).await;
    assert_eq!((sent.send_attempts, sent.retry_count), (1, 1));
    assert_eq!(stage.graph.requests().len(), 2);
    assert_eq!(stage.graph.received().len(), 1);
    // What is sent is not sent again.
    assert!(again().await.unwrap_err().to_string().contains("`sent`"));
}

#[tokio::test]
async fn a_late_report_of_the_send_that_failed_does_not_fail_the_one_after_it() {
    let stage = Stage::start().await;
    stage.say("Do you sell tea?").await;
    let first = stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.answer(MessageStatus::Sent).await;
    stage.report_tagged(&first[0], "failed").await;
    let failed = stage.answer(MessageStatus::Failed).await;
    stage.graph.script([GraphReply::RateLimited {
        retry_after_seconds: 30,
    }]);
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    people::retry_message(&stage.assistant, &mut tx, failed.conversation_id, failed.id)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    stage.put_off("send-reply").await;
    // Meta posts the same report once more, with the tag.
    stage.report_tagged(&first[0], "failed").await;
    eventually("the report is read", async || {
        (stage.count("raw_items WHERE outcome = 'pending'").await == 0).then_some(())
    })
    .await;
    stage.hurry().await;
    let sent = stage.graph.wait_for(2, PATIENCE).await.unwrap();
    let sent_again = stage.answer(MessageStatus::Sent).await;
    assert_eq!(sent_again.external_id.as_ref(), Some(&sent[1].wamid));
    stage.report(&sent[1], "delivered").await;
    stage.answer(MessageStatus::Delivered).await;
}

#[tokio::test]
async fn a_message_opens_a_resolved_conversation_again_and_begins_another_after_a_closed_one() {
    let stage = Stage::start().await;
    stage.say("One").await;
    stage.texts().await;
    for step in [ConversationStep::GoToPerson, ConversationStep::Resolve] {
        stage.step(step).await;
    }
    let resolved = stage.standing().await;
    assert_eq!((resolved.assigned_at, resolved.assign_reason), (None, None));
    stage.say("Two").await;
    let sent = stage.texts().await;
    assert_eq!(sent.last().unwrap(), "Answer to: Two");
    assert_eq!(stage.standing().await.status, ConversationStatus::Open);
    stage.step(ConversationStep::Close).await;
    stage.say("Three").await;
    stage.texts().await;
    assert_eq!(stage.count("conversations").await, 2);
    let open = "conversations WHERE status = 'open' AND message_seq = 2";
    assert_eq!(stage.count(open).await, 1);
}
