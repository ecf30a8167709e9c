use std::collections::{BTreeMap, HashMap, HashSet};

use super::end_sql::{END, END_KEYED, UNFENCED, UNFENCED_KEYED};
use super::{Ended, Outcome, is_fenced, note_ended};
use crate::engine::{ClaimedJob, Shared, limits};
use crate::keys::{self, Head, Key, Promoted};
use crate::signal::{self, Word};

/// A row of what the statements return: a job that ended, one that was let go, or a key that ended.
#[derive(sqlx::FromRow)]
struct Row {
    id: Option<i64>,
    /// The job that is seen to be next in the key of the one that ended.
    next: Option<i64>,
    /// Of one that was let go.
    flow: Option<i64>,
    is_ready: Option<bool>,
    ended_kind: Option<String>,
    ended_key: Option<String>,
}

/// What came of a batch.
#[derive(Default)]
struct End {
    /// The jobs that this process still held, by id, each with the next of its key.
    gone: BTreeMap<i64, Option<i64>>,
    /// The jobs that were let go: their flow, and whether they are due.
    went: HashMap<i64, (i64, bool)>,
    ended_keys: HashSet<Key>,
}

impl From<Vec<Row>> for End {
    fn from(rows: Vec<Row>) -> Self {
        let mut end = Self::default();
        for row in rows {
            match (row.id, row.flow, row.is_ready) {
                (Some(id), Some(flow), Some(is_ready)) => {
                    end.went.insert(id, (flow, is_ready));
                }
                (Some(id), ..) => {
                    end.gone.insert(id, row.next);
                }
                (None, ..) => end.ended_keys.extend(row.ended_kind.zip(row.ended_key)),
            }
        }
        end
    }
}

impl End {
    /// Sorted.
    fn ids(&self) -> Vec<i64> {
        self.gone.keys().copied().collect()
    }

    /// Who was let go after a job of the batch; else the key, where somebody may have to be.
    fn after(&self, job: &ClaimedJob) -> Result<Option<Head>, Key> {
        let (Some(next), Some(key)) = (self.gone.get(&job.id), &job.ordering_key) else {
            return Ok(None);
        };
        if let Some(id) = *next
            && let Some(&(flow, is_ready)) = self.went.get(&id)
        {
            let kind = job.kind.into();
            return Ok(Some(Head {
                id,
                flow,
                kind,
                is_ready,
            }));
        }
        let key = (job.kind.to_owned(), key.clone());
        if self.ended_keys.contains(&key) {
            return Ok(None);
        }
        Err(key)
    }
}

/// Ends jobs.
async fn end<'e, E>(
    shared: &Shared,
    executor: E,
    batch: &[Ended],
    sql: &'static str,
) -> db::Result<End>
where
    E: sqlx::PgExecutor<'e>,
{
    let ids: Vec<i64> = batch.iter().map(|ended| ended.job.id).collect();
    let claims: Vec<i32> = batch.iter().map(|ended| ended.job.claim).collect();
    let reasons: Vec<Option<&str>> = batch
        .iter()
        .map(|ended| match &ended.outcome {
            Outcome::Cancelled { reason } => Some(reason.as_str()),
            _ => None,
        })
        .collect();
    let rows: Vec<Row> = sqlx::query_as(sql)
        .bind(ids)
        .bind(claims)
        .bind(reasons)
        .bind(shared.session.id)
        .fetch_all(executor)
        .await?;
    for Ended { job, outcome, .. } in batch {
        if let Outcome::Cancelled { reason } = outcome {
            tracing::info!(job.id = job.id, job.kind = %job.kind, %reason, "a job was cancelled");
        }
    }
    Ok(rows.into())
}

/// Ends jobs that hold nothing.
pub(super) async fn free(shared: &Shared, batch: &[Ended]) -> db::Result<()> {
    let sql = if is_fenced() { END } else { UNFENCED };
    let end = end(shared, shared.db.fixed(), batch, sql).await?;
    note_ended(shared, batch, &end.ids());
    Ok(())
}

/// Ends jobs that hold ordering keys or are counted by limits, and lets both go.
pub(super) async fn held(shared: &Shared, batch: &[Ended]) -> db::Result<()> {
    let mut tx = shared.db.begin_fixed().await?;
    let sql = if is_fenced() {
        END_KEYED
    } else {
        UNFENCED_KEYED
    };
    let end = end(shared, &mut *tx, batch, sql).await?;
    let mut promoted = Promoted::default();
    let mut left = Vec::new();
    let mut permits = Vec::new();
    for Ended { job, .. } in batch {
        match end.after(job) {
            Ok(head) => promoted.extend(head),
            Err(key) => left.push(key),
        }
        if end.gone.contains_key(&job.id) {
            permits.extend_from_slice(&job.permits);
        }
    }
    promoted.extend(keys::release(&mut tx, &left).await?);
    // Claims hold it while they have limits locked, and wait for nothing then.
    let _gate = if permits.is_empty() {
        None
    } else {
        Some(shared.limits_gate.lock().await)
    };
    limits::release(&mut tx, &permits).await?;
    tx.commit().await?;
    note_ended(shared, batch, &end.ids());
    shared.notes.promoted(&promoted);
    let mut words = promoted.words();
    permits.sort_unstable();
    permits.dedup();
    words.extend(permits.into_iter().map(Word::Room));
    if !words.is_empty() {
        shared.db.signal(signal::say(words));
    }
    Ok(())
}
