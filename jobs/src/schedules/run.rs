use std::time::Duration;

use db::{Db, Result, Signal, Topic};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::look::until_next;
use super::{Kind, look};
use crate::signal::{self, Word};

/// The longest wait between looks, for signals that were lost.
const POLL: Duration = Duration::from_secs(1);
/// How long to wait when the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_millis(500);

/// Enqueues the jobs of schedules of the given kinds when they are due, until `stop`: a timer stands
/// on the next tick. Every process may run it.
pub async fn run(db: Db, kinds: Vec<Kind>, stop: CancellationToken) {
    let mut signals = db.subscribe();
    let work = async {
        loop {
            let wait = match look_until_idle(&db, &kinds).await {
                Ok(next) => next.map_or(POLL, |next| next.min(POLL)),
                Err(error) => {
                    tracing::warn!(error = %error, "schedules could not be looked at");
                    OUTAGE_PAUSE
                }
            };
            tokio::time::timeout(wait, hear_change(&mut signals))
                .await
                .ok();
        }
    };
    stop.run_until_cancelled(work).await;
}

/// Looks until nothing is due, and says how long it is until the next tick.
async fn look_until_idle(db: &Db, kinds: &[Kind]) -> Result<Option<Duration>> {
    while look(db, kinds).await?.is_more {}
    until_next(db, kinds).await
}

/// Returns when a schedule was set, or may have been.
async fn hear_change(signals: &mut Receiver<Signal>) {
    loop {
        match signals.recv().await {
            // A signal that says nothing comes with every reconnection; the poll is near enough.
            Ok(signal) if signal.topic == Topic::Jobs => {
                let mut words = signal::words(&signal.payload).into_iter().flatten();
                if words.any(|word| word == Word::Schedules) {
                    return;
                }
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
