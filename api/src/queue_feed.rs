//! The overview of the queues for everybody who watches it: one look a second, however many watch.
//! A tenant watches its own jobs, by looks of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError, Weak};
use std::time::Duration;

use db::Db;
use domain::TenantId;
use futures::stream::{self, Stream};
use jobs::inspect::{self, QueueOverview};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Problem;

/// How many operators may watch at a time, in one process.
const PLACES: usize = 32;
/// How many may watch their own jobs, all tenants together.
const TENANT_PLACES: usize = 64;
/// How many of them for one tenant.
const PER_TENANT: usize = 4;
/// How long at least between two looks, and two events of a stream.
const PAUSE: Duration = Duration::from_secs(1);
/// The same where a tenant watches: its jobs are counted, not looked up.
const TENANT_PAUSE: Duration = Duration::from_secs(2);
/// How long a stream lasts: a key that was revoked watches this long at most.
const LONGEST: Duration = Duration::from_hours(1);

/// What the streams of a process share.
#[derive(Clone, Debug)]
pub(crate) struct QueueFeed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: Db,
    /// What operators see.
    all: Arc<View>,
    /// What tenants see that watch at present.
    own: SyncMutex<HashMap<TenantId, Weak<View>>>,
    tenant_places: Arc<Semaphore>,
    closed: CancellationToken,
}

/// What one tenant, or every operator, sees.
#[derive(Debug)]
struct View {
    /// Whose jobs; `None`: all.
    tenant: Option<TenantId>,
    places: Arc<Semaphore>,
    latest: Mutex<Option<(Instant, Arc<QueueOverview>)>>,
}

/// One who watches.
struct Watcher {
    feed: QueueFeed,
    view: Arc<View>,
    /// What it was shown last.
    shown: Option<Arc<QueueOverview>>,
    until: Instant,
    _places: Places,
}

/// Where one who watches sits; given up when dropped.
struct Places {
    _own: OwnedSemaphorePermit,
    _of_tenants: Option<OwnedSemaphorePermit>,
}

impl QueueFeed {
    pub(crate) fn new(db: Db) -> Self {
        Self(Arc::new(Shared {
            db,
            all: Arc::new(View::new(None)),
            own: SyncMutex::default(),
            tenant_places: Arc::new(Semaphore::new(TENANT_PLACES)),
            closed: CancellationToken::new(),
        }))
    }

    /// Ends every stream.
    pub(crate) fn close(&self) {
        self.0.closed.cancel();
    }

    /// The overview at once, then whenever it has changed, for an hour: of a tenant's own jobs, at most
    /// every two seconds, or of all (`None`), at most once a second.
    ///
    /// # Errors
    /// 429 if too many watch, 503 if the database is away.
    pub(crate) async fn watch(
        &self,
        tenant: Option<TenantId>,
    ) -> Result<impl Stream<Item = Arc<QueueOverview>> + Send + 'static, Problem> {
        let view = match tenant {
            None => Arc::clone(&self.0.all),
            Some(tenant) => self.view_of(tenant),
        };
        let places = self.take(&view).ok_or_else(Problem::too_many_streams)?;
        view.look(&self.0.db).await?;
        let watcher = Watcher {
            feed: self.clone(),
            view,
            shown: None,
            until: Instant::now() + LONGEST,
            _places: places,
        };
        Ok(stream::unfold(watcher, Watcher::next))
    }

    /// What a tenant's watchers share; it goes with the last of them.
    fn view_of(&self, tenant: TenantId) -> Arc<View> {
        // A panic while this short lock is held leaves a map that is whole.
        let mut own = self.0.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = own.get(&tenant).and_then(Weak::upgrade) {
            return view;
        }
        own.retain(|_, view| view.strong_count() > 0);
        let view = Arc::new(View::new(Some(tenant)));
        own.insert(tenant, Arc::downgrade(&view));
        view
    }

    /// Takes a place; `None` if there is none.
    fn take(&self, view: &View) -> Option<Places> {
        let own = Arc::clone(&view.places).try_acquire_owned().ok()?;
        let of_tenants = match view.tenant {
            None => None,
            Some(_) => {
                let places = Arc::clone(&self.0.tenant_places);
                Some(places.try_acquire_owned().ok()?)
            }
        };
        Some(Places {
            _own: own,
            _of_tenants: of_tenants,
        })
    }
}

impl View {
    fn new(tenant: Option<TenantId>) -> Self {
        let places = if tenant.is_some() { PER_TENANT } else { PLACES };
        Self {
            tenant,
            places: Arc::new(Semaphore::new(places)),
            latest: Mutex::new(None),
        }
    }

    const fn pause(&self) -> Duration {
        if self.tenant.is_some() {
            TENANT_PAUSE
        } else {
            PAUSE
        }
    }

    /// The overview, not older than the pause between two looks.
    async fn look(&self, db: &Db) -> db::Result<Arc<QueueOverview>> {
        let mut latest = self.latest.lock().await;
        if let Some((at, overview)) = &*latest
            && at.elapsed() < self.pause()
        {
            return Ok(Arc::clone(overview));
        }
        let mut tx = db.system().await?;
        let overview = Arc::new(match self.tenant {
            Some(tenant) => inspect::tenant_overview(&mut tx, tenant).await?,
            None => inspect::overview(&mut tx).await?,
        });
        *latest = Some((Instant::now(), Arc::clone(&overview)));
        Ok(overview)
    }
}

impl Watcher {
    async fn next(mut self) -> Option<(Arc<QueueOverview>, Self)> {
        let pause = self.view.pause();
        while !self.feed.0.closed.is_cancelled() {
            if self.shown.is_some() {
                tokio::select! {
                    () = self.feed.0.closed.cancelled() => return None,
                    () = tokio::time::sleep_until(self.until) => return None,
                    () = tokio::time::sleep(pause) => {}
                }
            }
            match self.view.look(&self.feed.0.db).await {
                Ok(seen) if self.is_new(&seen) => {
                    self.shown = Some(Arc::clone(&seen));
                    return Some((seen, self));
                }
                Ok(_) => {}
                // It comes back; until then there is nothing new.
                Err(error) => {
                    tracing::debug!(%error, "the overview of the queues could not be read");
                    tokio::time::sleep(pause).await;
                }
            }
        }
        None
    }

    fn is_new(&self, seen: &QueueOverview) -> bool {
        self.shown.as_ref().is_none_or(|shown| seen.differs(shown))
    }
}
