use std::fmt::Write as _;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::client::loopback_client;

/// The header that carries Meta's signature.
const SIGNATURE_HEADER: &str = "x-hub-signature-256";
const DISPLAY_PHONE_NUMBER: &str = "15550783881";

/// The person a message comes from; since April 2026 the phone number can be missing.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// The phone number in digits without `+`: the keys `from` and `wa_id`.
    pub phone: Option<String>,
    /// The business-scoped user id, such as `US.13491208655302741918`: the keys `from_user_id` and `user_id`.
    pub user_id: Option<String>,
    /// The profile's name.
    pub name: String,
}

impl Sender {
    /// A person known by phone number alone.
    pub fn phone(phone: &str, name: &str) -> Self {
        Self {
            phone: Some(phone.to_owned()),
            user_id: None,
            name: name.to_owned(),
        }
    }

    /// A person known by business-scoped user id alone.
    pub fn user_id(user_id: &str, name: &str) -> Self {
        Self {
            phone: None,
            user_id: Some(user_id.to_owned()),
            name: name.to_owned(),
        }
    }

    /// The same person, with a business-scoped user id beside what is known.
    #[must_use]
    pub fn with_user_id(mut self, user_id: &str) -> Self {
        self.user_id = Some(user_id.to_owned());
        self
    }

    fn contact(&self) -> Value {
        let mut contact = json!({"profile": {"name": self.name}});
        insert(&mut contact, "wa_id", self.phone.as_deref());
        insert(&mut contact, "user_id", self.user_id.as_deref());
        contact
    }
}

/// A text message from a contact.
#[derive(Clone, Debug)]
pub struct TextMessage {
    /// Meta's id of the message; the same one again is a redelivery.
    pub wamid: String,
    /// Who wrote it.
    pub sender: Sender,
    /// What was written.
    pub text: String,
    /// When it was written, in whole seconds on the wire.
    pub at: DateTime<Utc>,
}

impl TextMessage {
    /// A message of this moment with a random id.
    pub fn new(sender: Sender, text: &str) -> Self {
        Self {
            wamid: new_wamid(sender.phone.as_deref().unwrap_or_default()),
            sender,
            text: text.to_owned(),
            at: domain::Clock::system().now(),
        }
    }
}

/// A status of a message that was sent.
#[derive(Clone, Debug)]
pub struct MessageStatusItem {
    /// The id the send API answered with.
    pub wamid: String,
    /// `sent`, `delivered`, `read`, `played` or `failed`.
    pub status: String,
    /// The receiver's phone number in digits, or business-scoped user id.
    pub recipient: String,
    /// The `biz_opaque_callback_data` of the send.
    pub tag: Option<String>,
    /// Meta's code and text of a failure.
    pub error: Option<(i64, String)>,
    /// When it came about, in whole seconds on the wire.
    pub at: DateTime<Utc>,
}

/// The random id of a message, which embeds the other side's phone number as Meta's do.
pub(super) fn new_wamid(phone: &str) -> String {
    let mut bytes = vec![0x1d, 0x18];
    bytes.extend(phone.bytes());
    bytes.extend([0x15, 0x02]);
    bytes.extend(rand::random::<[u8; 18]>());
    format!(
        "wamid.{}",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
    )
}

/// A webhook payload of WhatsApp in the making: entries of accounts, each with changes of phone numbers.
///
/// What is added goes to the phone number named last.
#[derive(Clone, Debug, Default)]
pub struct WhatsappPost {
    entries: Vec<(String, Vec<Value>)>,
}

impl WhatsappPost {
    /// A payload whose first entry is for `phone_number_id` of a fixed account.
    pub fn to_number(phone_number_id: &str) -> Self {
        Self::default().entry("102290129340398", phone_number_id)
    }

    /// Starts an entry of the account `waba_id` with one change of `phone_number_id`.
    #[must_use]
    pub fn entry(mut self, waba_id: &str, phone_number_id: &str) -> Self {
        self.entries.push((waba_id.to_owned(), Vec::new()));
        self.change(phone_number_id)
    }

