use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// A wait ended before the record was long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFew {
    /// How many entries were waited for.
    pub wanted: usize,
    /// How many there were when the time was up.
    pub found: usize,
}

impl std::fmt::Display for TooFew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} arrived in time", self.found, self.wanted)
    }
}

impl std::error::Error for TooFew {}

/// A growing list that can be waited on; clones share it.
#[derive(Debug)]
pub(super) struct Record<T> {
    entries: Arc<Mutex<Vec<T>>>,
    length: watch::Sender<usize>,
}

impl<T> Clone for Record<T> {
    fn clone(&self) -> Self {
        Self {
            entries: Arc::clone(&self.entries),
            length: self.length.clone(),
        }
    }
}

impl<T> Default for Record<T> {
    fn default() -> Self {
        Self {
            entries: Arc::default(),
            length: watch::Sender::new(0),
        }
    }
}

impl<T: Clone> Record<T> {
    /// Appends `entry` and wakes who waits.
    pub(super) fn push(&self, entry: T) {
        let length = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.push(entry);
            entries.len()
        };
        self.length.send_modify(|known| *known = length.max(*known));
    }

    /// Everything so far, oldest first.
    pub(super) fn all(&self) -> Vec<T> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until there are at least `n` entries and returns all of them.
    pub(super) async fn wait_for(&self, n: usize, timeout: Duration) -> Result<Vec<T>, TooFew> {
        let mut length = self.length.subscribe();
        let reached = tokio::time::timeout(timeout, length.wait_for(|known| *known >= n)).await;
        let all = self.all();
        if reached.is_ok() && all.len() >= n {
            return Ok(all);
        }
        Err(TooFew {
            wanted: n,
            found: all.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_with_the_entry_it_was_for() {
        let record = Record::default();
        let writer = record.clone();
        let (entries, ()) = tokio::join!(record.wait_for(2, Duration::from_secs(5)), async {
            writer.push('a');
            tokio::task::yield_now().await;
            writer.push('b');
        });
        assert_eq!(entries, Ok(vec!['a', 'b']));
    }

    #[tokio::test]
    async fn a_wait_in_vain_says_how_many_came() {
        let record = Record::default();
        record.push('a');
        let wait = record.wait_for(2, Duration::from_millis(1)).await;
        assert_eq!(
            wait,
            Err(TooFew {
                wanted: 2,
                found: 1
            })
        );
    }
}
