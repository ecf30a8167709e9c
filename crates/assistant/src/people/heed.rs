//! What a message asks for besides an answer, decided and done while it is stored.

use chrono::TimeDelta;
use db::TenantTx;
use domain::{AssignReason, ConversationStatus, InboundMessage, TenantSettings, UnansweredReason};
use events::{ConversationData, Event};
use store::contacts;
use store::conversations::Conversation;

use super::hand_off::{HandOff, hand_off};
use super::phrases::{self, Rule};
use super::release::release_due_of;
use super::wish::note_wish;
use super::{say, vocabulary};
use crate::{Assistant, Error, TenantProfile};

/// What is to come of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heeded {
    /// The machine answers it.
    Answer,
    /// Nobody waits for an answer.
    Nothing,
    /// The machine does not answer it, and this is why.
    Silent(UnansweredReason),
    /// The contact wants no more messages.
    Stop {
        /// The language in which they said so.
        language: String,
    },
    /// The contact wants messages again.
    Start {
        /// The language in which they said so.
        language: String,
    },
    /// The contact wants a person.
    Person {
        /// The language in which they said so.
        language: String,
    },
    /// It holds what the tenant blocks.
    Blocked,
}

impl Heeded {
    /// Whether the machine answers.
    pub(crate) fn is_answered(&self) -> bool {
        *self == Self::Answer
    }

    /// Why the machine does not answer.
    pub(crate) const fn reason(&self) -> Option<UnansweredReason> {
        match self {
            Self::Answer | Self::Nothing => None,
            Self::Silent(reason) => Some(*reason),
            Self::Stop { .. } | Self::Start { .. } => Some(UnansweredReason::OptWord),
            Self::Person { .. } => Some(UnansweredReason::AskedForPerson),
            Self::Blocked => Some(UnansweredReason::Blocked),
        }
    }
}

/// Decides what is to come of a message, before it is stored, under the lock of its conversation.
/// One whose time with a person is over goes back to the machine first. `is_on` says that the
/// tenant and the channel are switched on.
pub(crate) async fn decide(
    assistant: &Assistant,
    tx: &mut TenantTx,
    profile: &TenantProfile,
    conversation: &mut Conversation,
    message: &InboundMessage,
    is_on: bool,
    happened: &mut Vec<Event>,
) -> db::Result<Heeded> {
    let now = assistant.clock.now();
    if conversation.message_seq == 0 {
        let within_hours = profile.settings.hours.is_open(now);
        let data = ConversationData::of(conversation, within_hours, now);
        happened.push(Event::ConversationCreated(data));
    }
    if let Some(reason) = message.content.silence() {
        return Ok(Heeded::Silent(reason));
    }
    if !message.content.expects_answer() {
        return Ok(Heeded::Nothing);
    }
    let due = release_due_of(assistant, tx, profile, conversation, now).await?;
    if let Some((released, event)) = due {
        *conversation = released;
        happened.push(event);
    }
    let is_out = contacts::opted_out_at(tx, conversation.contact_id).await?;
    let heard = Heard {
        settings: &profile.settings,
        status: conversation.status,
        is_out: is_out.is_some(),
        is_on,
        age: now - message.occurred_at,
    };
    Ok(heard.decide(&message.text))
}

/// What the decision rests on besides the words.
struct Heard<'a> {
    settings: &'a TenantSettings,
    status: ConversationStatus,
    is_out: bool,
    is_on: bool,
    age: TimeDelta,
}

impl Heard<'_> {
    fn decide(&self, text: &str) -> Heeded {
        let opt_out = &self.settings.opt_out;
        if opt_out.enabled {
            let whole = Rule::Whole;
            let stop = phrases::language_of(text, &opt_out.stop_words, |known| known.stop, whole);
            if let Some(language) = stop {
                return Heeded::Stop { language };
            }
            let start =
                phrases::language_of(text, &opt_out.start_words, |known| known.start, whole);
            if let (true, Some(language)) = (self.is_out, start) {
                return Heeded::Start { language };
            }
        }
        if let Some(reason) = self.silence() {
            return Heeded::Silent(reason);
        }
        if phrases::holds_any(text, &self.settings.moderation.blocked) {
            return Heeded::Blocked;
        }
        let handoff = &self.settings.handoff;
        if handoff.on_words {
            let asked =
                phrases::language_of(text, &handoff.words, |known| known.person, Rule::Part);
            if let Some(language) = asked {
                return Heeded::Person { language };
            }
        }
        Heeded::Answer
    }

    /// Why the machine is silent whatever was written.
    fn silence(&self) -> Option<UnansweredReason> {
        let within = self.settings.answer_within_minutes;
        if self.is_out {
            Some(UnansweredReason::OptedOut)
        } else if !self.is_on {
            Some(UnansweredReason::SwitchedOff)
        } else if self.status == ConversationStatus::AssignedHuman {
            Some(UnansweredReason::WithPerson)
        } else if within > 0 && self.age > TimeDelta::minutes(within.into()) {
            Some(UnansweredReason::Late)
        } else {
            None
        }
    }
}

