use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use db::{Result, Tx};
use domain::{Cursor, Page, TenantId, UnknownName};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

/// Where a job stands, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waits for a slot.
    Ready,
    /// Waits for its time: a delay or a backoff.
    Scheduled,
    /// Waits behind the head of its ordering key.
    Held,
    /// In the hands of a worker.
    Running,
    /// Finished.
    Done,
    /// Ended without need.
    Cancelled,
    /// Given up.
    Dead,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::Scheduled,
        Self::Held,
        Self::Running,
        Self::Done,
        Self::Cancelled,
        Self::Dead,
    ];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Scheduled => "scheduled",
            Self::Held => "held",
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| UnknownName {
                what: "job state",
                name: name.to_owned(),
            })
    }
}

/// Which jobs to list; what is `None` does not narrow.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only of this tenant.
    pub tenant: Option<TenantId>,
}

/// A job as operators see it.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Its number.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// Its lane: `interactive` or `bulk`.
    pub lane: &'static str,
    /// Where it stands.
    pub state: JobState,
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// Attempts begun.
    pub attempt: i16,
    /// After how many it is dead.
    pub max_attempts: i16,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// Not before.
    pub run_at: Option<DateTime<Utc>>,
    /// When the latest attempt began.
    pub claimed_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Its ordering key.
    pub ordering_key: Option<String>,
    /// Why the latest attempt did not finish it, or why it is dead.
    pub error: Option<String>,
    /// Why it is not running, in words; `None` when it runs or has ended.
    pub waiting_because: Option<String>,
    /// What it is about.
    pub payload: serde_json::Value,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    kind: String,
    lane: i16,
    state: String,
    tenant_id: Option<Uuid>,
    attempt: i16,
    max_attempts: i16,
    created_at: DateTime<Utc>,
    run_at: Option<DateTime<Utc>>,
    claimed_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    ordering_key: Option<String>,
    error: Option<String>,
    payload: serde_json::Value,
    held_by: Option<i64>,
}

impl TryFrom<Row> for JobView {
    type Error = db::Error;

    fn try_from(row: Row) -> Result<Self> {
        let state: JobState = row
            .state
            .parse()
            .map_err(|_| db::Error::corrupt("state of a job"))?;
        let waiting_because = match state {
            JobState::Ready => Some("waits for a free worker of its lane".to_owned()),
            JobState::Scheduled if row.attempt > 0 => {
                Some("backoff after a failed attempt".to_owned())
            }
            JobState::Scheduled => Some("scheduled".to_owned()),
            JobState::Held => Some(match row.held_by {
                Some(id) => format!("ordering key held by job {id}"),
                None => "ordering key held by another job".to_owned(),
            }),
            JobState::Running | JobState::Done | JobState::Cancelled | JobState::Dead => None,
        };
        Ok(Self {
            id: row.id,
            kind: row.kind,
            lane: if row.lane == 0 { "interactive" } else { "bulk" },
            state,
            tenant: row.tenant_id.map(Into::into),
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            created_at: row.created_at,
            run_at: row.run_at,
            claimed_at: row.claimed_at,
            finished_at: row.finished_at,
            ordering_key: row.ordering_key,
            error: row.error,
            waiting_because,
            payload: row.payload,
        })
    }
}

/// The three tables a job can be in, as one shape. `$filter` stands inside each, so that each uses
/// its own index on id.
const PARTS: [(&str, &str); 3] = [
    (
        "SELECT j.id, j.kind, j.lane,
                (ARRAY['ready', 'scheduled', 'held', 'running'])[j.state + 1] AS state,
                j.tenant_id, j.attempt, j.max_attempts, j.created_at, j.run_at, j.claimed_at,
                NULL::timestamptz AS finished_at, j.ordering_key, j.last_error AS error, j.payload,
                CASE WHEN j.state = 2 THEN (
                    SELECT h.id FROM jobs AS h
                    WHERE h.kind = j.kind AND h.ordering_key = j.ordering_key
                      AND h.ordering_seq < j.ordering_seq
                    ORDER BY h.ordering_seq LIMIT 1) END AS held_by
         FROM jobs AS j WHERE true",
        "(ARRAY['ready', 'scheduled', 'held', 'running'])[j.state + 1]",
    ),
    (
        "SELECT j.id, j.kind, j.lane, j.outcome AS state, j.tenant_id, j.attempt, j.max_attempts,
                j.created_at, NULL AS run_at, j.claimed_at, j.finished_at, j.ordering_key,
                NULL AS error, j.payload, NULL::bigint AS held_by
         FROM job_history AS j WHERE true",
        "j.outcome",
    ),
    (
        "SELECT j.id, j.kind, j.lane, 'dead' AS state, j.tenant_id, j.attempt, j.max_attempts,
                j.created_at, NULL AS run_at, j.claimed_at, j.died_at AS finished_at,
                j.ordering_key, j.reason AS error, j.payload, NULL::bigint AS held_by
         FROM dead_jobs AS j WHERE true",
        "'dead'",
    ),
];

