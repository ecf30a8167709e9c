use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use db::Db;
use domain::TenantId;
use sqlx::{FromRow, PgConnection};

use super::super::Shared;
use super::super::inflight::lock;
use super::rows::Locked;

/// The longest a change goes unnoticed when its signal got lost.
const EVERY: Duration = Duration::from_millis(500);
/// How old what is known may be where a job is to begin by it. It gets older than [`EVERY`] where the
/// process stood still, or its connection says nothing.
const OLDEST: Duration = Duration::from_secs(1);
/// How far back changes are read again: a transaction may commit later than it says.
const OVERLAP_SECS: f64 = 15.0;
/// How often everything is read: rows that were deleted are forgotten then.
const WHOLE_EVERY: Duration = Duration::from_mins(15);

/// What was set, by key.
#[derive(Debug, Default)]
pub(in crate::engine) struct LimitSettings(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_key: HashMap<Arc<str>, Setting>,
    newest: Option<DateTime<Utc>>,
    /// When everything was read last.
    whole_at: Option<Instant>,
    /// When what is known was asked for.
    asked_at: Option<Instant>,
    /// When it was last heard that something was set.
    doubted_at: Option<Instant>,
}

impl Inner {
    fn is_in_doubt(&self, now: Instant) -> bool {
        let is_old = |at: Instant| now.saturating_duration_since(at) > OLDEST;
        self.doubted_at >= self.asked_at || self.asked_at.is_some_and(is_old)
    }
}

/// How much of the table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// What was set lately.
    Lately,
    /// All of it.
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Setting {
    id: i64,
    /// A rate or a number of runs is limited: the row has to be asked.
    is_limited: bool,
    /// The number of runs is limited.
    counts_runs: bool,
    paused: Option<Pause>,
    weight: Option<f64>,
    changed_at: DateTime<Utc>,
}

impl Setting {
    fn is_paused(&self, now: Instant) -> bool {
        self.paused.is_some_and(|pause| pause.until > now)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Pause {
    /// Far away for one without an end.
    until: Instant,
}

/// What holds for a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Holding {
    /// Rows to ask before a claim.
    pub(in crate::engine) limits: Vec<i64>,
    /// A pause, by the id of its row, and when it ends.
    pub(in crate::engine) paused: Option<(i64, Instant)>,
}

impl LimitSettings {
    /// What holds for jobs with these keys.
    pub(in crate::engine) fn holding(&self, keys: &[Arc<str>], now: Instant) -> Holding {
        let inner = lock(&self.0);
        let mut holding = Holding::default();
        if inner.by_key.is_empty() {
            return holding;
        }
        for setting in keys.iter().filter_map(|key| inner.by_key.get(key)) {
            if setting.is_limited {
                holding.limits.push(setting.id);
            }
            if let Some(pause) = setting.paused.filter(|pause| pause.until > now)
                && holding.paused.is_none_or(|(_, until)| until < pause.until)
            {
                holding.paused = Some((setting.id, pause.until));
            }
        }
        holding
    }

    /// Something was set, and is not known yet.
    pub(in crate::engine) fn doubt(&self, now: Instant) {
        lock(&self.0).doubted_at = Some(now);
    }

    /// Whether something was set that is not known yet, or may have been.
    pub(in crate::engine) fn is_in_doubt(&self, now: Instant) -> bool {
        lock(&self.0).is_in_doubt(now)
    }

    /// The rates that have to be asked before a job with these keys begins, the last `own` of which it
    /// names itself. `None`: more than rates stands in its way, or it is not known what does.
    pub(in crate::engine) fn rates(
        &self,
        keys: &[Arc<str>],
        own: usize,
        now: Instant,
    ) -> Option<Vec<i64>> {
        let inner = lock(&self.0);
        if inner.is_in_doubt(now) {
            return None;
        }
        let mut rates = Vec::new();
        for (nth, key) in keys.iter().enumerate() {
            match inner.by_key.get(key) {
                Some(setting) if setting.counts_runs || setting.is_paused(now) => return None,
                Some(setting) if setting.is_limited => rates.push(setting.id),
                // It may have been set in the very transaction that enqueues the job.
                None if nth + own >= keys.len() => return None,
                Some(_) | None => {}
            }
        }
        Some(rates)
    }

    fn weights(&self) -> HashMap<TenantId, f64> {
        lock(&self.0)
            .by_key
            .iter()
            .filter_map(|(key, setting)| {
                let tenant = key.strip_prefix("tenant:")?.parse().ok()?;
                Some((tenant, setting.weight?))
            })
            .collect()
    }

