//! A customer on each channel that is posted to and posts: a number, a page and another system, each
//! of a tenant of its own.

use secrecy::ExposeSecret as _;
use secrets::{WebhookSecret, sign_with_all};
use serde_json::{Value, json};
use testkit::standin::{
    MessengerPost, ReceivedPost, Receiver, StatusWebhook, WhatsappClient, WhatsappPost,
};

use crate::http::Http;
use crate::shop::{Shop, id, tenant};
use crate::stage::Stage;

/// What each customer asks.
pub(crate) const QUESTION: &str = "When do you open?";
/// How many lines there are.
pub(crate) const LINES: usize = 3;

const PAGE: &str = "300000000000001";
const PERSON: &str = "7000000000000001";
const APP_SECRET: &str = "the-pages-own-app-secret";

/// The three of them.
pub(crate) struct Lines {
    pub(crate) number: Number,
    pub(crate) page: Page,
    pub(crate) system: System,
}

/// A WhatsApp number, and what its customer wrote.
pub(crate) struct Number {
    pub(crate) shop: Shop,
    post: WhatsappPost,
}

/// A page, and what a person wrote on it.
pub(crate) struct Page {
    pub(crate) tenant: String,
    channel: String,
    post: MessengerPost,
}

/// Another system, and what a contact of its wrote.
pub(crate) struct System {
    pub(crate) tenant: String,
    pub(crate) receiver: Receiver,
    channel: String,
    secret: WebhookSecret,
    body: String,
}

impl Lines {
    /// Creates the tenants, whose model answers at once, and connects their channels.
    pub(crate) async fn open(http: &Http) -> Self {
        let number = Number {
            shop: Shop::open(http).await,
            post: Shop::post(QUESTION),
        };
        Self {
            number,
            page: Page::open(http).await,
            system: System::open(http).await,
        }
    }

    /// Lets Meta report to this API from here on.
    pub(crate) fn report_to(&self, http: &Http, stage: &Stage) {
        self.number.shop.report_to(http, stage);
        stage.graph.send_pages_statuses_to(StatusWebhook {
            url: self.page.webhook(http),
            app_secret: APP_SECRET.to_owned(),
        });
    }

    /// Everybody's question is posted at the same time, each time as the same message. Returns the
    /// statuses of the answers; `None` where the connection ended without one.
    pub(crate) async fn write(&self, http: &Http) -> [Option<u16>; LINES] {
        let (number, page, system) = tokio::join!(
            self.number.shop.deliver(http, &self.number.post),
            self.page.deliver(http),
            self.system.post(http, &self.system.body),
        );
        [number.ok().map(|status| status.as_u16()), page, system]
    }

    /// Whose they are, in the order of [`Lines::write`].
    pub(crate) fn tenants(&self) -> [&str; LINES] {
        [
            &self.number.shop.tenant,
            &self.page.tenant,
            &self.system.tenant,
        ]
    }
}

impl Page {
    async fn open(http: &Http) -> Self {
        let tenant = tenant(http, &model()).await;
        let channel = json!({"type": "messenger", "name": "Page", "config": {
            "page_id": PAGE, "page_access_token": "EAAG-token", "app_secret": APP_SECRET,
        }});
        let now = domain::Clock::system().now();
        Self {
            channel: connect(http, &tenant, &channel).await,
            tenant,
            post: MessengerPost::of_page(PAGE).text(PERSON, "m_1", QUESTION, now),
        }
    }

    async fn deliver(&self, http: &Http) -> Option<u16> {
        let meta = WhatsappClient::new(&self.webhook(http), APP_SECRET).unwrap();
        meta.post_signed(self.post.sign(APP_SECRET)).await.ok()
    }

    fn webhook(&self, http: &Http) -> String {
        format!("{}/webhooks/messenger/{}", http.base(), self.channel)
    }
}

impl System {
    async fn open(http: &Http) -> Self {
        let tenant = tenant(http, &model()).await;
        let receiver = Receiver::start(0).await.unwrap();
        let secret = WebhookSecret::generate();
        let channel = json!({"type": "http", "name": "Own", "config": {
            "send_url": receiver.url(), "secret": secret.to_text().expose_secret(),
        }});
        let now = domain::Clock::system().now();
        let body = json!({
            "type": "message", "id": "in-1", "timestamp": now.to_rfc3339(),
            "contact": {"id": "c-1"}, "text": QUESTION,
        });
        Self {
            channel: connect(http, &tenant, &channel).await,
            tenant,
            receiver,
            secret,
            body: body.to_string(),
        }
    }

    /// Says that a message of ours arrived.
    pub(crate) async fn report(&self, http: &Http, message: &ReceivedPost) {
        let now = domain::Clock::system().now();
        let status = json!({
            "type": "status", "message_id": message.header("webhook-id"), "status": "delivered",
            "timestamp": now.to_rfc3339(),
        });
        assert_eq!(self.post(http, &status.to_string()).await, Some(200));
    }

    async fn post(&self, http: &Http, body: &str) -> Option<u16> {
        let stamp = domain::Clock::system().now().timestamp();
        let secrets = std::slice::from_ref(&self.secret);
        let signature = sign_with_all(secrets, "msg_1", stamp, body.as_bytes());
        let headers = [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &*stamp.to_string()),
            ("webhook-signature", &*signature),
        ];
        let path = format!("/webhooks/http/{}", self.channel);
        let reply = http.try_post_as(&path, &headers, body.to_owned()).await;
        reply.ok().map(|reply| reply.status.as_u16())
    }
}

fn model() -> Value {
    json!({"provider": "openai", "model": "gpt-4o-mini"})
}

/// A tenant's channel; its id.
async fn connect(http: &Http, tenant: &str, channel: &Value) -> String {
    let path = format!("/api/tenants/{tenant}/channels");
    id(&http.post(&path, channel).await.expect(201))
}
