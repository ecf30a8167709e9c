//! Finishing: outcomes are gathered into few statements, fenced, and retried through outages.

use std::sync::Arc;
use std::time::Duration;

use db::{Result, Signal, Topic};
use tokio::sync::mpsc;

use super::dead::{self, Burial, DeadJob};
use super::{ClaimedJob, Shared};
use crate::{keys, signal};

/// The most outcomes one statement carries.
const MAX_BATCH: usize = 1000;
/// How long one step may take: a connection that swallows everything must not stop the lanes.
const STEP_TIMEOUT: Duration = Duration::from_mins(1);
/// How long to wait between tries when the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_millis(300);

/// An outcome on its way to the database.
pub(super) enum Finish {
    /// A job came to an end, of whatever kind.
    Job {
        job: Arc<ClaimedJob>,
        outcome: Outcome,
    },
    /// Nothing more comes.
    End,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Done,
    Cancelled {
        reason: String,
    },
    /// Runs again after `after`; `outcome` is the name in the attempt log.
    Again {
        after: Duration,
        outcome: &'static str,
        error: String,
        give_back: bool,
    },
    /// Was never begun.
    GiveBack,
    Dead {
        outcome: &'static str,
        reason: String,
    },
}

type Ended = (Arc<ClaimedJob>, Outcome);

/// Commits outcomes until the end, or until nobody can send any.
pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Finish>) {
    let mut received = Vec::new();
    let mut ending = false;
    while !ending && queue.recv_many(&mut received, MAX_BATCH).await > 0 {
        let mut batch: Vec<Ended> = Vec::with_capacity(received.len());
        for finish in received.drain(..) {
            match finish {
                Finish::Job { job, outcome } => batch.push((job, outcome)),
                Finish::End => ending = true,
            }
        }
        commit(&shared, batch).await;
    }
}

/// How outcomes are committed: by one statement for many, or row by row.
#[derive(Clone, Copy)]
enum Step {
    EndFree,
    EndKeyed,
    RunAgain,
    Bury,
}

async fn commit(shared: &Shared, batch: Vec<Ended>) {
    let mut steps: [(Step, Vec<Ended>); 4] = [
        (Step::EndFree, Vec::new()),
        (Step::EndKeyed, Vec::new()),
        (Step::RunAgain, Vec::new()),
        (Step::Bury, Vec::new()),
    ];
    for (job, outcome) in batch {
        let step = match outcome {
            Outcome::Done | Outcome::Cancelled { .. } if job.ordering_key.is_some() => 1,
            Outcome::Done | Outcome::Cancelled { .. } => 0,
            Outcome::Again { .. } | Outcome::GiveBack => 2,
            Outcome::Dead { .. } => 3,
        };
        steps[step].1.push((job, outcome));
    }
    for (step, ended) in steps {
        if ended.is_empty() {
            continue;
        }
        // A refusal that is no outage is one row's fault: the others must not pay for it.
        if !until_committed(shared, step, &ended).await && ended.len() > 1 {
            for one in ended.chunks(1) {
                until_committed(shared, step, one).await;
            }
        }
        for (job, _) in &ended {
            shared.inflight.remove(job.id, job.claim);
        }
    }
}

/// Repeats a step until the database has done it. False: it refuses; the leases bring the jobs back.
async fn until_committed(shared: &Shared, step: Step, ended: &[Ended]) -> bool {
    loop {
        let taken = async {
            match step {
                Step::EndFree => end_free(shared, ended).await,
                Step::EndKeyed => end_keyed(shared, ended).await,
                Step::RunAgain => run_again(shared, ended).await,
                Step::Bury => bury(shared, ended).await,
            }
        };
        match tokio::time::timeout(STEP_TIMEOUT, taken).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) if error.is_unavailable() => {
                tracing::warn!(error = %error, "outcomes could not be committed yet");
                tokio::time::sleep(OUTAGE_PAUSE).await;
            }
            Ok(Err(error)) => {
                tracing::error!(error = ?error, jobs = ended.len(), "outcomes were refused");
                return false;
            }
            Err(_) => tracing::warn!("committing outcomes took too long, once more"),
        }
    }
}