    /// Starts another change, of `phone_number_id`, in the same entry.
    #[must_use]
    pub fn change(mut self, phone_number_id: &str) -> Self {
        if let Some((_, changes)) = self.entries.last_mut() {
            changes.push(json!({"value": {
                "messaging_product": "whatsapp",
                "metadata": {
                    "display_phone_number": DISPLAY_PHONE_NUMBER,
                    "phone_number_id": phone_number_id,
                },
            }, "field": "messages"}));
        }
        self
    }

    /// Adds a text message and its sender's contact.
    #[must_use]
    pub fn text(self, message: &TextMessage) -> Self {
        let sender = &message.sender;
        let mut wire = json!({
            "id": message.wamid,
            "timestamp": message.at.timestamp().to_string(),
            "text": {"body": message.text},
            "type": "text",
        });
        insert(&mut wire, "from", sender.phone.as_deref());
        insert(&mut wire, "from_user_id", sender.user_id.as_deref());
        self.add("contacts", sender.contact()).raw_message(wire)
    }

    /// Adds a message of any type in its wire form, without a contact.
    #[must_use]
    pub fn raw_message(self, message: Value) -> Self {
        self.add("messages", message)
    }

    /// Adds a status.
    #[must_use]
    pub fn status(self, status: &MessageStatusItem) -> Self {
        let is_user_id = status.recipient.contains('.');
        let mut wire = json!({
            "id": status.wamid,
            "status": status.status,
            "timestamp": status.at.timestamp().to_string(),
        });
        let recipient = if is_user_id {
            "recipient_user_id"
        } else {
            "recipient_id"
        };
        insert(&mut wire, recipient, Some(&status.recipient));
        insert(&mut wire, "biz_opaque_callback_data", status.tag.as_deref());
        if let (Some((code, text)), Value::Object(wire)) = (&status.error, &mut wire) {
            wire.insert(
                "errors".to_owned(),
                json!([{
                    "code": code, "title": text, "message": text, "error_data": {"details": text},
                }]),
            );
        } else if let ("sent" | "delivered", Value::Object(wire)) = (&*status.status, &mut wire) {
            wire.insert(
                "pricing".to_owned(),
                json!({
                    "billable": false, "pricing_model": "PMP", "category": "service",
                    "type": "free_customer_service",
                }),
            );
        }
        self.add("statuses", wire)
    }

    /// The payload as JSON.
    pub fn payload(&self) -> Value {
        let entries: Vec<Value> = self
            .entries
            .iter()
            .map(|(id, changes)| json!({"id": id, "changes": changes}))
            .collect();
        json!({"object": "whatsapp_business_account", "entry": entries})
    }

    /// The payload in the bytes Meta would send, signed by the app's secret.
    pub fn sign(&self, app_secret: &str) -> SignedPost {
        SignedPost::new(app_secret, escape_as_meta(&self.payload().to_string()))
    }

    fn add(mut self, list: &str, item: Value) -> Self {
        let change = self
            .entries
            .last_mut()
            .and_then(|(_, changes)| changes.last_mut());
        if let Some(Value::Object(value)) = change.and_then(|change| change.get_mut("value")) {
            let items = value.entry(list).or_insert_with(|| json!([]));
            if let Value::Array(items) = items {
                items.push(item);
            }
        }
        self
    }
}

/// A body and the value of the `X-Hub-Signature-256` header that belongs to it.
#[derive(Clone, Debug)]
pub struct SignedPost {
    /// The raw body.
    pub body: Bytes,
    /// `sha256=` and 64 lower-case hexadecimal digits.
    pub signature: String,
}

impl SignedPost {
    /// Signs any body, also one that is no payload of Meta's.
    pub fn new(app_secret: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            signature: meta_signature(app_secret, &body),
            body,
        }
    }
}

/// A signed payload of one text message to `phone_number_id`.
pub fn signed_whatsapp_post(
    app_secret: &str,
    phone_number_id: &str,
    message: &TextMessage,
) -> SignedPost {
    WhatsappPost::to_number(phone_number_id)
        .text(message)
        .sign(app_secret)
}

