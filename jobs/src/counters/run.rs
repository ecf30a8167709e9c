use std::sync::Arc;
use std::time::Duration;

use db::{Db, Result};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Counters, ProcessLoad, Reconciled, reconcile};

/// How often what was noted is folded.
const FOLD: Duration = Duration::from_secs(1);
/// After how many folds the depths are set right.
const RECONCILE: u32 = 60;
/// How long the last fold may take.
const LAST_FOLD: Duration = Duration::from_secs(2);

/// Folds once a second until `stop`, and once more then. A process with a session also sets the
/// depths right at its start, and every minute if its session is the oldest one alive.
pub async fn run<L>(
    db: Db,
    counters: Arc<Counters>,
    session: Option<i64>,
    load: L,
    stop: CancellationToken,
) where
    L: Fn() -> ProcessLoad + Send + Sync,
{
    let mut ticks = tokio::time::interval(FOLD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut folds = 0_u32;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        fold(&db, &counters, session, &load).await;
        if let Some(session) = session
            && folds.is_multiple_of(RECONCILE)
        {
            set_right(&db, session, folds == 0).await;
        }
        folds = folds.wrapping_add(1);
    }
    let last = fold(&db, &counters, session, &load);
    tokio::time::timeout(LAST_FOLD, last).await.ok();
}

async fn fold<L>(db: &Db, counters: &Counters, session: Option<i64>, load: &L)
where
    L: Fn() -> ProcessLoad + Send + Sync,
{
    let session = session.map(|session| (session, load()));
    if let Err(error) = counters.fold(db, session).await {
        tracing::debug!(%error, "counters could not be folded yet");
    }
}

async fn set_right(db: &Db, session: i64, is_start: bool) {
    let reconciled = async {
        if is_start || is_oldest(db, session).await? {
            return reconcile(db).await.map(Some);
        }
        Ok(None)
    };
    match reconciled.await {
        Ok(None) => {}
        Ok(Some(Reconciled::Mended(figures))) => {
            tracing::debug!(figures, "the depths were set right");
        }
        Ok(Some(Reconciled::TooMany)) => {
            tracing::debug!("there are too many jobs to set the depths right");
        }
        Err(error) => tracing::debug!(%error, "the depths could not be set right"),
    }
}

/// Whether no older session gave a sign of life in the last minute: one process at a time counts.
async fn is_oldest(db: &Db, session: i64) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT FROM worker_sessions
                            WHERE id < $1 AND seen_at > now() - interval '1 minute')",
    )
    .bind(session)
    .fetch_one(db.pool())
    .await?)
}
