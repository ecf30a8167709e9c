use db::Result;
use sqlx::FromRow;

use super::{Ended, Outcome, is_fenced, note_ended};
use crate::engine::{Shared, limits};
use crate::signal;
use crate::signal::Word;

/// Puts jobs back: at once, or until their wait is over. The fence stands as where jobs end.
macro_rules! again_sql {
    ($fence:literal) => {
        concat!(
            "WITH ended AS (
                 SELECT * FROM unnest($1::bigint[], $2::integer[], $3::float8[], $4::text[],
                                      $5::text[], $6::bool[])
                     AS e(id, claims, after, outcome, error, give_back)
             ), moved AS (
                 UPDATE jobs AS j SET
                     state = CASE WHEN e.after > 0 THEN 1 ELSE 0 END,
                     run_at = CASE WHEN e.after > 0 THEN now() + make_interval(secs => e.after)
                                   ELSE j.run_at END,
                     attempt = j.attempt - CASE WHEN e.give_back THEN 1 ELSE 0 END,
                     last_error = coalesce(e.error, j.last_error),
                     session_id = NULL,
                     lease_until = NULL,
                     permits = NULL
                 FROM ended AS e
                 WHERE j.id = ANY($1) AND j.id = e.id AND ",
            $fence,
            "
                 RETURNING j.id, j.flow, j.state, j.attempt + CASE WHEN e.give_back THEN 1 ELSE 0 END
                           AS attempt, j.claimed_at, e.outcome, e.error
             ), logged AS (
                 INSERT INTO job_attempts (job_id, attempt, claimed_at, session_id, outcome, error)
                 SELECT id, attempt, claimed_at, $7, outcome, error FROM moved
                 WHERE outcome IS NOT NULL
             )
             SELECT id, flow, state FROM moved"
        )
    };
}

pub(in crate::engine) const AGAIN: &str =
    again_sql!("CASE WHEN j.session_id = $7 THEN j.claims = e.claims ELSE false END");
/// What must never run: whoever lost the lease puts the job back all the same.
const UNFENCED: &str = again_sql!("$7::bigint IS NOT NULL");

#[derive(FromRow)]
struct Moved {
    id: i64,
    flow: i64,
    state: i16,
}

/// Commits attempts that did not finish their jobs.
pub(super) async fn run_again(shared: &Shared, batch: &[Ended]) -> Result<()> {
    let mut tx = shared.db.begin_fixed().await?;
    let moved = put_back(shared, &mut tx, batch).await?;
    let mut ids: Vec<i64> = moved.iter().map(|row| row.id).collect();
    ids.sort_unstable();
    let mut permits: Vec<i64> = batch
        .iter()
        .filter(|ended| ids.binary_search(&ended.job.id).is_ok())
        .flat_map(|ended| ended.job.permits.clone())
        .collect();
    limits::release(&mut tx, &permits).await?;
    tx.commit().await?;
    note_ended(shared, batch, &ids);
    permits.sort_unstable();
    permits.dedup();
    let words = moved.into_iter().map(|row| match row.state {
        0 => Word::Flow {
            flow: row.flow,
            id: row.id,
        },
        _ => Word::Due,
    });
    let words = words.chain(permits.into_iter().map(Word::Room));
    shared.db.signal(signal::say(words));
    Ok(())
}

async fn put_back(
    shared: &Shared,
    conn: &mut sqlx::PgConnection,
    batch: &[Ended],
) -> Result<Vec<Moved>> {
    let ids: Vec<i64> = batch.iter().map(|ended| ended.job.id).collect();
    let claims: Vec<i32> = batch.iter().map(|ended| ended.job.claim).collect();
    let mut delays = Vec::with_capacity(batch.len());
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut errors = Vec::with_capacity(batch.len());
    let mut give_backs = Vec::with_capacity(batch.len());
    for ended in batch {
        let (delay, name, error, give_back) = match &ended.outcome {
            Outcome::Again {
                after,
                outcome,
                error,
                give_back,
            } => (
                after.as_secs_f64(),
                Some(*outcome),
                Some(error.as_str()),
                *give_back,
            ),
            _ => (0.0, None, None, true),
        };
        delays.push(delay);
        outcomes.push(name);
        errors.push(error);
        give_backs.push(give_back);
    }
    Ok(sqlx::query_as(if is_fenced() { AGAIN } else { UNFENCED })
        .bind(ids)
        .bind(claims)
        .bind(delays)
        .bind(outcomes)
        .bind(errors)
        .bind(give_backs)
        .bind(shared.session.id)
        .fetch_all(conn)
        .await?)
}
