//! What makes jobs by the clock.

use chrono::{DateTime, Utc};
use db::SystemTx;
use jobs::schedules::{self, ScheduleView};
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

use super::Tag;
use crate::Problem;
use crate::answer::{Accepted, Answer, Found};
use crate::auth::Auth;

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
            schedules::Error::Refused { field, reason } => Self::invalid_field(field, reason),
            schedules::Error::Database(error) => error.into(),
        }
    }
}