    /// Forgets those of the limits `asked` that have no row any more: they are not among the `locked`,
    /// as those that somebody else has locked. Who has a key without a row is not limited by it.
    pub(in crate::engine) async fn forget_gone(
        &self,
        conn: &mut PgConnection,
        asked: &[i64],
        locked: &Locked,
    ) -> db::Result<()> {
        let missing = asked.iter().filter(|id| !locked.rows.contains_key(id));
        let missing: Vec<i64> = missing.copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let there: Vec<i64> = sqlx::query_scalar("SELECT id FROM job_limits WHERE id = ANY($1)")
            .bind(&missing)
            .fetch_all(conn)
            .await?;
        let is_gone = |id: &i64| missing.contains(id) && !there.contains(id);
        lock(&self.0)
            .by_key
            .retain(|_, setting| !is_gone(&setting.id));
        Ok(())
    }

    /// How much to read next.
    fn extent(&self, now: Instant) -> Extent {
        match lock(&self.0).whole_at {
            Some(at) if now.duration_since(at) < WHOLE_EVERY => Extent::Lately,
            _ => Extent::Whole,
        }
    }

    /// Fetches what was set lately, and everything from time to time; limited flows may try again when
    /// anything differs.
    pub(in crate::engine) async fn load(&self, shared: &Shared) -> db::Result<()> {
        let extent = self.extent(Instant::now());
        if self.refresh(&shared.db, extent).await? {
            let weights = self.weights();
            for lane in shared.lanes.values() {
                lock(&lane.ready).limits_set(weights.clone());
                lane.wake.notify_one();
            }
        }
        Ok(())
    }

    /// Fetches what was set. Says whether anything differs.
    async fn refresh(&self, db: &Db, extent: Extent) -> db::Result<bool> {
        let since = match extent {
            Extent::Lately => lock(&self.0).newest,
            Extent::Whole => None,
        };
        let asked = Instant::now();
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, key, rate_per_second IS NOT NULL OR concurrency IS NOT NULL AS is_limited,
                    concurrency IS NOT NULL AS counts_runs,
                    CASE WHEN paused_until = 'infinity' THEN 1e9
                         ELSE extract(epoch FROM paused_until - now())::float8 END AS paused_secs,
                    weight::float8 AS weight, changed_at
             FROM job_limits
             WHERE changed_at > coalesce($1, '-infinity'::timestamptz) - make_interval(secs => $2)",
        )
        .bind(since)
        .bind(OVERLAP_SECS)
        // Where claims are made: handlers that have all other connections must not keep a pause from
        // being heard of while claims go on.
        .fetch_all(db.fixed())
        .await?;
        // Pauses count from here: from when they were asked for they would end before their time, by as
        // long as the answer took.
        let read = Instant::now();
        let there: Option<HashSet<i64>> =
            (extent == Extent::Whole).then(|| rows.iter().map(|row| row.id).collect());
        let mut inner = lock(&self.0);
        inner.asked_at = Some(asked);
        let mut differs = false;
        for row in rows {
            inner.newest = inner.newest.max(Some(row.changed_at));
            let (key, setting) = row.into_setting(read);
            let known = inner.by_key.get(&key);
            if known.is_none_or(|known| known.changed_at != setting.changed_at) {
                differs = true;
                inner.by_key.insert(key, setting);
            }
        }
        if let Some(there) = there {
            let known = inner.by_key.len();
            inner
                .by_key
                .retain(|_, setting| there.contains(&setting.id));
            differs |= inner.by_key.len() < known;
            inner.whole_at = Some(asked);
        }
        Ok(differs)
    }
}

#[derive(FromRow)]
struct Row {
    id: i64,
    key: String,
    is_limited: bool,
    counts_runs: bool,
    paused_secs: Option<f64>,
    weight: Option<f64>,
    changed_at: DateTime<Utc>,
}

impl Row {
    /// The key and what was set, as of the moment `read`.
    fn into_setting(self, read: Instant) -> (Arc<str>, Setting) {
        let paused = self
            .paused_secs
            .filter(|secs| *secs > 0.0)
            .map(|secs| Pause {
                until: read + Duration::try_from_secs_f64(secs).unwrap_or_default(),
            });
        let setting = Setting {
            id: self.id,
            is_limited: self.is_limited,
            counts_runs: self.counts_runs,
            paused,
            weight: self.weight,
            changed_at: self.changed_at,
        };
        (Arc::from(self.key), setting)
    }
}

/// Keeps what was set fresh.
pub(in crate::engine) async fn refresh_for_ever(shared: Arc<Shared>) {
    loop {
        tokio::time::timeout(EVERY, shared.wake_limits.notified())
            .await
            .ok();
        if let Err(error) = shared.limits.load(&shared).await {
            tracing::debug!(error = %error, "limits could not be looked up");
        }
    }
}

#[cfg(test)]
mod tests {
    use db::DbOptions;
    use testkit::TestDb;

