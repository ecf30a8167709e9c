//! A web chat on its stage: the tenant's channel, and a stand-in for the worker.

use channels::channel;
use db::{Db, DbOptions};
use domain::{Author, ChannelKind, ConversationId, Inbound, RawItemId, TenantId};
use live::{LiveBody, LiveEvent};
use serde_json::{Value, json};
use store::{contacts, conversations, messages};

use crate::server::{ADMIN_KEY, Reply, TestServer};

/// A server with one web chat.
pub(crate) struct Stage {
    pub(crate) server: TestServer,
    pub(crate) tenant: String,
    pub(crate) channel: String,
    /// Another process's handle: what it does reaches the server through Postgres alone.
    pub(crate) elsewhere: Db,
}

impl Stage {
    pub(crate) async fn set(config: Value) -> Self {
        let server = TestServer::start().await;
        let (tenant, _) = server.tenant("Shop").await;
        let channel = json!({"type": "webchat", "name": "Chat", "config": config});
        let channel = server
            .post(ADMIN_KEY, &format!("{tenant}/channels"), channel)
            .await
            .expect(201);
        let elsewhere = Db::connect_lazy(&DbOptions::new(server.database.url())).unwrap();
        Self {
            channel: channel["id"].as_str().unwrap().to_owned(),
            server,
            tenant,
            elsewhere,
        }
    }

    pub(crate) fn tenant_id(&self) -> TenantId {
        self.tenant.rsplit('/').next().unwrap().parse().unwrap()
    }

    pub(crate) async fn open(&self, token: &str, headers: &[(&str, &str)]) -> Reply {
        let path = format!("/api/webchat/{}/sessions", self.channel);
        let method = poem::http::Method::POST;
        self.server
            .call_with(token, method, &path, Value::Null, headers)
            .await
    }

    /// Opens a session for a user whom the tenant's own server is said to vouch for.
    pub(crate) async fn open_as(&self, token: &str, identity: &Value) -> Reply {
        let path = format!("/api/webchat/{}/sessions", self.channel);
        let body = json!({"identity": identity});
        self.server.post(token, &path, body).await
    }

    /// The path of the chat's identity secret.
    pub(crate) fn identity_secret(&self) -> String {
        format!("{}/channels/{}/identity-secret", self.tenant, self.channel)
    }

    /// The token of a session.
    pub(crate) async fn token(&self) -> String {
        let opened = self.open("", &[]).await.expect(201);
        opened["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn write(&self, token: &str, text: &str, client_id: &str) -> Reply {
        let body = json!({"text": text, "client_id": client_id});
        self.server.post(token, "/api/webchat/messages", body).await
    }

    pub(crate) async fn read(&self, token: &str, query: &str) -> Value {
        let path = format!("/api/webchat/messages?{query}");
        self.server.get(token, &path).await.expect(200)
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(self.server.database.pool())
            .await
            .unwrap()
    }

    /// How many files lie in the folder.
    pub(crate) fn files(&self) -> usize {
        let mut folders = vec![self.server.folder.path().to_owned()];
        let mut count = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    count += 1;
                }
            }
        }
        count
    }

    pub(crate) async fn sql(&self, statement: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(self.server.database.pool())
            .await
            .unwrap();
    }

    /// Does what a worker does with the items that wait: stores them as messages.
    pub(crate) async fn work(&self) -> Option<ConversationId> {
        let items: Vec<(uuid::Uuid, Value)> = sqlx::query_as(
            "UPDATE raw_items SET outcome = 'done' WHERE outcome = 'pending' RETURNING id, payload",
        )
        .fetch_all(self.server.database.pool())
        .await
        .unwrap();
        let mut items: Vec<(RawItemId, Value)> =
            items.into_iter().map(|(id, it)| (id.into(), it)).collect();
        items.sort_by_key(|(id, _)| *id);
        let mut conversation = None;
        for (_, payload) in items {
            conversation = Some(self.store(&payload).await);
        }
        conversation
    }

    async fn store(&self, payload: &Value) -> ConversationId {
        let Ok(Inbound::Message(message)) = channel(ChannelKind::Webchat).decode(payload) else {
            panic!("no message");
        };
        let channel = self.channel.parse().unwrap();
        let mut tx = self.elsewhere.tenant(self.tenant_id()).await.unwrap();
        let contact = &message.contact;
        let (id, address) = (&contact.external_id, &contact.address);
        let contact = contacts::upsert(&mut tx, channel, id, address, None)
            .await
            .unwrap();
        let conversation = conversations::open(&mut tx, channel, contact)
            .await
            .unwrap();
        let known = messages::find_by_external_id(&mut tx, channel, &message.external_id);
        if known.await.unwrap().is_some() {
            return conversation.id;
        }
        let (seq, turn) =
            conversations::add_inbound(&mut tx, conversation.id, message.occurred_at, true, true)
                .await
                .unwrap();
        let new = messages::NewInbound {
            conversation_id: conversation.id,
            channel_id: channel,
            seq,
            turn,
            text: &message.text,
            content: serde_json::to_value(&message.content).unwrap(),
            external_id: &message.external_id,
            occurred_at: message.occurred_at,
            unanswered_reason: None,
        };
        messages::insert_inbound(&mut tx, &new).await.unwrap();
        live::publish(
            &mut tx,
            &LiveEvent::new(conversation.id, LiveBody::Message { seq }),
        );
        tx.commit().await.unwrap();
        conversation.id
    }

    /// Stores an answer, as another process.
    pub(crate) async fn answer(&self, conversation_id: ConversationId, text: &str) -> i64 {
        let told = |seq| Some(LiveBody::Message { seq });
        self.answer_telling(conversation_id, text, told).await
    }

    /// Answers, and tells open windows this of it.
    pub(crate) async fn answer_telling(
        &self,
        conversation_id: ConversationId,
        text: &str,
        told: impl Fn(i64) -> Option<LiveBody>,
    ) -> i64 {
        let mut tx = self.elsewhere.tenant(self.tenant_id()).await.unwrap();
        let stands = conversations::get(&mut tx, conversation_id).await.unwrap();
        let turn = Some(stands.turn_seq).filter(|turn| *turn > stands.answered_turn);
        let seq = conversations::add_outbound(&mut tx, conversation_id, turn)
            .await
            .unwrap();
        let new = messages::NewOutbound {
            conversation_id,
            channel_id: self.channel.parse().unwrap(),
            seq,
            author: Author::Assistant,
            turn,
            text,
            content: serde_json::json!({}),
            sources: &[],
        };
        messages::insert_outbound(&mut tx, &new).await.unwrap();
        if let Some(body) = told(seq) {
            live::publish(&mut tx, &LiveEvent::new(conversation_id, body));
        }
        tx.commit().await.unwrap();
        seq
    }
}
