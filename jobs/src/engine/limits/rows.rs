use std::collections::HashMap;

use chrono::{DateTime, Utc};
use db::Result;
use sqlx::{FromRow, PgConnection};

use super::Allotment;

#[derive(FromRow)]
struct Row {
    id: i64,
    rate_per_second: Option<f64>,
    tokens: f64,
    concurrency: Option<i32>,
    running: i32,
    paused_secs: f64,
    at: DateTime<Utc>,
    begun_secs: f64,
}

/// Limits whose rows this transaction has locked.
#[derive(Debug)]
pub(in crate::engine) struct Locked {
    pub(in crate::engine) rows: HashMap<i64, Allotment>,
    /// The moment up to which their tokens are counted; `None` without a row.
    pub(in crate::engine) at: Option<DateTime<Utc>>,
    /// How long before that the transaction began, in seconds.
    pub(in crate::engine) begun_secs: f64,
}

impl Locked {
    /// Notes that `jobs` attempts begin, which the transaction stamped when it began. False: one of
    /// the limits has no room for them, or had none then.
    pub(in crate::engine) fn take_since_begin(&mut self, limits: &[i64], jobs: usize) -> bool {
        limits.iter().all(|id| {
            let row = self.rows.get_mut(id);
            row.is_some_and(|row| row.take_since(jobs, self.begun_secs))
        })
    }
}

/// What to do about a row that somebody else has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Busy {
    /// Leave it out.
    Skip,
    /// Wait: everybody locks limits last, and in the order of their ids.
    Wait,
}

macro_rules! lock_sql {
    ($busy:literal) => {
        concat!(
            "SELECT id, rate_per_second, concurrency, running, statement_timestamp() AS at,
                    extract(epoch FROM statement_timestamp() - now())::float8 AS begun_secs,
                    least(coalesce(burst, 0), tokens + coalesce(rate_per_second, 0) * greatest(
                        extract(epoch FROM statement_timestamp() - refilled_at)::float8, 0)
                    ) AS tokens,
                    CASE WHEN paused_until = 'infinity' THEN 1e9
                         ELSE coalesce(
                             extract(epoch FROM paused_until - statement_timestamp())::float8, 0)
                    END AS paused_secs
             FROM job_limits
             WHERE id = ANY($1)
             ORDER BY id FOR UPDATE ",
            $busy
        )
    };
}

/// Locks rows, in the order of their ids, and reads what they have at this moment.
pub(in crate::engine) async fn lock_rows(
    conn: &mut PgConnection,
    ids: &[i64],
    busy: Busy,
) -> Result<Locked> {
    let sql = match busy {
        Busy::Skip => lock_sql!("SKIP LOCKED"),
        Busy::Wait => lock_sql!(""),
    };
    let rows: Vec<Row> = sqlx::query_as(sql).bind(ids).fetch_all(conn).await?;
    let first = rows.first();
    let (at, begun_secs) = (first.map(|row| row.at), first.map(|row| row.begun_secs));
    let rows = rows.into_iter().map(|row| {
        let allotment = Allotment {
            id: row.id,
            rate_per_second: row.rate_per_second,
            tokens: row.tokens,
            concurrency: row.concurrency,
            running: row.running,
            paused_secs: row.paused_secs,
        };
        (row.id, allotment)
    });
    Ok(Locked {
        rows: rows.collect(),
        at,
        begun_secs: begun_secs.unwrap_or_default(),
    })
}

/// Writes what is left of the rows that [`lock_rows`] locked. A bucket that somebody filled later
/// than `at`, just before it was locked, keeps its time.
pub(in crate::engine) async fn take(
    conn: &mut PgConnection,
    rows: &HashMap<i64, Allotment>,
    at: DateTime<Utc>,
) -> Result<()> {
    let mut ids = Vec::with_capacity(rows.len());
    let mut tokens = Vec::with_capacity(rows.len());
    let mut running = Vec::with_capacity(rows.len());
    for row in rows.values() {
        ids.push(row.id);
        tokens.push(row.tokens);
        running.push(row.running);
    }
    sqlx::query(
        "UPDATE job_limits AS l SET tokens = r.tokens, running = r.running,
             refilled_at = greatest(l.refilled_at, $4)
         FROM unnest($1::bigint[], $2::float8[], $3::integer[]) AS r(id, tokens, running)
         WHERE l.id = r.id",
    )
    .bind(ids)
    .bind(tokens)
    .bind(running)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a token of each of these rates for a job that began with its transaction, if all of them have
/// one and had one then. What somebody else has locked has none.
pub(in crate::engine) async fn take_one(conn: &mut PgConnection, ids: &[i64]) -> Result<bool> {
    let taken = sqlx::query(
        "WITH found AS MATERIALIZED (
             SELECT id, statement_timestamp() AS at,
                    least(burst, tokens + rate_per_second * greatest(
                        extract(epoch FROM statement_timestamp() - refilled_at)::float8, 0)
                    ) - 1 AS left_over,
                    rate_per_second * greatest(
                        extract(epoch FROM statement_timestamp() - now())::float8, 0) AS gained,
                    concurrency IS NULL AND coalesce(paused_until <= statement_timestamp(), true)
                        AS is_open
             FROM job_limits
             WHERE id = ANY($1)
             ORDER BY id FOR UPDATE SKIP LOCKED
         )
         UPDATE job_limits AS l SET tokens = f.left_over, refilled_at = greatest(l.refilled_at, f.at)
         FROM found AS f
         WHERE l.id = f.id AND (
             SELECT count(*) = cardinality($1)
                 AND bool_and(is_open AND coalesce(left_over >= gained, false))
             FROM found)",
    )
    .bind(ids)
    .execute(conn)
    .await?;
    Ok(taken.rows_affected() > 0)
}

