//! Ordering keys: who is next once the head is gone.

use db::Result;
use sqlx::PgConnection;

/// Takes one finished job off each (kind, key) and lets the next one of the key go. Says whether
/// any went.
///
/// The first statement waits for enqueuers that hold a key; the second one's snapshot then sees
/// what they enqueued. Keys are locked in order, so that two finishers cannot block each other.
pub(super) async fn release(conn: &mut PgConnection, keys: &[(String, String)]) -> Result<bool> {
    if keys.is_empty() {
        return Ok(false);
    }
    let (kinds, names): (Vec<&str>, Vec<&str>) = keys
        .iter()
        .map(|(kind, key)| (kind.as_str(), key.as_str()))
        .unzip();
    sqlx::query(
        "SELECT 1 FROM job_keys AS k
         JOIN unnest($1::text[], $2::text[]) AS f(kind, key) ON k.kind = f.kind AND k.key = f.key
         ORDER BY k.kind, k.key FOR UPDATE OF k",
    )
    .bind(&kinds)
    .bind(&names)
    .execute(&mut *conn)
    .await?;
    let promoted = sqlx::query(
        "WITH freed AS (
             SELECT kind, key, count(*) AS finished
             FROM unnest($1::text[], $2::text[]) AS f(kind, key) GROUP BY kind, key
         ), emptied AS (
             DELETE FROM job_keys AS k USING freed AS f
             WHERE k.kind = f.kind AND k.key = f.key AND k.depth <= f.finished
         ), counted AS (
             UPDATE job_keys AS k SET depth = k.depth - f.finished FROM freed AS f
             WHERE k.kind = f.kind AND k.key = f.key AND k.depth > f.finished
         )
         UPDATE jobs AS j SET state = CASE WHEN j.run_at <= now() THEN 0 ELSE 1 END
         FROM freed AS f CROSS JOIN LATERAL (
             SELECT id FROM jobs
             WHERE kind = f.kind AND ordering_key = f.key AND state = 2
             ORDER BY ordering_seq LIMIT 1
         ) AS head
         WHERE j.id = head.id",
    )
    .bind(&kinds)
    .bind(&names)
    .execute(conn)
    .await?
    .rows_affected();
    Ok(promoted > 0)
}
