//! What makes jobs by the clock.

use chrono::{DateTime, Utc};
use db::SystemTx;
use jobs::schedules::{self, ScheduleValues, ScheduleView};
use poem_openapi::param::Path;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Tag;
use crate::Problem;
use crate::answer::{Accepted, Answer, Done, Found};
use crate::auth::Auth;
use crate::payload::JsonBody;

/// Every schedule, by name.
#[derive(Debug, Object)]
struct ScheduleList {
    /// The schedules.
    data: Vec<Schedule>,
}

/// What makes jobs of one kind by the clock.
#[derive(Debug, Object)]
struct Schedule {
    /// Its name.
    name: String,
    /// The kind of its jobs.
    kind: String,
    /// When its ticks are, in UTC: cron with five fields, or such as `every 90s`.
    spec: String,
    /// What becomes of ticks that passed while nobody looked: `skip`, `latest` or `all`.
    catch_up: String,
    /// What its jobs carry.
    payload: Value,
    /// Whether somebody paused it.
    paused: bool,
    /// The next tick; while it is paused, the one that it was paused before.
    next_at: DateTime<Utc>,
    /// The latest tick that had a job.
    last_at: Option<DateTime<Utc>>,
    /// When it was last set, paused or resumed.
    changed_at: DateTime<Utc>,
    /// Why nothing comes of it, in words; `null` when its next tick will have a job.
    waiting_because: Option<String>,
}

/// What becomes of ticks that passed while nobody looked.
#[derive(Clone, Copy, Debug, Default, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum CatchUp {
    /// None has a job.
    Skip,
    /// The newest has a job.
    #[default]
    Latest,
    /// Each has a job.
    All,
}

/// What a schedule shall be.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "SetSchedule", example)]
struct SetSchedule {
    /// The kind of its jobs: one whose jobs have no tenant, no order and no limits.
    kind: String,
    /// When its ticks are, in UTC: cron with five fields, or such as `every 90s`.
    spec: String,
    /// What becomes of ticks that passed while nobody looked. Default `latest`.
    #[serde(default)]
    #[oai(default)]
    catch_up: CatchUp,
    /// What its jobs carry, as the kind reads it; `{}` if missing.
    payload: Option<Value>,
}

impl Example for SetSchedule {
    fn example() -> Self {
        Self {
            kind: "upkeep".to_owned(),
            spec: "37 3 * * MON".to_owned(),
            catch_up: CatchUp::Skip,
            payload: Some(json!({})),
        }
    }
}

/// The job that a schedule was asked for.
#[derive(Debug, Object)]
struct ScheduledJob {
    /// The job's number, as `GET /api/jobs/{job_id}` takes it.
    job_id: i64,
    /// Whether it is one that was asked for before, and has not begun.
    duplicate: bool,
}

pub(crate) struct ScheduleRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Schedules")]
impl ScheduleRoutes {
    /// List the schedules
    ///
    /// All of them, by name. Needs an operator's key.
    #[oai(path = "/schedules", method = "get", operation_id = "list_schedules")]
    async fn list(&self, auth: Auth) -> Result<Found<ScheduleList>, Problem> {
        let mut tx = auth.0.operate().await?;
        let found = schedules::list(&mut tx).await?;
        let data = found.into_iter().map(Schedule::from).collect();
        Ok(Answer(ScheduleList { data }))
    }

