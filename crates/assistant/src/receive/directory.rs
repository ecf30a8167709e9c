//! The channels that posts came to lately. Most posts find theirs here, without a question to the
//! database; what changes of a channel is forgotten as soon as it is heard of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use channels::{Keys, channel as adapter};
use db::{Db, Signal, Topic};
use domain::{ChannelId, ChannelKind};
use store::channels::{self as stored, Channel};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::misses::Misses;
use crate::connections::open_secrets;
use crate::{Assistant, Error};

/// For how long a channel is remembered: news of a change may be lost on their way from another
/// process.
const REMEMBERED: Duration = Duration::from_secs(30);
/// What was read this lately is not read again because a post is not signed by it: forged posts are
/// to cost the database nothing.
const FRESH: Duration = Duration::from_secs(1);
/// How many channels are remembered; then all are forgotten.
const MOST: usize = 10_000;

/// A channel with its keys, as it was read.
pub(super) struct Known {
    /// The channel.
    pub(super) channel: Channel,
    /// `None` if they cannot be opened: such a channel must not shut the door on others.
    pub(super) keys: Option<Keys>,
    read_at: Instant,
}

impl Known {
    fn open(assistant: &Assistant, channel: Channel) -> Arc<Self> {
        let keys = keys_of(assistant, &channel)
            .inspect_err(|error| tracing::error!(error = %error, "a channel is left out"))
            .ok();
        Arc::new(Self {
            channel,
            keys,
            read_at: Instant::now(),
        })
    }

    /// Whether it is worth reading again before a post is refused.
    pub(super) fn is_stale(&self) -> bool {
        self.read_at.elapsed() >= FRESH
    }
}

/// What a channel's posts are known by.
pub(super) fn keys_of(assistant: &Assistant, channel: &Channel) -> Result<Keys, Error> {
    let secrets = open_secrets(assistant, channel)?;
    adapter(channel.kind)
        .keys(secrets.as_ref())
        .map_err(|error| Error::broken(format!("the secrets of channel {}", channel.id), error))
}

/// The channels that this process remembers.
pub(super) struct Directory(Mutex<State>);

struct State {
    changes: Receiver<Signal>,
    /// Raised whenever something is forgotten: what was read before that is not remembered after it.
    forgotten: u64,
    by_id: HashMap<ChannelId, Arc<Known>>,
    by_name: HashMap<(ChannelKind, String), ChannelId>,
    /// Names that no channel has.
    strangers: Misses<(ChannelKind, String)>,
    /// Hashes of verify tokens that no channel has.
    unknown_tokens: Misses<(ChannelKind, [u8; 32])>,
}

impl Directory {
    /// The one of this process and database.
    pub(super) fn of(db: &Db) -> Arc<Self> {
        let extensions = db.extensions();
        extensions.get().unwrap_or_else(|| {
            extensions.get_or_insert(Self(Mutex::new(State {
                changes: db.subscribe(),
                forgotten: 0,
                by_id: HashMap::new(),
                by_name: HashMap::new(),
                strangers: Misses::new(FRESH),
                unknown_tokens: Misses::new(FRESH),
            })))
        })
    }

