use chrono::{DateTime, Utc};
use domain::{
    AttachmentId, ContactRef, ContentBody, InboundMessage, Media, MediaKind, NormalizedContent,
    WebchatSessionId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::AttachmentType;
use crate::lenient::without_nul;
use crate::{FieldError, RawItem, RawKind, Unreadable};

/// The longest text a visitor may send, in characters.
pub const MAX_TEXT_CHARS: usize = 4000;

/// The longest id a client may give a message, in characters.
pub const MAX_CLIENT_ID_CHARS: usize = 100;

/// The longest id of a visitor, in characters.
const MAX_VISITOR_ID_CHARS: usize = 128;

/// A visitor's message as our own API accepted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The session it was sent in.
    pub session_id: WebchatSessionId,
    /// The visitor, who may come back in another session.
    pub visitor_id: String,
    /// The client's own id of the message, unique in the session; 1 to 100 characters.
    pub client_id: String,
    /// What the visitor wrote; 1 to 4000 characters that are not all space, or nothing beside a
    /// file.
    pub text: String,
    /// The file that goes with it.
    #[serde(default)]
    pub attachment: Option<Attached>,
    /// When our API took it.
    pub occurred_at: DateTime<Utc>,
}

/// A file that goes with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Its id.
    pub id: AttachmentId,
    /// Its name, without folders.
    pub name: String,
    /// What it was recognised as.
    pub media_type: String,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

impl Item {
    /// Checks what a client may choose itself.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut limit = |field, text: &str, max_chars| {
            if text.trim().is_empty() || text.chars().count() > max_chars {
                let message = format!("must have 1 to {max_chars} characters");
                errors.push(FieldError::new(field, message));
            }
        };
        if self.attachment.is_none() || !self.text.is_empty() {
            limit("text", &self.text, MAX_TEXT_CHARS);
        }
        limit("client_id", &self.client_id, MAX_CLIENT_ID_CHARS);
        limit("visitor_id", &self.visitor_id, MAX_VISITOR_ID_CHARS);
        for (field, text) in [
            ("client_id", &self.client_id),
            ("visitor_id", &self.visitor_id),
        ] {
            if text.contains(char::is_control) {
                errors.push(FieldError::new(field, "must have no control characters"));
            }
        }
        let attached = self.attachment.as_ref();
        if attached.is_some_and(|file| AttachmentType::named(&file.media_type).is_none()) {
            errors.push(FieldError::new("attachment", "is of no type that is taken"));
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// The item as it is stored, decoded later by [`crate::Channel::decode`].
    ///
    /// # Errors
    /// As [`Item::check`].
    pub fn into_raw_item(self) -> Result<RawItem, Vec<FieldError>> {
        self.check()?;
        Ok(RawItem {
            external_channel_id: None,
            external_account_id: None,
            kind: RawKind::Message,
            payload: without_nul(json!(self)),
        })
    }

    /// Reads a stored item back.
    pub(super) fn read(payload: &Value) -> Result<Self, Unreadable> {
        let item = Self::deserialize(payload)
            // The error's words are not kept: they repeat what the visitor wrote.
            .map_err(|_| Unreadable::new("the payload is no item of a web chat"))?;
        match item.check() {
            Ok(()) => Ok(item),
            Err(errors) => {
                let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Err(Unreadable::new(reasons.join("; ")))
            }
        }
    }

    pub(super) fn into_message(self) -> InboundMessage {
        let body = match self.attachment {
            Some(file) => ContentBody::Media(file.into_media(self.text)),
            None => ContentBody::Text { body: self.text },
        };
        InboundMessage {
            external_id: format!("{}:{}", self.session_id, self.client_id),
            contact: ContactRef {
                external_id: self.visitor_id,
                address: self.session_id.to_string(),
                display_name: None,
            },
            occurred_at: self.occurred_at,
            text: body.plain_text(),
            content: NormalizedContent::new(body),
        }
    }
}

