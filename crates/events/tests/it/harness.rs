use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use db::{Db, DbOptions, Signal, TenantTx, Topic, Tx as _};
use domain::{
    Author, ChannelId, ChunkId, Clock, ConversationId, DeliveryId, Direction, DocumentId,
    EndpointId, MessageId, MessageStatus, Source, TenantId, TenantSettings,
};
use events::{Event, MessageData};
use jobs::kinds::DeliverWebhook;
use jobs::{
    DeadHook, DeadHooks, Engine, EngineOptions, Job as _, JobHandle, JobState, JobView, KindInfo,
};
use outbound::{Client, Guard};
use secrets::{Keyring, MasterKey, WebhookSecret};
use store::messages::Message;
use store::tenants::TenantValues;
use store::webhook_deliveries::{Attempt, Delivery};
use store::webhook_endpoints::EndpointValues;
use testkit::TestDb;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A tenant in a database of its own, with or without an engine.
pub(crate) struct Bench {
    pub(crate) test_db: TestDb,
    pub(crate) db: Db,
    pub(crate) tenant: TenantId,
    pub(crate) clock: Clock,
    keyring: Keyring,
    engine: Option<Engine>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let test_db = TestDb::new().await;
        let db = Db::connect_lazy(&DbOptions::new(test_db.url())).expect("an address");
        let tenant = insert_tenant(&db).await;
        Self {
            test_db,
            db,
            tenant,
            clock: Clock::fixed(noon()),
            keyring: Keyring::new(MasterKey::generate(), Vec::new()),
            engine: None,
        }
    }

    /// Starts to deliver, to loopback addresses too.
    pub(crate) async fn start(&mut self) {
        let guard = Guard::new(["127.0.0.0/8".parse().expect("a network")]);
        self.start_with(Client::guarded(&guard).expect("a client"))
            .await;
    }

    pub(crate) async fn start_with(&mut self, client: Client) {
        let mut options = EngineOptions::new(vec![KindInfo::of::<DeliverWebhook>()]);
        options.poll = Duration::from_millis(200);
        options.drain = Duration::from_secs(2);
        let on_dead: DeadHook = Arc::new(|tx, dead| Box::pin(events::on_dead(tx, dead)));
        let hooks = DeadHooks::from([(DeliverWebhook::KIND, on_dead)]);
        let (engine, backends) = Engine::start(self.db.clone(), options, hooks)
            .await
            .expect("an engine");
        for backend in backends {
            let (db, keyring) = (self.db.clone(), self.keyring.clone());
            let (client, clock) = (client.clone(), self.clock.clone());
            jobs::work(backend, move |handle: JobHandle| {
                let (db, keyring) = (db.clone(), keyring.clone());
                let (client, clock) = (client.clone(), clock.clone());
                async move {
                    let job: DeliverWebhook = handle.job.decode()?;
                    events::deliver(&db, &keyring, &client, &clock, &handle, job).await
                }
            });
        }
        self.engine = Some(engine);
    }

    pub(crate) async fn shut_down(self) {
        if let Some(engine) = self.engine {
            engine.shut_down().await;
        }
    }

    pub(crate) async fn tx(&self) -> TenantTx {
        self.db.tenant(self.tenant).await.expect("a transaction")
    }

    pub(crate) async fn endpoint(&self, url: &str, types: &[&str]) -> (EndpointId, WebhookSecret) {
        self.endpoint_of(self.tenant, url, types).await
    }

    pub(crate) async fn endpoint_of(
        &self,
        tenant: TenantId,
        url: &str,
        types: &[&str],
    ) -> (EndpointId, WebhookSecret) {
        let id = EndpointId::new();
        let secret = WebhookSecret::generate();
        let sealed = events::seal_secret(&self.keyring, id, &secret).expect("sealed");
        let event_types: Vec<String> = types.iter().map(|name| (*name).to_owned()).collect();
        let values = values(url, &event_types, true);
        let mut tx = self.db.tenant(tenant).await.expect("a transaction");
        store::webhook_endpoints::insert(&mut tx, id, &values, &sealed)
            .await
            .expect("inserted");
        tx.commit().await.expect("committed");
        (id, secret)
    }

    /// Moves an endpoint to another address, or switches it on or off.
    pub(crate) async fn change(&self, id: EndpointId, url: &str, enabled: bool) {
        let mut tx = self.tx().await;
        store::webhook_endpoints::update(&mut tx, id, &values(url, &[], enabled))
            .await
            .expect("changed");
        tx.commit().await.expect("committed");
    }

    /// Emits an event in a transaction of its own; returns the jobs it made.
    pub(crate) async fn emit(&self, event: &Event) -> Vec<i64> {
        let mut tx = self.tx().await;
        events::emit(&mut tx, std::slice::from_ref(event), &self.clock)
            .await
            .expect("emitted");
        let jobs = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE xmin = pg_current_xact_id()::xid ORDER BY id",
        )
        .fetch_all(tx.conn())
        .await
        .expect("jobs");
        tx.commit().await.expect("committed");
        jobs
    }

    /// Emits an event for which there is one endpoint.
    pub(crate) async fn emit_one(&self, event: &Event) -> i64 {
        let jobs = self.emit(event).await;
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs[0]
    }

    /// The endpoint's deliveries, newest first.
    pub(crate) async fn deliveries(&self, endpoint: EndpointId) -> Vec<Delivery> {
        let mut tx = self.tx().await;
        let page = store::webhook_deliveries::list(&mut tx, endpoint, None, 100).await;
        page.expect("listed").data
    }

    /// The endpoint's only delivery.
    pub(crate) async fn delivery(&self, endpoint: EndpointId) -> Delivery {
        let mut all = self.deliveries(endpoint).await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub(crate) async fn attempts(&self, delivery: DeliveryId) -> Vec<Attempt> {
        let mut tx = self.tx().await;
        let attempts = store::webhook_deliveries::list_attempts(&mut tx, &[delivery]).await;
        attempts.expect("listed")
    }

    /// The attempts of the endpoint's only delivery.
    pub(crate) async fn attempts_at(&self, endpoint: EndpointId) -> Vec<Attempt> {
        let delivery = self.delivery(endpoint).await;
        self.attempts(delivery.id).await
    }

    /// Makes a job due that waits for its next attempt.
    pub(crate) async fn hurry(&self, job: i64) {
        self.reach(job, JobState::Scheduled).await;
        sqlx::query("UPDATE jobs SET run_at = now() WHERE id = $1")
            .bind(job)
            .execute(self.test_db.pool())
            .await
            .expect("hurried");
        self.db.signal(Signal {
            topic: Topic::Jobs,
            payload: String::new(),
        });
    }

    /// Waits until the job is in that state.
    pub(crate) async fn reach(&self, id: i64, state: JobState) -> JobView {
        let mut last = None;
        for _ in 0..1000 {
            let mut tx = self.db.system().await.expect("a transaction");
            last = jobs::get(&mut tx, id, None).await.expect("looked up");
            drop(tx);
            if let Some(view) = &last
                && view.state == state
            {
                return view.clone();
            }
            // Polling a table: there is nothing to be notified by.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("job {id} never was {state}; last seen {last:?}");
    }
}

fn values<'a>(url: &'a str, event_types: &'a [String], enabled: bool) -> EndpointValues<'a> {
    EndpointValues {
        url,
        description: "",
        event_types,
        enabled,
    }
}

pub(crate) async fn insert_tenant(db: &Db) -> TenantId {
    let id = TenantId::new();
    let mut tx = db.system().await.expect("a transaction");
    let values = TenantValues {
        name: "Shop",
        enabled: true,
        settings: &TenantSettings::default(),
        sealed_secrets: None,
    };
    store::tenants::insert(&mut tx, id, &values)
        .await
        .expect("a tenant");
    tx.commit().await.expect("committed");
    id
}

pub(crate) fn noon() -> DateTime<Utc> {
    "2026-08-04T12:00:00.123456Z".parse().expect("a time")
}

/// An answer of the assistant's, as it is stored.
pub(crate) fn message() -> Message {
    Message {
        id: MessageId::new(),
        conversation_id: ConversationId::new(),
        channel_id: ChannelId::new(),
        seq: 2,
        direction: Direction::Outbound,
        author: Author::Assistant,
        turn: Some(1),
        text: "Within 30 days – „unused“ [1].".to_owned(),
        content: serde_json::json!({ "internal": "not for integrators" }),
        sources: vec![Source {
            number: 1,
            document_id: DocumentId::new(),
            chunk_id: ChunkId::new(),
            title: "Returns".to_owned(),
            page: Some(3),
            heading: None,
            score: 0.5,
            excerpt: "Unused goods …".to_owned(),
        }],
        status: MessageStatus::Sent,
        error: None,
        error_code: None,
        external_id: Some("wamid.1".to_owned()),
        send_attempts: 1,
        sending_at: Some(noon()),
        edited_at: None,
        revoked_at: None,
        unknown_at: None,
        sent_at: Some(noon()),
        occurred_at: noon(),
        created_at: noon(),
        unanswered_reason: None,
        retry_count: 0,
    }
}

pub(crate) fn sent() -> Event {
    Event::MessageSent(MessageData::of(&message()))
}
