use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use db::Db;
use domain::{ConversationId, TenantId};
use store::conversations::{self, Standing};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How often conversations are looked at while nobody tells of a change: what is told may be lost,
/// and of another wording nobody is told.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A conversation that is watched, and whose it is.
type Watched = (TenantId, ConversationId);
/// A conversation that was found.
type Found = (ConversationId, Standing);

/// What a look saw of one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Where it stands.
    There(Standing),
    /// It is gone.
    Gone,
}

/// Looks at the conversations that a process makes answers to: at all of them together, once a
/// second, by whichever of the answers' tasks comes to it first.
#[derive(Default)]
pub(super) struct Lookout {
    posts: Mutex<Posts>,
    /// When the last look was. Whoever holds it makes the next one.
    looked: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Posts {
    next: u64,
    by_number: HashMap<u64, (Watched, watch::Sender<Option<Sight>>)>,
}

/// The watch over one conversation, for one answer; dropped, it is over.
pub(super) struct Post {
    lookout: Arc<Lookout>,
    number: u64,
    /// `None` before the first look.
    seen: watch::Receiver<Option<Sight>>,
}

impl Lookout {
    /// Watches a conversation from here on.
    pub(super) fn watch(self: &Arc<Self>, tenant: TenantId, conversation: ConversationId) -> Post {
        let (sender, seen) = watch::channel(None);
        let mut posts = self.posts();
        let number = posts.next;
        posts.next += 1;
        let watched = (tenant, conversation);
        posts.by_number.insert(number, (watched, sender));
        Post {
            lookout: Arc::clone(self),
            number,
            seen,
        }
    }

    /// Looks whenever it is time and nobody else does; cut off, it leaves that to others.
    async fn keep_looking<Looks, Look>(&self, look: &Looks)
    where
        Looks: Fn(Vec<Watched>) -> Look + Sync,
        Look: Future<Output = db::Result<Vec<Found>>> + Send,
    {
        loop {
            let mut looked = self.looked.lock().await;
            let last = looked.unwrap_or_else(Instant::now);
            sleep_until(last + LOOK_EVERY).await;
            let posts = self.taken();
            let watched = posts.iter().map(|(_, watched)| *watched);
            match look(watched.collect()).await {
                Ok(found) => self.tell(&posts, found),
                // The commit of an answer asks again.
                Err(error) => tracing::debug!(%error, "conversations could not be looked at"),
            }
            *looked = Some(Instant::now());
        }
    }

    /// Every post there is, and what it watches.
    fn taken(&self) -> Vec<(u64, Watched)> {
        let posts = self.posts();
        let posts = posts.by_number.iter();
        posts
            .map(|(number, (watched, _))| (*number, *watched))
            .collect()
    }

    /// Tells the posts what was seen. One that was taken while the look was made hears nothing of it:
    /// its answer may have begun after what was seen.
    fn tell(&self, posts: &[(u64, Watched)], found: Vec<Found>) {
        let found: HashMap<ConversationId, Standing> = found.into_iter().collect();
        let taken = self.posts();
        for (number, (_, conversation)) in posts {
            let standing = found.get(conversation);
            let sight = standing.map_or(Sight::Gone, |standing| Sight::There(*standing));
            if let Some((_, sender)) = taken.by_number.get(number) {
                sender.send_replace(Some(sight));
            }
        }
    }

    fn posts(&self) -> MutexGuard<'_, Posts> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Post {
    /// Waits for the next look, and says what it saw.
    pub(super) async fn next(&mut self, db: &Db) -> Sight {
        let look = |watched: Vec<Watched>| async move {
            let mut tx = db.system().await?;
            conversations::list_standing(&mut tx, &watched).await
        };
        self.next_by(&look).await
    }

