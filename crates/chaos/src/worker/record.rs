use std::time::Duration;

use chrono::{DateTime, Utc};
use db::Db;
use jobs::{Failure, JobHandle};
use uuid::Uuid;

use crate::kinds::{Kind, Work};
use crate::record::enqueue;

/// How long to wait before what could not be recorded is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// What handlers write down of themselves, in transactions of their own: a crash takes nothing back.
pub(super) struct Recorder {
    db: Db,
    session: i64,
    clock: domain::Clock,
}

/// One run, over one job or several.
pub(super) struct Run<'h> {
    id: Uuid,
    handles: Vec<&'h JobHandle>,
}

/// How a run of one job ended, in the word that is recorded.
fn word(result: &Result<(), Failure>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(Failure::Snooze { .. }) => "snoozed",
        Err(Failure::Dead(_)) => "dead",
        Err(_) => "failed",
    }
}

impl Recorder {
    pub(super) fn new(db: Db, session: i64) -> Self {
        Self {
            db,
            session,
            clock: domain::Clock::system(),
        }
    }

    /// Records that a run begins, however long that takes: one that nobody knows of must not begin.
    /// Names are written once, so that a commit whose answer got lost is not counted twice.
    pub(super) async fn begin<'h>(&self, handles: Vec<&'h JobHandle>) -> Run<'h> {
        let run = Run {
            id: Uuid::new_v4(),
            handles,
        };
        let outcomes = vec![None; run.handles.len()];
        while let Err(error) = self.write(&run, "begin", &outcomes).await {
            tracing::debug!(%error, "a begin is not recorded yet");
            tokio::time::sleep(AGAIN).await;
        }
        run
    }

    /// Records how a run ended. It does not give up: what a silent connection passes on later would be
    /// recorded after the engine's own word of the end.
    pub(super) async fn end(&self, run: Run<'_>, results: &[Result<(), Failure>]) {
        let outcomes: Vec<_> = results.iter().map(|result| Some(word(result))).collect();
        while let Err(error) = self.write(&run, "end", &outcomes).await {
            tracing::debug!(%error, "an end is not recorded yet");
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn write(
        &self,
        run: &Run<'_>,
        what: &str,
        outcomes: &[Option<&'static str>],
    ) -> sqlx::Result<()> {
        let jobs: Vec<i64> = run.handles.iter().map(|it| it.job.id).collect();
        let kinds: Vec<&str> = run.handles.iter().map(|it| it.job.kind).collect();
        let attempts: Vec<i16> = run.handles.iter().map(|it| it.job.attempt).collect();
        let claims: Vec<DateTime<Utc>> = run.handles.iter().map(|it| it.job.claimed_at).collect();
        sqlx::query(
            "INSERT INTO chaos_events
                 (run, what, job_id, kind, attempt, session, claimed_at, claim, outcome, wall_at)
             SELECT $1, $2, job_id, kind, attempt, $3, claimed_at,
                    (SELECT claims FROM jobs AS j
                     WHERE j.id = e.job_id AND j.session_id = $3 AND j.claimed_at = e.claimed_at),
                    outcome, $4
             FROM unnest($5::bigint[], $6::text[], $7::int2[], $8::timestamptz[], $9::text[])
                  AS e(job_id, kind, attempt, claimed_at, outcome)
             ON CONFLICT DO NOTHING",
        )
        .bind(run.id)
        .bind(what)
        .bind(self.session)
        .bind(self.clock.now())
        .bind(jobs)
        .bind(kinds)
        .bind(attempts)
        .bind(claims)
        .bind(outcomes)
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// How often a job has put itself off.
    pub(super) async fn snoozes(&self, job: i64) -> Result<i64, Failure> {
        sqlx::query_scalar(
            "SELECT count(*) FROM chaos_events
             WHERE job_id = $1 AND what = 'end' AND outcome = 'snoozed'",
        )
        .bind(job)
        .fetch_one(self.db.pool())
        .await
        .map_err(|error| db::Error::from(error).into())
    }

    /// Writes down the effects of jobs, each if the job has none: the locked row of the job makes
    /// that safe, as long as the fence holds. A first effect enqueues the job that stands beside it.
    /// Says of each whether its fence held.
    pub(super) async fn effects(
        &self,
        effects: &[(&JobHandle, Option<(Kind, Work)>)],
        is_fenced: bool,
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        let mut tx = self.db.system().await?;
        let mut results = Vec::with_capacity(effects.len());
        for (handle, next) in effects {
            if is_fenced && let Err(failure) = handle.fence(&mut tx).await {
                results.push(Err(failure));
                continue;
            }
            let is_first = self.effect(&mut tx, handle, is_fenced).await;
            if let (Ok(true), Some((kind, work))) = (&is_first, next) {
                enqueue(&mut tx, *kind, work).await?;
            }
            results.push(is_first.map(drop));
        }
        tx.commit().await?;
        Ok(results)
    }

    /// Whether it is the first of its job.
    async fn effect(
        &self,
        tx: &mut impl db::Tx,
        handle: &JobHandle,
        is_fenced: bool,
    ) -> Result<bool, Failure> {
        let has_one: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM chaos_effects WHERE job_id = $1)")
                .bind(handle.job.id)
                .fetch_one(tx.conn())
                .await
                .map_err(db::Error::from)?;
        if !is_fenced {
            // What a fence would have kept others from using.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        sqlx::query(
            "INSERT INTO chaos_effects (job_id, session, claimed_at, is_first)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(handle.job.id)
        .bind(self.session)
        .bind(handle.job.claimed_at)
        .bind(!has_one)
        .execute(tx.conn())
        .await
        .map_err(db::Error::from)?;
        Ok(!has_one)
    }

    /// Keeps a connection of the pool busy.
    pub(super) async fn hold_connection(&self, ms: u64) -> Result<(), Failure> {
        let time = Duration::from_millis(ms);
        sqlx::query("SELECT pg_sleep($1)")
            .bind(time.as_secs_f64())
            .execute(self.db.pool())
            .await
            .map(drop)
            .map_err(|error| db::Error::from(error).into())
    }
}
