//! Posts that wait to be kept, and whose turn it is to write a transaction for those that do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use db::Db;
use telemetry::trace::{self, Scope};
use tokio::sync::oneshot;

use super::settled::Settled;

/// How many transactions may be on their way until another begins only for what has gathered. One
/// keeps posts in their order.
const TURNS: usize = 1;
/// The most items that posts of one transaction have together; a post that has more goes alone.
const MOST_ITEMS: usize = 64;
/// The most that the bodies of its posts weigh together.
const MOST_BYTES: usize = 1024 * 1024;
/// How many posts may wait; who comes then is asked to come again.
const MOST_WAITING: usize = 4096;
/// How much the bodies of the posts that wait may weigh together.
const MOST_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// A post whose items are settled. All of them are kept, or none.
pub(super) struct SettledPost {
    pub(super) items: Vec<Settled>,
    /// What it weighs.
    body_bytes: usize,
    /// What its caller does, for its jobs and log lines.
    pub(super) scope: Option<Scope>,
}

impl SettledPost {
    /// What the calling task posts.
    pub(super) fn new(items: Vec<Settled>, body_bytes: usize) -> Self {
        Self {
            items,
            body_bytes,
            scope: trace::here(),
        }
    }
}

/// What became of a post.
pub(super) enum Told {
    /// It is kept, with its jobs.
    Kept,
    /// The database is away; whether it was kept may be unknown.
    Away(db::Error),
    /// Nothing of it is kept, maybe through the fault of another: it is better tried alone.
    Alone(SettledPost),
}

/// A post that waits, and where its caller listens.
pub(super) struct Waiting {
    pub(super) post: SettledPost,
    pub(super) caller: oneshot::Sender<Told>,
}

/// The posts of this process that wait.
#[derive(Default)]
pub(super) struct Gathering(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    turns: usize,
}

impl Gathering {
    /// The one of this process and database.
    pub(super) fn of(db: &Db) -> Arc<Self> {
        let extensions = db.extensions();
        extensions
            .get()
            .unwrap_or_else(|| extensions.get_or_insert(Self::default()))
    }

    /// Lets a post wait; `None` if too many do.
    pub(super) fn join(&self, post: SettledPost) -> Option<oneshot::Receiver<Told>> {
        let (caller, told) = oneshot::channel();
        let mut state = self.state();
        if !state.has_room(post.body_bytes) {
            // Nobody needs those whose callers went away.
            state.forget_gone();
            if !state.has_room(post.body_bytes) {
                return None;
            }
        }
        state.waiting_bytes += post.body_bytes;
        state.waiting.push_back(Waiting { post, caller });
        Some(told)
    }

