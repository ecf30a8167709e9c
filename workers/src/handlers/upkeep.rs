use assistant::{Assistant, Retention, dropped_files, ingest, people, stray_files};
use chrono::{TimeDelta, Timelike as _};
use db::Partitioned;
use jobs::kinds::Upkeep;
use jobs::{Failure, JobHandle, retention};
use store::{
    embedding_cache, idempotency_keys, parked_changes, parked_statuses, presences,
    webchat_attachments, webchat_sessions,
};

/// How far ahead partitions are made.
pub(crate) const DAYS_AHEAD: i32 = 7;
/// How long an answer to a write is remembered.
const IDEMPOTENCY: TimeDelta = TimeDelta::days(1);
/// How long a report, an edit or a deletion waits for its message: a channel posts again for seven days.
const PARKED: TimeDelta = TimeDelta::days(8);
/// The hour, UTC, of what is done once a day.
const QUIET_HOUR: u32 = 3;
/// How long a visitor's file waits for its message.
const UNSENT: TimeDelta = TimeDelta::days(1);

/// Makes partitions ahead and lets go of what is out of date. Doing it twice is harmless, even at the
/// same time: partitions are made only where they are missing, and what is gone stays gone.
pub(crate) async fn run(
    assistant: &Assistant,
    _handle: &JobHandle,
    _job: Upkeep,
) -> Result<(), Failure> {
    let days = assistant.settings.retention;
    // One part that cannot be done now must not keep the others from being done.
    let parts = [
        make_partitions(assistant).await,
        drop_days(assistant, days).await,
        delete_jobs(assistant, days).await,
        delete_expired(assistant).await,
        ingest::tend_all(assistant).await,
        delete_unused_vectors(assistant, days).await,
        people::forget_old(assistant).await,
        delete_unsent_files(assistant).await,
        // Last: what the others deleted has files.
        dropped_files::sweep(assistant).await,
        delete_stray_files(assistant).await,
    ];
    for part in parts {
        part?;
    }
    Ok(())
}

async fn make_partitions(assistant: &Assistant) -> db::Result<()> {
    let made = assistant.db.ensure_partitions(DAYS_AHEAD).await?;
    if made > 0 {
        tracing::info!(made, "partitions were made ahead");
    }
    Ok(())
}

async fn drop_days(assistant: &Assistant, days: Retention) -> db::Result<()> {
    let mut outcome = Ok(());
    for (table, keep) in [
        (Partitioned::RawItems, days.raw_items_days),
        (Partitioned::JobHistory, days.job_history_days),
        (Partitioned::JobAttempts, days.job_history_days),
        (Partitioned::WebhookAttempts, days.webhook_attempts_days),
        (Partitioned::ModelCalls, days.model_calls_days),
    ] {
        match assistant.db.drop_partitions(table, keep).await {
            Ok(dropped) if dropped.days > 0 => {
                tracing::info!(
                    table = table.table(),
                    days = dropped.days,
                    "old days were dropped"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = %error, table = table.table(), "old days were not dropped");
                outcome = Err(error);
            }
        }
    }
    outcome
}

async fn delete_jobs(assistant: &Assistant, days: Retention) -> db::Result<()> {
    let db = &assistant.db;
    let dead = match days.dead_jobs_days {
        Some(days) => retention::delete_dead(db, days).await?,
        None => 0,
    };
    let minutes = retention::delete_minutes(db).await?;
    let limits = retention::delete_idle_limits(db).await?;
    if dead + minutes + limits > 0 {
        tracing::info!(dead, minutes, limits, "what the engine kept was deleted");
    }
    Ok(())
}

async fn delete_unused_vectors(assistant: &Assistant, days: Retention) -> db::Result<()> {
    let kept = TimeDelta::days(days.embedding_cache_days.get().into());
    let before = (assistant.clock.now() - kept).date_naive();
    let mut all = 0;
    loop {
        let mut tx = assistant.db.system().await?;
        let deleted = embedding_cache::delete_unused(&mut tx, before).await?;
        tx.commit().await?;
        all += deleted;
        if !embedding_cache::is_more(deleted) {
            break;
        }
    }
    if all > 0 {
        tracing::info!(vectors = all, "vectors that nobody used were deleted");
    }
    Ok(())
}

/// Lets go of visitors' files that went with no message. Rows first: a file whose row is there can be
/// read.
async fn delete_unsent_files(assistant: &Assistant) -> db::Result<()> {
    const AT_A_TIME: i64 = 500;
    let before = assistant.clock.now() - UNSENT;
    let mut all = 0;
    loop {
        let mut tx = assistant.db.system().await?;
        let deleted = webchat_attachments::delete_unsent(&mut tx, before, AT_A_TIME).await?;
        tx.commit().await?;
        all += deleted;
        if deleted == 0 {
            break;
        }
    }
    if all > 0 {
        tracing::info!(
            files = all,
            "visitors' files that were never sent were deleted"
        );
    }
    Ok(())
}

/// Lets go of files that no row leads to; once a day, for every file is asked for.
async fn delete_stray_files(assistant: &Assistant) -> db::Result<()> {
    if assistant.clock.now().hour() != QUIET_HOUR {
        return Ok(());
    }
    stray_files::sweep(assistant, stray_files::GRACE).await
}

async fn delete_expired(assistant: &Assistant) -> db::Result<()> {
    let now = assistant.clock.now();
    let mut tx = assistant.db.system().await?;
    let keys = idempotency_keys::delete_older(&mut tx, now - IDEMPOTENCY).await?;
    let parked = parked_statuses::delete_older(&mut tx, now - PARKED).await?
        + parked_changes::delete_older(&mut tx, now - PARKED).await?;
    let sessions = webchat_sessions::delete_expired(&mut tx, now).await?;
    presences::delete_older(&mut tx, now - UNSENT).await?;
    tx.commit().await?;
    if keys + parked + sessions > 0 {
        tracing::info!(keys, parked, sessions, "what was out of date was deleted");
    }
    Ok(())
}
