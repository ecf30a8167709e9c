use std::time::Duration;

use db::{Db, Error, Result};
use sqlx::PgExecutor;

use super::Counters;
use super::deltas::{Deltas, Minute};

/// How long one statement of a fold may take before its deltas wait for the next.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many slots of each lane a process has, and how many of them are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessLoad {
    /// Slots for interactive jobs.
    pub interactive_slots: usize,
    /// Interactive jobs in hand.
    pub interactive_busy: usize,
    /// Slots for answers.
    pub answers_slots: usize,
    /// Answers in hand.
    pub answers_busy: usize,
    /// Slots for bulk jobs.
    pub bulk_slots: usize,
    /// Bulk jobs in hand.
    pub bulk_busy: usize,
}

/// What was taken out of the counters to be folded; put back when dropped, unless it was cleared.
struct Taken<'a, T> {
    rows: Vec<T>,
    counters: &'a Counters,
    put_back: fn(&mut Deltas, &[T]),
}

impl<'a, T> Taken<'a, T> {
    fn new(
        counters: &'a Counters,
        take: fn(&mut Deltas) -> Vec<T>,
        put_back: fn(&mut Deltas, &[T]),
    ) -> Self {
        Self {
            rows: take(&mut counters.lock()),
            counters,
            put_back,
        }
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        if !self.rows.is_empty() {
            (self.put_back)(&mut self.counters.lock(), &self.rows);
        }
    }
}

impl Counters {
    /// Folds what was noted since the last time into the tables, and the load of a worker into the
    /// row of its session. What cannot be folded is kept for the next time.
    ///
    /// A fold whose answer got lost is repeated, though it may have been carried out: the depths are
    /// then off until the next [`reconcile`](super::reconcile), a minute's events for good.
    ///
    /// # Errors
    /// Those of the database; `Unavailable` if it took longer than five seconds.
    pub async fn fold(&self, db: &Db, session: Option<(i64, ProcessLoad)>) -> Result<()> {
        let depths = within(self.fold_depths(db)).await;
        let minutes = within(self.fold_minutes(db)).await;
        let load = match session {
            Some((session, load)) => within(note_load(db, session, load)).await,
            None => Ok(()),
        };
        depths.and(minutes).and(load)
    }

    async fn fold_depths(&self, db: &Db) -> Result<()> {
        let mut taken = Taken::new(self, Deltas::take_depths, Deltas::put_back_depths);
        if taken.rows.is_empty() {
            return Ok(());
        }
        let rows = taken.rows.iter();
        let kinds: Vec<&str> = rows.clone().map(|(kind, ..)| &**kind).collect();
        let states: Vec<i16> = rows.clone().map(|row| number(row.1)).collect();
        let jobs: Vec<i64> = rows.map(|row| row.2).collect();
        add_depths(db.pool(), kinds, states, jobs).await?;
        taken.rows.clear();
        Ok(())
    }

    async fn fold_minutes(&self, db: &Db) -> Result<()> {
        let mut taken = Taken::new(self, Deltas::take_minutes, Deltas::put_back_minutes);
        if taken.rows.is_empty() {
            return Ok(());
        }
        let rows = &taken.rows;
        let kinds: Vec<&str> = rows.iter().map(|(kind, _)| &**kind).collect();
        let column = |of: fn(&Minute) -> i64| -> Vec<i64> {
            rows.iter().map(|(_, minute)| of(minute)).collect()
        };
        sqlx::query(
            "INSERT INTO job_minutes AS m (minute, kind, enqueued, started, done, failed,
                                           cancelled, dead, wait_ms, run_ms)
             SELECT date_trunc('minute', now()), f.*
             FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                         $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
                  AS f(kind, enqueued, started, done, failed, cancelled, dead, wait_ms, run_ms)
             ORDER BY kind COLLATE \"C\"
             ON CONFLICT (minute, kind) DO UPDATE SET
                 enqueued = m.enqueued + excluded.enqueued,
                 started = m.started + excluded.started,
                 done = m.done + excluded.done,
                 failed = m.failed + excluded.failed,
                 cancelled = m.cancelled + excluded.cancelled,
                 dead = m.dead + excluded.dead,
                 wait_ms = m.wait_ms + excluded.wait_ms,
                 run_ms = m.run_ms + excluded.run_ms",
        )
        .bind(kinds)
        .bind(column(|minute| minute.enqueued))
        .bind(column(|minute| minute.started))
        .bind(column(|minute| minute.done))
        .bind(column(|minute| minute.failed))
        .bind(column(|minute| minute.cancelled))
        .bind(column(|minute| minute.dead))
        .bind(column(|minute| millis(minute.wait)))
        .bind(column(|minute| millis(minute.run)))
        .execute(db.pool())
        .await?;
        taken.rows.clear();
        Ok(())
    }
}

/// Adds to the depths: `jobs` of `kinds` at the places with the numbers `states`. Rows are taken in one
/// order, so that two who add cannot block each other.
pub(crate) async fn add_depths<'e>(
    executor: impl PgExecutor<'e>,
    kinds: Vec<&str>,
    states: Vec<i16>,
    jobs: Vec<i64>,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO job_depths AS d (kind, state, jobs)
         SELECT kind, state, jobs
         FROM unnest($1::text[], $2::smallint[], $3::bigint[]) AS f(kind, state, jobs)
         ORDER BY kind COLLATE \"C\", state
         ON CONFLICT (kind, state) DO UPDATE SET jobs = d.jobs + excluded.jobs",
    )
    .bind(kinds)
    .bind(states)
    .bind(jobs)
    .execute(executor)
    .await?;
    Ok(())
}

async fn note_load(db: &Db, session: i64, load: ProcessLoad) -> Result<()> {
    sqlx::query(
        "UPDATE worker_sessions SET interactive_slots = $2, interactive_busy = $3,
                                    answers_slots = $4, answers_busy = $5,
                                    bulk_slots = $6, bulk_busy = $7
         WHERE id = $1",
    )
    .bind(session)
    .bind(count(load.interactive_slots))
    .bind(count(load.interactive_busy))
    .bind(count(load.answers_slots))
    .bind(count(load.answers_busy))
    .bind(count(load.bulk_slots))
    .bind(count(load.bulk_busy))
    .execute(db.pool())
    .await?;
    Ok(())
}

/// The work, unless it takes too long: a connection that swallows everything must not stop folds.
async fn within(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::time::timeout(TIMEOUT, work)
        .await
        .unwrap_or(Err(Error::Unavailable(sqlx::Error::PoolTimedOut)))
}

fn number(index: usize) -> i16 {
    i16::try_from(index).unwrap_or(i16::MAX)
}

fn count(slots: usize) -> i32 {
    i32::try_from(slots).unwrap_or(i32::MAX)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