    /// A turn to write a transaction, if somebody waits and enough others are not on their way.
    pub(super) fn turn(self: &Arc<Self>) -> Option<Turn> {
        let mut state = self.state();
        if state.waiting.is_empty() || state.turns >= TURNS {
            return None;
        }
        state.turns += 1;
        Some(Turn {
            gathering: Arc::clone(self),
            has_taken: false,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A heavy post finds room where nobody else waits.
    fn has_room(&self, body_bytes: usize) -> bool {
        let is_light = self.waiting_bytes + body_bytes <= MOST_WAITING_BYTES;
        self.waiting.len() < MOST_WAITING && (is_light || self.waiting.is_empty())
    }

    fn forget_gone(&mut self) {
        self.waiting.retain(|waiting| !waiting.caller.is_closed());
        let weights = self.waiting.iter().map(|waiting| waiting.post.body_bytes);
        self.waiting_bytes = weights.sum();
    }

    /// Takes the one that came first, if `fits`.
    fn take_first(&mut self, fits: impl FnOnce(&SettledPost) -> bool) -> Option<Waiting> {
        self.waiting.front().filter(|first| fits(&first.post))?;
        let first = self.waiting.pop_front()?;
        self.waiting_bytes -= first.post.body_bytes;
        Some(first)
    }
}

/// The right to write a transaction. Its holder takes what waits, or those who wait are told that they
/// will not be kept: nobody waits for one who is gone.
pub(super) struct Turn {
    gathering: Arc<Gathering>,
    has_taken: bool,
}

impl Turn {
    /// Takes what the transaction carries, in the order in which it came, but for those whose callers
    /// went away.
    pub(super) fn take(&mut self) -> Vec<Waiting> {
        self.has_taken = true;
        let mut state = self.gathering.state();
        let mut taken = Vec::new();
        let (mut items, mut bytes) = (0, 0);
        while let Some(next) = state.take_first(|post| {
            let has_room =
                items + post.items.len() <= MOST_ITEMS && bytes + post.body_bytes <= MOST_BYTES;
            has_room || items == 0
        }) {
            if !next.caller.is_closed() {
                items += next.post.items.len();
                bytes += next.post.body_bytes;
                taken.push(next);
            }
        }
        taken
    }

    /// Takes all that wait.
    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        self.has_taken = true;
        let mut state = self.gathering.state();
        state.waiting_bytes = 0;
        std::mem::take(&mut state.waiting).into()
    }

    /// Ends the turn; the next one, if somebody waits for it.
    pub(super) fn pass_on(self) -> Option<Self> {
        let gathering = Arc::clone(&self.gathering);
        drop(self);
        gathering.turn()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.has_taken {
            drop(self.take_all());
        }
        self.gathering.state().turns -= 1;
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::ChannelKind;

    use super::*;
    use crate::receive::ItemOwner;

    fn post(items: usize, body_bytes: usize) -> SettledPost {
        let item = || {
            let (kind, at) = (ChannelKind::Whatsapp, DateTime::UNIX_EPOCH);
            Settled::unreadable(kind, at, ItemOwner::Unknown, b"", "none".to_owned())
        };
        SettledPost::new((0..items).map(|_| item()).collect(), body_bytes)
    }

    fn weights(taken: &[Waiting]) -> Vec<usize> {
        taken.iter().map(|it| it.post.body_bytes).collect()
    }

    #[test]
    fn a_transaction_carries_what_came_first_up_to_its_bounds() {
        let gathering = Arc::new(Gathering::default());
        let posts = [
            (60, 1),
            (4, 2),
            (1, 3),
            (500, 4),
            (1, 5),
            (1, MOST_BYTES),
            (1, 7),
        ];
        let told: Vec<_> = posts
            .map(|(items, bytes)| gathering.join(post(items, bytes)).unwrap())
            .into();
        let mut carried = Vec::new();
        let mut turn = gathering.turn();
        while let Some(mut own) = turn {
            carried.push(weights(&own.take()));
            turn = own.pass_on();
        }
        let expected: [&[usize]; 5] = [&[1, 2], &[3], &[4], &[5], &[MOST_BYTES]];
        assert_eq!(carried[..5], expected);
        assert_eq!(carried[5..], [[7]]);
        drop(told);
    }

    #[test]
    fn nobody_begins_who_has_nothing_to_write_or_comes_beside_enough_others() {
        let gathering = Arc::new(Gathering::default());
        assert!(gathering.turn().is_none());
        let _told: Vec<_> = (0..=TURNS)
            .map(|_| gathering.join(post(1, 1)).unwrap())
            .collect();
        let mut turns: Vec<Turn> = (0..TURNS).map(|_| gathering.turn().unwrap()).collect();
        assert!(gathering.turn().is_none());
        let mut first = turns.remove(0);
        assert_eq!(first.take().len(), TURNS + 1);
        assert!(first.pass_on().is_none(), "nobody waits any more");
    }

    #[test]
    fn only_so_many_wait_and_those_who_went_away_make_room() {
        let gathering = Gathering::default();
        let mut told: Vec<_> = (0..MOST_WAITING)
            .map(|_| gathering.join(post(1, 1)).unwrap())
            .collect();
        assert!(gathering.join(post(1, 1)).is_none());
        told.truncate(MOST_WAITING - 2);
        assert!(gathering.join(post(1, MOST_WAITING_BYTES)).is_none());
        assert!(gathering.join(post(1, 1)).is_some());
        drop(told);
        // A heavy one, where nobody else waits.
        let _heavy = gathering.join(post(1, MOST_WAITING_BYTES + 1)).unwrap();
        assert!(gathering.join(post(1, 1)).is_none());
    }

    #[test]
    fn those_who_went_away_are_not_written() {
        let gathering = Arc::new(Gathering::default());
        let mut told: Vec<_> = (1..=3)
            .map(|bytes| gathering.join(post(64, bytes)).unwrap())
            .collect();
        told.truncate(1);
        let _last = gathering.join(post(1, 4)).unwrap();
        let mut turn = gathering.turn().unwrap();
        assert_eq!(weights(&turn.take()), [1]);
        let mut turn = turn.pass_on().unwrap();
        assert_eq!(weights(&turn.take()), [4]);
    }

    #[test]
    fn a_turn_that_ends_before_it_began_leaves_nobody_waiting() {
        let gathering = Arc::new(Gathering::default());
        let mut told = gathering.join(post(1, 1)).unwrap();
        let turn = gathering.turn().unwrap();
        assert!(turn.pass_on().is_none());
        let gone = told.try_recv();
        assert!(matches!(gone, Err(oneshot::error::TryRecvError::Closed)));
        // The next one finds everything free.
        let _told = gathering.join(post(1, 1)).unwrap();
        assert_eq!(gathering.turn().unwrap().take().len(), 1);
    }
}