/// Takes ended runs off the limits that counted them. `permits` names a limit once for each run.
pub(crate) async fn release(conn: &mut PgConnection, permits: &[i64]) -> Result<()> {
    if permits.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "WITH ended AS (
             SELECT id, count(*)::integer AS runs FROM unnest($1::bigint[]) AS p(id) GROUP BY id
         ), locked AS MATERIALIZED (
             SELECT id FROM job_limits WHERE id = ANY($1) ORDER BY id FOR UPDATE
         )
         UPDATE job_limits AS l SET running = greatest(l.running - e.runs, 0)
         FROM ended AS e JOIN locked USING (id) WHERE l.id = e.id",
    )
    .bind(permits)
    .execute(conn)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    use testkit::TestDb;

    use super::*;

    /// A bucket, and claims: after how many seconds, and for how many jobs.
    type Case = (f64, i32, Vec<(f64, usize)>);

    fn cases() -> impl Strategy<Value = Case> {
        let claims = prop::collection::vec((0.0_f64..8.0, 0_usize..12), 1..25);
        (0.05_f64..5.0, 1_i32..10, claims)
    }

    /// Lets time pass for every bucket.
    async fn pass(conn: &mut PgConnection, secs: f64) {
        sqlx::query("UPDATE job_limits SET refilled_at = refilled_at - make_interval(secs => $1)")
            .bind(secs)
            .execute(conn)
            .await
            .unwrap();
    }

    /// Plays one case against the table and against a bucket as the books have it.
    async fn play(database: &TestDb, (rate, burst, claims): Case) {
        let case = format!("{rate} a second, {burst} at once, {claims:?}");
        let mut conn = database.pool().acquire().await.unwrap();
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO job_limits (key, rate_per_second, burst, tokens, refilled_at)
             VALUES ('test:' || gen_random_uuid(), $1, $2, $2, clock_timestamp()) RETURNING id",
        )
        .bind(rate)
        .bind(burst)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
        let (begun, most) = (Instant::now(), f64::from(burst));
        let mut tokens = most;
        for (secs, wanted) in claims {
            pass(&mut conn, secs).await;
            tokens = most.min(tokens + rate * secs);
            let mut locked = lock_rows(&mut conn, &[id], Busy::Wait).await.unwrap();
            let row = locked.rows.get_mut(&id).unwrap();
            // The test takes time itself, which the books do not know.
            let slack = rate * begun.elapsed().as_secs_f64() + 1e-4;
            assert!(
                row.tokens >= tokens - 1e-4,
                "{} of {tokens}: {case}",
                row.tokens
            );
            assert!(
                row.tokens <= most.min(tokens + slack) + 1e-4,
                "{} of {tokens}: {case}",
                row.tokens
            );
            let jobs = wanted.min(row.room().0);
            row.take(jobs);
            #[expect(clippy::cast_precision_loss, reason = "a dozen at most")]
            let taken = jobs as f64;
            assert!(row.tokens >= 0.0, "{case}");
            take(&mut conn, &locked.rows, locked.at.unwrap())
                .await
                .unwrap();
            tokens = (tokens - taken).max(0.0);
        }
    }

    #[tokio::test]
    async fn a_row_that_has_no_rate_any_more_gives_no_token() {
        let database = TestDb::new().await;
        let mut conn = database.pool().acquire().await.unwrap();
        let ids: Vec<i64> = sqlx::query_scalar(
            "INSERT INTO job_limits (key, rate_per_second, burst, weight, tokens)
             VALUES ('test:rate', 1, 5, NULL, 5), ('test:weight', NULL, NULL, 2, 0) RETURNING id",
        )
        .fetch_all(&mut *conn)
        .await
        .unwrap();
        assert!(take_one(&mut conn, &ids[..1]).await.unwrap());
        assert!(!take_one(&mut conn, &ids).await.unwrap());
    }

    #[tokio::test]
    async fn buckets_fill_by_their_rate_whenever_they_are_asked() {
        let database = TestDb::new().await;
        let mut runner = TestRunner::default();
        for _ in 0..40 {
            let case = cases().new_tree(&mut runner).unwrap().current();
            play(&database, case).await;
        }
    }
}
