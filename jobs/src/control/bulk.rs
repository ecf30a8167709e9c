use db::{Db, Tx};
use sqlx::{Postgres, QueryBuilder};

use super::cancel::{cancel, cancel_batch};
use super::redrive::redrive_batch;
use super::retry::{retry, retry_batch};
use super::{ControlError, InvalidField, Result};
use crate::inspect::{JobFilter, JobState, Table, limit_time};

/// How many jobs one transaction takes.
const BATCH: usize = 500;
/// How far a count goes, and how many jobs one call takes.
const MOST: usize = 10_000;

/// What can be done to all jobs that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkAction {
    /// Cancel what waits or runs.
    Cancel,
    /// Run at once what waits for its time.
    Retry,
    /// Run again what is dead.
    Redrive,
}

/// How many jobs match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many, up to 10,000.
    pub jobs: usize,
    /// Whether there are more.
    pub more: bool,
}

/// What a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkDone {
    /// Jobs that were cancelled, asked to be, made ready or revived.
    pub jobs: usize,
    /// Whether some may be left: call again.
    pub remaining: bool,
}

impl BulkAction {
    const fn table(self) -> Table {
        match self {
            Self::Cancel | Self::Retry => Table::Hot,
            Self::Redrive => Table::Dead,
        }
    }

    /// Which jobs it can be done to, beside the filter.
    const fn condition(self) -> &'static str {
        match self {
            Self::Cancel => " AND (j.state <> 3 OR j.cancel_requested_at IS NULL)",
            Self::Retry => " AND j.state = 1 AND j.cancel_requested_at IS NULL",
            Self::Redrive => "",
        }
    }

    const fn applies_to(self, state: JobState) -> bool {
        match self {
            Self::Cancel => Table::Hot.holds(state),
            Self::Retry => matches!(state, JobState::Scheduled),
            Self::Redrive => Table::Dead.holds(state),
        }
    }

    fn check(self, filter: &JobFilter) -> Result<()> {
        let fits = filter.state.is_none_or(|state| self.applies_to(state));
        if fits {
            Ok(())
        } else {
            let detail = "is one that this action does nothing about";
            Err(InvalidField::new("state", detail).into())
        }
    }
}

/// Counts the jobs that an action would hit, up to 10,000.
///
/// # Errors
/// `Invalid` for a state that the action has nothing to do with.
pub async fn count_matching(
    tx: &mut impl Tx,
    action: BulkAction,
    filter: &JobFilter,
) -> Result<Count> {
    action.check(filter)?;
    limit_time(tx).await?;
    if !filter.reaches(action.table()) {
        return Ok(Count {
            jobs: 0,
            more: false,
        });
    }
    let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT 1");
    push_matching(&mut query, action, filter);
    query.push(" LIMIT ").push(MOST + 1).push(") AS matching");
    let query = query.build_query_scalar().persistent(false);
    let count: i64 = query.fetch_one(tx.conn()).await?;
    let jobs = usize::try_from(count).unwrap_or(0);
    Ok(Count {
        jobs: jobs.min(MOST),
        more: jobs > MOST,
    })
}

/// Does an action to the jobs that match, 500 a transaction and 10,000 a call.
///
/// With `tenant_implied` the filter's tenant is the caller and no choice of it. A filter that may hit
/// everything, because it names no more than a state, a lane or times, needs the count that [`count_matching`] gave. An error after the first transaction
/// leaves what was done before it done: call again.
///
/// # Errors
/// `Unconfirmed` with the count, or `Invalid` as in [`count_matching`].
pub async fn act_on_matching(
    db: &Db,
    action: BulkAction,
    filter: &JobFilter,
    tenant_implied: bool,
    confirmed: Option<usize>,
    reason: &str,
) -> Result<BulkDone> {
    action.check(filter)?;
    if !filter.narrows(tenant_implied) {
        let mut tx = db.system().await?;
        let count = count_matching(&mut tx, action, filter).await?;
        if confirmed != Some(count.jobs) {
            return Err(ControlError::Unconfirmed { count });
        }
    }
    let mut done = BulkDone {
        jobs: 0,
        remaining: false,
    };
    let (mut after, mut seen) = (0, 0);
    while filter.reaches(action.table()) {
        let ids = next_ids(db, action, filter, after).await?;
        let Some(last) = ids.last().copied() else {
            break;
        };
        if seen >= MOST {
            done.remaining = true;
            break;
        }
        done.jobs += act(db, action, &ids, reason).await?;
        seen += ids.len();
        after = last;
    }
    Ok(done)
}

fn push_matching(query: &mut QueryBuilder<Postgres>, action: BulkAction, filter: &JobFilter) {
    let table = match action.table() {
        Table::Dead => "dead_jobs",
        _ => "jobs",
    };
    query.push(" FROM ").push(table).push(" AS j WHERE true");
    query.push(action.condition());
    filter.push(query, action.table());
}

async fn next_ids(db: &Db, action: BulkAction, filter: &JobFilter, after: i64) -> Result<Vec<i64>> {
    let mut tx = db.system().await?;
    limit_time(&mut tx).await?;
    let mut query = QueryBuilder::new("SELECT j.id");
    push_matching(&mut query, action, filter);
    query.push(" AND j.id > ").push_bind(after);
    query.push(" ORDER BY j.id LIMIT ").push(BATCH);
    let query = query.build_query_scalar().persistent(false);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Does the action to a batch without waiting for rows that others hold, then to those one by one:
/// who waits with many rows in hand can block others in a circle.
async fn act(db: &Db, action: BulkAction, ids: &[i64], reason: &str) -> Result<usize> {
    let mut tx = db.system().await?;
    limit_time(&mut tx).await?;
    let done = match action {
        BulkAction::Cancel => cancel_batch(&mut tx, ids, reason).await?,
        BulkAction::Retry => retry_batch(&mut tx, ids).await?,
        BulkAction::Redrive => redrive_batch(&mut tx, ids).await?,
    };
    tx.commit().await?;
    let mut count = done.len();
    let left = ids.iter().filter(|id| !done.contains(id));
    for id in left {
        let mut tx = db.system().await?;
        let acted = match action {
            BulkAction::Cancel => cancel(&mut tx, *id, None, reason).await.map(drop),
            BulkAction::Retry => retry(&mut tx, *id, None).await,
            // Whoever holds a dead job redrives it.
            BulkAction::Redrive => continue,
        };
        match acted {
            Ok(()) => {
                tx.commit().await?;
                count += 1;
            }
            // It has moved on by itself.
            Err(ControlError::Conflict { .. } | ControlError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}
