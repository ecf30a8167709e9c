//! A tenant with a WhatsApp number, a model and workers.

use std::sync::Arc;
use std::time::Duration;

use assistant::Assistant;
use assistant::receive::posts;
use channels::Post;
use chrono::TimeDelta;
use db::{Db, DbOptions};
use domain::{ChannelId, ChannelKind, LlmSettings, TenantId, TenantSettings};
use http::HeaderMap;
use jobs::EngineOptions;
use llm::{Embedder, Embedders, HashedNgrams};
use secrets::row_context;
use serde_json::{Value, json};
use store::channels::{self as stored, ChannelValues};
use store::tenants::{self, TenantValues};
use tempfile::TempDir;
use testkit::TestDb;
use testkit::standin::{
    GraphOptions, GraphServer, MessageStatusItem, OpenAiOptions, OpenAiServer, Sender, SentMessage,
    SignedPost, TextMessage, WhatsappPost,
};
use workers::Workers;

use crate::platform::{assistant, models_at};

/// The number of the tenant, as it stands in the fixtures too.
pub(crate) const NUMBER: &str = "200000000000001";
/// The customer who writes.
pub(crate) const CUSTOMER: &str = "15550002222";
/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a send waits for its report, by the clock of the test.
pub(crate) const RECONCILE: Duration = Duration::from_millis(400);

pub(crate) const APP_SECRET: &str = "the-platforms-app-secret";

/// Everything a message meets on its way.
pub(crate) struct Stage {
    pub(crate) assistant: Assistant,
    pub(crate) database: TestDb,
    pub(crate) graph: GraphServer,
    pub(crate) model: OpenAiServer,
    pub(crate) tenant: TenantId,
    workers: Option<Workers>,
    _folder: TempDir,
}

impl Stage {
    /// A stage where bursts do not settle, with its workers.
    pub(crate) async fn start() -> Self {
        Self::start_with(settings()).await
    }

    pub(crate) async fn start_with(settings: TenantSettings) -> Self {
        let mut stage = Self::set(settings, Arc::new(HashedNgrams)).await;
        stage.work().await;
        stage
    }

    /// A stage whose workers are still away.
    pub(crate) async fn set(settings: TenantSettings, embedder: Arc<dyn Embedder>) -> Self {
        let database = TestDb::new().await;
        let folder = tempfile::tempdir().unwrap();
        let graph = GraphServer::start(GraphOptions::default()).await.unwrap();
        let model = OpenAiServer::start(OpenAiOptions::default()).await.unwrap();
        let options = DbOptions {
            // Several tests and their stages share one server.
            max_connections: 8,
            ..DbOptions::new(database.url())
        };
        let db = Db::connect_lazy(&options).unwrap();
        let assistant = assistant(db, &folder, &graph, &model, embedder);
        let tenant = add_tenant(&assistant, &settings).await;
        let number = json!({
            "phone_number_id": NUMBER, "access_token": "EAAG-token",
            "business_account_id": "102290129340398",
        });
        add_channel(&assistant, tenant, ChannelKind::Whatsapp, number).await;
        Self {
            assistant,
            database,
            graph,
            model,
            tenant,
            workers: None,
            _folder: folder,
        }
    }

    /// Has the platform's key used at another address, before there are workers.
    pub(crate) fn ask_at(&mut self, url: &str) {
        let (models, manager) = models_at(url);
        self.assistant.models = models;
        self.assistant.manager = manager;
    }

    pub(crate) async fn work(&mut self) {
        self.work_with(|_| {}).await;
    }

    /// Starts the workers with other options than the tests' own.
    pub(crate) async fn work_with(&mut self, change: impl FnOnce(&mut EngineOptions)) {
        let mut options = EngineOptions::new(workers::known_kinds());
        options.poll = Duration::from_millis(200);
        options.drain = Duration::from_secs(2);
        change(&mut options);
        let workers = Workers::start(self.assistant.clone(), options).await;
        self.workers = Some(workers.unwrap());
    }

