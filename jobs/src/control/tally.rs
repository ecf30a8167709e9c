use std::collections::BTreeMap;

use db::Result;
use sqlx::PgConnection;

use crate::counters::{Place, add_depths};

/// How an operation moves the counters, to be written by its own transaction: what an operator did
/// shows in the next overview, whichever process did it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    depths: BTreeMap<(String, Place), i64>,
    cancelled: BTreeMap<String, i64>,
}

impl Tally {
    pub(super) fn left(&mut self, kind: &str, place: Place) {
        self.add(kind, place, -1);
    }

    pub(super) fn came(&mut self, kind: &str, place: Place) {
        self.add(kind, place, 1);
    }

    pub(super) fn cancelled(&mut self, kind: &str) {
        *self.cancelled.entry(kind.to_owned()).or_default() += 1;
    }

    fn add(&mut self, kind: &str, place: Place, jobs: i64) {
        *self.depths.entry((kind.to_owned(), place)).or_default() += jobs;
    }

    /// Writes the changes down. The last statement of a transaction: others fold into these rows.
    pub(super) async fn write(self, conn: &mut PgConnection) -> Result<()> {
        let changes = || self.depths.iter().filter(|(_, jobs)| **jobs != 0);
        let kinds: Vec<&str> = changes().map(|((kind, _), _)| kind.as_str()).collect();
        let states: Vec<i16> = changes().map(|((_, place), _)| place.number()).collect();
        let jobs: Vec<i64> = changes().map(|(_, jobs)| *jobs).collect();
        if !kinds.is_empty() {
            add_depths(&mut *conn, kinds, states, jobs).await?;
        }
        let (kinds, jobs): (Vec<&str>, Vec<i64>) = self
            .cancelled
            .iter()
            .map(|(kind, jobs)| (kind.as_str(), *jobs))
            .unzip();
        if !kinds.is_empty() {
            sqlx::query(
                "INSERT INTO job_minutes AS m (minute, kind, cancelled)
                 SELECT date_trunc('minute', now()), kind, jobs
                 FROM unnest($1::text[], $2::bigint[]) AS f(kind, jobs)
                 ORDER BY kind COLLATE \"C\"
                 ON CONFLICT (minute, kind) DO UPDATE
                 SET cancelled = m.cancelled + excluded.cancelled",
            )
            .bind(kinds)
            .bind(jobs)
            .execute(conn)
            .await?;
        }
        Ok(())
    }
}
