use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use testkit::standin::{StatusWebhook, WhatsappClient};

/// What signs webhooks.
pub(super) const APP_SECRET: &str = "secret-of-the-measured-app";

/// What the tenant's documents say.
const DOCUMENT: &str = "Returns\n\nYou can return any item within 30 days of delivery. Keep the \
    receipt: without it we can only exchange the item. Refunds reach your bank within five days.\n\n\
    Delivery\n\nWe deliver to France, Belgium and Germany. Delivery takes two to four working days \
    and costs 4.90 euros; it is free from 60 euros on.\n\n\
    Opening hours\n\nThe shop is open from Monday to Saturday, from 9 to 18 o'clock.\n";

/// What customers ask.
pub(super) const QUESTION: &str = "How many days do I have to return an item?";

/// A tenant with a document and a WhatsApp number.
pub(super) struct Shop {
    /// The number that customers write to.
    pub(super) phone_number_id: String,
    /// The caller of the channel's webhook.
    pub(super) webhook: WhatsappClient,
    /// Where the statuses of its messages go.
    pub(super) statuses_to: StatusWebhook,
}

/// An operator at the API.
pub(super) struct Operator<'a> {
    pub(super) client: &'a reqwest::Client,
    pub(super) base: &'a str,
    pub(super) key: &'a str,
}

impl Operator<'_> {
    /// Sets a tenant up that is answered by `provider` at once, and waits until its document can
    /// be searched.
    pub(super) async fn open_shop(
        &self,
        provider: &str,
        phone_number_id: &str,
    ) -> anyhow::Result<Shop> {
        let llm = if provider == "builtin" {
            json!({"provider": provider})
        } else {
            json!({"provider": provider, "model": "gpt-4o-mini"})
        };
        let settings = json!({"settle_ms": 0, "llm": llm});
        let body = json!({"name": format!("Shop of {provider}"), "settings": settings});
        let tenant = id_of(&self.post("/api/tenants", &body).await?)?;
        let config = json!({
            "phone_number_id": phone_number_id,
            "access_token": "token-of-the-measured-app",
            "app_secret": APP_SECRET,
            "verify_token": "verified",
            // More than is ever sent: the limit itself is not what is measured.
            "messages_per_second": 1000,
        });
        let body = json!({"type": "whatsapp", "name": "WhatsApp", "config": config});
        let channels = format!("/api/tenants/{tenant}/channels");
        let channel = id_of(&self.post(&channels, &body).await?)?;
        self.upload(&tenant).await?;
        let url = format!("{}/webhooks/whatsapp/{channel}", self.base);
        Ok(Shop {
            phone_number_id: phone_number_id.to_owned(),
            webhook: WhatsappClient::new(&url, APP_SECRET)?,
            statuses_to: StatusWebhook {
                url,
                app_secret: APP_SECRET.to_owned(),
            },
        })
    }

    async fn upload(&self, tenant: &str) -> anyhow::Result<()> {
        let path = format!("/api/tenants/{tenant}/documents");
        let part = Part::text(DOCUMENT)
            .file_name("shop.txt")
            .mime_str("text/plain")?;
        let request = self.client.post(format!("{}{path}", self.base));
        let form = Form::new().part("file", part);
        let document = id_of(&self.send(request.multipart(form)).await?)?;
        let begun = Instant::now();
        loop {
            let url = format!("{}{path}/{document}", self.base);
            let view = self.send(self.client.get(url)).await?;
            match view["status"].as_str() {
                Some("ready") => return Ok(()),
                Some("failed") => anyhow::bail!("the document failed: {view}"),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(30),
                "the document is not ready: {view}"
            );
        }
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base));
        self.send(request.json(body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.bearer_auth(self.key).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "the API answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

fn id_of(view: &Value) -> anyhow::Result<String> {
    let id = view["id"].as_str().context("an answer without an id")?;
    Ok(id.to_owned())
}
