use db::{Db, Tx as _};

use super::control::checked_name;
use super::{CatchUp, Error, Kind, Result, Spec, now, say_changed};
use crate::Job;

/// A schedule that the product brings itself.
#[derive(Clone, Debug)]
pub struct Schedule {
    name: String,
    kind: Kind,
    spec: Spec,
    catch_up: CatchUp,
    payload: serde_json::Value,
    is_at_once: bool,
}

impl Schedule {
    /// One whose ticks `spec` names and whose jobs are like `job`.
    ///
    /// # Errors
    /// `Refused` if the name or the spec is none, or the kind's jobs cannot be scheduled.
    pub fn new<J: Job>(name: &str, spec: &str, job: &J) -> Result<Self> {
        let kind = Kind::of::<J>();
        let payload = serde_json::to_value(job)
            .map_err(|error| Error::refused("payload", error.to_string()))?;
        (kind.check)(&payload)?;
        Ok(Self {
            name: checked_name(name)?.to_owned(),
            kind,
            spec: spec.parse()?,
            catch_up: CatchUp::default(),
            payload,
            is_at_once: false,
        })
    }

    /// With another policy for missed ticks than the latest one.
    #[must_use]
    pub const fn catch_up(mut self, policy: CatchUp) -> Self {
        self.catch_up = policy;
        self
    }

    /// With a first tick at once where the schedule is not there yet.
    #[must_use]
    pub const fn at_once(mut self) -> Self {
        self.is_at_once = true;
        self
    }
}

/// Adds the schedules that are missing and brings the others to what the code says; says how many
/// changed. What a person paused stays paused, and a spec that stays the same keeps its next tick.
///
/// # Errors
/// Those of the database; then nothing changed.
pub async fn ensure(db: &Db, schedules: &[Schedule]) -> Result<u64> {
    let mut tx = db.system().await?;
    let now = now(&mut tx).await?;
    let mut changed = 0;
    for schedule in schedules {
        let next_at = schedule.spec.next_or_later(now);
        changed += sqlx::query(
            "INSERT INTO job_schedules AS s (name, kind, spec, catch_up, payload, next_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (name) DO UPDATE SET
                 kind = excluded.kind,
                 spec = excluded.spec,
                 catch_up = excluded.catch_up,
                 payload = excluded.payload,
                 next_at = CASE WHEN s.spec = excluded.spec THEN s.next_at ELSE $7 END,
                 changed_at = now()
             WHERE (s.kind, s.spec, s.catch_up, s.payload) IS DISTINCT FROM
                   (excluded.kind, excluded.spec, excluded.catch_up, excluded.payload)",
        )
        .bind(&schedule.name)
        .bind(schedule.kind.name)
        .bind(schedule.spec.to_string())
        .bind(schedule.catch_up.as_str())
        .bind(&schedule.payload)
        .bind(if schedule.is_at_once { now } else { next_at })
        .bind(next_at)
        .execute(tx.conn())
        .await?
        .rows_affected();
    }
    if changed > 0 {
        say_changed(&mut tx);
    }
    tx.commit().await?;
    Ok(changed)
}