    async fn next_by<Looks, Look>(&mut self, look: &Looks) -> Sight
    where
        Looks: Fn(Vec<Watched>) -> Look + Sync,
        Look: Future<Output = db::Result<Vec<Found>>> + Send,
    {
        let Self { lookout, seen, .. } = self;
        let told = async {
            // Its sender lives as long as this post.
            while seen.changed().await.is_ok() {
                if let Some(sight) = *seen.borrow_and_update() {
                    return sight;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            biased;
            sight = told => sight,
            () = lookout.keep_looking(look) => Sight::Gone,
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.lookout.posts().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use domain::ConversationStatus;
    use futures::future::{Ready, join_all, ready};
    use tokio::sync::Notify;

    use super::*;

    fn standing(turn_seq: i64) -> Standing {
        Standing {
            status: ConversationStatus::Open,
            turn_seq,
            answered_turn: 0,
        }
    }

    fn watch(lookout: &Arc<Lookout>) -> Post {
        lookout.watch(TenantId::new(), ConversationId::new())
    }

    /// Finds everything in turn 1, and counts what was looked for.
    fn counting(
        looks: &Mutex<Vec<usize>>,
    ) -> impl Fn(Vec<Watched>) -> Ready<db::Result<Vec<Found>>> + Sync {
        |watched| {
            looks.lock().unwrap().push(watched.len());
            let found = watched.into_iter().map(|(_, id)| (id, standing(1)));
            ready(Ok(found.collect()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_conversations_of_all_answers_are_looked_at_together_once_a_second() {
        let lookout = Arc::<Lookout>::default();
        let looks = Mutex::default();
        let look = counting(&looks);
        let begun = Instant::now();
        let answers = (0..64).map(|_| {
            let mut post = watch(&lookout);
            let look = &look;
            async move {
                for _ in 0..10 {
                    assert_eq!(post.next_by(look).await, Sight::There(standing(1)));
                }
                post
            }
        });
        let posts = join_all(answers).await;
        assert_eq!(*looks.lock().unwrap(), [64; 10]);
        assert_eq!(begun.elapsed().as_secs(), 10);
        drop(posts);
        assert!(lookout.taken().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_was_to_look_and_is_cut_off_leaves_it_to_the_others() {
        let lookout = Arc::<Lookout>::default();
        let looks = Mutex::default();
        let look = counting(&looks);
        let (mut first, mut second) = (watch(&lookout), watch(&lookout));
        let half = LOOK_EVERY / 2;
        let (cut_off, ()) = tokio::join!(tokio::time::timeout(half, first.next_by(&look)), async {
            assert_eq!(second.next_by(&look).await, Sight::There(standing(1)));
        });
        assert!(cut_off.is_err());
        assert_eq!(looks.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_hears_of_no_look_that_began_before_it() {
        let lookout = Arc::<Lookout>::default();
        let (is_looking, goes_on) = (Notify::new(), Notify::new());
        let turn = Mutex::new(0);
        let look = |watched: Vec<Watched>| {
            *turn.lock().unwrap() += 1;
            let turn = *turn.lock().unwrap();
            let (is_looking, goes_on) = (&is_looking, &goes_on);
            async move {
                if turn == 1 {
                    is_looking.notify_one();
                    goes_on.notified().await;
                }
                let found = watched.into_iter().map(|(_, id)| (id, standing(turn)));
                Ok(found.collect())
            }
        };
        let conversation = (TenantId::new(), ConversationId::new());
        let mut before = lookout.watch(conversation.0, conversation.1);
        let (first, second) = tokio::join!(before.next_by(&look), async {
            is_looking.notified().await;
            let mut after = lookout.watch(conversation.0, conversation.1);
            goes_on.notify_one();
            after.next_by(&look).await
        });
        assert_eq!(first, Sight::There(standing(1)));
        assert_eq!(second, Sight::There(standing(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_found_is_gone() {
        let lookout = Arc::<Lookout>::default();
        let look = |_| ready(Ok(Vec::new()));
        assert_eq!(watch(&lookout).next_by(&look).await, Sight::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_fails_is_made_again() {
        let lookout = Arc::<Lookout>::default();
        let fails = Mutex::new(true);
        let look = |watched: Vec<Watched>| {
            if std::mem::replace(&mut *fails.lock().unwrap(), false) {
                return ready(Err(db::Error::NotFound));
            }
            let found = watched.into_iter().map(|(_, id)| (id, standing(1)));
            ready(Ok(found.collect()))
        };
        let begun = Instant::now();
        let sight = watch(&lookout).next_by(&look).await;
        assert_eq!(sight, Sight::There(standing(1)));
        assert_eq!(begun.elapsed().as_secs(), 2);
    }
}
