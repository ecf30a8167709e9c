use domain::{
    Choices, Content, MediaFile, MediaKind, OutgoingMedia, Template, TemplateAction,
    TemplateButton, TemplateHeader, TemplateParameter,
};
use serde_json::{Map, Value, json};

use super::MAX_TEXT_UNITS;
use super::plan::{MAX_CAPTION_UNITS, Shape, caption_fits, shape_of};
use crate::format::units;
use crate::{Markup, Outgoing, to_markup};

/// What opens a list whose author gave it no label.
const LABEL: &str = "…";

/// The body to post for one message, or why there is none.
pub(super) fn body(outgoing: &Outgoing<'_>) -> Result<Value, &'static str> {
    let (name, part) = part(outgoing.content)?;
    let (to_name, to) = recipient(outgoing.to);
    let mut body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        to_name: to,
        "type": name,
        name: part,
        "biz_opaque_callback_data": outgoing.tag,
    });
    if let Some(id) = outgoing.reply_to.filter(|_| name != "reaction") {
        body["context"] = json!({"message_id": id});
    }
    Ok(body)
}

/// The field that names a recipient, and its value. A phone number gets its `+`, without which Meta
/// may take it for a national one; a user id is never changed.
pub(super) fn recipient(address: &str) -> (&'static str, String) {
    let digits = address.strip_prefix('+').unwrap_or(address);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        ("to", format!("+{digits}"))
    } else {
        ("recipient", address.to_owned())
    }
}

/// The message's type and what stands under it.
fn part(content: &Content) -> Result<(&'static str, Value), &'static str> {
    match content {
        Content::Text { body } => {
            let body = marked(body);
            if body.is_empty() {
                return Err("there is nothing to send");
            }
            if units(&body) > MAX_TEXT_UNITS {
                return Err("the text is too long for one message");
            }
            Ok(("text", json!({"body": body, "preview_url": false})))
        }
        Content::Media(media) => media_of(media),
        Content::Location(location) => {
            let mut part = json!({
                "latitude": location.latitude,
                "longitude": location.longitude,
            });
            set(&mut part, "name", location.name.as_deref());
            set(&mut part, "address", location.address.as_deref());
            Ok(("location", part))
        }
        Content::Choices(choices) => choices_of(choices),
        Content::Template(template) => Ok(("template", template_of(template)?)),
        Content::Reaction { target, emoji } => Ok((
            "reaction",
            json!({"message_id": target, "emoji": emoji.as_deref().unwrap_or("")}),
        )),
    }
}

fn marked(markdown: &str) -> String {
    to_markup(Markup::Whatsapp, markdown)
}

fn set(part: &mut Value, name: &str, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        part[name] = text.into();
    }
}

fn media_of(media: &OutgoingMedia) -> Result<(&'static str, Value), &'static str> {
    if !caption_fits(media) {
        return Err("the caption is too long, or the file can have none");
    }
    let name = match media.media_kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
        MediaKind::Document => "document",
        MediaKind::Sticker => "sticker",
    };
    let mut part = match &media.file {
        MediaFile::Uploaded(id) => json!({"id": id}),
        MediaFile::Link(url) => json!({"link": url}),
        MediaFile::Kept(_) => return Err("the file has to be uploaded first"),
    };
    let caption = media.caption.as_deref().map(marked);
    debug_assert!(
        caption
            .as_deref()
            .is_none_or(|text| units(text) <= MAX_CAPTION_UNITS)
    );
    set(&mut part, "caption", caption.as_deref());
    if media.media_kind == MediaKind::Document {
        set(&mut part, "filename", media.filename.as_deref());
    }
    if media.media_kind == MediaKind::Audio && media.voice {
        part["voice"] = true.into();
    }
    Ok((name, part))
}

fn choices_of(choices: &Choices) -> Result<(&'static str, Value), &'static str> {
    let action = match shape_of(choices) {
        Some(Shape::Buttons) => {
            let buttons: Vec<Value> = choices
                .choices
                .iter()
                .map(|choice| {
                    json!({"type": "reply", "reply": {"id": choice.id, "title": choice.title}})
                })
                .collect();
            json!({"type": "button", "action": {"buttons": buttons}})
        }
        Some(Shape::List) => {
            let rows: Vec<Value> = choices
                .choices
                .iter()
                .map(|choice| {
                    let mut row = json!({"id": choice.id, "title": choice.title});
                    set(&mut row, "description", choice.description.as_deref());
                    row
                })
                .collect();
            let label = choices.label.as_deref().unwrap_or(LABEL);
            let action = json!({"button": label, "sections": [{"rows": rows}]});
            json!({"type": "list", "action": action})
        }
        None => return Err("the answers fit neither on buttons nor in a list"),
    };
    let mut part = action;
    part["body"] = json!({"text": marked(&choices.body)});
    if let Some(footer) = choices
        .footer
        .as_deref()
        .filter(|footer| !footer.is_empty())
    {
        part["footer"] = json!({"text": footer});
    }
    Ok(("interactive", part))
}

fn template_of(template: &Template) -> Result<Value, &'static str> {
    let mut components = Vec::new();
    if let Some(header) = &template.header {
        let parameter = match header {
            TemplateHeader::Text(parameter) => parameter_of(parameter),
            TemplateHeader::Media(media) => {
                let is_shown = matches!(
                    media.media_kind,
                    MediaKind::Image | MediaKind::Video | MediaKind::Document
                );
                if !is_shown || media.caption.is_some() {
                    return Err("a template's header is a picture, a film or a document");
                }
                let (name, part) = media_of(media)?;
                json!({"type": name, name: part})
            }
        };
        components.push(json!({"type": "header", "parameters": [parameter]}));
    }
    if !template.body.is_empty() {
        let parameters: Vec<Value> = template.body.iter().map(parameter_of).collect();
        components.push(json!({"type": "body", "parameters": parameters}));
    }
    components.extend(template.buttons.iter().map(button_of));
    let mut part = json!({"name": template.name, "language": {"code": template.language}});
    if !components.is_empty() {
        part["components"] = components.into();
    }
    Ok(part)
}

fn parameter_of(parameter: &TemplateParameter) -> Value {
    let mut part = Map::new();
    part.insert("type".to_owned(), "text".into());
    if let Some(name) = &parameter.name {
        part.insert("parameter_name".to_owned(), name.clone().into());
    }
    part.insert("text".to_owned(), parameter.text.clone().into());
    part.into()
}

fn button_of(button: &TemplateButton) -> Value {
    let (sub_type, name) = match button.action {
        TemplateAction::QuickReply => ("quick_reply", "payload"),
        TemplateAction::Url => ("url", "text"),
        TemplateAction::CopyCode => ("copy_code", "coupon_code"),
    };
    json!({
        "type": "button",
        "sub_type": sub_type,
        "index": button.index.to_string(),
        "parameters": [{"type": name, name: button.value}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_get_their_plus_and_user_ids_stay_as_they_are() {
        for (address, name, value) in [
            ("15550002222", "to", "+15550002222"),
            ("+15550002222", "to", "+15550002222"),
            (
                "US.13491208655302741918",
                "recipient",
                "US.13491208655302741918",
            ),
        ] {
            assert_eq!(recipient(address), (name, value.to_owned()));
        }
    }
}
