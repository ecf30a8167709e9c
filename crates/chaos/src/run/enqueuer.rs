use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use db::{Db, Tx as _};
use jobs::control::{self, Cancelled};
use sqlx::PgPool;
use tokio::task::JoinSet;

use super::plan::{PlannedBatch, PlannedJob};
use crate::kinds::{Kind, Work};
use crate::record::enqueue;

/// How long to wait before a transaction that failed is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// States of jobs in the table; any that waits stands for all of them.
const WAITING: i16 = 0;
const RUNNING: i16 = 3;

/// Where the numbers of jobs begin that no plan knows.
const UNPLANNED: i64 = 1_000_000_000;

/// Enqueues jobs as the product does, whatever happens to its connections, and knows what was
/// committed.
pub(crate) struct Enqueuer {
    db: Db,
    pool: PgPool,
    next: AtomicI64,
    acknowledged: Mutex<Vec<i64>>,
}

impl Enqueuer {
    pub(crate) fn new(db: Db, pool: PgPool) -> Self {
        Self {
            db,
            pool,
            next: AtomicI64::new(UNPLANNED),
            acknowledged: Mutex::default(),
        }
    }

    /// The numbers of jobs whose commit was answered.
    pub(crate) fn acknowledged(&self) -> Vec<i64> {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A number that no other job has.
    pub(crate) fn number(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Enqueues what is planned, when it is planned, and cancels what shall be cancelled.
    pub(crate) async fn follow(&self, batches: Vec<PlannedBatch>, begun: Instant) {
        let mut cancels = JoinSet::new();
        for batch in batches {
            tokio::time::sleep_until((begun + batch.at).into()).await;
            let jobs = self.enqueue(batch.jobs).await;
            for (id, after) in jobs {
                cancels.spawn(cancel(self.db.clone(), self.pool.clone(), id, after));
            }
        }
        cancels.join_all().await;
    }

    /// Enqueues jobs that no plan knows.
    pub(crate) async fn enqueue_plain(&self, works: Vec<Work>) {
        let jobs = works.into_iter().map(|work| PlannedJob {
            kind: Kind::Plain,
            work,
            cancel_after: None,
        });
        self.enqueue(jobs.collect()).await;
    }

    /// Enqueues until it is committed for certain; says which jobs are to be cancelled, and when.
    async fn enqueue(&self, jobs: Vec<PlannedJob>) -> Vec<(i64, Duration)> {
        loop {
            match self.try_enqueue(&jobs).await {
                Ok(ids) => {
                    let mut acknowledged = self
                        .acknowledged
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    acknowledged.extend(jobs.iter().map(|job| job.work.n));
                    return jobs
                        .iter()
                        .zip(ids)
                        .filter_map(|(job, id)| Some((id, job.cancel_after?)))
                        .collect();
                }
                Err(error) => {
                    tracing::debug!(%error, "not enqueued yet");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Enqueues them in one transaction, unless an earlier one that seemed to have failed has: the
    /// numbers in the record tell.
    async fn try_enqueue(&self, jobs: &[PlannedJob]) -> db::Result<Vec<i64>> {
        let numbers: Vec<i64> = jobs.iter().map(|job| job.work.n).collect();
        let mut tx = self.db.system().await?;
        let known: Vec<(i64, i64)> =
            sqlx::query_as("SELECT n, job_id FROM chaos_enqueued WHERE n = ANY($1) ORDER BY n")
                .bind(&numbers)
                .fetch_all(tx.conn())
                .await?;
        if !known.is_empty() {
            return Ok(known.into_iter().map(|(_, id)| id).collect());
        }
        let mut ids = Vec::with_capacity(jobs.len());
        for job in jobs {
            ids.push(enqueue(&mut tx, job.kind, &job.work).await?);
        }
        tx.commit().await?;
        Ok(ids)
    }
}

/// Cancels a job: first that somebody wants to is written down, then it is done, then when.
async fn cancel(db: Db, pool: PgPool, job: i64, after: Duration) {
    tokio::time::sleep(after).await;
    let wish = "INSERT INTO chaos_cancels (job_id) VALUES ($1) ON CONFLICT DO NOTHING";
    while sqlx::query(wish).bind(job).execute(&pool).await.is_err() {
        tokio::time::sleep(AGAIN).await;
    }
    // A cancel that may or may not have been committed is not repeated: what the job was doing at
    // the time would not be known.
    let Some(state) = try_cancel(&db, &pool, job).await else {
        return;
    };
    let done = "UPDATE chaos_cancels SET state = $2, committed_at = clock_timestamp()
                WHERE job_id = $1";
    while sqlx::query(done)
        .bind(job)
        .bind(state)
        .execute(&pool)
        .await
        .is_err()
    {
        tokio::time::sleep(AGAIN).await;
    }
}

/// Cancels a job as the API does, or, every other one, as something that only leaves its mark on the
/// row and tells nobody. Returns the state that it was in; `None`: nobody knows, or it had ended.
async fn try_cancel(db: &Db, pool: &PgPool, job: i64) -> Option<i16> {
    if job % 2 == 0 {
        let mark = "UPDATE jobs SET cancel_requested_at = now() WHERE id = $1 RETURNING state";
        let state = sqlx::query_scalar(mark).bind(job).fetch_optional(pool);
        return state.await.ok().flatten();
    }
    let mut tx = db.system().await.ok()?;
    let cancelled = control::cancel(&mut tx, job, None, "chaos").await.ok()?;
    tx.commit().await.ok()?;
    Some(match cancelled {
        Cancelled::Ended => WAITING,
        Cancelled::Requested => RUNNING,
    })
}
