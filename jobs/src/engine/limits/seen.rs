use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::super::inflight::lock;
use super::Allotment;

/// How long what was seen of a limit says something about it.
const FRESH: Duration = Duration::from_secs(1);
/// How many claims like the next one a limit has to have room for, so that it need not be asked first.
const PLENTY: usize = 4;

/// What this process last saw of the limits: a guess, which the rows confirm.
#[derive(Debug, Default)]
pub(in crate::engine) struct Seen(Mutex<HashMap<i64, (Instant, Allotment)>>);

impl Seen {
    /// Notes what the rows have left.
    pub(in crate::engine) fn note(&self, rows: &HashMap<i64, Allotment>, now: Instant) {
        let mut seen = lock(&self.0);
        seen.retain(|_, (at, _)| now.duration_since(*at) < FRESH);
        seen.extend(rows.iter().map(|(id, row)| (*id, (now, row.clone()))));
    }

    /// Forgets limits: the guess was wrong.
    pub(in crate::engine) fn forget(&self, ids: &[i64]) {
        let mut seen = lock(&self.0);
        for id in ids {
            seen.remove(id);
        }
    }

    /// What the limits look like, if all of them seem to have room for several times `jobs` attempts.
    pub(in crate::engine) fn plenty(
        &self,
        ids: &[i64],
        jobs: usize,
        now: Instant,
    ) -> Option<HashMap<i64, Allotment>> {
        let seen = lock(&self.0);
        let rows = ids.iter().map(|id| {
            let (at, row) = seen.get(id)?;
            let has_room = row.room().0 / PLENTY >= jobs;
            (now.duration_since(*at) < FRESH && has_room).then(|| (*id, row.clone()))
        });
        rows.collect()
    }
}
