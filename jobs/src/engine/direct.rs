//! Jobs that begin where they are enqueued, without a claim.
//!
//! A process that runs jobs inserts one that may begin at once as its own running job, if it has a slot
//! to spare, and hands it to its handler once that is committed. Nobody has to be told, nothing is
//! claimed, and one commit less waits for the disk. Whatever stands in a job's way - a time, a pause, a
//! limit without room, another job of its ordering key - sends it the way of all others. An answer to
//! the commit that gets lost leaves a job that nobody holds, and its lease brings it back.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use db::{Result, Tx};
use domain::TenantId;
use sqlx::PgConnection;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::hold::Hold;
use super::inflight::lock;
use super::lane::{Delivery, LaneState};
use super::ready::Flow;
use super::{ClaimedJob, Shared, fetch, limits};
use crate::signal::{self, Word};
use crate::{Job, KindInfo, Options, Until};

/// The engine of this process, as transactions find it beside their database.
#[derive(Default)]
pub(super) struct Host(Mutex<Weak<Shared>>);

impl Host {
    /// From now on jobs may begin in this engine.
    pub(super) fn install(shared: &Arc<Shared>) {
        let host = shared.db.extensions().get_or_insert(Self::default());
        *lock(&host.0) = Arc::downgrade(shared);
    }

    fn engine(&self) -> Option<Arc<Shared>> {
        lock(&self.0).upgrade()
    }
}

/// A slot kept for a job that is about to be enqueued; dropped, it is free again.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    lane: Arc<LaneState>,
    slot: OwnedSemaphorePermit,
    kind: KindInfo,
    tenant: Option<TenantId>,
    priority: i16,
    limit_keys: [Option<String>; 2],
    /// The rates that the job needs a token of.
    rates: Vec<i64>,
    /// The lease counts from the insert, which comes after this.
    since: Instant,
    /// Whoever stops the engine waits for what is about to begin.
    _begins: TaskTrackerToken,
}

/// A job that was inserted as running.
pub(crate) struct Started {
    pub(crate) id: i64,
    pub(crate) flow: i64,
    pub(crate) max_attempts: i16,
    pub(crate) ordering_key: Option<String>,
    pub(crate) payload: String,
    pub(crate) created_at: DateTime<Utc>,
    /// How long until its deadline, as of the insert.
    pub(crate) deadline_in: Option<f64>,
    pub(crate) traceparent: Option<String>,
}

/// Keeps a slot for a job if it may begin as soon as it is committed: here, now, and by itself.
pub(crate) fn reserve<J: Job>(tx: &impl Tx, options: &Options) -> Option<Seat> {
    let gathers = J::BATCH > 1 || !J::GATHER.is_zero();
    if gathers || !options.delay.is_zero() {
        return None;
    }
    let shared = tx.extensions().get::<Host>()?.engine()?;
    let kind = shared.kind(J::KIND)?;
    let lane = Arc::clone(shared.lanes.get(&kind.lane)?);
    let begins = shared.claimers.token();
    if shared.stop.is_cancelled() {
        return None;
    }
    let since = Instant::now();
    let limit_keys = options.limit_keys.clone();
    let flow = Flow::new(0, kind, options.tenant, options.priority, &limit_keys);
    let rates = shared
        .limits
        .rates(&flow.limit_keys, own(&limit_keys), since)?;
    // Its key is gone once it runs: it could not go back to wait with it.
    let drops_key = options
        .unique
        .as_ref()
        .is_some_and(|it| it.until == Until::Started);
    if drops_key && !rates.is_empty() {
        return None;
    }
    Some(Seat {
        slot: lane.spare_slot()?,
        lane,
        kind,
        tenant: options.tenant,
        priority: options.priority,
        limit_keys,
        rates,
        since,
        _begins: begins,
        shared,
    })
}

/// How many limit keys a job names itself.
fn own(limit_keys: &[Option<String>; 2]) -> usize {
    limit_keys.iter().flatten().count()
}

/// Tells everybody, once it is committed, that limits, pauses or weights were set: this process's own
/// engine before the caller goes on, so that the next job it enqueues meets them.
pub(crate) fn limits_changed(tx: &mut impl Tx) {
    tx.signal_after_commit(signal::say([Word::Limits]));
    let Some(shared) = tx.extensions().get::<Host>().and_then(|host| host.engine()) else {
        return;
    };
    tx.after_commit(Box::new(move || shared.limits.doubt(Instant::now())));
}

impl Seat {
    /// Who runs the job.
    pub(crate) fn session(&self) -> i64 {
        self.shared.session.id
    }

    /// How long its lease is at first.
    pub(crate) fn lease(&self) -> Duration {
        self.shared.options.lease
    }

    /// Takes what its rates have for the job, which is in the table; until the commit they are locked.
    /// Where one has nothing left the job is made to wait for its claim.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn pay(&self, conn: &mut PgConnection, job: i64) -> Result<bool> {
        if self.rates.is_empty() || limits::take_one(conn, &self.rates).await? {
            return Ok(true);
        }
        sqlx::query(
            "UPDATE jobs SET state = 0, attempt = 0, claims = 0, session_id = NULL,
                 lease_until = NULL, claimed_at = NULL
             WHERE id = $1",
        )
        .bind(job)
        .execute(conn)
        .await?;
        Ok(false)
    }

    /// Lets the job begin once the transaction that inserted it is committed.
    pub(crate) fn take(self, tx: &mut impl Tx, started: Started) {
        tx.after_commit(Box::new(move || self.begin(started)));
    }

    fn begin(self, started: Started) {
        fail::fail_point!("direct.before_begin");
        let now = Instant::now();
        let job = self.claimed(started, now);
        // What was set since the insert holds for the job as well.
        let own = own(&self.limit_keys);
        let rates = self.shared.limits.rates(&job.flow.limit_keys, own, now);
        let may_begin = rates.is_some_and(|rates| rates == self.rates);
        let until = self.since + self.shared.options.lease;
        let hold = Hold {
            since: now,
            lease: self.shared.inflight.insert(&job, until),
            job: Arc::new(job),
        };
        let delivery = Delivery {
            runs: vec![vec![hold]],
            slots: self.slot,
        };
        let refused = if may_begin {
            self.lane.deliver(delivery).err()
        } else {
            Some(delivery)
        };
        let shared = self.shared;
        match refused {
            None => shared.notes.metrics.started_directly(self.kind.name),
            Some(refused) => {
                let holds = refused.into_holds();
                tokio::spawn(async move { fetch::give_back(&shared, holds).await });
            }
        }
    }

    /// The job as a claim would have returned it.
    fn claimed(&self, started: Started, now: Instant) -> ClaimedJob {
        let flow = self.shared.flows.get_or_insert(started.flow, || {
            let (kind, tenant) = (self.kind, self.tenant);
            Flow::new(started.flow, kind, tenant, self.priority, &self.limit_keys)
        });
        let since_insert = (now - self.since).as_secs_f64();
        ClaimedJob {
            id: started.id,
            kind: self.kind.name,
            flow,
            claim: 1,
            attempt: 1,
            max_attempts: started.max_attempts,
            tenant: self.tenant,
            ordering_key: started.ordering_key,
            payload: started.payload,
            created_at: started.created_at,
            run_at: started.created_at,
            claimed_at: started.created_at,
            permits: Vec::new(),
            deadline_in: started.deadline_in.map(|secs| secs - since_insert),
            is_cancelled: false,
            traceparent: started.traceparent,
        }
    }
}
