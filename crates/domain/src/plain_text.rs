use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    ContentBody, InteractiveReply, Location, Media, MediaKind, Order, OrderItem, SharedContact,
};

impl ContentBody {
    /// The content as a line of plain text for models, searches and lists; what is not text stands
    /// in square brackets. Never empty, save for an empty text.
    pub fn plain_text(&self) -> String {
        match self {
            Self::Text { body } => body.clone(),
            Self::Media(media) => media.plain_text(),
            Self::Location(location) => location.plain_text(),
            Self::Contacts { contacts } => {
                let cards: Vec<String> = contacts.iter().map(SharedContact::plain_text).collect();
                format!("[contacts: {}]", cards.join("; "))
            }
            Self::Interactive { reply } => reply.plain_text(),
            Self::Reaction { emoji, .. } => match emoji {
                Some(emoji) => format!("[reaction: {emoji}]"),
                None => "[reaction removed]".to_owned(),
            },
            Self::Order(order) => order.plain_text(),
            Self::System(notice) => match &notice.body {
                Some(body) => format!("[notice: {body}]"),
                None => format!("[notice: {}]", notice.change),
            },
            Self::Edit { content, .. } => content.plain_text(),
            Self::Revoke { .. } => "[message deleted]".to_owned(),
            Self::Parts { parts } => {
                let parts: Vec<String> = parts.iter().map(Self::plain_text).collect();
                parts.join(" ")
            }
            Self::Unsupported { channel_type, .. } => match channel_type {
                Some(name) => format!("[unsupported message: {name}]"),
                None => "[unsupported message]".to_owned(),
            },
        }
    }
}

impl Media {
    fn plain_text(&self) -> String {
        let what = match self.media_kind {
            MediaKind::Image => "image",
            MediaKind::Video => "video",
            MediaKind::Audio if self.voice => "voice message",
            MediaKind::Audio => "audio",
            MediaKind::Document => "document",
            MediaKind::Sticker => "sticker",
        };
        let file = match &self.filename {
            Some(filename) => format!("[{what}: {filename}]"),
            None => format!("[{what}]"),
        };
        with_words(file, self.caption.as_deref())
    }
}

impl Location {
    fn plain_text(&self) -> String {
        let mut text = "[location: ".to_owned();
        for part in [&self.name, &self.address].into_iter().flatten() {
            text.push_str(part);
            text.push_str(", ");
        }
        // Writing to a String cannot fail.
        write!(text, "{} {}]", self.latitude, self.longitude).ok();
        text
    }
}

impl SharedContact {
    fn plain_text(&self) -> String {
        let mut parts: Vec<&str> = vec![self.name.as_deref().unwrap_or("no name")];
        parts.extend(self.phones.iter().map(String::as_str));
        parts.extend(self.emails.iter().map(String::as_str));
        parts.join(", ")
    }
}

impl InteractiveReply {
    fn plain_text(&self) -> String {
        match self {
            Self::Button { title, .. } => title.clone(),
            Self::List {
                title, description, ..
            } => match description {
                Some(description) => format!("{title} ({description})"),
                None => title.clone(),
            },
            Self::Form { name, response, .. } => {
                let title = format!("[form: {}]", name.as_deref().unwrap_or("no name"));
                with_words(title, response.as_ref().map(form_fields).as_deref())
            }
            Self::TemplateButton { text, .. } => text.clone(),
            Self::Postback { title, payload } => match title.as_ref().or(payload.as_ref()) {
                Some(words) => words.clone(),
                None => "[selection]".to_owned(),
            },
            Self::Unknown { channel_type } => match channel_type {
                Some(name) => format!("[selection: {name}]"),
                None => "[selection]".to_owned(),
            },
        }
    }
}

impl Order {
    fn plain_text(&self) -> String {
        let items: Vec<String> = self.items.iter().map(OrderItem::plain_text).collect();
        with_words(
            format!("[order: {}]", items.join("; ")),
            self.text.as_deref(),
        )
    }
}

impl OrderItem {
    fn plain_text(&self) -> String {
        let mut text = format!("{} x {}", self.quantity.unwrap_or(1), self.product_id);
        if let Some(price) = self.unit_price {
            let currency = self.currency.as_deref().unwrap_or("");
            // Writing to a String cannot fail.
            write!(text, " at {price} {currency}").ok();
        }
        text.trim_end().to_owned()
    }
}

fn with_words(mut text: String, words: Option<&str>) -> String {
    if let Some(words) = words.filter(|words| !words.is_empty()) {
        text.push(' ');
        text.push_str(words);
    }
    text
}

/// Lists a form's fields, without the token that only ties it to its sender.
fn form_fields(response: &Value) -> String {
    let Value::Object(fields) = response else {
        return response
            .as_str()
            .map_or_else(|| response.to_string(), str::to_owned);
    };
    let lines: Vec<String> = fields
        .iter()
        .filter(|(name, _)| *name != "flow_token")
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}: {text}"),
            other => format!("{name}: {other}"),
        })
        .collect();
    lines.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_text_stands_in_brackets() {
        let voice = ContentBody::Media(Media {
            media_kind: MediaKind::Audio,
            id: Some("1".to_owned()),
            mime_type: None,
            filename: None,
            caption: None,
            voice: true,
            animated: false,
            sha256: None,
            url: None,
        });
        assert_eq!(voice.plain_text(), "[voice message]");
        let form = ContentBody::Interactive {
            reply: InteractiveReply::Form {
                name: Some("flow".to_owned()),
                body: None,
                response: Some(json!({"flow_token": "t", "size": "L", "count": 2})),
            },
        };
        assert_eq!(form.plain_text(), "[form: flow] size: L, count: 2");
        let order = ContentBody::Order(Order {
            catalog_id: None,
            text: Some("soon please".to_owned()),
            items: vec![OrderItem {
                product_id: "SODA".to_owned(),
                quantity: Some(2),
                unit_price: Some(1.5),
                currency: Some("EUR".to_owned()),
            }],
        });
        assert_eq!(
            order.plain_text(),
            "[order: 2 x SODA at 1.5 EUR] soon please"
        );
    }
}