    /// The workers go away, until they work again.
    pub(crate) async fn stop_work(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.shut_down().await;
        }
    }

    /// The operator chooses another embedder, and starts the process again.
    pub(crate) async fn change_embedder(&mut self, embedder: Arc<dyn Embedder>) {
        self.stop_work().await;
        self.assistant.embedders = Arc::new(Embedders::only(embedder));
        self.work().await;
    }

    /// Ends the workers and their connections, for tests that set several stages.
    pub(crate) async fn end(self) {
        if let Some(workers) = self.workers {
            workers.shut_down().await;
        }
        self.assistant.db.close().await;
        self.database.pool().close().await;
    }

    /// Meta posts these bytes, signed.
    pub(crate) async fn deliver(&self, post: &SignedPost) {
        self.deliver_to(ChannelKind::Whatsapp, post).await;
    }

    /// Meta posts these bytes, signed, to the address of a kind of channel.
    pub(crate) async fn deliver_to(&self, kind: ChannelKind, post: &SignedPost) {
        let mut headers = HeaderMap::new();
        headers.insert("x-hub-signature-256", post.signature.parse().unwrap());
        let posted = Post {
            headers: &headers,
            body: &post.body,
            received_at: self.assistant.clock.now(),
        };
        posts::receive(&self.assistant, kind, &posted)
            .await
            .unwrap();
    }

    /// Connects another channel of the tenant's.
    pub(crate) async fn connect(&self, kind: ChannelKind, config: Value) -> ChannelId {
        add_channel(&self.assistant, self.tenant, kind, config).await
    }

    pub(crate) fn sign(post: &WhatsappPost) -> SignedPost {
        post.sign(APP_SECRET)
    }

    pub(crate) fn sign_bytes(body: &str) -> SignedPost {
        SignedPost::new(APP_SECRET, body.to_owned())
    }

    /// The post of a message that the customer writes at this moment of the test's clock.
    pub(crate) fn written(&self, text: &str) -> SignedPost {
        self.written_by(CUSTOMER, text)
    }

    fn written_by(&self, phone: &str, text: &str) -> SignedPost {
        let mut message = TextMessage::new(Sender::phone(phone, "Ana"), text);
        message.at = self.assistant.clock.now();
        Self::sign(&WhatsappPost::to_number(NUMBER).text(&message))
    }

    /// The customer writes.
    pub(crate) async fn say(&self, text: &str) {
        self.deliver(&self.written(text)).await;
    }

    /// Somebody else writes.
    pub(crate) async fn say_as(&self, phone: &str, text: &str) {
        self.deliver(&self.written_by(phone, text)).await;
    }

    /// Meta reports how far a message has come; without its tag, as Meta may.
    pub(crate) async fn report(&self, sent: &SentMessage, status: &str) {
        self.report_as(sent, status, None).await;
    }

    /// Meta reports, with the tag that the send carried.
    pub(crate) async fn report_tagged(&self, sent: &SentMessage, status: &str) {
        self.report_as(sent, status, sent.tag.clone()).await;
    }

    /// Meta reports, without the tag, that a message failed after all.
    pub(crate) async fn report_failed(&self, sent: &SentMessage, code: i64) {
        let error = Some((code, format!("Failed by {code}")));
        self.report_item(sent, "failed", None, error).await;
    }

    async fn report_as(&self, sent: &SentMessage, status: &str, tag: Option<String>) {
        let error = (status == "failed").then(|| (131_026, "Message undeliverable".to_owned()));
        self.report_item(sent, status, tag, error).await;
    }

    async fn report_item(
        &self,
        sent: &SentMessage,
        status: &str,
        tag: Option<String>,
        error: Option<(i64, String)>,
    ) {
        let item = MessageStatusItem {
            wamid: sent.wamid.clone(),
            status: status.to_owned(),
            recipient: CUSTOMER.to_owned(),
            tag,
            error,
            at: self.assistant.clock.now(),
        };
        let post = WhatsappPost::to_number(NUMBER).status(&item);
        self.deliver(&Self::sign(&post)).await;
    }

    /// The tenant changes its settings; its keys go.
    pub(crate) async fn change(&self, settings: &TenantSettings) {
        let values = TenantValues {
            name: "Shop",
            enabled: true,
            settings,
            sealed_secrets: None,
        };
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        tenants::update(&mut tx, &values).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Time goes by.
    pub(crate) fn pass(&self, time: Duration) {
        let time = TimeDelta::from_std(time).unwrap();
        self.assistant.clock.advance(time);
    }
}

/// Settings of a tenant whose model answers at once.
pub(crate) fn settings() -> TenantSettings {
    TenantSettings {
        settle_ms: 0,
        settle_max_ms: 0,
        fallback_text: "A person will get back to you.".to_owned(),
        llm: LlmSettings {
            provider: "openai".to_owned(),
            ..LlmSettings::default()
        },
        ..TenantSettings::default()
    }
}

pub(crate) async fn add_tenant(assistant: &Assistant, settings: &TenantSettings) -> TenantId {
    let id = TenantId::new();
    let values = TenantValues {
        name: "Shop",
        enabled: true,
        settings,
        sealed_secrets: None,
    };
    let mut tx = assistant.db.system().await.unwrap();
    tenants::insert(&mut tx, id, &values).await.unwrap();
    tx.commit().await.unwrap();
    id
}

pub(crate) async fn add_channel(
    assistant: &Assistant,
    tenant: TenantId,
    kind: ChannelKind,
    config: Value,
) -> ChannelId {
    let id = ChannelId::new();
    let (table, column) = stored::SECRETS_COLUMN;
    let context = row_context(table, column, id.as_uuid());
    let parsed = channels::parse(kind, config).unwrap();
    let sealed = parsed
        .secrets
        .map(|secrets| assistant.keyring.seal_json(&context, &secrets).unwrap());
    let values = ChannelValues {
        name: "Shop",
        enabled: true,
        config: &parsed.public,
        sealed_secrets: sealed.as_deref(),
        external_id: parsed.external_id.as_deref(),
    };
    let mut tx = assistant.db.tenant(tenant).await.unwrap();
    stored::insert(&mut tx, id, kind, &values).await.unwrap();
    tx.commit().await.unwrap();
    id
}
