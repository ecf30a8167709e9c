use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use db::Db;
use domain::TenantId;
use sqlx::FromRow;

use super::super::Shared;
use super::super::inflight::lock;

/// The longest a change goes unnoticed when its signal got lost.
const EVERY: Duration = Duration::from_millis(500);
/// How far back changes are read again: a transaction may commit later than it says.
const OVERLAP_SECS: f64 = 15.0;

/// What was set, by key.
#[derive(Debug, Default)]
pub(in crate::engine) struct LimitSettings(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_key: HashMap<Arc<str>, Setting>,
    newest: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Setting {
    id: i64,
    /// A rate or a number of runs is limited: the row has to be asked.
    is_limited: bool,
    paused: Option<Pause>,
    weight: Option<f64>,
    changed_at: DateTime<Utc>,
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

    /// Fetches what was set lately; limited flows may try again when anything differs.
    pub(in crate::engine) async fn load(&self, shared: &Shared) -> db::Result<()> {
        if self.refresh(&shared.db).await? {
            let weights = self.weights();
            for lane in shared.lanes.values() {
                lock(&lane.ready).limits_set(weights.clone());
                lane.wake.notify_one();
            }
        }
        Ok(())
    }

    /// Fetches what was set lately. Says whether anything differs.
    async fn refresh(&self, db: &Db) -> db::Result<bool> {
        let newest = lock(&self.0).newest;
        let asked = Instant::now();
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, key, rate_per_second IS NOT NULL OR concurrency IS NOT NULL AS is_limited,
                    CASE WHEN paused_until = 'infinity' THEN 1e9
                         ELSE extract(epoch FROM paused_until - now())::float8 END AS paused_secs,
                    weight::float8 AS weight, changed_at
             FROM job_limits
             WHERE changed_at > coalesce($1, '-infinity'::timestamptz) - make_interval(secs => $2)",
        )
        .bind(newest)
        .bind(OVERLAP_SECS)
        // Where claims are made: handlers that have all other connections must not keep a pause from
        // being heard of while claims go on.
        .fetch_all(db.fixed())
        .await?;
        let mut inner = lock(&self.0);
        let mut differs = false;
        for row in rows {
            inner.newest = inner.newest.max(Some(row.changed_at));
            let paused = row
                .paused_secs
                .filter(|secs| *secs > 0.0)
                .map(|secs| Pause {
                    until: asked + Duration::try_from_secs_f64(secs).unwrap_or_default(),
                });
            let setting = Setting {
                id: row.id,
                is_limited: row.is_limited,
                paused,
                weight: row.weight,
                changed_at: row.changed_at,
            };
            let key: Arc<str> = Arc::from(row.key);
            let known = inner.by_key.get(&key);
            if known.is_none_or(|known| known.changed_at != setting.changed_at) {
                differs = true;
                inner.by_key.insert(key, setting);
            }
        }
        Ok(differs)
    }
}

#[derive(FromRow)]
struct Row {
    id: i64,
    key: String,
    is_limited: bool,
    paused_secs: Option<f64>,
    weight: Option<f64>,
    changed_at: DateTime<Utc>,
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