/// Lists jobs, newest first.
///
/// # Errors
/// Those of the database; a search that takes longer than five seconds is `Unavailable`.
pub async fn list(
    tx: &mut impl Tx,
    filter: &JobFilter,
    after: Option<i64>,
    limit: usize,
) -> Result<Page<JobView>> {
    sqlx::query("SET LOCAL statement_timeout = '5s'")
        .execute(tx.conn())
        .await?;
    let wanted = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut query = QueryBuilder::new("SELECT * FROM (");
    for (nth, (select, state)) in PARTS.into_iter().enumerate() {
        query
            .push(if nth == 0 { "(" } else { " UNION ALL (" })
            .push(select);
        if let Some(kind) = &filter.kind {
            query.push(" AND j.kind = ").push_bind(kind);
        }
        if let Some(wanted_state) = filter.state {
            query
                .push(" AND ")
                .push(state)
                .push(" = ")
                .push_bind(wanted_state.as_str());
        }
        if let Some(tenant) = filter.tenant {
            query
                .push(" AND j.tenant_id = ")
                .push_bind(tenant.as_uuid());
        }
        if let Some(after) = after {
            query.push(" AND j.id < ").push_bind(after);
        }
        query
            .push(" ORDER BY j.id DESC LIMIT ")
            .push_bind(wanted)
            .push(")");
    }
    query
        .push(") AS found ORDER BY id DESC LIMIT ")
        .push_bind(wanted);
    let rows: Vec<Row> = query.build_query_as().fetch_all(tx.conn()).await?;
    let views = rows
        .into_iter()
        .map(JobView::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(views, limit, |job| Cursor::after(job.id)))
}

/// Finds one job, wherever it is; with `tenant`, only one of that tenant's.
///
/// # Errors
/// Those of the database.
pub async fn get(tx: &mut impl Tx, id: i64, tenant: Option<TenantId>) -> Result<Option<JobView>> {
    let mut query = QueryBuilder::new("SELECT * FROM (");
    for (nth, (select, _)) in PARTS.into_iter().enumerate() {
        query
            .push(if nth == 0 { "(" } else { " UNION ALL (" })
            .push(select);
        query.push(" AND j.id = ").push_bind(id);
        if let Some(tenant) = tenant {
            query
                .push(" AND j.tenant_id = ")
                .push_bind(tenant.as_uuid());
        }
        query.push(")");
    }
    query.push(") AS found LIMIT 1");
    let row: Option<Row> = query.build_query_as().fetch_optional(tx.conn()).await?;
    row.map(JobView::try_from).transpose()
}

/// One attempt of a job that did not finish it.
#[derive(Clone, Debug, FromRow)]
pub struct AttemptView {
    /// Which attempt, from 1.
    pub attempt: i16,
    /// When it began.
    pub claimed_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How it ended: `retry`, `snoozed`, `dead`, `panicked`, `timed_out`, `crashed`.
    pub outcome: String,
    /// Why.
    pub error: Option<String>,
}

/// Lists the attempts of a job that did not finish it, in order, at most 100.
///
/// # Errors
/// Those of the database.
pub async fn attempts(tx: &mut impl Tx, id: i64) -> Result<Vec<AttemptView>> {
    Ok(sqlx::query_as(
        "SELECT attempt, claimed_at, ended_at, outcome, error FROM job_attempts
         WHERE job_id = $1 ORDER BY ended_at LIMIT 100",
    )
    .bind(id)
    .fetch_all(tx.conn())
    .await?)
}
