use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::whatsapp::SignedPost;

/// A webhook payload of Messenger in the making: events of pages.
#[derive(Clone, Debug, Default)]
pub struct MessengerPost {
    entries: Vec<Value>,
}

impl MessengerPost {
    /// A payload whose first entry is of this page.
    pub fn of_page(page_id: &str) -> Self {
        Self::default().entry(page_id)
    }

    /// Starts an entry of another page.
    #[must_use]
    pub fn entry(mut self, page_id: &str) -> Self {
        let time = domain::Clock::system().now().timestamp_millis();
        self.entries
            .push(json!({"id": page_id, "time": time, "messaging": []}));
        self
    }

    /// Adds a text of a person's.
    #[must_use]
    pub fn text(self, psid: &str, mid: &str, text: &str, at: DateTime<Utc>) -> Self {
        self.from_person(psid, at, "message", &json!({"mid": mid, "text": text}))
    }

    /// Adds any event of a person's: its key, and what stands under it.
    #[must_use]
    pub fn from_person(self, psid: &str, at: DateTime<Utc>, key: &str, event: &Value) -> Self {
        let page = self.page();
        self.add(
            "messaging",
            json!({
                "sender": {"id": psid}, "recipient": {"id": page},
                "timestamp": at.timestamp_millis(), key: event,
            }),
        )
    }

    /// Adds the echo of something the page sent; a person in the inbox where there is no tag.
    #[must_use]
    pub fn echo(
        self,
        psid: &str,
        mid: &str,
        text: &str,
        tag: Option<&str>,
        at: DateTime<Utc>,
    ) -> Self {
        let page = self.page();
        let mut message = json!({
            "mid": mid, "text": text, "is_echo": true, "app_id": 263_902_037_430_900_u64,
        });
        if let Some(tag) = tag {
            message["metadata"] = tag.into();
            message["app_id"] = 1.into();
        }
        self.add(
            "messaging",
            json!({
                "sender": {"id": page}, "recipient": {"id": psid},
                "timestamp": at.timestamp_millis(), "message": message,
            }),
        )
    }

    /// Adds a text that another app has to answer.
    #[must_use]
    pub fn standby(self, psid: &str, mid: &str, text: &str, at: DateTime<Utc>) -> Self {
        let page = self.page();
        self.add(
            "standby",
            json!({
                "sender": {"id": psid}, "recipient": {"id": page},
                "timestamp": at.timestamp_millis(), "message": {"mid": mid, "text": text},
            }),
        )
    }

    /// The payload as JSON.
    pub fn payload(&self) -> Value {
        json!({"object": "page", "entry": self.entries})
    }

    /// The payload, signed by the app's secret.
    pub fn sign(&self, app_secret: &str) -> SignedPost {
        SignedPost::new(app_secret, self.payload().to_string())
    }

    fn page(&self) -> String {
        let id = self.entries.last().and_then(|entry| entry["id"].as_str());
        id.unwrap_or_default().to_owned()
    }

    fn add(mut self, list: &str, event: Value) -> Self {
        if let Some(entry) = self.entries.last_mut() {
            match entry[list].as_array_mut() {
                Some(events) => events.push(event),
                None => entry[list] = json!([event]),
            }
        }
        self
    }
}