async fn bury(shared: &Shared, dying: &[Ended]) -> Result<()> {
    for (job, outcome) in dying {
        let Outcome::Dead { outcome, reason } = outcome else {
            continue;
        };
        let dead = DeadJob {
            job: Arc::clone(job),
            reason: reason.clone(),
        };
        let burial = Burial {
            outcome,
            session: shared.session,
            if_expired: false,
        };
        let buried = dead::bury(shared, &dead, burial).await?;
        note_lost(1, usize::from(buried));
    }
    Ok(())
}

fn note_lost(sent: usize, committed: usize) {
    if committed < sent {
        tracing::warn!(
            lost = sent - committed,
            "outcomes came after their lease was lost"
        );
    }
}

/// Moves ended jobs to the history. A statement that was committed before its answer got lost
/// finds nothing to move, which is right.
///
/// The CASE hides the fence from the planner. Its statistics know of hardly any running job, so
/// that it would read them all first and compare each with every outcome: seconds for a thousand
/// of them. Rows are found by id alone; that there is a session means that the job is running.
const END: &str = "
    WITH ended AS (
        SELECT * FROM unnest($1::bigint[], $2::integer[], $3::text[]) AS e(id, claims, outcome)
    ), gone AS (
        DELETE FROM jobs AS j USING ended AS e
        WHERE j.id = ANY($1) AND j.id = e.id
          AND CASE WHEN j.session_id = $4 THEN j.claims = e.claims ELSE false END
        RETURNING j.id, j.kind, j.lane, j.tenant_id, e.outcome, j.attempt, j.max_attempts,
                  j.created_at, j.claimed_at, j.ordering_key, j.payload
    ), kept AS (
        INSERT INTO job_history (id, kind, lane, tenant_id, outcome, attempt, max_attempts,
                                 created_at, claimed_at, ordering_key, payload)
        SELECT * FROM gone
    )
    SELECT id, kind, ordering_key FROM gone";

type Gone = (i64, String, Option<String>);

async fn end<'e, E>(shared: &Shared, executor: E, batch: &[Ended]) -> Result<Vec<Gone>>
where
    E: sqlx::PgExecutor<'e>,
{
    let ids: Vec<i64> = batch.iter().map(|(job, _)| job.id).collect();
    let claims: Vec<i32> = batch.iter().map(|(job, _)| job.claim).collect();
    let outcomes: Vec<&str> = batch
        .iter()
        .map(|(_, outcome)| match outcome {
            Outcome::Cancelled { .. } => "cancelled",
            _ => "done",
        })
        .collect();
    let gone: Vec<Gone> = sqlx::query_as(END)
        .bind(ids)
        .bind(claims)
        .bind(outcomes)
        .bind(shared.session)
        .fetch_all(executor)
        .await?;
    note_lost(batch.len(), gone.len());
    for (job, outcome) in batch {
        if let Outcome::Cancelled { reason } = outcome {
            tracing::info!(job.id = job.id, job.kind = %job.kind, %reason, "a job was cancelled");
        }
    }
    Ok(gone)
}

async fn end_free(shared: &Shared, batch: &[Ended]) -> Result<()> {
    end(shared, shared.db.pool(), batch).await.map(drop)
}

async fn end_keyed(shared: &Shared, batch: &[Ended]) -> Result<()> {
    let mut tx = shared.db.begin().await?;
    let gone = end(shared, &mut *tx, batch).await?;
    let keys: Vec<_> = gone
        .into_iter()
        .filter_map(|(_, kind, key)| key.map(|key| (kind, key)))
        .collect();
    let words = keys::release(&mut tx, &keys).await?;
    tx.commit().await?;
    if !words.is_empty() {
        shared.db.signal(signal::say(words));
    }
    Ok(())
}

