//! The overview of the queues for everybody who watches it: one look a second, however many watch.

use std::sync::Arc;
use std::time::Duration;

use db::Db;
use futures::stream::{self, Stream};
use jobs::inspect::{self, QueueOverview};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Problem;

/// How many may watch at a time, in one process.
const PLACES: usize = 32;
/// How long at least between two looks, and two events of a stream.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a stream lasts: a key that was revoked watches this long at most.
const LONGEST: Duration = Duration::from_hours(1);

/// What the streams of a process share.
#[derive(Clone, Debug)]
pub(crate) struct QueueFeed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: Db,
    places: Arc<Semaphore>,
    latest: Mutex<Option<(Instant, Arc<QueueOverview>)>>,
    closed: CancellationToken,
}

/// One who watches.
struct Watcher {
    feed: QueueFeed,
    /// What it was shown last.
    shown: Option<Arc<QueueOverview>>,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

impl QueueFeed {
    pub(crate) fn new(db: Db) -> Self {
        Self(Arc::new(Shared {
            db,
            places: Arc::new(Semaphore::new(PLACES)),
            latest: Mutex::new(None),
            closed: CancellationToken::new(),
        }))
    }

    /// Ends every stream.
    pub(crate) fn close(&self) {
        self.0.closed.cancel();
    }

    /// The overview at once, then whenever it has changed, at most once a second, for an hour.
    ///
    /// # Errors
    /// 429 if too many watch, 503 if the database is away.
    pub(crate) async fn watch(
        &self,
    ) -> Result<impl Stream<Item = Arc<QueueOverview>> + Send + 'static, Problem> {
        let place = Arc::clone(&self.0.places)
            .try_acquire_owned()
            .map_err(|_| Problem::too_many_streams())?;
        self.look().await?;
        let watcher = Watcher {
            feed: self.clone(),
            shown: None,
            until: Instant::now() + LONGEST,
            _place: place,
        };
        Ok(stream::unfold(watcher, Watcher::next))
    }

    /// The overview, not older than a second.
    async fn look(&self) -> db::Result<Arc<QueueOverview>> {
        let mut latest = self.0.latest.lock().await;
        if let Some((at, overview)) = &*latest
            && at.elapsed() < PAUSE
        {
            return Ok(Arc::clone(overview));
        }
        let mut tx = self.0.db.system().await?;
        let overview = Arc::new(inspect::overview(&mut tx).await?);
        *latest = Some((Instant::now(), Arc::clone(&overview)));
        Ok(overview)
    }
}

impl Watcher {
    async fn next(mut self) -> Option<(Arc<QueueOverview>, Self)> {
        while !self.feed.0.closed.is_cancelled() {
            if self.shown.is_some() {
                tokio::select! {
                    () = self.feed.0.closed.cancelled() => return None,
                    () = tokio::time::sleep_until(self.until) => return None,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            match self.feed.look().await {
                Ok(seen) if self.is_new(&seen) => {
                    self.shown = Some(Arc::clone(&seen));
                    return Some((seen, self));
                }
                Ok(_) => {}
                // It comes back; until then there is nothing new.
                Err(error) => {
                    tracing::debug!(%error, "the overview of the queues could not be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        None
    }

    fn is_new(&self, seen: &QueueOverview) -> bool {
        self.shown.as_ref().is_none_or(|shown| seen.differs(shown))
    }
}
