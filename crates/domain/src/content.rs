use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a contact sent, in one form for all channels: the body and what stood around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NormalizedContent {
    /// The message itself.
    #[serde(flatten)]
    pub body: ContentBody,
    /// What the channel said about the message.
    #[serde(default, skip_serializing_if = "MessageContext::is_empty")]
    pub context: MessageContext,
}

/// The message itself, by type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ContentBody {
    /// Words.
    Text {
        /// The words as written.
        body: String,
    },
    /// A file of some kind.
    Media(Media),
    /// A place.
    Location(Location),
    /// Address cards.
    Contacts {
        /// The cards, in their order.
        contacts: Vec<SharedContact>,
    },
    /// A tap on something we or the business sent.
    Interactive {
        /// What was tapped.
        reply: InteractiveReply,
    },
    /// An emoji put on a message, or taken off.
    Reaction {
        /// The channel's id of the message it is put on.
        target: String,
        /// The emoji; `None` takes the reaction off.
        emoji: Option<String>,
    },
    /// A cart sent from a catalogue.
    Order(Order),
    /// The channel's own notice about the contact.
    System(SystemNotice),
    /// A later wording of an earlier message.
    Edit {
        /// The channel's id of the message that was edited.
        target: String,
        /// The new wording.
        content: Box<ContentBody>,
    },
    /// A message taken back.
    Revoke {
        /// The channel's id of the message that was taken back.
        target: String,
    },
    /// Several things sent as one message, in their order; none of them is `Parts` itself.
    Parts {
        /// The things.
        parts: Vec<ContentBody>,
    },
    /// Something the channel does not pass on, or a type that is not known here.
    Unsupported {
        /// The channel's name of the type, where it gave one.
        channel_type: Option<String>,
        /// What came, as it came; `None` where it is long, and then the raw item has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<Value>,
    },
}

/// What the channel said about a message besides its body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageContext {
    /// The channel's id of the message this one answers or was tapped on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Whether it was forwarded.
    #[serde(skip_serializing_if = "is_false")]
    pub forwarded: bool,
    /// Whether it was forwarded many times.
    #[serde(skip_serializing_if = "is_false")]
    pub frequently_forwarded: bool,
    /// The group it was written in; such messages are not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// The advertisement it came from, as the channel describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral: Option<Value>,
    /// The product it asks about, as the channel describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referred_product: Option<Value>,
    /// What the channel could not deliver of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ChannelError>,
    /// Whether another app or a person has the conversation at the channel; such messages are kept
    /// and not answered.
    #[serde(skip_serializing_if = "is_false")]
    pub standby: bool,
    /// The channel's id of the app an echo was written with, where it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}

/// An error as a channel reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelError {
    /// The channel's number for it.
    pub code: Option<i64>,
    /// The channel's words for it; may be empty.
    pub message: String,
}

/// A file that came with a message; the file itself is still at the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// What it is shown as.
    pub media_kind: MediaKind,
    /// The channel's id of the file; `None` where the channel could not take it in, or where the
    /// address alone leads to it.
    pub id: Option<String>,
    /// The media type, for example `image/jpeg`.
    pub mime_type: Option<String>,
    /// The file's name, where the contact's app gave one.
    pub filename: Option<String>,
    /// The words written under it.
    pub caption: Option<String>,
    /// Whether it is a recorded voice note.
    #[serde(default)]
    pub voice: bool,
    /// Whether it is a moving sticker.
    #[serde(default)]
    pub animated: bool,
    /// The SHA-256 of the file as the channel wrote it, in base64 or hexadecimal.
    pub sha256: Option<String>,
    /// A short-lived address of the file.
    pub url: Option<String>,
}

/// What a file is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A sound file or a voice note.
    Audio,
    /// Any other file.
    Document,
    /// A sticker.
    Sticker,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// What is there.
    pub name: Option<String>,
    /// Its postal address.
    pub address: Option<String>,
    /// A page about it.
    pub url: Option<String>,
}

/// An address card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedContact {
    /// The person's name, where the card has one.
    pub name: Option<String>,
    /// Phone numbers as written on the card.
    #[serde(default)]
    pub phones: Vec<String>,
    /// Mail addresses as written on the card.
    #[serde(default)]
    pub emails: Vec<String>,
}

/// What was tapped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply_type", rename_all = "snake_case")]
pub enum InteractiveReply {
    /// A reply button.
    Button {
        /// The id the sender gave the button.
        id: String,
        /// The words on it.
        title: String,
    },
    /// A row of a list.
    List {
        /// The id the sender gave the row.
        id: String,
        /// The row's words.
        title: String,
        /// The row's second line.
        description: Option<String>,
    },
    /// A form that was filled in.
    Form {
        /// The channel's name for it.
        name: Option<String>,
        /// The words shown in the chat.
        body: Option<String>,
        /// What was filled in: an object, or the text as it came where it is no JSON.
        response: Option<Value>,
    },
    /// A quick reply of a template.
    TemplateButton {
        /// The words on it.
        text: String,
        /// What the sender gave the button to carry.
        payload: Option<String>,
    },
    /// A button that the channel itself shows, or one of a menu or a card.
    Postback {
        /// The words on it.
        title: Option<String>,
        /// What the sender gave the button to carry.
        payload: Option<String>,
    },
    /// A kind of tap that is not known here, or one that came without its contents.
    Unknown {
        /// The channel's name for it.
        channel_type: Option<String>,
    },
}

