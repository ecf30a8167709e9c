use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::{DateTime, Utc};
use domain::Clock;
use testkit::standin::GraphServer;
use tokio::task::JoinSet;

use super::latency::write;
use super::shop::Shop;

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What came of posts at a steady rate, whatever the answers take.
pub(super) struct Steady {
    /// When each customer's 200 came.
    taken: HashMap<String, DateTime<Utc>>,
}

/// Posts one message of each customer, `rate` of them a second, each at its time.
pub(super) async fn post(
    shop: &Arc<Shop>,
    customers: &[String],
    rate: u32,
) -> anyhow::Result<Steady> {
    let begun = Instant::now();
    let mut posts = JoinSet::new();
    for (nth, customer) in customers.iter().enumerate() {
        let due = begun + Duration::from_secs(1) * u32::try_from(nth)? / rate;
        tokio::time::sleep_until(due.into()).await;
        let (shop, customer) = (Arc::clone(shop), customer.clone());
        posts.spawn(async move {
            write(&shop, &customer).await?;
            anyhow::Ok((customer, Clock::system().now()))
        });
    }
    let mut steady = Steady {
        taken: HashMap::with_capacity(customers.len()),
    };
    while let Some(posted) = posts.join_next().await {
        let (customer, at) = posted??;
        steady.taken.insert(customer, at);
    }
    Ok(steady)
}

/// From each 200 to the request at the Graph API, once all are there.
pub(super) async fn answered(
    graph: &GraphServer,
    steady: &Steady,
    before: usize,
) -> anyhow::Result<Vec<Duration>> {
    let all = graph
        .wait_for(before + steady.taken.len(), PATIENCE)
        .await?;
    let times: Vec<_> = all
        .iter()
        .filter_map(|sent| {
            let taken = steady.taken.get(sent.to.trim_start_matches('+'))?;
            // An answer that leaves before the 200 was read took no time.
            Some((sent.at - *taken).to_std().unwrap_or_default())
        })
        .collect();
    ensure!(
        times.len() == steady.taken.len(),
        "{} answers to {} customers",
        times.len(),
        steady.taken.len()
    );
    Ok(times)
}
