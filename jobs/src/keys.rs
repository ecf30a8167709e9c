//! Ordering keys: who is next once the head is gone.

use db::Result;
use sqlx::PgConnection;

use crate::signal::Word;

/// A kind and an ordering key within it.
pub(crate) type Key = (String, String);

/// Takes one finished head off each key and lets the next job of the key go. Returns what to say
/// of those that went, once the transaction is committed.
///
/// The first statement waits for enqueuers that hold a key; the second one's snapshot then sees
/// what they enqueued. Keys are locked in order, so that two finishers cannot block each other.
pub(crate) async fn release(conn: &mut PgConnection, keys: &[Key]) -> Result<Vec<Word>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (kinds, names) = lock(conn, keys).await?;
    let promoted: Vec<(i64, i64, bool)> = sqlx::query_as(
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
         WHERE j.id = head.id
         RETURNING j.flow, j.id, j.state = 0",
    )
    .bind(&kinds)
    .bind(&names)
    .fetch_all(conn)
    .await?;
    let words = promoted.into_iter().map(|(flow, id, ready)| {
        if ready {
            Word::Flow { flow, id }
        } else {
            Word::Due
        }
    });
    Ok(words.collect())
}

/// Takes held jobs off their keys: they were never at the head, so nobody else may go.
pub(crate) async fn leave(conn: &mut PgConnection, keys: &[Key]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let (kinds, names) = lock(conn, keys).await?;
    sqlx::query(
        "WITH gone AS (
             SELECT kind, key, count(*) AS jobs
             FROM unnest($1::text[], $2::text[]) AS g(kind, key) GROUP BY kind, key
         ), emptied AS (
             DELETE FROM job_keys AS k USING gone AS g
             WHERE k.kind = g.kind AND k.key = g.key AND k.depth <= g.jobs
         )
         UPDATE job_keys AS k SET depth = k.depth - g.jobs FROM gone AS g
         WHERE k.kind = g.kind AND k.key = g.key AND k.depth > g.jobs",
    )
    .bind(kinds)
    .bind(names)
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks keys in order, so that two who lock several cannot block each other.
pub(crate) async fn lock<'k>(
    conn: &mut PgConnection,
    keys: &'k [Key],
) -> Result<(Vec<&'k str>, Vec<&'k str>)> {
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
    .execute(conn)
    .await?;
    Ok((kinds, names))
}
