use serde_json::{Value, json};

/// Meta takes texts of less than so many characters.
const MAX_TEXT_CHARS: usize = 2000;

/// A request to the send path of a page that passed Meta's checks.
pub(super) enum Valid {
    /// A message.
    Message {
        recipient: String,
        text: String,
        tag: Option<String>,
    },
    /// A sender action.
    Action,
}

/// Checks a body as Meta does for a page; the error is the text of its message.
///
/// Source: developers.facebook.com, Messenger Platform, Send API (2026-05).
pub(super) fn validate(body: &Value) -> Result<Valid, String> {
    let Some(recipient) = body["recipient"]["id"].as_str().filter(|id| !id.is_empty()) else {
        return Err("The parameter recipient is required".to_owned());
    };
    let recipient = recipient.to_owned();
    if body.get("sender_action").is_some() {
        // Meta refuses an action beside a message.
        return match body.get("message") {
            Some(_) => Err("Only one of message and sender_action is allowed".to_owned()),
            None => Ok(Valid::Action),
        };
    }
    match (body["messaging_type"].as_str(), body["tag"].as_str()) {
        // The other tags are gone since April 2026.
        (Some("RESPONSE" | "UPDATE" | "UTILITY"), None)
        | (Some("MESSAGE_TAG"), Some("HUMAN_AGENT")) => {}
        _ => return Err("Invalid parameter".to_owned()),
    }
    let message = &body["message"];
    let text = message["text"].as_str().unwrap_or_default();
    if text.is_empty() && message.get("attachment").is_none() {
        return Err("The parameter message is required".to_owned());
    }
    if text.chars().count() >= MAX_TEXT_CHARS {
        return Err("Length of param message[text] must be less than 2000".to_owned());
    }
    Ok(Valid::Message {
        recipient,
        text: text.to_owned(),
        tag: message["metadata"].as_str().map(str::to_owned),
    })
}

/// What Meta answers to a message it took.
pub(super) fn accepted(recipient: &str, mid: &str) -> Value {
    json!({"recipient_id": recipient, "message_id": mid})
}

/// The random id of a message.
pub(super) fn new_mid() -> String {
    let bytes = rand::random::<[u8; 24]>();
    let text = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
    format!("m_{text}")
}
