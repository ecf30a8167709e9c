//! The upkeep, as the schedule starts it.

use std::num::NonZeroU32;
use std::sync::Arc;

use assistant::{Retention, Settings};
use chrono::TimeDelta;
use domain::RawOutcome;
use jobs::schedules;
use llm::HashedNgrams;
use serde_json::json;
use sqlx::AssertSqlSafe;
use store::parked_changes::NEVER_CAME;
use store::raw_items;

use crate::changes::{post, wire};
use crate::stage::{PATIENCE, Stage, settings};

/// Keeps the history and calls to models for 10 days, items for 20, attempts at webhooks for 30, and dead jobs as given.
async fn stage(dead_jobs_days: Option<u32>) -> Stage {
    let mut stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    let days = |days| NonZeroU32::new(days).unwrap();
    let retention = Retention {
        job_history_days: days(10),
        dead_jobs_days: dead_jobs_days.map(days),
        raw_items_days: days(20),
        webhook_attempts_days: days(30),
        embedding_cache_days: days(20),
        model_calls_days: days(10),
    };
    let settings = Settings::clone(&stage.assistant.settings);
    stage.assistant.settings = Arc::new(Settings {
        retention,
        ..settings
    });
    stage
}

async fn execute(stage: &Stage, statement: &str) {
    sqlx::query(AssertSqlSafe(statement))
        .execute(stage.database.pool())
        .await
        .unwrap();
}

/// Rows of each table that ended 5, 15, 25 and 35 days ago.
async fn fill(stage: &Stage) {
    let contact = "INSERT INTO contacts (id, tenant_id, channel_id, external_id)
         SELECT gen_random_uuid(), tenant_id, id, 'ana' FROM channels";
    execute(stage, contact).await;
    for statement in [
        "INSERT INTO job_history (finished_at, id, kind, lane, outcome, attempt, max_attempts,
                                  created_at, payload)
         SELECT now() - n * interval '1 day', n, 'probe', 1, 'done', 1, 3, now(), '{}'",
        "INSERT INTO job_attempts (ended_at, job_id, attempt, outcome)
         SELECT now() - n * interval '1 day', n, 1, 'retry'",
        "INSERT INTO raw_items (received_at, id, channel_kind)
         SELECT now() - n * interval '1 day', gen_random_uuid(), 'webchat'",
        "INSERT INTO webhook_attempts (attempted_at, id, tenant_id, delivery_id, duration_ms)
         SELECT now() - n * interval '1 day', gen_random_uuid(), gen_random_uuid(),
                gen_random_uuid(), 1",
        "INSERT INTO model_calls (started_at, id, tenant_id, purpose, provider, account, model,
                                  own_key, is_fallback, outcome, input_tokens, cached_tokens,
                                  cache_written_tokens, output_tokens, is_estimated, duration_ms)
         SELECT now() - n * interval '1 day', gen_random_uuid(), gen_random_uuid(), 'answer', 'p',
                'p', 'm', false, false, 'completed', 1, 0, 0, 1, false, 1",
        "INSERT INTO dead_jobs (died_at, id, kind, lane, priority, reason, attempt, max_attempts,
                                created_at, payload)
         SELECT now() - n * interval '1 day', n, 'probe', 1, 0, 'x', 1, 1, now(), '{}'",
        "INSERT INTO embedding_cache (last_used_on, tenant_id, model, text_hash, embedding)
         SELECT (now() AT TIME ZONE 'UTC' - n * interval '1 day')::date, (SELECT id FROM tenants),
                'm', sha256(n::text::bytea), '[1]'",
        "INSERT INTO parked_changes (created_at, id, tenant_id, channel_id, contact_id, direction,
                                     external_id, content, occurred_at)
         SELECT now() - n * interval '1 day', gen_random_uuid(), (SELECT id FROM tenants),
                (SELECT id FROM channels), (SELECT id FROM contacts), 'inbound', 'm' || n,
                '{\"type\": \"revoke\", \"target\": \"m\"}', now()",
        "INSERT INTO job_minutes (minute, kind) SELECT now() - n * interval '1 day', 'probe'",
    ] {
        let statement = format!("{statement} FROM unnest(ARRAY[5, 15, 25, 35]) AS n");
        execute(stage, &statement).await;
    }
}

/// How many days ago the rows of each table ended.
async fn ages(stage: &Stage, table: &str, column: &str, rows: &str) -> Vec<i32> {
    let statement = format!(
        "SELECT extract(day FROM now() - {column})::int FROM {table} WHERE {rows} ORDER BY 1"
    );
    sqlx::query_scalar(AssertSqlSafe(statement))
        .fetch_all(stage.database.pool())
        .await
        .unwrap()
}

