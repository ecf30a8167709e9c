use chrono::{DateTime, Datelike as _, Utc};
use jobs::JobFilter;
use jobs::control::LimitKey;
use poem_openapi::{Enum, Object};
use serde::Deserialize;
use uuid::Uuid;

use super::view::State;
use crate::Problem;
use crate::auth::Caller;
use crate::payload::Checks;

/// Who waits for a job.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case", rename = "JobLane")]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lane {
    /// A customer; it is done in no time.
    Interactive,
    /// A customer, and the job for a model.
    Answers,
    /// Nobody in particular.
    Bulk,
}

/// Which jobs are meant; what is missing does not narrow.
#[derive(Debug, Default, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "JobFilter")]
pub(super) struct Filter {
    /// Only of this kind, such as `ingest-document`.
    pub(super) kind: Option<String>,
    /// Only in this state.
    pub(super) state: Option<State>,
    /// Only of this tenant.
    pub(super) tenant_id: Option<Uuid>,
    /// Only of this lane.
    pub(super) lane: Option<Lane>,
    /// Only with this ordering key, or the hash that is shown in its place.
    pub(super) ordering_key: Option<String>,
    /// Only those that this limit applies to, such as `endpoint:7` or `tenant:<id>`.
    pub(super) limit_key: Option<String>,
    /// Only with this unique key, which unfinished jobs alone have.
    pub(super) unique_key: Option<String>,
    /// Only enqueued before.
    pub(super) created_before: Option<DateTime<Utc>>,
    /// Only enqueued at that time or later.
    pub(super) created_after: Option<DateTime<Utc>>,
    /// Only with this text, in whatever case, in their error or reason.
    pub(super) error: Option<String>,
}

impl Filter {
    /// Checks the filter and restricts it to what the caller sees: a tenant's key its own jobs.
    /// `prefix` stands before the names of fields.
    pub(super) fn read(self, caller: &Caller, prefix: &str) -> Result<JobFilter, Problem> {
        let mut checks = Checks::default();
        let name = |field: &str| format!("{prefix}{field}");
        let texts = [
            ("kind", &self.kind),
            ("ordering_key", &self.ordering_key),
            ("unique_key", &self.unique_key),
            ("error", &self.error),
        ];
        for (field, text) in texts {
            let fits = |text: &String| (1..=500).contains(&text.len()) && !text.contains('\0');
            let fits = text.as_ref().is_none_or(fits);
            checks.require(fits, &name(field), "must have 1 to 500 characters");
        }
        let times = [
            ("created_before", self.created_before),
            ("created_after", self.created_after),
        ];
        for (field, time) in times {
            let fits = time.is_none_or(|at| (1970..=9999).contains(&at.year()));
            checks.require(fits, &name(field), "must be from 1970 to 9999");
        }
        let limit_key = self.limit_key.as_deref().map(LimitKey::parse).transpose();
        let limit_key = limit_key.unwrap_or_else(|wrong| {
            checks.require(false, &name("limit_key"), wrong.detail);
            None
        });
        checks.finish()?;
        Ok(JobFilter {
            tenant: caller.visible(self.tenant_id.map(Into::into))?,
            kind: self.kind,
            state: self.state.map(Into::into),
            lane: self.lane.map(Into::into),
            ordering_key: self.ordering_key,
            limit_key,
            unique_key: self.unique_key,
            created_before: self.created_before,
            created_after: self.created_after,
            error: self.error,
        })
    }
}

impl From<Lane> for jobs::Lane {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Interactive => Self::Interactive,
            Lane::Answers => Self::Answers,
            Lane::Bulk => Self::Bulk,
        }
    }
}

impl From<jobs::Lane> for Lane {
    fn from(lane: jobs::Lane) -> Self {
        match lane {
            jobs::Lane::Interactive => Self::Interactive,
            jobs::Lane::Answers => Self::Answers,
            jobs::Lane::Bulk => Self::Bulk,
        }
    }
}
