//! The chat bubble on a web site.
//!
//! Nothing is posted from outside: our own API makes each item from a session it has checked, as
//! [`Item`], and an answer is delivered by telling the session's open connections.
//!
//! | item | [`RawKind`] | [`Inbound`] |
//! |---|---|---|
//! | [`Item`] | Message | `Message`, `Text` |
//! | anything else | Unreadable | fails as [`Unreadable`] |

mod item;
mod settings;

use domain::{ChannelKind, Content, Inbound};
use secrecy::SecretString;
use serde_json::Value;

pub use item::{Item, MAX_CLIENT_ID_CHARS, MAX_TEXT_CHARS};
pub use settings::WebchatConfig;
pub(crate) use settings::parse_settings;

use crate::lenient::{without_lone_surrogates, without_nul};
use crate::{
    Capabilities, Channel, Delivery, RawItem, RawKind, SignatureError, Unreadable, Unsupported,
};

/// The channel of kind [`ChannelKind::Webchat`].
#[derive(Clone, Copy, Debug)]
pub struct Webchat;

impl Channel for Webchat {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webchat
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            max_text_units: None,
            reply_window: None,
            has_statuses: false,
            delivery: Delivery::LivePush,
            signature_header: None,
        }
    }

    fn verify(&self, _: &SecretString, _: &[u8], _: Option<&[u8]>) -> Result<(), SignatureError> {
        Err(SignatureError::NotSigned)
    }

    fn split_items(&self, body: &[u8]) -> Result<Vec<RawItem>, Unreadable> {
        let payload: Value = serde_json::from_slice(&without_lone_surrogates(body))
            .map_err(|error| Unreadable::new(format!("the body is not JSON: {error}")))?;
        let payload = without_nul(payload);
        let kind = if Item::read(&payload).is_ok() {
            RawKind::Message
        } else {
            RawKind::Unreadable
        };
        Ok(vec![RawItem {
            external_channel_id: None,
            kind,
            payload,
        }])
    }

    fn decode(&self, payload: &Value) -> Result<Inbound, Unreadable> {
        Item::read(payload).map(|item| Inbound::Message(item.into_message()))
    }

    fn encode(&self, content: &Content) -> Result<Vec<String>, Unsupported> {
        match content {
            Content::Text { body } => Ok(vec![body.clone()]),
        }
    }
}
