use serde::{Deserialize, Serialize};

use crate::{Location, MediaKind, MessageFileId};

/// What to send to a contact, before a channel turns it into its own form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Words, with Markdown where the author used it.
    Text {
        /// The words; never empty.
        body: String,
    },
    /// A file, with words under it where the channel has room for them.
    Media(OutgoingMedia),
    /// A place.
    Location(Location),
    /// A question with answers to tap.
    Choices(Choices),
    /// A text the channel's operator has approved beforehand.
    Template(Template),
    /// An emoji put on a message of the contact's, or taken off.
    Reaction {
        /// The channel's id of the message it is put on.
        target: String,
        /// The emoji; `None` takes the reaction off.
        emoji: Option<String>,
    },
}

/// A file to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingMedia {
    /// What it is shown as.
    pub media_kind: MediaKind,
    /// Where the channel finds it.
    pub file: MediaFile,
    /// The words under it, with Markdown where the author used it.
    #[serde(default)]
    pub caption: Option<String>,
    /// The name it is shown under.
    #[serde(default)]
    pub filename: Option<String>,
    /// Its media type, for example `image/png`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Whether it is shown as a recorded voice note (WhatsApp: OGG with OPUS only).
    #[serde(default)]
    pub voice: bool,
}

/// Where a channel finds a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaFile {
    /// It was uploaded to the channel, which gave it this id.
    Uploaded(String),
    /// It can be fetched from this address by anybody.
    Link(String),
    /// It is kept here, as the file of this id of the message that sends it.
    Kept(MessageFileId),
}

/// A question with answers to tap; a channel without buttons shows them numbered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// The question, with Markdown where the author used it; never empty.
    pub body: String,
    /// A line below it in smaller print.
    #[serde(default)]
    pub footer: Option<String>,
    /// The words on the button that opens a list, where the answers do not fit on buttons.
    #[serde(default)]
    pub label: Option<String>,
    /// The answers, in their order; never empty.
    pub choices: Vec<Choice>,
}

/// An answer to tap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What comes back when it is tapped; unique among its question's.
    pub id: String,
    /// The words on it.
    pub title: String,
    /// A second line, where the channel has one.
    #[serde(default)]
    pub description: Option<String>,
}

/// A text the channel's operator has approved, and what fills its gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its name at the operator.
    pub name: String,
    /// Its language, as the operator writes it, for example `en_US`.
    pub language: String,
    /// What stands above it.
    #[serde(default)]
    pub header: Option<TemplateHeader>,
    /// What fills the gaps of its text, in their order.
    #[serde(default)]
    pub body: Vec<TemplateParameter>,
    /// What its buttons carry; only those that carry something.
    #[serde(default)]
    pub buttons: Vec<TemplateButton>,
}

/// What stands above a template's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateHeader {
    /// Words that fill the header's gap.
    Text(TemplateParameter),
    /// A picture, film or document.
    Media(OutgoingMedia),
}

/// What fills one gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateParameter {
    /// The gap's name, where the template names its gaps.
    #[serde(default)]
    pub name: Option<String>,
    /// The words.
    pub text: String,
}

/// What a template's button carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateButton {
    /// Its place among the template's buttons, from 0.
    pub index: u8,
    /// What a tap does.
    pub action: TemplateAction,
    /// What comes back from a quick reply, ends an address, or is copied.
    pub value: String,
}

/// What a tap on a template's button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateAction {
    /// Sends an answer.
    QuickReply,
    /// Opens an address.
    Url,
    /// Copies a code.
    CopyCode,
}

impl Content {
    /// Words, as a model or a person wrote them.
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text { body: body.into() }
    }

    /// What stands for it in lists and prompts; what is not text stands in square brackets.
    pub fn plain_text(&self) -> String {
        match self {
            Self::Text { body } => body.clone(),
            Self::Media(media) => {
                let kind = media.media_kind.as_str();
                let file = match &media.filename {
                    Some(name) => format!("[{kind}: {name}]"),
                    None => format!("[{kind}]"),
                };
                match &media.caption {
                    Some(caption) => format!("{file} {caption}"),
                    None => file,
                }
            }
            Self::Location(location) => match &location.name {
                Some(name) => format!("[location: {name}]"),
                None => format!("[location: {}, {}]", location.latitude, location.longitude),
            },
            Self::Choices(choices) => {
                let titles: Vec<&str> = choices
                    .choices
                    .iter()
                    .map(|choice| choice.title.as_str())
                    .collect();
                format!("{} [{}]", choices.body, titles.join(" | "))
            }
            Self::Template(template) => format!("[template: {}]", template.name),
            Self::Reaction { emoji, .. } => match emoji {
                Some(emoji) => format!("[reaction: {emoji}]"),
                None => "[reaction removed]".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_left_out_is_left_out() {
        let template: Content = serde_json::from_value(json!({
            "type": "template", "name": "order_ready", "language": "en_US",
        }))
        .unwrap();
        let Content::Template(template) = template else {
            panic!("{template:?}");
        };
        assert_eq!(template.body, []);
        let template = Content::Template(template);
        assert_eq!(template.plain_text(), "[template: order_ready]");
        let media: Content = serde_json::from_value(json!({
            "type": "media", "media_kind": "image", "file": {"link": "https://x.example/a.png"},
        }))
        .unwrap();
        assert!(matches!(
            media,
            Content::Media(OutgoingMedia { caption: None, .. })
        ));
    }
}
