use std::collections::{HashMap, HashSet};

use db::{Result, Tx};
use sqlx::FromRow;

use super::JobState;
use super::view::Row;
use super::waiting::limit_keys;
use super::workers::{self, Worker};
use crate::control::{LimitView, limits_of};

/// What has to be known to say why the jobs of a page wait: a few queries, however many jobs.
#[derive(Debug, Default)]
pub(super) struct Facts {
    limits: HashMap<String, LimitView>,
    workers: Vec<Worker>,
    /// The head of each ordering key, by kind and key.
    heads: HashMap<(String, String), i64>,
    last_attempts: HashMap<i64, LastAttempt>,
}

/// How a job's latest attempt ended.
#[derive(Clone, Debug, FromRow)]
pub(super) struct LastAttempt {
    pub(super) snoozed: bool,
    pub(super) error: Option<String>,
}

impl Facts {
    /// Looks up what the rows need and nothing else.
    pub(super) async fn gather(tx: &mut impl Tx, rows: &[Row]) -> Result<Self> {
        let mut keys = HashSet::new();
        let mut held = HashSet::new();
        let mut scheduled = Vec::new();
        for row in rows {
            match row.state()? {
                JobState::Held => {
                    let key = row.ordering_key.clone();
                    held.extend(key.map(|key| (row.kind.clone(), key)));
                }
                JobState::Scheduled if !row.due => scheduled.push(row.id),
                JobState::Scheduled | JobState::Ready => keys.extend(limit_keys(row)),
                _ => {}
            }
        }
        let mut facts = Self::default();
        if !keys.is_empty() {
            let keys: Vec<String> = keys.into_iter().collect();
            let limits = limits_of(tx.conn(), &keys).await?;
            facts.limits = limits.into_iter().map(|l| (l.key.clone(), l)).collect();
            facts.workers = workers::live(tx).await?;
        }
        if !held.is_empty() {
            facts.heads = heads(tx, held).await?;
        }
        if !scheduled.is_empty() {
            facts.last_attempts = last_attempts(tx, &scheduled).await?;
        }
        Ok(facts)
    }

    pub(super) fn limit(&self, key: &str) -> Option<&LimitView> {
        self.limits.get(key)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter()
    }

    pub(super) fn head_of(&self, kind: &str, key: Option<&str>) -> Option<i64> {
        let key = (kind.to_owned(), key?.to_owned());
        self.heads.get(&key).copied()
    }

    pub(super) fn last_attempt(&self, job: i64) -> Option<&LastAttempt> {
        self.last_attempts.get(&job)
    }
}

/// Running heads are found among the running jobs, which the slots of the workers bound.
pub(super) const HEADS: &str = "
    WITH wanted AS MATERIALIZED (
        SELECT kind, key FROM unnest($1::text[], $2::text[]) AS w(kind, key)
    ), running AS MATERIALIZED (
        SELECT id, kind, ordering_key FROM jobs WHERE state = 3 AND ordering_key IS NOT NULL
    )
    SELECT w.kind, w.key, h.id
    FROM wanted AS w CROSS JOIN LATERAL (
        SELECT id FROM jobs
        WHERE kind = w.kind AND ordering_key = w.key AND state IN (0, 1) LIMIT 1
    ) AS h
    UNION ALL
    SELECT w.kind, w.key, r.id
    FROM wanted AS w JOIN running AS r ON r.kind = w.kind AND r.ordering_key = w.key";

async fn heads(
    tx: &mut impl Tx,
    keys: HashSet<(String, String)>,
) -> Result<HashMap<(String, String), i64>> {
    let (kinds, names): (Vec<String>, Vec<String>) = keys.into_iter().unzip();
    let rows: Vec<(String, String, i64)> = sqlx::query_as(HEADS)
        .bind(kinds)
        .bind(names)
        .fetch_all(tx.conn())
        .await?;
    let heads = rows.into_iter().map(|(kind, key, id)| ((kind, key), id));
    Ok(heads.collect())
}

async fn last_attempts(tx: &mut impl Tx, jobs: &[i64]) -> Result<HashMap<i64, LastAttempt>> {
    #[derive(FromRow)]
    struct Found {
        job_id: i64,
        #[sqlx(flatten)]
        last: LastAttempt,
    }
    let found: Vec<Found> = sqlx::query_as(
        "SELECT DISTINCT ON (job_id) job_id, outcome = 'snoozed' AS snoozed, error
         FROM job_attempts WHERE job_id = ANY($1) ORDER BY job_id, ended_at DESC",
    )
    .bind(jobs)
    .fetch_all(tx.conn())
    .await?;
    Ok(found.into_iter().map(|f| (f.job_id, f.last)).collect())
}