/// A cart sent from a catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The catalogue's id.
    pub catalog_id: Option<String>,
    /// The words written with it.
    pub text: Option<String>,
    /// What is in it.
    pub items: Vec<OrderItem>,
}

/// One line of a cart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderItem {
    /// The seller's id of the product.
    pub product_id: String,
    /// How many.
    pub quantity: Option<i64>,
    /// The price of one, in `currency`.
    pub unit_price: Option<f64>,
    /// The currency's three letters.
    pub currency: Option<String>,
}

/// The channel's own notice about a contact, for example that the number changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemNotice {
    /// The channel's name of what happened, for example `user_changed_number`.
    pub change: String,
    /// The channel's words for it.
    pub body: Option<String>,
    /// Where the contact can be reached from here on.
    pub new_address: Option<String>,
    /// The contact's lasting name at the channel from here on.
    pub new_external_id: Option<String>,
    /// The contact's lasting name at the channel so far.
    pub previous_external_id: Option<String>,
}

impl NormalizedContent {
    /// Content with nothing around it.
    pub fn new(body: ContentBody) -> Self {
        Self {
            body,
            context: MessageContext::default(),
        }
    }

    /// Whether the sender waits for an answer to this; never in a group, nor while another app has
    /// the conversation.
    pub fn expects_answer(&self) -> bool {
        self.context.group_id.is_none() && !self.context.standby && self.body.expects_answer()
    }
}

impl MessageContext {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl MediaKind {
    /// Its name in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }
}

impl ContentBody {
    /// The files that came with it, in their order.
    pub fn media(&self) -> impl Iterator<Item = &Media> {
        let parts = match self {
            Self::Parts { parts } => parts.as_slice(),
            other => std::slice::from_ref(other),
        };
        parts.iter().filter_map(|part| match part {
            Self::Media(media) => Some(media),
            _ => None,
        })
    }

    /// Whether the sender waits for an answer: true for what a person says, sends or taps; false
    /// for reactions, edits, deletions, notices and what could not be understood.
    pub fn expects_answer(&self) -> bool {
        match self {
            Self::Parts { parts } => parts.iter().any(Self::expects_answer),
            Self::Text { .. }
            | Self::Media(_)
            | Self::Location(_)
            | Self::Contacts { .. }
            | Self::Interactive { .. }
            | Self::Order(_) => true,
            Self::Reaction { .. }
            | Self::System(_)
            | Self::Edit { .. }
            | Self::Revoke { .. }
            | Self::Unsupported { .. } => false,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_survives_the_database() {
        let mut content = NormalizedContent::new(ContentBody::Edit {
            target: "m1".to_owned(),
            content: Box::new(ContentBody::Location(Location {
                latitude: 12.5,
                longitude: -3.0,
                name: None,
                address: None,
                url: None,
            })),
        });
        content.context.forwarded = true;
        content.context.referral = Some(json!({"source_id": "ad"}));
        let stored = serde_json::to_value(&content).unwrap();
        assert_eq!(stored["type"], "edit");
        assert_eq!(stored["context"]["forwarded"], true);
        let back: NormalizedContent = serde_json::from_value(stored).unwrap();
        assert_eq!(back, content);
    }

    #[test]
    fn a_plain_text_has_no_context_in_the_database() {
        let content = NormalizedContent::new(ContentBody::Text {
            body: "hello".to_owned(),
        });
        assert_eq!(
            serde_json::to_value(&content).unwrap(),
            json!({"type": "text", "body": "hello"})
        );
    }

    #[test]
    fn groups_and_reactions_expect_no_answer() {
        let mut content = NormalizedContent::new(ContentBody::Text {
            body: "hello".to_owned(),
        });
        assert!(content.expects_answer());
        content.context.group_id = Some("g".to_owned());
        assert!(!content.expects_answer());
        content.context.group_id = None;
        content.context.standby = true;
        assert!(!content.expects_answer());
        let reaction = ContentBody::Reaction {
            target: "m1".to_owned(),
            emoji: None,
        };
        assert!(!reaction.expects_answer());
    }

    #[test]
    fn parts_expect_an_answer_if_one_of_them_does() {
        let unknown = ContentBody::Unsupported {
            channel_type: None,
            raw: None,
        };
        let mut parts = vec![unknown];
        let body = |parts: &[ContentBody]| ContentBody::Parts {
            parts: parts.to_vec(),
        };
        assert!(!body(&parts).expects_answer());
        parts.push(ContentBody::Text {
            body: "hello".to_owned(),
        });
        assert!(body(&parts).expects_answer());
        assert_eq!(body(&parts).plain_text(), "[unsupported message] hello");
    }

    #[test]
    fn what_was_stored_by_an_older_version_reads_back() {
        let old =
            json!({"type": "unsupported", "channel_type": "poll", "context": {"forwarded": true}});
        let content: NormalizedContent = serde_json::from_value(old).unwrap();
        assert!(content.context.forwarded && !content.context.standby);
    }
}
