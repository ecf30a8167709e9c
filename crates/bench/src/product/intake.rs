use std::time::{Duration, Instant};

use super::latency::{Customers, write};
use super::shop::Shop;
use crate::stats::per_second;

/// How many post at once.
pub(super) const CLIENTS: usize = 16;

/// Customers that no client runs out of.
const CUSTOMERS: usize = 100_000;

/// Counts webhooks that were signed, posted and answered by 200 while no worker runs.
pub(super) async fn measure(
    shop: &Shop,
    customers: &mut Customers,
    seconds: u64,
) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let numbers = customers.take(CUSTOMERS);
    let clients = numbers
        .chunks(CUSTOMERS / CLIENTS)
        .map(|line| post_until(shop, line, end));
    let counts = futures::future::try_join_all(clients).await?;
    Ok(per_second(counts.into_iter().sum(), begun.elapsed()))
}

async fn post_until(shop: &Shop, customers: &[String], end: Instant) -> anyhow::Result<usize> {
    let mut count = 0;
    for customer in customers.iter().cycle() {
        if Instant::now() >= end {
            break;
        }
        write(shop, customer).await?;
        count += 1;
    }
    Ok(count)
}
