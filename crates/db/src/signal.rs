//! Signals: what a transaction wants others to know once it is committed.
//!
//! Processes of the same database hear them through LISTEN/NOTIFY. A NOTIFY inside the committing
//! transaction takes a database-wide lock over its commit (measured: 3 to 20 times fewer commits),
//! so a connection of its own sends them afterwards, coalesced. Signals may be lost; whoever waits
//! for one also polls.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

/// How long signals are gathered after one was sent: what a message waits for at most between the
/// process that took it and the one that answers it.
const DEBOUNCE: Duration = Duration::from_millis(3);
/// How long others hear later of jobs that a process enqueues which runs jobs itself: most are taken
/// by then, and its claim has the server to itself.
const HEAD_START: Duration = Duration::from_millis(5);
/// How long to wait before a lost connection is tried again.
const RECONNECT: Duration = Duration::from_millis(500);
/// How many signals wait for what carries them instead of the database.
const CARRIED: usize = 4096;
/// Postgres refuses longer payloads. Source: PostgreSQL manual, NOTIFY.
const MAX_PAYLOAD_BYTES: usize = 7_999;

/// What a signal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// There are jobs to claim.
    Jobs,
    /// Something that connected clients want to see.
    Live,
    /// A channel was changed; its id.
    Channels,
}

impl Topic {
    const ALL: [Self; 3] = [Self::Jobs, Self::Live, Self::Channels];

    const fn channel(self) -> &'static str {
        match self {
            Self::Jobs => "metachat_jobs",
            Self::Live => "metachat_live",
            Self::Channels => "metachat_channels",
        }
    }
}

/// Something committed that others may want to act on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signal {
    /// What it is about.
    pub topic: Topic,
    /// Details, under 7,900 bytes; longer ones reach only this process. Empty where something may
    /// have been missed.
    pub payload: String,
}

/// The process's end of the signals: a broadcast for its own listeners, a queue to the others.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    own: broadcast::Sender<Signal>,
    others: mpsc::UnboundedSender<Signal>,
    /// What carries live signals to the others, if not the database.
    carrier: Arc<OnceLock<mpsc::Sender<String>>>,
    /// This process runs jobs itself.
    runs_jobs: Arc<AtomicBool>,
}

/// The process's end of what carries live signals instead of the database.
#[derive(Debug)]
pub struct LiveCarrier {
    outgoing: mpsc::Receiver<String>,
    own: broadcast::Sender<Signal>,
}

impl LiveCarrier {
    /// Takes up to `limit` payloads that are to reach the other processes, as soon as there are some;
    /// none once the handle is gone. Nothing is lost if the future is dropped.
    pub async fn take(&mut self, limit: usize) -> Vec<String> {
        let mut payloads = Vec::new();
        self.outgoing.recv_many(&mut payloads, limit).await;
        payloads
    }

    /// Tells this process's listeners what another one told; an empty payload says that something
    /// may have been missed.
    pub fn hear(&self, payload: String) {
        let topic = Topic::Live;
        self.own.send(Signal { topic, payload }).ok();
    }
}

impl Signals {
    /// Starts the sending and the listening task; both end with `shutdown`.
    pub(crate) fn start(pool: &PgPool, shutdown: &CancellationToken) -> Self {
        let (own, _) = broadcast::channel(4096);
        let (others, queue) = mpsc::unbounded_channel();
        let origin = format!("{:016x}", rand::random::<u64>());
        let runs_jobs = Arc::new(AtomicBool::new(false));
        let options = pool.connect_options().as_ref().clone();
        // A pool of its own, so that listening never takes a connection from anybody.
        let listening = PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(options.clone());
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(send(
            options,
            queue,
            origin.clone(),
            Arc::clone(&runs_jobs),
        )));
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(listen(
            listening,
            own.clone(),
            origin,
        )));
        Self {
            own,
            others,
            carrier: Arc::default(),
            runs_jobs,
        }
    }

    pub(crate) fn run_jobs(&self) {
        self.runs_jobs.store(true, Ordering::Relaxed);
    }

    /// Lets something else carry live signals from here on; `None` if something does already.
    pub(crate) fn carry_live(&self) -> Option<LiveCarrier> {
        let (carrier, outgoing) = mpsc::channel(CARRIED);
        self.carrier.set(carrier).ok()?;
        let own = self.own.clone();
        Some(LiveCarrier { outgoing, own })
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Signal> {
        self.own.subscribe()
    }

    pub(crate) fn publish(&self, signal: Signal) {
        // No receiver is no error: this process may not care.
        self.own.send(signal.clone()).ok();
        match self.carrier.get().filter(|_| signal.topic == Topic::Live) {
            // A carrier that does not keep up loses signals, as it may.
            Some(carrier) => drop(carrier.try_send(signal.payload)),
            None => drop(self.others.send(signal)),
        }
    }
}