    /// Finds a channel by its id.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn find(
        &self,
        assistant: &Assistant,
        id: ChannelId,
    ) -> Result<Option<Arc<Known>>, Error> {
        if let Some(known) = self.state().known(id) {
            return Ok(Some(known));
        }
        self.read(assistant, id).await
    }

    /// Reads a channel as it is now.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn read(
        &self,
        assistant: &Assistant,
        id: ChannelId,
    ) -> Result<Option<Arc<Known>>, Error> {
        let before = self.state().forgotten;
        let mut tx = assistant.db.system().await?;
        let channel = stored::find_any(&mut tx, id).await?;
        let known = channel.map(|channel| Known::open(assistant, channel));
        self.state().remember(before, known.as_slice());
        Ok(known)
    }

    /// Lists the channels that the outside names so.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn list(
        &self,
        assistant: &Assistant,
        kind: ChannelKind,
        names: &[String],
    ) -> Result<Vec<Arc<Known>>, Error> {
        let known = self.state().named(kind, names);
        match known {
            Some(known) => Ok(known),
            None => self.read_list(assistant, kind, names).await,
        }
    }

    /// Lists the channels that an unsigned post claims to be for. What nobody had a moment ago is not
    /// looked for.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn list_claimed(
        &self,
        assistant: &Assistant,
        kind: ChannelKind,
        names: &[String],
    ) -> Result<Vec<Arc<Known>>, Error> {
        let names = self.state().without_strangers(kind, names);
        self.list(assistant, kind, &names).await
    }

    /// Whether nobody had a verify token of this hash a moment ago.
    pub(super) fn is_unknown_token(&self, kind: ChannelKind, hash: [u8; 32]) -> bool {
        self.state().unknown_tokens.holds(&(kind, hash))
    }

    /// Notes that nobody has a verify token of this hash.
    pub(super) fn note_unknown_token(&self, kind: ChannelKind, hash: [u8; 32]) {
        self.state().unknown_tokens.note((kind, hash));
    }

    /// Lists them as they are now.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn read_list(
        &self,
        assistant: &Assistant,
        kind: ChannelKind,
        names: &[String],
    ) -> Result<Vec<Arc<Known>>, Error> {
        let before = self.state().forgotten;
        let mut tx = assistant.db.system().await?;
        let channels = stored::list_by_external_ids(&mut tx, kind, names).await?;
        let known: Vec<_> = channels
            .into_iter()
            .map(|channel| Known::open(assistant, channel))
            .collect();
        let mut state = self.state();
        state.remember(before, &known);
        state.note_strangers(before, kind, names);
        drop(state);
        Ok(known)
    }

    /// Lists the channels of these accounts as they are now: such posts are rare.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn read_accounts(
        &self,
        assistant: &Assistant,
        kind: ChannelKind,
        accounts: &[String],
    ) -> Result<Vec<Arc<Known>>, Error> {
        let mut tx = assistant.db.system().await?;
        let channels = stored::list_by_accounts(&mut tx, kind, accounts).await?;
        let known = |channel| Known::open(assistant, channel);
        Ok(channels.into_iter().map(known).collect())
    }

    /// What is remembered, after what was heard of by now is forgotten.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.hear();
        state
    }
}

impl State {
    fn hear(&mut self) {
        loop {
            match self.changes.try_recv() {
                Ok(signal) if signal.topic == Topic::Channels => self.forget(&signal.payload),
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => self.forget(""),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Forgets a channel; all of them where something was missed.
    fn forget(&mut self, id: &str) {
        self.forgotten += 1;
        self.strangers.forget();
        self.unknown_tokens.forget();
        match id.parse::<ChannelId>() {
            Ok(id) => drop(self.by_id.remove(&id)),
            Err(_) => {
                self.by_id.clear();
                self.by_name.clear();
            }
        }
    }

    fn known(&self, id: ChannelId) -> Option<Arc<Known>> {
        let known = self.by_id.get(&id)?;
        (known.read_at.elapsed() < REMEMBERED).then(|| Arc::clone(known))
    }

    /// The channels of these names, if all of them are known.
    fn named(&self, kind: ChannelKind, names: &[String]) -> Option<Vec<Arc<Known>>> {
        let of_name = |name: &String| {
            let id = self.by_name.get(&(kind, name.clone()))?;
            self.known(*id)
        };
        names.iter().map(of_name).collect()
    }

    fn without_strangers(&self, kind: ChannelKind, names: &[String]) -> Vec<String> {
        let names = names.iter();
        let may_be = names.filter(|name| !self.strangers.holds(&(kind, (*name).clone())));
        may_be.cloned().collect()
    }

    /// Notes which of the names that were looked for when `before` was the count nobody has.
    fn note_strangers(&mut self, before: u64, kind: ChannelKind, names: &[String]) {
        if self.forgotten != before {
            return;
        }
        for name in names {
            let named = (kind, name.clone());
            if !self.by_name.contains_key(&named) {
                self.strangers.note(named);
            }
        }
    }

    /// Remembers what was read when `before` was the count of what was forgotten.
    fn remember(&mut self, before: u64, read: &[Arc<Known>]) {
        if self.forgotten != before {
            return;
        }
        if self.by_id.len() + read.len() > MOST {
            self.forget("");
        }
        for known in read {
            let channel = &known.channel;
            self.by_id.insert(channel.id, Arc::clone(known));
            if let Some(name) = &channel.external_id {
                self.by_name
                    .insert((channel.kind, name.clone()), channel.id);
            }
        }
    }
}
