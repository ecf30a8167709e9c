use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Author, Content, Template};

/// How long after a contact's last message it may be answered freely, at WhatsApp and Messenger.
///
/// Source: <https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages>
/// (2026-05-21), <https://developers.facebook.com/docs/messenger-platform/policy/policy-overview>.
pub const REPLY_WINDOW: Duration = Duration::from_hours(24);

/// How long after a contact's last message a person, and only a person, may answer at Messenger.
pub const HUMAN_AGENT_WINDOW: Duration = Duration::from_hours(7 * 24);

/// What decides whether a message may leave.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What is to be sent.
    pub content: &'a Content,
    /// Who wrote it.
    pub author: Author,
    /// When the contact last did what opens the window, by the channel's clock; `None`: never.
    /// What does, [`crate::Channel::opens_window`] tells.
    pub opened_at: Option<DateTime<Utc>>,
    /// The template to fall back to when the window is closed, where the tenant has set one.
    pub fallback: Option<&'a Template>,
    /// The time it would leave at.
    pub now: DateTime<Utc>,
}

/// How a message may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// As it is.
    Free,
    /// Marked as written by a person, after the time in which a machine may answer.
    HumanAgent,
    /// As it is, for it is a template, which needs no window.
    Approved,
    /// Not as it is; this template may go in its place, and asks the contact to write again.
    InsteadTemplate(Box<Template>),
    /// Not at all.
    Refused(Refusal),
}

/// Why a message may not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The contact's last message is too long ago.
    #[error("the contact wrote too long ago: the channel allows no free answer any more")]
    WindowClosed,
    /// The contact's last message is too long ago for a machine; a person may answer.
    #[error("the contact wrote too long ago for a machine's answer: a person may still answer")]
    OnlyPeople,
}

impl Situation<'_> {
    /// Whether the contact did what opens the window at most `window` ago; a moment that is still
    /// to come by our clock counts as now.
    pub fn is_within(&self, window: Duration) -> bool {
        self.opened_at.is_some_and(|at| {
            let since = (self.now - at).to_std().unwrap_or(Duration::ZERO);
            since < window
        })
    }
}

/// When a window that a contact opened at `opened_at` closes.
pub fn closes_at(opened_at: DateTime<Utc>, window: Duration) -> DateTime<Utc> {
    chrono::Duration::from_std(window)
        .ok()
        .and_then(|window| opened_at.checked_add_signed(window))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// WhatsApp's rule: free answers for 24 hours, templates always.
pub(crate) fn templates_outside(situation: &Situation<'_>) -> Permit {
    if matches!(situation.content, Content::Template(_)) {
        return Permit::Approved;
    }
    if situation.is_within(REPLY_WINDOW) {
        return Permit::Free;
    }
    match situation.fallback {
        Some(template) => Permit::InsteadTemplate(Box::new(template.clone())),
        None => Permit::Refused(Refusal::WindowClosed),
    }
}

/// Messenger's rule: free answers for 24 hours, those of a person for seven days.
pub(crate) fn people_outside(situation: &Situation<'_>) -> Permit {
    if situation.is_within(REPLY_WINDOW) {
        return Permit::Free;
    }
    let is_late = !situation.is_within(HUMAN_AGENT_WINDOW);
    match situation.author {
        _ if is_late => Permit::Refused(Refusal::WindowClosed),
        Author::Agent => Permit::HumanAgent,
        Author::Assistant | Author::System | Author::Contact => {
            Permit::Refused(Refusal::OnlyPeople)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64, minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::Duration::minutes(hours * 60 + minutes)
    }

    fn situation(content: &Content, author: Author, now: DateTime<Utc>) -> Situation<'_> {
        Situation {
            content,
            author,
            opened_at: Some(DateTime::UNIX_EPOCH),
            fallback: None,
            now,
        }
    }

    fn template() -> Template {
        Template {
            name: "we_are_back".to_owned(),
            language: "en".to_owned(),
            header: None,
            body: Vec::new(),
            buttons: Vec::new(),
        }
    }

    #[test]
    fn free_answers_end_after_a_day_and_templates_do_not() {
        let text = Content::text("hello");
        let free = |now| templates_outside(&situation(&text, Author::Assistant, now));
        assert_eq!(free(at(0, 0)), Permit::Free);
        assert_eq!(
            free(at(-1, 0)),
            Permit::Free,
            "the contact's clock is ahead"
        );
        assert_eq!(free(at(23, 59)), Permit::Free);
        assert_eq!(free(at(24, 0)), Permit::Refused(Refusal::WindowClosed));
        let approved = Content::Template(template());
        let late = situation(&approved, Author::Agent, at(999, 0));
        assert_eq!(templates_outside(&late), Permit::Approved);
        let never = Situation {
            opened_at: None,
            ..situation(&text, Author::Agent, at(0, 0))
        };
        assert_eq!(
            templates_outside(&never),
            Permit::Refused(Refusal::WindowClosed)
        );
        let fallback = template();
        let late = Situation {
            fallback: Some(&fallback),
            ..situation(&text, Author::Agent, at(25, 0))
        };
        assert_eq!(
            templates_outside(&late),
            Permit::InsteadTemplate(Box::new(template()))
        );
    }

    #[test]
    fn after_a_day_only_people_answer_and_after_a_week_nobody() {
        let text = Content::text("hello");
        let said = |author, now| people_outside(&situation(&text, author, now));
        for author in [Author::Assistant, Author::System] {
            assert_eq!(said(author, at(23, 59)), Permit::Free);
            assert_eq!(
                said(author, at(24, 0)),
                Permit::Refused(Refusal::OnlyPeople)
            );
        }
        assert_eq!(said(Author::Agent, at(23, 59)), Permit::Free);
        assert_eq!(said(Author::Agent, at(24, 0)), Permit::HumanAgent);
        assert_eq!(said(Author::Agent, at(167, 59)), Permit::HumanAgent);
        assert_eq!(
            said(Author::Agent, at(168, 0)),
            Permit::Refused(Refusal::WindowClosed)
        );
    }

    #[test]
    fn a_window_closes_when_it_should() {
        assert_eq!(closes_at(at(0, 0), REPLY_WINDOW), at(24, 0));
        assert_eq!(
            closes_at(DateTime::<Utc>::MAX_UTC, REPLY_WINDOW),
            DateTime::<Utc>::MAX_UTC
        );
    }
}
