use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};
use testkit::standin::{Sender, SignedPost, TextMessage, WhatsappPost};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::caller::Caller;
use super::latency::Customers;
use super::shop::{APP_SECRET, QUESTION, Shop};
use crate::stats::per_second;

/// How many post at once.
pub(super) const CLIENTS: usize = 16;

/// Posts that are signed before the clock runs; after them they come again.
const SIGNED: usize = 48_000;

/// Connections over which posts come at a steady rate.
const CONNECTIONS: usize = 64;

/// Counts webhooks that were posted and answered by 200 while no worker runs.
pub(super) async fn measure(
    shop: &Shop,
    customers: &mut Customers,
    seconds: u64,
) -> anyhow::Result<f64> {
    let signed = sign(shop, &customers.take(SIGNED)).into_iter();
    let posts: Vec<SignedPost> = signed.map(|signed| signed.post).collect();
    let mut callers = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        callers.push(Caller::connect(&shop.statuses_to.url).await?);
    }
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let clients = callers
        .into_iter()
        .zip(posts.chunks(SIGNED / CLIENTS))
        .map(|(caller, posts)| post_until(caller, posts, end));
    let counts = futures::future::try_join_all(clients).await?;
    Ok(per_second(counts.into_iter().sum(), begun.elapsed()))
}

/// Posts that were answered by 200.
pub(super) struct Answered {
    /// How long each took, from when it was due.
    pub(super) times: Vec<Duration>,
    /// The ids of the messages, one of each.
    pub(super) messages: Vec<String>,
}

/// Posts one message of each customer, `rate` of them a second, each at its time, and sees each
/// answered by 200.
pub(super) async fn steady(
    shop: &Shop,
    customers: &[String],
    rate: u32,
) -> anyhow::Result<Answered> {
    let posts = sign(shop, customers);
    let messages = posts.iter().map(|signed| signed.message.clone()).collect();
    let mut callers = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let caller = Caller::connect(&shop.statuses_to.url).await?;
        callers.push(Arc::new(Mutex::new(caller)));
    }
    let begun = Instant::now();
    let mut answers = JoinSet::new();
    for (nth, Signed { post, .. }) in posts.into_iter().enumerate() {
        let due = begun + Duration::from_secs(1) * u32::try_from(nth)? / rate;
        tokio::time::sleep_until(due.into()).await;
        let caller = callers.get(nth % CONNECTIONS).context("no connection")?;
        let caller = Arc::clone(caller);
        answers.spawn(async move {
            // Whoever waits for its connection has waited for the server.
            caller.lock().await.post(post).await?;
            anyhow::Ok(due.elapsed())
        });
    }
    let mut times = Vec::with_capacity(customers.len());
    while let Some(answer) = answers.join_next().await {
        times.push(answer??);
    }
    Ok(Answered { times, messages })
}

/// Counts the messages that are not kept as a raw item with the job that goes on with it, while no
/// worker runs.
pub(super) async fn lost(url: &str, messages: &[String]) -> anyhow::Result<u32> {
    let mut connection = PgConnection::connect(url).await?;
    // Nothing has looked at how many rows there are by now.
    sqlx::query("SET enable_nestloop = off")
        .execute(&mut connection)
        .await?;
    let lost: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM unnest($1::text[]) AS posted (id) WHERE NOT EXISTS (
             SELECT FROM raw_items AS r JOIN jobs AS j
                 ON j.kind = 'inbound-message' AND j.payload ->> 'raw_item_id' = r.id::text
             WHERE r.payload #>> '{message,id}' = posted.id)",
    )
    .bind(messages)
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(u32::try_from(lost)?)
}

/// A post that is ready to go.
struct Signed {
    post: SignedPost,
    /// The id of its one message.
    message: String,
}

fn sign(shop: &Shop, customers: &[String]) -> Vec<Signed> {
    let sign = |customer: &String| {
        let message = TextMessage::new(Sender::phone(customer, "Customer"), QUESTION);
        let post = WhatsappPost::to_number(&shop.phone_number_id).text(&message);
        Signed {
            post: post.sign(APP_SECRET),
            message: message.wamid,
        }
    };
    customers.iter().map(sign).collect()
}

async fn post_until(
    mut caller: Caller,
    posts: &[SignedPost],
    end: Instant,
) -> anyhow::Result<usize> {
    let mut count = 0;
    for post in posts.iter().cycle() {
        if Instant::now() >= end {
            break;
        }
        caller.post(post.clone()).await?;
        count += 1;
    }
    Ok(count)
}