/// Sends signals to the other processes: the first at once, then at most one batch per `DEBOUNCE`.
async fn send(
    options: sqlx::postgres::PgConnectOptions,
    mut queue: mpsc::UnboundedReceiver<Signal>,
    origin: String,
    runs_jobs: Arc<AtomicBool>,
) {
    let mut connection: Option<PgConnection> = None;
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, 1000).await > 0 {
        if runs_jobs.load(Ordering::Relaxed) && batch.iter().all(|one| one.topic == Topic::Jobs) {
            tokio::time::sleep(HEAD_START).await;
            batch.extend(std::iter::from_fn(|| queue.try_recv().ok()));
        }
        let mut seen = HashSet::new();
        batch.retain(|signal| seen.insert(signal.clone()));
        if let Err(error) = notify(&options, &mut connection, &batch, &origin).await {
            // Lost signals are made good by polling.
            tracing::debug!(%error, "signals were not sent");
            connection = None;
            tokio::time::sleep(RECONNECT).await;
        }
        batch.clear();
        tokio::time::sleep(DEBOUNCE).await;
    }
}

async fn notify(
    options: &sqlx::postgres::PgConnectOptions,
    connection: &mut Option<PgConnection>,
    batch: &[Signal],
    origin: &str,
) -> sqlx::Result<()> {
    let (channels, payloads): (Vec<_>, Vec<_>) = batch
        .iter()
        .map(|signal| {
            (
                signal.topic.channel(),
                format!("{origin}|{}", signal.payload),
            )
        })
        .filter(|(_, payload)| payload.len() <= MAX_PAYLOAD_BYTES)
        .unzip();
    let open = match connection {
        Some(open) => open,
        None => connection.insert(PgConnection::connect_with(options).await?),
    };
    sqlx::query("SELECT pg_notify(c, p) FROM unnest($1::text[], $2::text[]) AS s(c, p)")
        .bind(channels)
        .bind(payloads)
        .execute(open)
        .await?;
    Ok(())
}

/// Hears the other processes and tells this one's listeners, for ever.
async fn listen(pool: PgPool, own: broadcast::Sender<Signal>, origin: String) {
    loop {
        if let Err(error) = listen_once(&pool, &own, &origin).await {
            tracing::debug!(%error, "listening for signals was interrupted");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen_once(
    pool: &PgPool,
    own: &broadcast::Sender<Signal>,
    origin: &str,
) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all(Topic::ALL.map(Topic::channel)).await?;
    // Whatever was missed while nobody listened.
    for topic in Topic::ALL {
        let payload = String::new();
        own.send(Signal { topic, payload }).ok();
    }
    while let Some(heard) = listener.try_recv().await? {
        let Some((from, payload)) = heard.payload().split_once('|') else {
            continue;
        };
        let topic = Topic::ALL
            .into_iter()
            .find(|topic| topic.channel() == heard.channel());
        if let Some(topic) = topic.filter(|_| from != origin) {
            own.send(Signal {
                topic,
                payload: payload.to_owned(),
            })
            .ok();
        }
    }
    Ok(())
}
