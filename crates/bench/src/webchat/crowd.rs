use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use db::Db;
use domain::{Author, ChannelId, ConversationId, TenantId};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use live::{LiveBody, LiveEvent};
use serde_json::{Value, json};
use store::{contacts, conversations, messages};
use testkit::socket_io::{Heard, SocketIo};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How many sessions are opened, and clients connected, at a time.
const AT_ONCE: usize = 16;

/// How long one client may take to hear of a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Visitors of one web chat, each in a conversation.
pub(super) struct Crowd {
    server: SocketAddr,
    db: Db,
    tenant: TenantId,
    channel: ChannelId,
    waiting: Vec<Visitor>,
    connected: Vec<ConversationId>,
    clients: JoinSet<()>,
    heard: mpsc::UnboundedReceiver<(ConversationId, Instant)>,
    tells: mpsc::UnboundedSender<(ConversationId, Instant)>,
}

/// One who is not connected yet.
struct Visitor {
    token: String,
    conversation: ConversationId,
}

impl Crowd {
    /// Opens a session and a conversation for each visitor.
    pub(super) async fn gather(
        client: &reqwest::Client,
        base: &str,
        key: &str,
        db: Db,
        count: usize,
    ) -> anyhow::Result<Self> {
        let tenant = json!({"name": "Shop"});
        let tenant = post(client, &format!("{base}/api/tenants"), key, &tenant).await?;
        let tenant: TenantId = text(&tenant, "id")?.parse()?;
        let channel = json!({"type": "webchat", "name": "Chat"});
        let channels = format!("{base}/api/tenants/{tenant}/channels");
        let channel: ChannelId =
            text(&post(client, &channels, key, &channel).await?, "id")?.parse()?;
        let sessions = format!("{base}/api/webchat/{channel}/sessions");
        let waiting = stream::iter(0..count)
            .map(|_| async {
                let opened = post(client, &sessions, "", &Value::Null).await?;
                let visitor = text(&opened, "visitor_id")?;
                let conversation = begin(&db, tenant, channel, &visitor).await?;
                let token = text(&opened, "token")?;
                anyhow::Ok(Visitor {
                    token,
                    conversation,
                })
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let (tells, heard) = mpsc::unbounded_channel();
        let server = base.trim_start_matches("http://").parse()?;
        Ok(Self {
            server,
            db,
            tenant,
            channel,
            waiting,
            connected: Vec::new(),
            clients: JoinSet::new(),
            heard,
            tells,
        })
    }

    /// Connects so many more of them, until each was told its conversation.
    pub(super) async fn connect(&mut self, count: usize) -> anyhow::Result<()> {
        let from = self.waiting.len().saturating_sub(count);
        let server = self.server;
        let mut arrivals = stream::iter(self.waiting.split_off(from))
            .map(|visitor| arrive(server, visitor))
            .buffer_unordered(AT_ONCE);
        while let Some(arrived) = arrivals.next().await {
            let (client, conversation) = arrived?;
            self.connected.push(conversation);
            self.clients
                .spawn(listen(client, conversation, self.tells.clone()));
        }
        Ok(())
    }

    /// Commits so many messages, one after the other, each to another visitor; returns how long each
    /// took from there to its client.
    pub(super) async fn hear(&mut self, count: usize) -> anyhow::Result<Vec<Duration>> {
        let mut times = Vec::with_capacity(count);
        for number in 0..count {
            let at = number * 7919 % self.connected.len();
            let conversation = self.connected[at];
            let committed = self.write(conversation).await?;
            let heard = tokio::time::timeout(PATIENCE, self.heard.recv()).await;
            let (who, at) = heard
                .context("a client heard nothing")?
                .context("every client is gone")?;
            ensure!(who == conversation, "another client heard the message");
            times.push(at.saturating_duration_since(committed));
        }
        Ok(times)
    }

    /// Ends every connection.
    pub(super) fn leave(mut self) {
        self.clients.abort_all();
    }

    /// Stores an agent's message as another process would; returns when it was committed.
    async fn write(&self, conversation_id: ConversationId) -> anyhow::Result<Instant> {
        let mut tx = self.db.tenant(self.tenant).await?;
        let seq = conversations::add_outbound(&mut tx, conversation_id, None).await?;
        let new = messages::NewOutbound {
            conversation_id,
            channel_id: self.channel,
            seq,
            author: Author::Agent,
            turn: None,
            text: "We open at nine o'clock, every day of the week.",
            content: serde_json::json!({}),
            sources: &[],
        };
        messages::insert_outbound(&mut tx, &new).await?;
        live::publish(
            &mut tx,
            &LiveEvent::new(conversation_id, LiveBody::Message { seq }),
        );
        tx.commit().await?;
        Ok(Instant::now())
    }
}

async fn begin(
    db: &Db,
    tenant: TenantId,
    channel: ChannelId,
    visitor: &str,
) -> anyhow::Result<ConversationId> {
    let mut tx = db.tenant(tenant).await?;
    let contact = contacts::upsert(&mut tx, channel, visitor, visitor, None).await?;
    let conversation = conversations::open(&mut tx, channel, contact).await?;
    tx.commit().await?;
    Ok(conversation.id)
}

async fn arrive(
    server: SocketAddr,
    visitor: Visitor,
) -> anyhow::Result<(SocketIo, ConversationId)> {
    let auth = json!({"token": visitor.token});
    let connected = SocketIo::connect(server, "/webchat", &auth).await;
    let mut client = connected
        .map_err(|error| anyhow!(error))?
        .map_err(|refusal| anyhow!("a client was refused: {refusal}"))?;
    while let Some(heard) = client.next().await.map_err(|error| anyhow!(error))? {
        if matches!(heard, Heard::Event(name, _) if name == "conversation") {
            return Ok((client, visitor.conversation));
        }
    }
    Err(anyhow!("a client was let go of"))
}

/// Says when each message is heard.
async fn listen(
    mut client: SocketIo,
    conversation: ConversationId,
    tells: mpsc::UnboundedSender<(ConversationId, Instant)>,
) {
    while let Ok(Some(heard)) = client.next().await {
        if matches!(heard, Heard::Event(name, _) if name == "message") {
            tells.send((conversation, Instant::now())).ok();
        }
    }
}

async fn post(
    client: &reqwest::Client,
    url: &str,
    key: &str,
    body: &Value,
) -> anyhow::Result<Value> {
    let request = client.post(url).bearer_auth(key);
    let request = if body.is_null() {
        request
    } else {
        request.json(body)
    };
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{url} answered {status}: {text}");
    Ok(serde_json::from_str(&text)?)
}

fn text(body: &Value, field: &str) -> anyhow::Result<String> {
    let text = body[field]
        .as_str()
        .with_context(|| format!("an answer without {field}"))?;
    Ok(text.to_owned())
}
