//! Ordering keys: who is next once the head is gone.
//!
//! A key has a row in `job_keys` from its first unfinished job to its last. One of its jobs is the
//! head, which waits for its turn or runs; the others are held.

use std::borrow::Cow;
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
        "INSERT INTO job_keys AS k (kind, key, last_seq) VALUES ($1, $2, 1)
         ON CONFLICT (kind, key) DO UPDATE SET last_seq = k.last_seq + 1
         RETURNING last_seq AS seq, last_seq = 1 AS is_head",
    )
    .bind(kind)
    .bind(key)
    .fetch_one(conn)
    .await?)
}

/// Gives back the place that this transaction took and did not need. Its number stays unused.
pub(crate) async fn unjoin(
    conn: &mut PgConnection,
    kind: &str,
    key: &str,
    place: Place,
) -> Result<()> {
    if place.is_head {
        sqlx::query("DELETE FROM job_keys WHERE kind = $1 AND key = $2")
            .bind(kind)
            .bind(key)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Jobs that came to the head of their keys.
#[derive(Debug, Default)]
pub(crate) struct Promoted(Vec<Head>);

/// A job at the head of its key.
#[derive(Debug)]
pub(crate) struct Head {
    /// Its number.
    pub(crate) id: i64,
    /// Its flow.
    pub(crate) flow: i64,
    /// Its kind.
    pub(crate) kind: Cow<'static, str>,
    /// It is due.
    pub(crate) is_ready: bool,
}

impl Extend<Head> for Promoted {
    fn extend<T: IntoIterator<Item = Head>>(&mut self, heads: T) {
        self.0.extend(heads);
    }
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

/// Lets the next job of each key go, whose head this transaction has taken away; returns those that
/// went. A key without a next job ends.
///
/// Most keys with a backlog are done by the first look, which locks and writes nothing but the jobs
/// that go: places are given out under the lock on a key's row, so no job that is still on its way
/// into the table can be before one that is there. Only where nobody is seen the row is locked,
/// which waits for enqueuers that hold it; the next look sees what they enqueued.
pub(crate) async fn release(conn: &mut PgConnection, keys: &[Key]) -> Result<Promoted> {
    let mut left = in_order(keys);
    let mut promoted = Promoted::default();
    let mut is_locked = false;
    while !left.is_empty() {
        if is_locked {
            lock_each(conn, &left).await?;
        }
        let (kinds, names) = columns(&left);
        let looks: Vec<Look> = sqlx::query_as(RELEASE)
            .bind(kinds)
            .bind(names)
            .bind(is_locked)
            .fetch_all(&mut *conn)
            .await?;
        left = looks
            .iter()
            .filter(|look| look.head.is_none() && (look.is_next_seen || !is_locked))
            .map(|look| (look.kind.clone(), look.key.clone()))
            .collect();
        promoted
            .0
            .extend(looks.into_iter().filter_map(Look::into_head));
        is_locked = true;
    }
    Ok(promoted)
}

/// The job that was seen to be next may be gone by the time it is written: somebody cancelled it.
///
/// Its state is checked where no planner sees it, so that rows are found by id alone. A key that ends
/// is locked by this transaction, so its row is where it was seen.
pub(crate) const RELEASE: &str = "
    WITH next AS MATERIALIZED (
        SELECT f.kind, f.key, held.id
        FROM unnest($1::text[], $2::text[]) AS f(kind, key) LEFT JOIN LATERAL (
            SELECT id FROM jobs
            WHERE kind = f.kind AND ordering_key = f.key AND state = 2
            ORDER BY ordering_seq LIMIT 1
        ) AS held ON true
    ), ended AS (
        DELETE FROM job_keys WHERE $3 AND ctid = ANY(ARRAY(
            SELECT k.ctid FROM next AS n CROSS JOIN LATERAL (
                SELECT ctid FROM job_keys WHERE kind = n.kind AND key = n.key OFFSET 0
            ) AS k
            WHERE n.id IS NULL))
    ), promoted AS (
        UPDATE jobs AS j SET state = CASE WHEN j.run_at <= now() THEN 0 ELSE 1 END
        WHERE j.id = ANY(ARRAY(SELECT id FROM next WHERE id IS NOT NULL))
          AND CASE WHEN j.state = 2 THEN true ELSE false END
        RETURNING j.id, j.flow, j.state = 0 AS is_ready
    )
    SELECT n.kind, n.key, n.id IS NOT NULL AS is_next_seen, p.id AS head, p.flow, p.is_ready
    FROM next AS n LEFT JOIN promoted AS p ON p.id = n.id";

/// What came of a look at a key.
#[derive(sqlx::FromRow)]
struct Look {
    kind: String,
    key: String,
    is_next_seen: bool,
    head: Option<i64>,
    flow: Option<i64>,
    is_ready: Option<bool>,
}

impl Look {
    fn into_head(self) -> Option<Head> {
        Some(Head {
            id: self.head?,
            flow: self.flow?,
            kind: self.kind.into(),
            is_ready: self.is_ready?,
        })
    }
}

/// Locks keys in order, so that two who lock several cannot block each other.
pub(crate) async fn lock(conn: &mut PgConnection, keys: &[Key]) -> Result<()> {
    lock_each(conn, &in_order(keys)).await
}

fn in_order(keys: &[Key]) -> Vec<Key> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys
}

async fn lock_each(conn: &mut PgConnection, keys: &[Key]) -> Result<()> {
    let (kinds, names) = columns(keys);
    sqlx::query(LOCK)
        .bind(kinds)
        .bind(names)
        .execute(conn)
        .await?;
    Ok(())
}

/// One key after the other, each found by itself.
pub(crate) const LOCK: &str = "
    SELECT 1 FROM unnest($1::text[], $2::text[]) AS f(kind, key) CROSS JOIN LATERAL (
        SELECT 1 FROM job_keys AS k WHERE k.kind = f.kind AND k.key = f.key FOR UPDATE
    ) AS locked";

fn columns(keys: &[Key]) -> (Vec<&str>, Vec<&str>) {
    keys.iter()
        .map(|(kind, key)| (kind.as_str(), key.as_str()))
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_a_flow_are_said_in_one_word() {
        let head = |id, flow, is_ready| Head {
            id,
            flow,
            kind: "probe".into(),
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