    use super::super::{Busy, lock_rows};
    use super::*;

    fn keys(settings: &LimitSettings) -> Vec<String> {
        let mut keys: Vec<String> = lock(&settings.0)
            .by_key
            .keys()
            .map(ToString::to_string)
            .collect();
        keys.sort_unstable();
        keys
    }

    /// A database with three limits, and what is known of them.
    async fn three() -> (TestDb, Db, LimitSettings) {
        let database = TestDb::new().await;
        sqlx::query(
            "INSERT INTO job_limits (key, rate_per_second, burst)
             VALUES ('test:1', 1, 1), ('test:2', 1, 1), ('test:3', 1, 1)",
        )
        .execute(database.pool())
        .await
        .unwrap();
        let db = Db::connect_lazy(&DbOptions::new(database.url())).unwrap();
        let settings = LimitSettings::default();
        assert!(settings.refresh(&db, Extent::Whole).await.unwrap());
        assert_eq!(keys(&settings), ["test:1", "test:2", "test:3"]);
        (database, db, settings)
    }

    #[tokio::test]
    async fn rows_that_were_deleted_are_forgotten_when_everything_is_read() {
        let (database, db, settings) = three().await;
        sqlx::query("DELETE FROM job_limits WHERE key = 'test:2'")
            .execute(database.pool())
            .await
            .unwrap();
        assert!(!settings.refresh(&db, Extent::Lately).await.unwrap());
        assert_eq!(keys(&settings).len(), 3, "a deletion is no change");
        assert!(settings.refresh(&db, Extent::Whole).await.unwrap());
        assert_eq!(keys(&settings), ["test:1", "test:3"]);
        let read = Instant::now();
        assert_eq!(settings.extent(read), Extent::Lately);
        assert_eq!(settings.extent(read + WHOLE_EVERY), Extent::Whole);
    }

    #[tokio::test]
    async fn nothing_begins_by_what_was_known_more_than_a_second_ago() {
        let (_database, _db, settings) = three().await;
        // Known as of then, however long the answer took.
        let asked = lock(&settings.0).asked_at.unwrap();
        assert!(!settings.is_in_doubt(asked + OLDEST));
        assert_eq!(settings.rates(&[], 0, asked + OLDEST), Some(Vec::new()));
        let later = asked + OLDEST + Duration::from_nanos(1);
        assert!(settings.is_in_doubt(later));
        assert_eq!(settings.rates(&[], 0, later), None);
    }

    #[tokio::test]
    async fn a_pause_does_not_end_before_its_time_however_long_it_took_to_read_it() {
        let (database, db, settings) = three().await;
        let pause =
            "UPDATE job_limits SET paused_until = now() + interval '1 hour', changed_at = now()
                     WHERE key = 'test:2'";
        sqlx::query(pause).execute(database.pool()).await.unwrap();
        let most = db.fixed().options().get_max_connections();
        let mut taken = Vec::new();
        for _ in 0..most {
            taken.push(db.fixed().acquire().await.unwrap());
        }
        let giving_back = async {
            // While it waits for a connection the time of the pause goes on.
            tokio::time::sleep(Duration::from_millis(500)).await;
            taken.clear();
        };
        let (read, ()) = tokio::join!(settings.refresh(&db, Extent::Lately), giving_back);
        assert!(read.unwrap());
        let asked = Instant::now();
        let left: f64 = sqlx::query_scalar(
            "SELECT extract(epoch FROM paused_until - clock_timestamp())::float8 FROM job_limits
             WHERE key = 'test:2'",
        )
        .fetch_one(database.pool())
        .await
        .unwrap();
        let (_, until) = settings
            .holding(&[Arc::from("test:2")], asked)
            .paused
            .unwrap();
        assert!(until >= asked + Duration::from_secs_f64(left));
    }

    #[tokio::test]
    async fn of_what_a_claim_missed_only_what_is_gone_is_forgotten() {
        let (database, db, settings) = three().await;
        sqlx::query("DELETE FROM job_limits WHERE key = 'test:2'")
            .execute(database.pool())
            .await
            .unwrap();
        let mut other = database.pool().begin().await.unwrap();
        let busy = lock_rows(&mut other, &[1], Busy::Wait).await.unwrap();
        assert_eq!(busy.rows.len(), 1);
        let asked = [1, 2, 3];
        let mut tx = db.begin_fixed().await.unwrap();
        let locked = lock_rows(&mut tx, &asked, Busy::Skip).await.unwrap();
        assert!(locked.rows.contains_key(&3) && locked.rows.len() == 1);
        settings
            .forget_gone(&mut tx, &asked, &locked)
            .await
            .unwrap();
        assert_eq!(keys(&settings), ["test:1", "test:3"]);
    }
}
