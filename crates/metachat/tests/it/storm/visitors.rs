//! The customers of the web chat: they write in bursts, are cut off at random, and come back to
//! whichever API answers.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::CUSTOMERS;
use crate::http::Http;
use crate::visitor::Visitor;

/// What each visitor writes: more than others do, so that there is something to kill all along.
pub(super) const WRITTEN: usize = 6;

/// The longest that everything may take.
const PATIENCE: Duration = Duration::from_mins(4);

/// Where visitors find an API: some of it may be gone.
pub(super) type Addresses = Mutex<Vec<SocketAddr>>;

/// Visitors in a chat.
pub(super) async fn arrive(http: &Http, channel: &str) -> Vec<Visitor> {
    let mut visitors = Vec::new();
    for _ in 0..CUSTOMERS {
        visitors.push(Visitor::arrive(http, channel).await);
    }
    visitors
}

/// Lets everybody write, and read on until each has an answer to all of it.
pub(super) async fn talk(visitors: &mut [Visitor], addresses: &Addresses, seed: u64) {
    let talks = visitors
        .iter_mut()
        .zip(seed..)
        .map(|(visitor, seed)| async move {
            let mut rng = StdRng::seed_from_u64(seed);
            let talk = talk_of_one(visitor, addresses, &mut rng);
            let talked = tokio::time::timeout(PATIENCE, talk).await;
            assert!(
                talked.is_ok(),
                "seed {seed}: not answered: {:#?}",
                visitor.heard
            );
        });
    futures::future::join_all(talks).await;
}

async fn talk_of_one(visitor: &mut Visitor, addresses: &Addresses, rng: &mut StdRng) {
    while visitor.written.len() < WRITTEN || !visitor.is_answered() {
        for _ in 0..rng.random_range(0..=3) {
            if visitor.written.len() < WRITTEN {
                visitor.write(&format!("And what of {}?", visitor.written.len()));
            }
        }
        let address = {
            let addresses = addresses.lock().unwrap();
            addresses[rng.random_range(0..addresses.len())]
        };
        if !visitor.connect(address).await {
            tokio::task::yield_now().await;
            continue;
        }
        let cut = Duration::from_millis(rng.random_range(5..1500));
        tokio::time::timeout(cut, visitor.hear_on()).await.ok();
        visitor.cut();
    }
}
