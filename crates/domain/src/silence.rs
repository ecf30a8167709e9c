//! What a message itself says about why it is not answered.

use crate::{ContentBody, NormalizedContent, UnansweredReason};

impl NormalizedContent {
    /// Why the machine does not answer this, whoever wrote it and wherever the conversation stands;
    /// `None` for what it may answer, and for what nobody waits for an answer to.
    pub fn silence(&self) -> Option<UnansweredReason> {
        if !self.body.is_said() {
            None
        } else if self.context.group_id.is_some() {
            Some(UnansweredReason::Group)
        } else if self.context.standby {
            Some(UnansweredReason::Standby)
        } else if !self.body.expects_answer() {
            Some(UnansweredReason::Unsupported)
        } else {
            None
        }
    }
}

impl ContentBody {
    /// Whether a person says, sends or taps something with it, be it understood or not; false for
    /// reactions, edits, deletions and notices.
    fn is_said(&self) -> bool {
        match self {
            Self::Parts { parts } => parts.iter().any(Self::is_said),
            Self::Unsupported { .. } => true,
            other => other.expects_answer(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MessageContext, SystemNotice};

    fn of(body: ContentBody, change: fn(&mut MessageContext)) -> Option<UnansweredReason> {
        let mut content = NormalizedContent::new(body);
        change(&mut content.context);
        content.silence()
    }

    fn alone(_: &mut MessageContext) {}

    fn in_group(context: &mut MessageContext) {
        context.group_id = Some("g".to_owned());
    }

    fn in_standby(context: &mut MessageContext) {
        context.standby = true;
    }

    fn text() -> ContentBody {
        let body = "hello".to_owned();
        ContentBody::Text { body }
    }

    #[test]
    fn what_is_said_and_may_not_be_answered_has_its_reason() {
        let unknown = || ContentBody::Unsupported {
            channel_type: None,
            raw: None,
        };
        let unsupported = Some(UnansweredReason::Unsupported);
        let group = Some(UnansweredReason::Group);
        let standby = Some(UnansweredReason::Standby);
        assert_eq!(of(text(), alone), None);
        assert_eq!(of(unknown(), alone), unsupported);
        for body in [text(), unknown()] {
            assert_eq!(of(body.clone(), in_group), group, "{body:?}");
            assert_eq!(of(body.clone(), in_standby), standby, "{body:?}");
        }
        let parts = |parts| ContentBody::Parts { parts };
        assert_eq!(of(parts(vec![unknown(), unknown()]), alone), unsupported);
        assert_eq!(of(parts(vec![unknown(), text()]), alone), None);
    }

    #[test]
    fn the_guide_says_what_each_reason_means() {
        let guide = include_str!("../../../docs/conversations.md");
        for reason in UnansweredReason::ALL {
            assert!(guide.contains(&format!("\n| `{reason}` | ")), "{reason}");
        }
    }

    #[test]
    fn what_nobody_waits_for_an_answer_to_has_no_reason() {
        let target = || "m1".to_owned();
        for body in [
            ContentBody::Reaction {
                target: target(),
                emoji: None,
            },
            ContentBody::Edit {
                target: target(),
                content: Box::new(text()),
            },
            ContentBody::Revoke { target: target() },
            ContentBody::System(SystemNotice {
                change: "user_changed_number".to_owned(),
                body: None,
                new_address: None,
                new_external_id: None,
                previous_external_id: None,
            }),
        ] {
            for around in [alone as fn(&mut MessageContext), in_group, in_standby] {
                assert_eq!(of(body.clone(), around), None, "{body:?}");
            }
        }
    }
}
