//! A database with jobs on it and no engine: what waits keeps waiting.

use db::{Db, Signal, SystemTx, Topic};
use domain::TenantId;
use jobs::control::{Cancelled, ControlError};
use jobs::{JobState, JobView, Options};
use sqlx::AssertSqlSafe;
use testkit::TestDb;
use tokio::sync::broadcast::Receiver;

use crate::harness::{Probe, connect};

pub(crate) struct Desk {
    pub(crate) test_db: TestDb,
    pub(crate) db: Db,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let test_db = TestDb::new().await;
        let db = connect(&test_db).await;
        Self { test_db, db }
    }

    pub(crate) async fn tx(&self) -> SystemTx {
        self.db.system().await.unwrap()
    }

    pub(crate) async fn enqueue(&self, job: &Probe) -> i64 {
        let mut tx = self.tx().await;
        let id = jobs::enqueue(&mut tx, job).await.unwrap().id;
        tx.commit().await.unwrap();
        id
    }

    /// Runs a statement past every policy.
    pub(crate) async fn sql(&self, statement: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(statement.into()))
            .execute(self.test_db.pool())
            .await
            .unwrap();
    }

    pub(crate) async fn number(&self, query: impl Into<String>) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(query.into()))
            .fetch_one(self.test_db.pool())
            .await
            .unwrap()
    }

    pub(crate) async fn view(&self, id: i64) -> JobView {
        let mut tx = self.tx().await;
        jobs::get(&mut tx, id, None).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, id: i64) -> JobState {
        self.view(id).await.state
    }

    /// Gives a job to a session, as a claim would.
    pub(crate) async fn run(&self, id: i64) {
        self.sql(format!(
            "UPDATE jobs SET state = 3, attempt = attempt + 1, claims = claims + 1, session_id = 7,
                    claimed_at = now(), lease_until = now() + interval '1 hour' WHERE id = {id}"
        ))
        .await;
    }

    /// Buries a job, as the engine would.
    pub(crate) async fn bury(&self, id: i64, reason: &str) {
        self.sql(format!(
            "WITH gone AS (DELETE FROM jobs WHERE id = {id} RETURNING *),
             freed AS (DELETE FROM job_keys AS k USING gone AS g
                       WHERE k.kind = g.kind AND k.key = g.ordering_key AND NOT EXISTS (
                           SELECT 1 FROM jobs AS j WHERE j.kind = k.kind
                             AND j.ordering_key = k.key AND j.id <> g.id))
             INSERT INTO dead_jobs (id, kind, lane, priority, tenant_id, reason, attempt,
                                    max_attempts, created_at, ordering_key, limit_key_1, payload)
             SELECT id, kind, lane, priority, tenant_id, '{reason}', max_attempts, max_attempts,
                    created_at, ordering_key, limit_key_1, payload FROM gone"
        ))
        .await;
    }

    pub(crate) async fn cancel(&self, id: i64) -> Result<Cancelled, ControlError> {
        let mut tx = self.tx().await;
        let cancelled = jobs::control::cancel(&mut tx, id, None, "not needed").await?;
        tx.commit().await.unwrap();
        Ok(cancelled)
    }

    pub(crate) async fn redrive(&self, id: i64) -> Result<(), ControlError> {
        let mut tx = self.tx().await;
        jobs::control::redrive(&mut tx, id, None).await?;
        tx.commit().await.unwrap();
        Ok(())
    }

    pub(crate) async fn retry(&self, id: i64) -> Result<(), ControlError> {
        let mut tx = self.tx().await;
        jobs::control::retry(&mut tx, id, None).await?;
        tx.commit().await.unwrap();
        Ok(())
    }

    /// What `job_depths` has, by state.
    pub(crate) async fn depth(&self, state: i16) -> i64 {
        self.number(format!(
            "SELECT coalesce(sum(jobs), 0)::bigint FROM job_depths WHERE state = {state}"
        ))
        .await
    }
}

/// What was said about jobs since the last look.
pub(crate) fn said(signals: &mut Receiver<Signal>) -> Vec<String> {
    let mut said = Vec::new();
    while let Ok(signal) = signals.try_recv() {
        // Without words: listening has only just begun.
        if signal.topic == Topic::Jobs && !signal.payload.is_empty() {
            said.extend(signal.payload.split(',').map(str::to_owned));
        }
    }
    said
}

pub(crate) fn with(n: i64, options: Options) -> Probe {
    Probe { n, options }
}

pub(crate) fn of(n: i64, tenant: TenantId) -> Probe {
    with(
        n,
        Options {
            tenant: Some(tenant),
            ..Options::default()
        },
    )
}

/// The code of a refusal.
pub(crate) fn conflict<T: std::fmt::Debug>(result: Result<T, ControlError>) -> &'static str {
    match result {
        Err(ControlError::Conflict { code, .. }) => code,
        other => panic!("no conflict: {other:?}"),
    }
}