/// Waits until so many runs of the upkeep are done.
async fn upkeep_done(stage: &Stage, runs: i64) {
    let done = async {
        loop {
            let count: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM job_history WHERE kind = 'upkeep' AND outcome = 'done'",
            )
            .fetch_one(stage.database.pool())
            .await
            .unwrap();
            if count == runs {
                return;
            }
            // Polling another task's table: there is nothing to be notified by.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.unwrap();
}

async fn expect_kept(stage: &Stage, dead: &[i32]) {
    let kept = async |table, column| ages(stage, table, column, "true").await;
    let history = ages(stage, "job_history", "finished_at", "kind = 'probe'").await;
    assert_eq!(history, [5]);
    assert_eq!(kept("job_attempts", "ended_at").await, [5]);
    assert_eq!(kept("raw_items", "received_at").await, [5, 15]);
    assert_eq!(kept("webhook_attempts", "attempted_at").await, [5, 15, 25]);
    assert_eq!(kept("embedding_cache", "last_used_on").await, [5, 15]);
    assert_eq!(kept("model_calls", "started_at").await, [5]);
    // Whatever the settings say: a channel posts again for seven days.
    assert_eq!(kept("parked_changes", "created_at").await, [5]);
    assert_eq!(kept("dead_jobs", "died_at").await, dead);
    // The upkeep's own minute may be there by then.
    let minutes = ages(stage, "job_minutes", "minute", "kind = 'probe'").await;
    assert_eq!(minutes, [5]);
}

#[tokio::test]
async fn upkeep_runs_at_the_first_start_and_keeps_what_the_settings_say() {
    let mut stage = stage(Some(20)).await;
    fill(&stage).await;
    stage.work().await;
    upkeep_done(&stage, 1).await;
    expect_kept(&stage, &[5, 15]).await;
    // Once more changes nothing.
    let mut tx = stage.assistant.db.system().await.unwrap();
    let asked = schedules::run_now(&mut tx, &schedules::kinds(), "upkeep").await;
    assert!(!asked.unwrap().duplicate);
    tx.commit().await.unwrap();
    upkeep_done(&stage, 2).await;
    expect_kept(&stage, &[5, 15]).await;
}

#[tokio::test]
async fn dead_jobs_may_be_kept_for_ever_and_what_expires_by_the_clock_goes() {
    let mut stage = stage(None).await;
    fill(&stage).await;
    let expired = stage.assistant.clock.now() - TimeDelta::days(2);
    sqlx::query(
        "INSERT INTO idempotency_keys (id, request_hash, created_at)
         SELECT sha256(n::text::bytea), sha256('x'), $1 - n * interval '1 day'
         FROM unnest(ARRAY[-2, 0]) AS n",
    )
    .bind(expired)
    .execute(stage.database.pool())
    .await
    .unwrap();
    stage.work().await;
    upkeep_done(&stage, 1).await;
    expect_kept(&stage, &[5, 15, 25, 35]).await;
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotency_keys")
        .fetch_one(stage.database.pool())
        .await
        .unwrap();
    assert_eq!(keys, 1);
}

#[tokio::test]
async fn workers_start_and_make_partitions_where_there_are_none() {
    let mut stage = stage(None).await;
    execute(
        &stage,
        "DO $$ DECLARE child regclass; BEGIN
             FOR child IN SELECT inhrelid FROM pg_inherits JOIN pg_class ON oid = inhrelid
                 WHERE relname ~ '_[0-9]{8}$'
             LOOP EXECUTE format('DROP TABLE %s', child); END LOOP;
         END $$",
    )
    .await;
    stage.work().await;
    let made: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_inherits JOIN pg_class ON oid = inhrelid
         WHERE relname ~ '_[0-9]{8}$' AND relkind = 'r'",
    )
    .fetch_one(stage.database.pool())
    .await
    .unwrap();
    assert_eq!(made, 5 * 8);
    upkeep_done(&stage, 1).await;
}

#[tokio::test]
async fn files_that_visitors_never_sent_go_after_a_day() {
    let mut stage = stage(None).await;
    let tenant = stage.tenant;
    let files = stage.assistant.files.clone();
    let now = stage.assistant.clock.now();
    let mut keys = Vec::new();
    for (age_hours, sent_at) in [(25, "NULL"), (25, "now()"), (23, "NULL")] {
        let content = futures::stream::iter([Ok::<_, std::io::Error>("words".into())]);
        let key = files.put_stream(tenant, content, 10).await.unwrap().key;
        execute(
            &stage,
            &format!(
                "INSERT INTO webchat_attachments (id, tenant_id, channel_id, session_id, visitor_id,
                                                  file_key, name, media_type, size_bytes, sha256,
                                                  created_at, sent_at)
                 SELECT gen_random_uuid(), tenant_id, id, gen_random_uuid(), 'v', '{key}', 'a.txt',
                        'text/plain', 5, sha256('a'), '{now}'::timestamptz - {age_hours} * interval '1 hour', {sent_at}
                 FROM channels LIMIT 1"
            ),
        )
        .await;
        keys.push(key);
    }
    stage.work().await;
    upkeep_done(&stage, 1).await;
    let mut there = Vec::new();
    for key in &keys {
        there.push(files.open(key).await.is_ok());
    }
    assert_eq!(there, [false, true, true]);
}

#[tokio::test]
async fn a_change_whose_message_never_comes_is_shown_to_operators_when_it_is_let_go() {
    let mut stage = stage(None).await;
    stage.work().await;
    upkeep_done(&stage, 1).await;
    let gone = json!({"original_message_id": "wamid.gone"});
    post(&stage, wire(&stage, "wamid.a", "revoke", &gone)).await;
    stage.rest_in_peace().await;
    assert_eq!(stage.count("raw_items WHERE outcome = 'done'").await, 1);
    execute(
        &stage,
        "UPDATE parked_changes SET created_at = now() - interval '9 days'",
    )
    .await;
    let mut tx = stage.assistant.db.system().await.unwrap();
    schedules::run_now(&mut tx, &schedules::kinds(), "upkeep")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    upkeep_done(&stage, 2).await;
    assert_eq!(stage.count("parked_changes").await, 0);
    let mut tx = stage.assistant.db.system().await.unwrap();
    let shown = raw_items::list(&mut tx, RawOutcome::Failed, None, 10).await;
    let shown = shown.unwrap().data;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0].error.as_deref(), Some(NEVER_CAME));
    let payload = shown[0].payload.as_ref().unwrap().to_string();
    assert!(payload.contains("wamid.gone"), "{payload}");
}