/// The value of `X-Hub-Signature-256` for `body`.
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "an HMAC takes keys of every length"
)]
pub fn meta_signature(app_secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes())
        .expect("an HMAC takes keys of every length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Meta as the caller of our webhook address.
#[derive(Clone, Debug)]
pub struct WhatsappClient {
    client: reqwest::Client,
    url: String,
    app_secret: String,
}

impl WhatsappClient {
    /// A caller of `url` that signs by `app_secret`.
    ///
    /// # Errors
    /// What `reqwest` says when it cannot be set up.
    pub fn new(url: &str, app_secret: &str) -> Result<Self, reqwest::Error> {
        Ok(Self::with_client(loopback_client()?, url, app_secret))
    }

    pub(super) fn with_client(client: reqwest::Client, url: &str, app_secret: &str) -> Self {
        Self {
            client,
            url: url.to_owned(),
            app_secret: app_secret.to_owned(),
        }
    }

    /// Signs and posts a payload; the answer's status, whatever it is.
    ///
    /// # Errors
    /// What `reqwest` says when there is no answer.
    pub async fn post(&self, payload: &WhatsappPost) -> Result<u16, reqwest::Error> {
        self.post_signed(payload.sign(&self.app_secret)).await
    }

    /// Posts what is signed already, perhaps wrongly; the answer's status, whatever it is.
    ///
    /// # Errors
    /// What `reqwest` says when there is no answer.
    pub async fn post_signed(&self, signed: SignedPost) -> Result<u16, reqwest::Error> {
        let response = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .header(SIGNATURE_HEADER, signed.signature)
            .body(signed.body)
            .send()
            .await?;
        Ok(response.status().as_u16())
    }
}

/// Writes JSON as Meta does: ASCII alone, `\u` escapes in lower case, `/` as `\/`.
fn escape_as_meta(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'/') => escaped.push_str("\\/"),
            Ok(ascii) if ascii.is_ascii() => escaped.push(char::from(ascii)),
            // Writing to a string cannot fail.
            _ => write!(escaped, "\\u{unit:04x}").unwrap_or_default(),
        }
    }
    escaped
}

fn insert(object: &mut Value, key: &str, value: Option<&str>) {
    if let (Some(value), Value::Object(object)) = (value, object) {
        let object: &mut Map<String, Value> = object;
        object.insert(key.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_rfc_4231s() {
        assert_eq!(
            meta_signature("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_body_is_escaped_as_metas_and_means_the_same() {
        let message = TextMessage::new(Sender::phone("33612345678", "Zoë"), "ça va? a/b 😀");
        let post = WhatsappPost::to_number("1060").text(&message);
        let body = post.sign("secret").body;
        assert!(body.is_ascii());
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.contains(r"\u00e7a va? a\/b \ud83d\ude00"), "{text}");
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            post.payload()
        );
    }

    #[test]
    fn a_sender_without_a_phone_number_has_no_phone_keys() {
        let message = TextMessage::new(Sender::user_id("US.1349", "Ann"), "hi");
        let payload = WhatsappPost::to_number("1060").text(&message).payload();
        let value = &payload["entry"][0]["changes"][0]["value"];
        assert_eq!(value["messages"][0]["from_user_id"], "US.1349");
        assert_eq!(value["messages"][0].get("from"), None);
        assert_eq!(value["contacts"][0].get("wa_id"), None);
    }

    #[test]
    fn one_payload_mixes_entries_messages_and_statuses() {
        let message = TextMessage::new(Sender::phone("336", "Ann").with_user_id("FR.1"), "hi");
        let status = MessageStatusItem {
            wamid: "wamid.x".to_owned(),
            status: "failed".to_owned(),
            recipient: "336".to_owned(),
            tag: Some("tag-1".to_owned()),
            error: Some((131_047, "Re-engagement message".to_owned())),
            at: message.at,
        };
        let payload = WhatsappPost::to_number("1")
            .text(&message)
            .status(&status)
            .change("2")
            .text(&message)
            .entry("waba-2", "3")
            .status(&status)
            .payload();
        let numbers: Vec<&Value> = payload["entry"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|entry| entry["changes"].as_array().unwrap())
            .map(|change| &change["value"]["metadata"]["phone_number_id"])
            .collect();
        assert_eq!(numbers, ["1", "2", "3"]);
        let first = &payload["entry"][0]["changes"][0]["value"];
        assert_eq!(first["statuses"][0]["errors"][0]["code"], 131_047);
        assert_eq!(first["messages"][0]["text"]["body"], "hi");
    }
}
