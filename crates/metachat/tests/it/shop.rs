//! A tenant with a WhatsApp number, and a customer who writes to it.

use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::standin::{Sender, StatusWebhook, TextMessage, WhatsappClient, WhatsappPost};

use crate::http::Http;
use crate::process::until;
use crate::stage::Stage;

pub(crate) const CUSTOMER: &str = "33612345678";
const NUMBER: &str = "106540352242922";
const APP_SECRET: &str = "the-shops-own-app-secret";

/// The tenant and its channel.
pub(crate) struct Shop {
    pub(crate) tenant: String,
    pub(crate) channel: String,
}

impl Shop {
    /// Creates a tenant that answers at once by OpenAI's model, and connects its number.
    pub(crate) async fn open(http: &Http) -> Self {
        Self::open_with(http, &json!({"provider": "openai", "model": "gpt-4o-mini"})).await
    }

    /// Creates a tenant that answers at once by that model, and connects its number.
    pub(crate) async fn open_with(http: &Http, llm: &Value) -> Self {
        Self::of_tenant(http, tenant(http, llm).await).await
    }

    /// Creates a tenant whose documents are embedded as `embedding` says, and connects its number.
    pub(crate) async fn open_embedded_by(http: &Http, embedding: &Value) -> Self {
        Self::open_set(http, &json!({"embedding": embedding})).await
    }

    /// Creates a tenant with these settings, and connects its number.
    pub(crate) async fn open_set(http: &Http, settings: &Value) -> Self {
        let body = json!({"name": "Shop", "settings": settings});
        let tenant = id(&http.post("/api/tenants", &body).await.expect(201));
        Self::of_tenant(http, tenant).await
    }

    async fn of_tenant(http: &Http, tenant: String) -> Self {
        let channel = json!({"type": "whatsapp", "name": "Shop", "config": {
            "phone_number_id": NUMBER,
            "access_token": "EAAG-the-shops-own",
            "app_secret": APP_SECRET,
            "verify_token": "any",
        }});
        let path = format!("/api/tenants/{tenant}/channels");
        let channel = id(&http.post(&path, &channel).await.expect(201));
        Self { tenant, channel }
    }

    /// Lets Meta report statuses to this API from here on.
    pub(crate) fn report_to(&self, http: &Http, stage: &Stage) {
        stage.graph.send_statuses_to(StatusWebhook {
            url: self.webhook(http),
            app_secret: APP_SECRET.to_owned(),
        });
    }

    /// What Meta posts when the customer writes `text`.
    pub(crate) fn post(text: &str) -> WhatsappPost {
        let message = TextMessage::new(Sender::phone(CUSTOMER, "Ada"), text);
        WhatsappPost::to_number(NUMBER).text(&message)
    }

    /// What Meta posts when the customer sends a message of this wire form.
    pub(crate) fn post_raw(message: Value) -> WhatsappPost {
        WhatsappPost::to_number(NUMBER).raw_message(message)
    }

    /// Posts as Meta does; the error is that of the connection.
    pub(crate) async fn deliver(
        &self,
        http: &Http,
        post: &WhatsappPost,
    ) -> Result<StatusCode, reqwest::Error> {
        let meta = WhatsappClient::new(&self.webhook(http), APP_SECRET)?;
        let status = meta.post(post).await?;
        Ok(StatusCode::from_u16(status).unwrap())
    }

    /// The customer writes, and Meta is told that it arrived.
    pub(crate) async fn write(&self, http: &Http, text: &str) {
        let status = self.deliver(http, &Self::post(text)).await.unwrap();
        assert_eq!(status, StatusCode::OK);
    }

    /// The one conversation as the API shows it.
    pub(crate) async fn conversation(&self, http: &Http) -> Value {
        let path = format!("/api/tenants/{}/conversations", self.tenant);
        http.get(&path).await.expect(200)["data"][0].clone()
    }

    /// A person of the tenant's sends the customer a file.
    pub(crate) async fn send_file(&self, http: &Http, name: &str, bytes: &[u8]) {
        let conversation = id(&self.conversation(http).await);
        let tenant = &self.tenant;
        let path = format!("/api/tenants/{tenant}/conversations/{conversation}/files");
        http.upload(&path, name, bytes).await.expect(202);
    }

    /// The messages of the one conversation, oldest first; none before there is one.
    pub(crate) async fn messages(&self, http: &Http) -> Vec<Value> {
        messages(http, &self.tenant).await
    }

    /// Waits until `answers` messages to the customer were delivered and nothing is left to do.
    pub(crate) async fn settled(&self, http: &Http, stage: &Stage, answers: usize) -> Vec<Value> {
        until("everything is answered, delivered and done", || async {
            let messages = self.messages(http).await;
            let delivered = messages
                .iter()
                .filter(|message| message["status"] == "delivered");
            let all_delivered = delivered.count() >= answers;
            (all_delivered && stage.count(LEFT_TO_DO).await == 0).then_some(messages)
        })
        .await
    }

    /// Uploads a file and waits until it was read; its document as the API shows it.
    pub(crate) async fn upload(&self, http: &Http, name: &str, bytes: &[u8]) -> Value {
        let document = self.start_upload(http, name, bytes).await;
        self.read(http, &document).await
    }

    /// Uploads a file; the id of its document.
    pub(crate) async fn start_upload(&self, http: &Http, name: &str, bytes: &[u8]) -> String {
        let path = format!("/api/tenants/{}/documents", self.tenant);
        id(&http.upload(&path, name, bytes).await.expect(202))
    }

    /// Waits until a document was read, well or in vain.
    pub(crate) async fn read(&self, http: &Http, document: &str) -> Value {
        until("the document is read", || async {
            let document = self.document(http, document).await;
            let ends = ["ready", "failed"].map(Value::from);
            ends.contains(&document["status"]).then_some(document)
        })
        .await
    }

    /// A document as the API shows it.
    pub(crate) async fn document(&self, http: &Http, document: &str) -> Value {
        let path = format!("/api/tenants/{}/documents/{document}", self.tenant);
        http.get(&path).await.expect(200)
    }

    fn webhook(&self, http: &Http) -> String {
        format!("{}/webhooks/whatsapp/{}", http.base(), self.channel)
    }
}

/// Jobs, and items of channels that nobody has understood yet.
pub(crate) const LEFT_TO_DO: &str = "SELECT (SELECT count(*) FROM jobs)
    + (SELECT count(*) FROM raw_items WHERE outcome = 'pending')";

/// The messages of a tenant's one conversation, oldest first; none before there is one.
pub(crate) async fn messages(http: &Http, tenant: &str) -> Vec<Value> {
    let path = format!("/api/tenants/{tenant}/conversations");
    let conversations = http.get(&path).await.expect(200);
    let conversations = conversations["data"].as_array().unwrap();
    assert!(conversations.len() < 2, "{conversations:?}");
    let Some(conversation) = conversations.first() else {
        return Vec::new();
    };
    let path = format!("{path}/{}/messages", id(conversation));
    let page = http.get(&path).await.expect(200);
    page["data"].as_array().unwrap().clone()
}

/// Creates a tenant that answers at once; its id.
pub(crate) async fn tenant(http: &Http, llm: &Value) -> String {
    let body = json!({"name": "Shop", "settings": {"settle_ms": 0, "llm": llm}});
    id(&http.post("/api/tenants", &body).await.expect(201))
}

pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}
