use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use domain::Clock;
use testkit::standin::{GraphServer, Sender, TextMessage, WhatsappPost};

use super::shop::{QUESTION, Shop};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Customers who have not written yet: each measure takes other phone numbers.
pub(super) struct Customers {
    next: u64,
}

impl Customers {
    pub(super) const fn new() -> Self {
        Self {
            next: 33_600_000_000,
        }
    }

    /// `count` phone numbers that nobody had.
    pub(super) fn take(&mut self, count: usize) -> Vec<String> {
        let first = self.next;
        self.next += u64::try_from(count).unwrap_or_default();
        (first..self.next)
            .map(|number| number.to_string())
            .collect()
    }
}

/// Lets each customer write once, `at_once` of them at a time, each as soon as an answer to the one
/// before has left, while statuses come in as Meta sends them; times from the webhook's 200 to the request at the Graph API.
pub(super) async fn measure(
    shop: &Shop,
    graph: &GraphServer,
    customers: &[String],
    at_once: usize,
) -> anyhow::Result<Vec<Duration>> {
    graph.send_statuses_to(shop.statuses_to.clone());
    let share = customers.len().div_ceil(at_once.max(1)).max(1);
    let lines = customers
        .chunks(share)
        .map(|line| write_in_turn(shop, graph, line));
    let taken: HashMap<String, DateTime<Utc>> = futures::future::try_join_all(lines)
        .await?
        .into_iter()
        .flatten()
        .collect();
    let times: Vec<_> = graph
        .received()
        .into_iter()
        .filter_map(|sent| {
            let taken = taken.get(sent.to.trim_start_matches('+'))?;
            // An answer that leaves before the 200 was read took no time.
            Some((sent.at - *taken).to_std().unwrap_or_default())
        })
        .collect();
    ensure!(
        times.len() == customers.len(),
        "{} answers to {} customers",
        times.len(),
        customers.len()
    );
    Ok(times)
}

async fn write_in_turn(
    shop: &Shop,
    graph: &GraphServer,
    customers: &[String],
) -> anyhow::Result<Vec<(String, DateTime<Utc>)>> {
    let mut taken = Vec::with_capacity(customers.len());
    for customer in customers {
        write(shop, customer).await?;
        taken.push((customer.clone(), Clock::system().now()));
        wait_for_answer(graph, customer).await?;
    }
    Ok(taken)
}

/// Posts one question of a customer.
///
/// # Errors
/// When the webhook does not answer 200.
pub(super) async fn write(shop: &Shop, customer: &str) -> anyhow::Result<()> {
    let message = TextMessage::new(Sender::phone(customer, "Customer"), QUESTION);
    let post = WhatsappPost::to_number(&shop.phone_number_id).text(&message);
    let status = shop.webhook.post(&post).await?;
    ensure!(status == 200, "the webhook answered {status}");
    Ok(())
}

async fn wait_for_answer(graph: &GraphServer, customer: &str) -> anyhow::Result<()> {
    loop {
        let received = graph.received();
        // The newest are at the end.
        if received
            .iter()
            .rev()
            .any(|sent| sent.to.ends_with(customer))
        {
            return Ok(());
        }
        graph
            .wait_for(received.len() + 1, PATIENCE)
            .await
            .with_context(|| format!("no answer to {customer}"))?;
    }
}
