use std::sync::Arc;

use chrono::{DateTime, Utc};
use db::Tx;
use domain::TenantId;

use super::inflight::Lease;
use super::ready::Flow;
use crate::failure::undecodable;
use crate::{Failure, Job};

/// A job in the hands of this process, as the claim returned it.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// Its number.
    pub id: i64,
    /// Its kind.
    pub kind: &'static str,
    /// Its flow, with what the engine knows of its kind.
    pub(super) flow: Arc<Flow>,
    /// Which claim this is, from 1; with the session it tells this hold from every other.
    pub(crate) claim: i32,
    /// Which attempt this is, from 1.
    pub attempt: i16,
    /// After which attempt it is dead.
    pub max_attempts: i16,
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// Its ordering key.
    pub ordering_key: Option<String>,
    /// The payload, still as JSON.
    pub payload: String,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When it was due.
    pub run_at: DateTime<Utc>,
    /// When it was claimed.
    pub claimed_at: DateTime<Utc>,
    /// The limits that count this run.
    pub(crate) permits: Vec<i64>,
    /// How long until its deadline, as of the claim.
    pub(crate) deadline_in: Option<f64>,
    /// Somebody cancelled it before it was claimed.
    pub(crate) is_cancelled: bool,
    /// The trace context of whoever enqueued it (W3C `traceparent`).
    pub traceparent: Option<String>,
}

impl ClaimedJob {
    /// Reads the payload.
    ///
    /// # Errors
    /// [`Failure::Dead`] with the reason: what cannot be read today cannot be read tomorrow.
    pub fn decode<J: Job>(&self) -> Result<J, Failure> {
        serde_json::from_str(&self.payload).map_err(|error| Failure::dead(undecodable(&error)))
    }

    /// Every key whose limits hold for it: its tenant's, its kind's, and those it names itself.
    pub fn limit_keys(&self) -> impl Iterator<Item = &str> {
        self.flow.limit_keys.iter().map(AsRef::as_ref)
    }
}

/// A handler's hold on its job.
#[derive(Clone, Debug)]
pub struct JobHandle {
    /// The job.
    pub job: Arc<ClaimedJob>,
    session: i64,
    lease: Arc<Lease>,
}

/// Somebody else has, or may have, the job: whatever this process did with it must not show.
#[derive(Debug, thiserror::Error)]
#[error("the lease of job {0} is lost")]
pub struct LostLease(pub i64);

const FENCE: &str = "SELECT id, claims, session_id FROM jobs WHERE id = ANY($1) FOR UPDATE";
const FENCE_ONE: &str = "SELECT id, claims, session_id FROM jobs WHERE id = $1 FOR UPDATE";

impl JobHandle {
    pub(super) const fn new(job: Arc<ClaimedJob>, session: i64, lease: Arc<Lease>) -> Self {
        Self {
            job,
            session,
            lease,
        }
    }

    /// Whether this is the last attempt.
    pub fn is_last_attempt(&self) -> bool {
        self.job.attempt >= self.job.max_attempts
    }

    /// Waits until somebody cancels the job. The handler then has its kind's grace to end by
    /// itself; whatever it fails with counts as cancelled.
    pub async fn cancelled(&self) {
        self.lease.wait_cancelled().await;
    }

    /// Whether somebody has cancelled the job.
    pub fn is_cancelled(&self) -> bool {
        self.lease.is_cancelled()
    }

    /// Locks the job's row within the handler's own transaction: what that transaction writes is
    /// committed only if this process still holds the job at that moment.
    ///
    /// # Errors
    /// A retry that will find its lease lost, or the database's own.
    pub async fn fence(&self, tx: &mut impl Tx) -> Result<(), Failure> {
        Self::fence_all(&[self], tx).await
    }

    /// The same for several jobs: all of them must be held.
    ///
    /// # Errors
    /// A retry that will find the lease of one of them lost, or the database's own.
    pub async fn fence_all(handles: &[&Self], tx: &mut impl Tx) -> Result<(), Failure> {
        let ids: Vec<i64> = handles.iter().map(|handle| handle.job.id).collect();
        // Compared here, so that no planner finds the rows by anything but their ids. One that has a
        // session is running.
        let held = match ids.as_slice() {
            // A list is planned anew each time, which for one is most of the work.
            [id] => sqlx::query_as(FENCE_ONE).bind(id).fetch_all(tx.conn()),
            _ => sqlx::query_as(FENCE).bind(&ids).fetch_all(tx.conn()),
        };
        let held: Vec<(i64, i32, Option<i64>)> = held.await.map_err(db::Error::from)?;
        let is_lost = |handle: &&&Self| {
            let held_as = (handle.job.id, handle.job.claim, Some(handle.session));
            !held.contains(&held_as)
        };
        match handles.iter().find(is_lost) {
            None => Ok(()),
            Some(lost) => Err(Failure::retry(LostLease(lost.job.id))),
        }
    }

    /// Checks by this machine's steady clock that the lease cannot have run out: the last thing to
    /// do before something leaves for outside.
    ///
    /// # Errors
    /// A retry that will find its lease lost.
    pub fn check_lease(&self) -> Result<(), Failure> {
        if self.lease.is_alive() {
            Ok(())
        } else {
            Err(Failure::retry(LostLease(self.job.id)))
        }
    }
}