    /// Get a schedule
    ///
    /// Needs an operator's key.
    #[oai(
        path = "/schedules/:schedule_name",
        method = "get",
        operation_id = "get_schedule"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The schedule's name.
        schedule_name: Path<String>,
    ) -> Result<Found<Schedule>, Problem> {
        let mut tx = auth.0.operate().await?;
        Ok(Answer(
            schedules::get(&mut tx, &schedule_name.0).await?.into(),
        ))
    }

    /// Set a schedule
    ///
    /// Adds one, or sets one anew: a paused one stays paused, and a `spec` that stays the same keeps
    /// its next tick. One that the product brings itself is set back when a process starts. Needs an
    /// operator's key.
    #[oai(
        path = "/schedules/:schedule_name",
        method = "put",
        operation_id = "set_schedule"
    )]
    async fn set(
        &self,
        auth: Auth,
        /// The schedule's name: 1 to 63 of the characters a to z, 0 to 9 and -.
        schedule_name: Path<String>,
        body: JsonBody<SetSchedule>,
    ) -> Result<Found<Schedule>, Problem> {
        let mut tx = auth.0.operate().await?;
        let kinds = schedules::kinds();
        schedules::put(&mut tx, &kinds, &schedule_name.0, &body.value.into()).await?;
        committed(tx, &schedule_name.0).await
    }

    /// Delete a schedule
    ///
    /// No more ticks come; jobs of those that came stay. One that the product brings itself comes back
    /// when a process starts: pause it instead. Needs an operator's key.
    #[oai(
        path = "/schedules/:schedule_name",
        method = "delete",
        operation_id = "delete_schedule"
    )]
    async fn delete(
        &self,
        auth: Auth,
        /// The schedule's name.
        schedule_name: Path<String>,
    ) -> Result<Done, Problem> {
        let mut tx = auth.0.operate().await?;
        schedules::delete(&mut tx, &schedule_name.0).await?;
        tx.commit().await?;
        Ok(Done)
    }

    /// Pause a schedule
    ///
    /// No more ticks come; jobs of those that came stay. Lasts over restarts. Needs an operator's key.
    #[oai(
        path = "/schedules/:schedule_name/pause",
        method = "post",
        operation_id = "pause_schedule"
    )]
    async fn pause(
        &self,
        auth: Auth,
        /// The schedule's name.
        schedule_name: Path<String>,
    ) -> Result<Found<Schedule>, Problem> {
        let mut tx = auth.0.operate().await?;
        schedules::pause(&mut tx, &schedule_name.0).await?;
        committed(tx, &schedule_name.0).await
    }

    /// Resume a schedule
    ///
    /// It goes on with the next tick: those that passed meanwhile are not caught up on. Needs an
    /// operator's key.
    #[oai(
        path = "/schedules/:schedule_name/resume",
        method = "post",
        operation_id = "resume_schedule"
    )]
    async fn resume(
        &self,
        auth: Auth,
        /// The schedule's name.
        schedule_name: Path<String>,
    ) -> Result<Found<Schedule>, Problem> {
        let mut tx = auth.0.operate().await?;
        schedules::resume(&mut tx, &schedule_name.0).await?;
        committed(tx, &schedule_name.0).await
    }

    /// Run a schedule now
    ///
    /// Enqueues a job at once, paused or not; the ticks stay as they are. While one that was asked for
    /// so has not begun, that one is meant. Needs an operator's key.
    #[oai(
        path = "/schedules/:schedule_name/run",
        method = "post",
        operation_id = "run_schedule"
    )]
    async fn run(
        &self,
        auth: Auth,
        /// The schedule's name.
        schedule_name: Path<String>,
    ) -> Result<Accepted<ScheduledJob>, Problem> {
        let mut tx = auth.0.operate().await?;
        let kinds = schedules::kinds();
        let enqueued = schedules::run_now(&mut tx, &kinds, &schedule_name.0).await?;
        tx.commit().await?;
        Ok(Answer(ScheduledJob {
            job_id: enqueued.id,
            duplicate: enqueued.duplicate,
        }))
    }
}

/// Commits what was done to a schedule and shows it.
async fn committed(mut tx: SystemTx, name: &str) -> Result<Found<Schedule>, Problem> {
    let schedule = schedules::get(&mut tx, name).await?;
    tx.commit().await?;
    Ok(Answer(schedule.into()))
}

impl From<SetSchedule> for ScheduleValues {
    fn from(set: SetSchedule) -> Self {
        Self {
            kind: set.kind,
            spec: set.spec,
            catch_up: match set.catch_up {
                CatchUp::Skip => schedules::CatchUp::Skip,
                CatchUp::Latest => schedules::CatchUp::Latest,
                CatchUp::All => schedules::CatchUp::All,
            },
            payload: set.payload.unwrap_or_else(|| json!({})),
        }
    }
}

impl From<ScheduleView> for Schedule {
    fn from(schedule: ScheduleView) -> Self {
        Self {
            name: schedule.name,
            kind: schedule.kind,
            spec: schedule.spec,
            catch_up: schedule.catch_up,
            payload: schedule.payload,
            paused: schedule.paused,
            next_at: schedule.next_at,
            last_at: schedule.last_at,
            changed_at: schedule.changed_at,
            waiting_because: schedule.waiting_because,
        }
    }
}

impl From<schedules::Error> for Problem {
    fn from(error: schedules::Error) -> Self {
        match error {
            schedules::Error::NotFound => Self::not_found(),
            // The name stands in the path.
            schedules::Error::Refused {
                field: "name",
                reason,
            } => Self::invalid_field("schedule_name", reason),
            schedules::Error::Refused { field, reason } => Self::invalid_field(field, reason),
            schedules::Error::Database(error) => error.into(),
        }
    }
}
