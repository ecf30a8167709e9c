use db::{Result, Tx};
use domain::{Cursor, Page, TenantId};
use sqlx::{Postgres, QueryBuilder};

use super::facts::Facts;
use super::filter::Table;
use super::view::Row;
use super::waiting::explain;
use super::{JobFilter, JobState, JobView, limit_time};

/// The tables a job can be in, as one shape.
const HOT: &str = "
    SELECT j.id, j.kind, j.lane,
           (ARRAY['ready', 'scheduled', 'held', 'running'])[j.state + 1] AS state, j.priority,
           j.tenant_id, j.attempt, j.max_attempts, j.created_at, j.run_at, j.claimed_at,
           NULL::timestamptz AS finished_at, j.deadline_at, j.cancel_requested_at,
           j.ordering_key, j.limit_key_1, j.limit_key_2, j.unique_key, j.session_id,
           j.last_error AS error, j.payload, j.run_at <= now() AS due
    FROM jobs AS j WHERE true";
const HISTORY: &str = "
    SELECT j.id, j.kind, j.lane, j.outcome AS state, j.priority, j.tenant_id, j.attempt,
           j.max_attempts, j.created_at, j.run_at, j.claimed_at, j.finished_at,
           NULL::timestamptz AS deadline_at, NULL::timestamptz AS cancel_requested_at,
           j.ordering_key, j.limit_key_1, j.limit_key_2, NULL::text AS unique_key, j.session_id,
           j.reason AS error, j.payload, true AS due
    FROM job_history AS j WHERE true";
const DEAD: &str = "
    SELECT j.id, j.kind, j.lane, 'dead' AS state, j.priority, j.tenant_id, j.attempt,
           j.max_attempts, j.created_at, j.run_at, j.claimed_at, j.died_at AS finished_at,
           NULL::timestamptz AS deadline_at, NULL::timestamptz AS cancel_requested_at,
           j.ordering_key, j.limit_key_1, j.limit_key_2, NULL::text AS unique_key, j.session_id,
           j.reason AS error, j.payload, true AS due
    FROM dead_jobs AS j WHERE true";

/// What is read of one table: its columns, and a condition that leads to an index.
struct Part(Table, &'static str, &'static str);

/// The parts that a filter needs. A tenant's waiting jobs have an index of their own, which leaves
/// out the running ones: there are never more of those than slots.
fn parts(filter: &JobFilter) -> Vec<Part> {
    let mut parts = Vec::new();
    if filter.reaches(Table::Hot) {
        if filter.tenant.is_some() && filter.state.is_none() {
            parts.push(Part(Table::Hot, HOT, " AND j.state <> 3"));
            parts.push(Part(Table::Hot, HOT, " AND j.state = 3"));
        } else {
            parts.push(Part(Table::Hot, HOT, ""));
        }
    }
    if filter.reaches(Table::History) {
        parts.push(Part(Table::History, HISTORY, ""));
    }
    if filter.reaches(Table::Dead) {
        parts.push(Part(Table::Dead, DEAD, ""));
    }
    parts
}

/// The statement of a page: each table gives at most a page by its own index, the newest of all are
/// the page. The limit stands in the text, where the planner sees it.
pub(super) fn page_query(
    filter: &JobFilter,
    after: Option<i64>,
    wanted: usize,
) -> Option<QueryBuilder<Postgres>> {
    let mut query = QueryBuilder::new("SELECT * FROM (");
    let mut union = "(";
    for Part(table, select, condition) in parts(filter) {
        query.push(union).push(select).push(condition);
        filter.push(&mut query, table);
        if let Some(after) = after {
            query.push(" AND j.id < ").push_bind(after);
        }
        query
            .push(" ORDER BY j.id DESC LIMIT ")
            .push(wanted)
            .push(")");
        union = " UNION ALL (";
    }
    query
        .push(") AS found ORDER BY id DESC LIMIT ")
        .push(wanted);
    (union != "(").then_some(query)
}

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
    limit_time(tx).await?;
    let rows: Vec<Row> = match page_query(filter, after, limit + 1) {
        // Planned with its values every time: a plan for any value would be one for none.
        Some(mut query) => {
            let query = query.build_query_as().persistent(false);
            query.fetch_all(tx.conn()).await?
        }
        None => Vec::new(),
    };
    let views = explained(tx, rows).await?;
    Ok(Page::from_rows(views, limit, |job| Cursor::after(job.id)))
}

/// Finds one job, wherever it is; with `tenant`, only one of that tenant's.
///
/// # Errors
/// Those of the database.
pub async fn get(tx: &mut impl Tx, id: i64, tenant: Option<TenantId>) -> Result<Option<JobView>> {
    limit_time(tx).await?;
    let mut query = QueryBuilder::new("");
    for (nth, select) in [HOT, DEAD, HISTORY].into_iter().enumerate() {
        query.push(if nth == 0 { "" } else { " UNION ALL " });
        query.push(select).push(" AND j.id = ").push_bind(id);
        if let Some(tenant) = tenant {
            query
                .push(" AND j.tenant_id = ")
                .push_bind(tenant.as_uuid());
        }
    }
    query.push(" LIMIT 1");
    let row: Option<Row> = query.build_query_as().fetch_optional(tx.conn()).await?;
    let views = explained(tx, row.into_iter().collect()).await?;
    Ok(views.into_iter().next())
}

async fn explained(tx: &mut impl Tx, rows: Vec<Row>) -> Result<Vec<JobView>> {
    let facts = Facts::gather(tx, &rows).await?;
    rows.into_iter()
        .map(|row| {
            let state: JobState = row.state()?;
            let waiting = explain(&row, state, &facts);
            row.view(waiting)
        })
        .collect()
}
