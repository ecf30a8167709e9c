//! Redis instead of Postgres, for what processes tell each other live.

use std::time::Duration;

use db::{Db, LiveCarrier};
use futures::StreamExt as _;
use redis::{Client, RedisError};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// How long to wait before a lost connection is tried again.
const RECONNECT: Duration = Duration::from_secs(1);

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a connection that says nothing is asked whether it lives.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The most events of one round trip.
const AT_A_TIME: usize = 256;

/// The address is not one of a Redis server; it may hold a password and is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("the address of Redis is not valid")]
pub struct InvalidRedisUrl;

/// Why a connection to Redis ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("Redis failed")]
    Redis(#[from] RedisError),
    #[error("Redis does not answer")]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("Redis closed the connection")]
    Closed,
}

/// Has Redis at `url` carry live events between the processes that name the same `channel`, until the
/// handle goes.
///
/// While Redis is away events are lost, which they may be: whoever is connected looks at the tables
/// every 20 seconds, and all look at once when it is back. A second call changes nothing.
///
/// # Errors
/// [`InvalidRedisUrl`]; a server that is away is none.
pub fn carry_by_redis(db: &Db, url: &str, channel: &str) -> Result<(), InvalidRedisUrl> {
    let client = Client::open(url).map_err(|_| InvalidRedisUrl)?;
    if let Some(carrier) = db.carry_live() {
        tokio::spawn(carry(client, channel.to_owned(), carrier));
    }
    Ok(())
}

async fn carry(client: Client, channel: String, mut carrier: LiveCarrier) {
    let origin = format!("{:016x}", rand::random::<u64>());
    let mut is_away = false;
    loop {
        match connected(&client, &channel, &origin, &mut carrier).await {
            Ok(()) => return,
            // Once for each outage.
            Err(error) if !is_away => {
                is_away = true;
                tracing::warn!(%error, "live events are not carried: Redis is away");
            }
            Err(_) => {}
        }
        if let Ended::Handle = let_go(&mut carrier).await {
            return;
        }
    }
}

enum Ended {
    Wait,
    Handle,
}

/// Waits before the next try; what is told meanwhile is lost.
async fn let_go(carrier: &mut LiveCarrier) -> Ended {
    let until = Instant::now() + RECONNECT;
    loop {
        match timeout_at(until, carrier.take(AT_A_TIME)).await {
            Ok(payloads) if payloads.is_empty() => return Ended::Handle,
            Ok(_) => {}
            Err(_) => return Ended::Wait,
        }
    }
}

/// Carries events until the connection breaks; `Ok` once the handle is gone.
async fn connected(
    client: &Client,
    channel: &str,
    origin: &str,
    carrier: &mut LiveCarrier,
) -> Result<(), Broken> {
    let pubsub = timeout(PATIENCE, client.get_async_pubsub()).await??;
    let (mut sink, mut heard) = pubsub.split();
    timeout(PATIENCE, sink.subscribe(channel)).await??;
    let mut sender = timeout(PATIENCE, client.get_multiplexed_async_connection()).await??;
    // Whatever was missed while nobody listened, here; and what this process told meanwhile, there.
    carrier.hear(String::new());
    let mut payloads = vec![String::new()];
    let mut beat = Instant::now() + HEARTBEAT;
    loop {
        if !payloads.is_empty() {
            let mut pipeline = redis::pipe();
            for payload in payloads.drain(..) {
                let told = format!("{origin}|{payload}");
                pipeline.cmd("PUBLISH").arg(channel).arg(told).ignore();
            }
            timeout(PATIENCE, pipeline.query_async::<()>(&mut sender)).await??;
        }
        tokio::select! {
            taken = carrier.take(AT_A_TIME) => {
                if taken.is_empty() {
                    return Ok(());
                }
                payloads = taken;
            }
            message = heard.next() => {
                let message = message.ok_or(Broken::Closed)?;
                let told: String = message.get_payload()?;
                if let Some((from, payload)) = told.split_once('|')
                    && from != origin
                {
                    carrier.hear(payload.to_owned());
                }
            }
            () = sleep_until(beat) => {
                timeout(PATIENCE, sink.ping::<redis::Value>()).await??;
                beat = Instant::now() + HEARTBEAT;
            }
        }
    }
}
