use domain::{
    ChannelError, ContentBody, InteractiveReply, Location, Media, MediaKind, MessageContext, Order,
    OrderItem, SharedContact, SystemNotice,
};
use serde_json::Value;

use crate::lenient::{flag, float, integer, is_within, kept_raw, list, text, without_nul};

/// How deep a form's answers may be nested and still be kept as more than a text.
const MAX_FORM_LEVELS: usize = 64;

/// The body of a message, by its type. What lacks its contents is [`ContentBody::Unsupported`], for
/// the message itself did come.
pub(super) fn body_of(message: &Value) -> ContentBody {
    let channel_type = text(message, "type");
    let contents = channel_type
        .as_deref()
        .and_then(|name| message.get(name))
        .unwrap_or(&Value::Null);
    let body = match channel_type.as_deref() {
        Some("text") => text(contents, "body").map(|body| ContentBody::Text { body }),
        Some("image") => Some(media_of(MediaKind::Image, contents)),
        Some("video") => Some(media_of(MediaKind::Video, contents)),
        Some("audio" | "voice") => Some(media_of(MediaKind::Audio, contents)),
        Some("document") => Some(media_of(MediaKind::Document, contents)),
        Some("sticker") => Some(media_of(MediaKind::Sticker, contents)),
        Some("location") => location_of(contents),
        Some("contacts") => Some(ContentBody::Contacts {
            contacts: list(message, "contacts").iter().map(card_of).collect(),
        }),
        Some("interactive") => Some(ContentBody::Interactive {
            reply: reply_of(contents),
        }),
        Some("button") => Some(ContentBody::Interactive {
            reply: template_button_of(contents),
        }),
        Some("reaction") => text(contents, "message_id").map(|target| ContentBody::Reaction {
            target,
            emoji: text(contents, "emoji"),
        }),
        Some("order") => Some(order_of(contents)),
        Some("system") => Some(system_of(contents)),
        Some("edit") => edit_of(contents),
        Some("revoke") => {
            text(contents, "original_message_id").map(|target| ContentBody::Revoke { target })
        }
        Some("unsupported") => Some(ContentBody::Unsupported {
            channel_type: text(contents, "type"),
            raw: kept_raw(contents),
        }),
        Some(_) | None => None,
    };
    body.unwrap_or_else(|| ContentBody::Unsupported {
        raw: kept_raw(contents),
        channel_type,
    })
}

/// What stands around a message.
pub(super) fn context_of(message: &Value) -> MessageContext {
    let context = message.get("context").unwrap_or(&Value::Null);
    let kept = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
    MessageContext {
        reply_to: text(context, "id"),
        forwarded: flag(context, "forwarded"),
        frequently_forwarded: flag(context, "frequently_forwarded"),
        group_id: text(message, "group_id"),
        referral: kept(message.get("referral")),
        referred_product: kept(context.get("referred_product")),
        errors: message.get("errors").map(errors_of).unwrap_or_default(),
        standby: false,
        app_id: None,
    }
}

/// The errors of a list, each with the most telling words it has.
pub(super) fn errors_of(errors: &Value) -> Vec<ChannelError> {
    let all = errors.as_array().map_or(&[][..], Vec::as_slice);
    all.iter()
        .map(|error| {
            let details = error
                .get("error_data")
                .and_then(|data| text(data, "details"));
            ChannelError {
                code: integer(error, "code"),
                message: details
                    .or_else(|| text(error, "message"))
                    .or_else(|| text(error, "title"))
                    .unwrap_or_default(),
            }
        })
        .collect()
}

fn media_of(media_kind: MediaKind, contents: &Value) -> ContentBody {
    ContentBody::Media(Media {
        media_kind,
        id: text(contents, "id"),
        mime_type: text(contents, "mime_type"),
        filename: text(contents, "filename"),
        caption: text(contents, "caption"),
        voice: flag(contents, "voice"),
        animated: flag(contents, "animated"),
        sha256: text(contents, "sha256"),
        url: text(contents, "url"),
    })
}

fn location_of(contents: &Value) -> Option<ContentBody> {
    Some(ContentBody::Location(Location {
        latitude: float(contents, "latitude")?,
        longitude: float(contents, "longitude")?,
        name: text(contents, "name"),
        address: text(contents, "address"),
        url: text(contents, "url"),
    }))
}

