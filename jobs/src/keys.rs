//! Ordering keys: who is next once the head is gone.

use std::collections::HashMap;

use db::Result;
use sqlx::PgConnection;

use crate::signal::Word;

/// A kind and an ordering key within it.
pub(crate) type Key = (String, String);

/// A job's place in its ordering key.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(crate) struct Place {
    /// Its number; lower goes first.
    pub(crate) seq: i64,
    /// Nobody is before it.
    pub(crate) is_head: bool,
}

/// Takes the last place of a key, and the lock on its row until the transaction ends.
pub(crate) async fn join(conn: &mut PgConnection, kind: &str, key: &str) -> Result<Place> {
    Ok(sqlx::query_as(
        "INSERT INTO job_keys AS k (kind, key, last_seq, depth) VALUES ($1, $2, 1, 1)
         ON CONFLICT (kind, key) DO UPDATE SET last_seq = k.last_seq + 1, depth = k.depth + 1
         RETURNING last_seq AS seq, depth = 1 AS is_head",
    )
    .bind(kind)
    .bind(key)
    .fetch_one(conn)
    .await?)
}

/// Gives back the place that this transaction took and did not need.
pub(crate) async fn unjoin(conn: &mut PgConnection, kind: &str, key: &str) -> Result<()> {
    sqlx::query("UPDATE job_keys SET depth = depth - 1 WHERE kind = $1 AND key = $2")
        .bind(kind)
        .bind(key)
        .execute(conn)
        .await?;
    Ok(())
}

/// Jobs that came to the head of their keys.
#[derive(Debug, Default)]
pub(crate) struct Promoted(Vec<Head>);

/// A job at the head of its key.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Head {
    id: i64,
    flow: i64,
    /// Its kind.
    pub(crate) kind: String,
    /// It is due.
    pub(crate) is_ready: bool,
}

impl Promoted {
    /// The jobs.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Head> {
        self.0.iter()
    }

    /// What to say of them, once the transaction is committed: a word for each flow, not for each of
    /// its jobs. A signal of too many words would have everybody look everywhere.
    pub(crate) fn words(&self) -> Vec<Word> {
        let mut lowest: HashMap<i64, i64> = HashMap::new();
        for head in self.0.iter().filter(|head| head.is_ready) {
            let id = lowest.entry(head.flow).or_insert(head.id);
            *id = head.id.min(*id);
        }
        let flows = lowest.into_iter();
        let mut words: Vec<Word> = flows.map(|(flow, id)| Word::Flow { flow, id }).collect();
        if self.0.iter().any(|head| !head.is_ready) {
            words.push(Word::Due);
        }
        words
    }
}

/// Takes one finished head off each key and lets the next job of the key go; returns those that
/// went.
///
/// The first statement waits for enqueuers that hold a key; the second one's snapshot then sees
/// what they enqueued. Keys are locked in order, so that two finishers cannot block each other.
pub(crate) async fn release(conn: &mut PgConnection, keys: &[Key]) -> Result<Promoted> {
    if keys.is_empty() {
        return Ok(Promoted::default());
    }
    let (kinds, names) = lock(conn, keys).await?;
    let promoted = sqlx::query_as(
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
         RETURNING j.id, j.flow, j.kind, j.state = 0 AS is_ready",
    )
    .bind(&kinds)
    .bind(&names)
    .fetch_all(conn)
    .await?;
    Ok(Promoted(promoted))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_a_flow_are_said_in_one_word() {
        let head = |id, flow, is_ready| Head {
            id,
            flow,
            kind: "probe".to_owned(),
            is_ready,
        };
        let ready = (1..=500).map(|id| head(1000 - id, 7, true));
        let later = [head(3, 7, false), head(4, 7, false)];
        let promoted = Promoted(ready.chain(later).collect());
        assert_eq!(
            promoted.words(),
            [Word::Flow { flow: 7, id: 500 }, Word::Due]
        );
    }
}