impl Attached {
    fn into_media(self, words: String) -> Media {
        let known = AttachmentType::named(&self.media_type);
        Media {
            media_kind: known.map_or(MediaKind::Document, AttachmentType::media_kind),
            id: Some(self.id.to_string()),
            mime_type: Some(self.media_type),
            filename: Some(self.name),
            caption: Some(words).filter(|words| !words.is_empty()),
            voice: false,
            animated: false,
            sha256: Some(self.sha256),
            url: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Inbound;

    use super::*;
    use crate::Channel;
    use crate::webchat::Webchat;

    fn item() -> Item {
        Item {
            session_id: WebchatSessionId::new(),
            visitor_id: "v-1".to_owned(),
            client_id: "c-1".to_owned(),
            text: "When do you open?".to_owned(),
            attachment: None,
            occurred_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_file_becomes_media_with_the_words_as_its_caption() {
        let id = AttachmentId::new();
        let file = Attached {
            id,
            name: "scan.png".to_owned(),
            media_type: "image/png".to_owned(),
            sha256: "00".to_owned(),
        };
        for (words, caption, text) in [
            ("", None, "[image: scan.png]"),
            (
                "My receipt",
                Some("My receipt"),
                "[image: scan.png] My receipt",
            ),
        ] {
            let raw = Item {
                text: words.to_owned(),
                attachment: Some(file.clone()),
                ..item()
            }
            .into_raw_item()
            .unwrap();
            let Inbound::Message(message) = Webchat.decode(&raw.payload).unwrap() else {
                panic!("not a message");
            };
            let ContentBody::Media(media) = &message.content.body else {
                panic!("not media");
            };
            assert_eq!(media.media_kind, MediaKind::Image);
            assert_eq!(media.id, Some(id.to_string()));
            assert_eq!(media.caption.as_deref(), caption);
            assert_eq!(message.text, text);
        }
        let wrong = Item {
            attachment: Some(Attached {
                media_type: "text/html".to_owned(),
                ..file
            }),
            ..item()
        };
        assert_eq!(wrong.check().unwrap_err()[0].field, "attachment");
    }

    #[test]
    fn an_item_from_before_there_were_files_is_read() {
        let mut payload = serde_json::to_value(item()).unwrap();
        payload.as_object_mut().unwrap().remove("attachment");
        assert!(Webchat.decode(&payload).is_ok());
    }

    #[test]
    fn an_item_becomes_a_message_of_its_visitor() {
        let item = item();
        let raw = item.clone().into_raw_item().unwrap();
        let Inbound::Message(message) = Webchat.decode(&raw.payload).unwrap() else {
            panic!("not a message");
        };
        assert_eq!(message.external_id, format!("{}:c-1", item.session_id));
        assert_eq!(message.contact.external_id, "v-1");
        assert_eq!(message.contact.address, item.session_id.to_string());
        assert_eq!(message.occurred_at, DateTime::UNIX_EPOCH);
        assert_eq!(message.text, "When do you open?");
        assert!(message.content.expects_answer());
    }

    #[test]
    fn texts_and_ids_have_their_limits() {
        let fits = Item {
            text: "é".repeat(MAX_TEXT_CHARS),
            client_id: "x".repeat(MAX_CLIENT_ID_CHARS),
            ..item()
        };
        assert_eq!(fits.check(), Ok(()));
        let wrong = Item {
            text: "x".repeat(MAX_TEXT_CHARS + 1),
            client_id: String::new(),
            ..item()
        };
        let errors = wrong.check().unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["text", "client_id"]);
        let payload = serde_json::to_value(&wrong).unwrap();
        assert!(Webchat.decode(&payload).is_err());
        assert!(wrong.into_raw_item().is_err());
        assert!(
            Item {
                text: " \n".to_owned(),
                ..item()
            }
            .check()
            .is_err()
        );
    }

    #[test]
    fn what_is_no_item_is_told_without_its_words() {
        for payload in [json!("hunter2"), json!({"text": {"hunter2": 1}}), json!([])] {
            let error = Webchat.decode(&payload).unwrap_err();
            assert!(!error.reason.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn nul_characters_do_not_reach_the_database() {
        let raw = Item {
            text: "a\0b".to_owned(),
            ..item()
        }
        .into_raw_item()
        .unwrap();
        assert_eq!(raw.payload["text"], "a\u{fffd}b");
    }
}