fn card_of(card: &Value) -> SharedContact {
    let name = card.get("name").unwrap_or(&Value::Null);
    let parts = ["first_name", "last_name"].map(|part| text(name, part));
    let joined = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    SharedContact {
        name: text(name, "formatted_name").or(Some(joined).filter(|name| !name.is_empty())),
        phones: list(card, "phones")
            .iter()
            .filter_map(|phone| text(phone, "phone").or_else(|| text(phone, "wa_id")))
            .collect(),
        emails: list(card, "emails")
            .iter()
            .filter_map(|email| text(email, "email"))
            .collect(),
    }
}

fn reply_of(contents: &Value) -> InteractiveReply {
    let channel_type = text(contents, "type");
    let reply = channel_type
        .as_deref()
        .and_then(|name| contents.get(name))
        .unwrap_or(&Value::Null);
    let known = match channel_type.as_deref() {
        Some("button_reply") => {
            id_and_title(reply).map(|(id, title)| InteractiveReply::Button { id, title })
        }
        Some("list_reply") => id_and_title(reply).map(|(id, title)| InteractiveReply::List {
            id,
            title,
            description: text(reply, "description"),
        }),
        Some("nfm_reply") => Some(InteractiveReply::Form {
            name: text(reply, "name"),
            body: text(reply, "body"),
            response: form_response(reply),
        }),
        Some(_) | None => None,
    };
    known.unwrap_or(InteractiveReply::Unknown { channel_type })
}

/// A button's id and title, either of which may stand in for the other.
fn id_and_title(reply: &Value) -> Option<(String, String)> {
    match (text(reply, "id"), text(reply, "title")) {
        (Some(id), Some(title)) => Some((id, title)),
        (Some(only), None) | (None, Some(only)) => Some((only.clone(), only)),
        (None, None) => None,
    }
}

fn form_response(reply: &Value) -> Option<Value> {
    match reply.get("response_json")? {
        // The escapes inside the string are only undone here, so NUL may come up once more.
        Value::String(json) => {
            let response = serde_json::from_str(json).ok();
            let is_kept =
                |response: &Value| !response.is_null() && is_within(response, MAX_FORM_LEVELS);
            let response = response.filter(is_kept);
            Some(response.map_or_else(|| Value::String(json.clone()), without_nul))
        }
        Value::Null => None,
        other => Some(other.clone()),
    }
}

fn template_button_of(contents: &Value) -> InteractiveReply {
    let payload = text(contents, "payload");
    match text(contents, "text").or_else(|| payload.clone()) {
        Some(text) => InteractiveReply::TemplateButton { text, payload },
        None => InteractiveReply::Unknown {
            channel_type: Some("button".to_owned()),
        },
    }
}

fn order_of(contents: &Value) -> ContentBody {
    ContentBody::Order(Order {
        catalog_id: text(contents, "catalog_id"),
        text: text(contents, "text"),
        items: list(contents, "product_items")
            .iter()
            .filter_map(|item| {
                Some(OrderItem {
                    product_id: text(item, "product_retailer_id")?,
                    quantity: integer(item, "quantity"),
                    unit_price: float(item, "item_price"),
                    currency: text(item, "currency"),
                })
            })
            .collect(),
    })
}

fn system_of(contents: &Value) -> ContentBody {
    ContentBody::System(SystemNotice {
        change: text(contents, "type").unwrap_or_else(|| "unknown".to_owned()),
        body: text(contents, "body"),
        new_address: text(contents, "wa_id").or_else(|| text(contents, "new_wa_id")),
        new_external_id: text(contents, "user_id"),
        previous_external_id: text(contents, "previous_user_id"),
    })
}

fn edit_of(contents: &Value) -> Option<ContentBody> {
    let target = text(contents, "original_message_id")?;
    let message = contents.get("message").unwrap_or(&Value::Null);
    let channel_type = text(message, "type");
    // An edit of an edit would be a way to nest without end.
    let content = if channel_type.as_deref() == Some("edit") {
        ContentBody::Unsupported {
            channel_type,
            raw: kept_raw(message),
        }
    } else {
        body_of(message)
    };
    Some(ContentBody::Edit {
        target,
        content: Box::new(content),
    })
}