/// Does what was decided, after the message is stored, in the same transaction.
///
/// # Errors
/// Those of the database.
pub(crate) async fn act(
    assistant: &Assistant,
    tx: &mut TenantTx,
    profile: &TenantProfile,
    conversation: &Conversation,
    heeded: &Heeded,
    happened: &mut Vec<Event>,
) -> Result<(), Error> {
    match heeded {
        Heeded::Answer | Heeded::Nothing | Heeded::Silent(_) => {}
        Heeded::Stop { language } => {
            let opt_out = &profile.settings.opt_out;
            let own = opt_out.stop_text.as_deref();
            let text = own.unwrap_or(vocabulary::of(language).stopped);
            // A tenant that is switched off says nothing, and the wish counts all the same.
            let text = if profile.enabled { text } else { "" };
            opt(assistant, tx, conversation, true, text, happened).await?;
        }
        Heeded::Start { language } => {
            let own = profile.settings.opt_out.start_text.as_deref();
            let text = own.unwrap_or(vocabulary::of(language).started);
            let text = if profile.enabled { text } else { "" };
            opt(assistant, tx, conversation, false, text, happened).await?;
        }
        Heeded::Person { language } => {
            let how = HandOff {
                reason: AssignReason::Asked,
                to: None,
                note: None,
                language,
            };
            happened.extend(hand_off(assistant, tx, profile, conversation, &how).await?);
        }
        Heeded::Blocked => {
            say::system(
                assistant,
                tx,
                conversation,
                &profile.settings.moderation.text,
                None,
            )
            .await?;
        }
    }
    Ok(())
}

/// Notes what the contact wants, and confirms it once.
async fn opt(
    assistant: &Assistant,
    tx: &mut TenantTx,
    conversation: &Conversation,
    is_out: bool,
    text: &str,
    happened: &mut Vec<Event>,
) -> db::Result<()> {
    let noted = note_wish(assistant, tx, conversation.contact_id, is_out).await?;
    if let Some(event) = noted {
        say::system(assistant, tx, conversation, text, None).await?;
        happened.push(event);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(settings: &TenantSettings) -> Heard<'_> {
        Heard {
            settings,
            status: ConversationStatus::Open,
            is_out: false,
            is_on: true,
            age: TimeDelta::zero(),
        }
    }

    fn silent(reason: UnansweredReason) -> Heeded {
        Heeded::Silent(reason)
    }

    #[test]
    fn a_stop_is_heeded_whoever_has_the_conversation_and_however_late() {
        let settings = TenantSettings::default();
        for (status, is_on, age) in [
            (ConversationStatus::Open, true, TimeDelta::zero()),
            (ConversationStatus::AssignedHuman, true, TimeDelta::zero()),
            (ConversationStatus::Open, false, TimeDelta::days(5)),
        ] {
            let heard = Heard {
                status,
                is_on,
                age,
                ..heard(&settings)
            };
            let language = "en".to_owned();
            assert_eq!(heard.decide("STOP"), Heeded::Stop { language });
        }
    }

    #[test]
    fn who_wants_no_messages_gets_none_until_a_start_word() {
        let settings = TenantSettings::default();
        let out = Heard {
            is_out: true,
            ..heard(&settings)
        };
        assert_eq!(
            out.decide("How much is it?"),
            silent(UnansweredReason::OptedOut)
        );
        assert_eq!(out.decide("Agent"), silent(UnansweredReason::OptedOut));
        let language = "en".to_owned();
        assert_eq!(out.decide("start"), Heeded::Start { language });
        // To others it is a word like any.
        assert_eq!(heard(&settings).decide("start"), Heeded::Answer);
    }

    #[test]
    fn every_silence_has_its_reason() {
        let settings = TenantSettings::default();
        let of = |change: fn(&mut Heard<'_>)| {
            let mut heard = heard(&settings);
            change(&mut heard);
            heard.decide("How much is it?")
        };
        assert_eq!(of(|_| {}), Heeded::Answer);
        let person = of(|heard| heard.status = ConversationStatus::AssignedHuman);
        assert_eq!(person, silent(UnansweredReason::WithPerson));
        let off = of(|heard| heard.is_on = false);
        assert_eq!(off, silent(UnansweredReason::SwitchedOff));
        let late = of(|heard| heard.age = TimeDelta::minutes(361));
        assert_eq!(late, silent(UnansweredReason::Late));
        assert_eq!(
            of(|heard| heard.age = TimeDelta::minutes(360)),
            Heeded::Answer
        );
    }

    #[test]
    fn settings_switch_the_words_off() {
        let mut settings = TenantSettings {
            answer_within_minutes: 0,
            ..TenantSettings::default()
        };
        settings.opt_out.enabled = false;
        settings.handoff.on_words = false;
        for text in ["STOP", "talk to a human"] {
            assert_eq!(heard(&settings).decide(text), Heeded::Answer);
        }
        let old = Heard {
            age: TimeDelta::days(6),
            ..heard(&settings)
        };
        assert_eq!(old.decide("Hello"), Heeded::Answer);
        settings.moderation.blocked = vec!["bomb".to_owned()];
        assert_eq!(heard(&settings).decide("A bomb!"), Heeded::Blocked);
    }
}
