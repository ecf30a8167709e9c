use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};

use super::end_sql::{END, END_KEYED, UNFENCED, UNFENCED_KEYED};
use super::{Ended, Outcome, is_fenced, note_ended};
use crate::engine::{ClaimedJob, Shared, limits};
use crate::keys::{self, Head, Key};
use crate::signal::{self, Word};

/// A row of what the statements return.
enum Row {
    /// A job ended: the claim, and the job that is seen to be next in its key.
    Gone(i64, i32, Option<i64>),
    /// Jobs of a flow were let go, which are due or not.
    Went(i64, bool, Vec<i64>),
    /// A key of a kind ended.
    Ended(Key),
}

/// By place, and of the types that the statements say, as where jobs are claimed.
impl FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        if let Some(id) = row.try_get_unchecked(0)? {
            return Ok(Self::Gone(
                id,
                row.try_get_unchecked(1)?,
                row.try_get_unchecked(2)?,
            ));
        }
        if let Some(flow) = row.try_get_unchecked(3)? {
            return Ok(Self::Went(
                flow,
                row.try_get_unchecked(4)?,
                row.try_get_unchecked(5)?,
            ));
        }
        Ok(Self::Ended((
            row.try_get_unchecked(6)?,
            row.try_get_unchecked(7)?,
        )))
    }
}

/// A job that ended.
struct Gone {
    claim: i32,
    /// Who is seen to be next in its key.
    next: Option<i64>,
}

/// What came of a batch.
#[derive(Default)]
struct End {
    /// The jobs that this process still held, by id.
    gone: BTreeMap<i64, Gone>,
    /// The jobs that were let go: their flow, and whether they are due.
    went: HashMap<i64, (i64, bool)>,
    ended_keys: HashSet<Key>,
}

impl From<Vec<Row>> for End {
    fn from(rows: Vec<Row>) -> Self {
        let mut end = Self::default();
        for row in rows {
            match row {
                Row::Gone(id, claim, next) => {
                    end.gone.insert(id, Gone { claim, next });
                }
                Row::Went(flow, is_ready, ids) => {
                    end.went
                        .extend(ids.into_iter().map(|id| (id, (flow, is_ready))));
                }
                Row::Ended(key) => {
                    end.ended_keys.insert(key);
                }
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

    /// What became of a job, if it ended by this claim: an earlier one may be in the same batch.
    fn gone(&self, job: &ClaimedJob) -> Option<&Gone> {
        let gone = self.gone.get(&job.id)?;
        (gone.claim == job.claim).then_some(gone)
    }

    /// Who was let go after a job of the batch; else the key, where somebody may have to be.
    fn after(&self, job: &ClaimedJob) -> Result<Option<Head>, Key> {
        let (Some(gone), Some(key)) = (self.gone(job), &job.ordering_key) else {
            return Ok(None);
        };
        if let Some(id) = gone.next
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
    let mut heads = Vec::new();
    let mut left = Vec::new();
    let mut permits = Vec::new();
    for Ended { job, .. } in batch {
        match end.after(job) {
            Ok(head) => heads.extend(head),
            Err(key) => left.push(key),
        }
        if end.gone(job).is_some() {
            permits.extend_from_slice(&job.permits);
        }
    }
    let mut promoted = keys::release(&mut tx, &left).await?;
    promoted.extend(heads);
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
