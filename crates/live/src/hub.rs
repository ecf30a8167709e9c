use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use db::{Db, Signal, Topic};
use domain::ConversationId;
use futures::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::LiveEvent;

/// How many updates wait for a slow subscriber before it is told to look for itself.
const QUEUE: usize = 256;

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// Something happened.
    Event(LiveEvent),
    /// Something may have been missed: look at the tables again.
    Resync,
}

/// Hands the live events of every process to the subscribers of this one; clones share everything.
#[derive(Clone, Debug)]
pub struct Hub {
    subscribers: Arc<Subscribers>,
    _task: Arc<DropGuard>,
}

impl Hub {
    /// Begins to listen; it ends with the last clone.
    pub fn start(db: &Db) -> Self {
        let subscribers = Arc::new(Subscribers::default());
        let shutdown = CancellationToken::new();
        let task = fan_out(db.subscribe(), Arc::clone(&subscribers));
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(task));
        Self {
            subscribers,
            _task: Arc::new(shutdown.drop_guard()),
        }
    }

    /// Hears what happens in a conversation from here on.
    ///
    /// Subscribe first, then read the tables: then nothing lies in between.
    pub fn subscribe(&self, conversation: ConversationId) -> Subscription {
        self.subscribers.add(Interest::In(conversation))
    }

    /// Hears the first message of every conversation from here on: for who waits for one whose id
    /// nobody knows yet.
    pub fn subscribe_to_beginnings(&self) -> Subscription {
        self.subscribers.add(Interest::Beginnings)
    }
}

/// What one subscriber hears: an endless stream that ends only with the hub.
///
/// Bounded: a subscriber that does not keep up loses what waits for it and gets one
/// [`Update::Resync`] instead.
#[derive(Debug)]
pub struct Subscription {
    id: u64,
    interest: Interest,
    updates: mpsc::Receiver<Update>,
    missed: Arc<AtomicBool>,
    subscribers: Arc<Subscribers>,
}

impl Stream for Subscription {
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        let update = self.updates.poll_recv(cx);
        // The flag is set only while the queue is full, so there is an update to poll for.
        if update.is_ready() && self.missed.swap(false, Ordering::AcqRel) {
            while self.updates.try_recv().is_ok() {}
            return Poll::Ready(Some(Update::Resync));
        }
        update
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.subscribers.remove(self.interest, self.id);
    }
}

/// What a subscriber wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Interest {
    In(ConversationId),
    Beginnings,
}

#[derive(Debug)]
struct Subscriber {
    id: u64,
    updates: mpsc::Sender<Update>,
    missed: Arc<AtomicBool>,
}

impl Subscriber {
    fn tell(&self, update: Update) {
        if self.updates.try_send(update).is_err() {
            self.missed.store(true, Ordering::Release);
        }
    }
}

#[derive(Debug, Default)]
struct Subscribers {
    last_id: AtomicU64,
    by_interest: Mutex<HashMap<Interest, Vec<Subscriber>>>,
}

impl Subscribers {
    fn lock(&self) -> MutexGuard<'_, HashMap<Interest, Vec<Subscriber>>> {
        self.by_interest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>, interest: Interest) -> Subscription {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let (sender, updates) = mpsc::channel(QUEUE);
        let missed = Arc::new(AtomicBool::new(false));
        let subscriber = Subscriber {
            id,
            updates: sender,
            missed: Arc::clone(&missed),
        };
        self.lock().entry(interest).or_default().push(subscriber);
        Subscription {
            id,
            interest,
            updates,
            missed,
            subscribers: Arc::clone(self),
        }
    }

    fn remove(&self, interest: Interest, id: u64) {
        if let Entry::Occupied(mut entry) = self.lock().entry(interest) {
            entry.get_mut().retain(|subscriber| subscriber.id != id);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }

    fn tell(&self, event: &LiveEvent) {
        let by_interest = self.lock();
        let mut interests = vec![Interest::In(event.conversation_id)];
        if event.is_beginning() {
            interests.push(Interest::Beginnings);
        }
        for subscriber in interests
            .iter()
            .filter_map(|it| by_interest.get(it))
            .flatten()
        {
            subscriber.tell(Update::Event(event.clone()));
        }
    }

    fn tell_all_to_resync(&self) {
        for subscriber in self.lock().values().flatten() {
            subscriber.tell(Update::Resync);
        }
    }
}

/// Hears the signals of every process and tells the subscribers, until the database handle goes.
async fn fan_out(mut signals: broadcast::Receiver<Signal>, subscribers: Arc<Subscribers>) {
    loop {
        match signals.recv().await {
            Ok(Signal {
                topic: Topic::Live,
                payload,
            }) => hear(&payload, &subscribers),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => subscribers.tell_all_to_resync(),
            Err(RecvError::Closed) => return,
        }
    }
}

fn hear(payload: &str, subscribers: &Subscribers) {
    // The handle says so after it could not listen for a while.
    if payload.is_empty() {
        return subscribers.tell_all_to_resync();
    }
    match serde_json::from_str(payload) {
        Ok(event) => subscribers.tell(&event),
        // A process of another version may tell what this one does not know.
        Err(error) => tracing::debug!(%error, "a live event cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;
    use crate::LiveBody;

    fn message(conversation: ConversationId, seq: i64) -> LiveEvent {
        LiveEvent::new(conversation, LiveBody::Message { seq })
    }

    #[tokio::test]
    async fn a_slow_subscriber_gets_one_resync_instead_of_growth() {
        let subscribers = Arc::new(Subscribers::default());
        let conversation = ConversationId::new();
        let mut slow = subscribers.add(Interest::In(conversation));
        for seq in 2..2 + 10 * QUEUE {
            subscribers.tell(&message(conversation, i64::try_from(seq).unwrap()));
        }
        assert_eq!(slow.next().await, Some(Update::Resync));
        assert_eq!(slow.next().now_or_never(), None);
        subscribers.tell(&message(conversation, 9000));
        let update = slow.next().await;
        assert_eq!(update, Some(Update::Event(message(conversation, 9000))));
    }

    #[tokio::test]
    async fn events_reach_their_conversation_and_first_messages_also_who_waits_for_one() {
        let subscribers = Arc::new(Subscribers::default());
        let (mine, other) = (ConversationId::new(), ConversationId::new());
        let mut in_mine = subscribers.add(Interest::In(mine));
        let mut beginnings = subscribers.add(Interest::Beginnings);
        subscribers.tell(&message(other, 1));
        subscribers.tell(&message(mine, 2));
        assert_eq!(in_mine.next().await, Some(Update::Event(message(mine, 2))));
        assert_eq!(
            beginnings.next().await,
            Some(Update::Event(message(other, 1)))
        );
        assert_eq!(beginnings.next().now_or_never(), None);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_who_left() {
        let subscribers = Arc::new(Subscribers::default());
        let conversation = ConversationId::new();
        let one = subscribers.add(Interest::In(conversation));
        let two = subscribers.add(Interest::In(conversation));
        drop(one);
        assert_eq!(subscribers.lock().len(), 1);
        drop(two);
        assert!(subscribers.lock().is_empty());
    }

    #[tokio::test]
    async fn events_of_another_version_are_passed_over() {
        let subscribers = Subscribers::default();
        hear(r#"{"conversation_id":"x","type":"hologram"}"#, &subscribers);
        hear("}", &subscribers);
    }
}