/// Puts jobs back: at once, or until their wait is over. The fence stands as in [`END`].
const AGAIN: &str = "
    WITH ended AS (
        SELECT * FROM unnest($1::bigint[], $2::integer[], $3::float8[], $4::text[], $5::text[],
                             $6::bool[]) AS e(id, claims, after, outcome, error, give_back)
    ), moved AS (
        UPDATE jobs AS j SET
            state = CASE WHEN e.after > 0 THEN 1 ELSE 0 END,
            run_at = CASE WHEN e.after > 0 THEN now() + make_interval(secs => e.after)
                          ELSE j.run_at END,
            attempt = j.attempt - CASE WHEN e.give_back THEN 1 ELSE 0 END,
            last_error = coalesce(e.error, j.last_error),
            session_id = NULL,
            lease_until = NULL
        FROM ended AS e
        WHERE j.id = ANY($1) AND j.id = e.id
          AND CASE WHEN j.session_id = $7 THEN j.claims = e.claims ELSE false END
        RETURNING j.id, j.attempt + CASE WHEN e.give_back THEN 1 ELSE 0 END AS attempt,
                  j.claimed_at, e.outcome, e.error
    ), logged AS (
        INSERT INTO job_attempts (job_id, attempt, claimed_at, session_id, outcome, error)
        SELECT id, attempt, claimed_at, $7, outcome, error FROM moved WHERE outcome IS NOT NULL
    )
    SELECT count(*) FROM moved";

async fn run_again(shared: &Shared, batch: &[Ended]) -> Result<()> {
    let ids: Vec<i64> = batch.iter().map(|(job, _)| job.id).collect();
    let claims: Vec<i32> = batch.iter().map(|(job, _)| job.claim).collect();
    let mut delays = Vec::new();
    let mut outcomes = Vec::new();
    let mut errors = Vec::new();
    let mut give_backs = Vec::new();
    for (_, outcome) in batch {
        let (delay, name, error, give_back) = match outcome {
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
    let moved: i64 = sqlx::query_scalar(AGAIN)
        .bind(ids)
        .bind(claims)
        .bind(delays)
        .bind(outcomes)
        .bind(errors)
        .bind(give_backs)
        .bind(shared.session)
        .fetch_one(shared.db.pool())
        .await?;
    note_lost(batch.len(), usize::try_from(moved).unwrap_or(0));
    // Other processes may have slots for what was given back, and timers to set anew.
    shared.db.signal(Signal {
        topic: Topic::Jobs,
        payload: String::new(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Executor as _};
    use testkit::TestDb;

    use super::{AGAIN, END};

    /// The plan that a prepared statement keeps, made from statistics that know of no running job:
    /// that is what they say whenever they were taken of a backlog.
    async fn kept_plan(statement: &str, types: &str, arguments: &str) -> String {
        let database = TestDb::new().await;
        let mut connection = database.pool().acquire().await.unwrap();
        for sql in [
            "INSERT INTO jobs (kind, lane, state, max_attempts, payload)
             SELECT 'probe', 1, 0, 3, '{}' FROM generate_series(1, 20000)",
            "ANALYZE jobs",
            "UPDATE jobs SET state = 3, session_id = 1, lease_until = now() WHERE id % 2 = 0",
            "SET plan_cache_mode = force_generic_plan",
        ] {
            connection.execute(sql).await.unwrap();
        }
        let prepare = format!("PREPARE kept ({types}) AS {statement}");
        connection.execute(AssertSqlSafe(prepare)).await.unwrap();
        let explain = format!("EXPLAIN EXECUTE kept ({arguments})");
        let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        lines.join("\n")
    }

    /// One that finds them by their leases compares each with every outcome: 2 seconds for 1,000.
    fn finds_rows_by_id(plan: &str) {
        assert!(plan.contains("jobs_pkey"), "{plan}");
        assert!(!plan.contains("jobs_lease_idx"), "{plan}");
        assert!(!plan.contains("Seq Scan on jobs"), "{plan}");
    }

    #[tokio::test]
    async fn ended_jobs_are_found_by_id_whatever_the_statistics_say() {
        let types = "bigint[], integer[], text[], bigint";
        let plan = kept_plan(END, types, "'{2}', '{0}', '{done}', 1").await;
        finds_rows_by_id(&plan);
    }

    #[tokio::test]
    async fn jobs_that_run_again_are_found_by_id_whatever_the_statistics_say() {
        let types = "bigint[], integer[], float8[], text[], text[], bool[], bigint";
        let arguments = "'{2}', '{0}', '{0}', '{retry}', '{e}', '{f}', 1";
        let plan = kept_plan(AGAIN, types, arguments).await;
        finds_rows_by_id(&plan);
    }
}
