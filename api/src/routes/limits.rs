use chrono::{DateTime, Datelike as _, Utc};
use jobs::control::{self, LimitKey, LimitValues};
use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;

use super::Tag;
use crate::Problem;
use crate::answer::{Answer, Done, Found, List};
use crate::auth::Auth;
use crate::payload::{JsonBody, PageRequest};

/// What limits, pauses or weighs jobs.
#[derive(Debug, Object)]
#[oai(rename = "Limit")]
pub(super) struct LimitView {
    /// What it applies to: `tenant:<id>`, `kind:<kind>`, `tenant:<id>/<kind>`, or a key that jobs
    /// carry, such as `endpoint:<id>`.
    key: String,
    /// Attempts that may begin each second, over time; `null`: any number.
    rate_per_second: Option<f64>,
    /// Attempts that may begin at once after a rest.
    burst: Option<i32>,
    /// Attempts that may run at a time; `null`: any number.
    concurrency: Option<i32>,
    /// The share of a tenant while there is a backlog; `null`: 1.
    weight: Option<f64>,
    /// Whether nothing begins.
    paused: bool,
    /// Until when; `null`: until somebody resumes it.
    paused_until: Option<DateTime<Utc>>,
    /// Attempts that could begin at once; `null`: there is no rate.
    tokens: Option<f64>,
    /// Attempts that run and count.
    running: i32,
    /// When somebody last changed it.
    changed_at: DateTime<Utc>,
}

/// What a limit shall be; what is missing is not limited. A pause stays as it is.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "SetLimit", example)]
struct SetLimit {
    /// Attempts that may begin each second, over time, 0.0001 to 100000.
    rate_per_second: Option<f64>,
    /// Attempts that may begin at once after a rest, 1 to 1000000; what a second gives if missing.
    burst: Option<i32>,
    /// Attempts that may run at a time, 1 to 1000000.
    concurrency: Option<i32>,
    /// The share of a tenant while there is a backlog, 0.001 to 1000.
    weight: Option<f64>,
}

impl poem_openapi::types::Example for SetLimit {
    fn example() -> Self {
        Self {
            rate_per_second: Some(5.0),
            burst: Some(10),
            concurrency: Some(4),
            weight: None,
        }
    }
}

/// A pause.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "Pause")]
pub(super) struct PauseRequest {
    /// Until when; if missing, until somebody resumes it.
    until: Option<DateTime<Utc>>,
}

impl PauseRequest {
    /// Checks that the time is one the database knows.
    pub(super) fn until(&self) -> Result<Option<DateTime<Utc>>, Problem> {
        match self.until {
            Some(at) if !(1970..=9999).contains(&at.year()) => {
                Err(Problem::invalid_field("until", "must be before 10000"))
            }
            until => Ok(until),
        }
    }
}

pub(crate) struct LimitRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Queues")]
impl LimitRoutes {
    /// List the limits
    ///
    /// Whatever limits, pauses or weighs jobs, in the order in which it was first set. Needs an
    /// operator's key.
    #[oai(path = "/queues/limits", method = "get", operation_id = "list_limits")]
    async fn list(
        &self,
        auth: Auth,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<LimitView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.operate().await?;
        let limits = control::list_limits(&mut tx, page.after, page.limit).await?;
        Ok(List::of(limits, LimitView::from))
    }

    /// Get a limit
    ///
    /// Needs an operator's key.
    #[oai(
        path = "/queues/limits/:limit_key",
        method = "get",
        operation_id = "get_limit"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The limit's key; write `/` as `%2F`.
        limit_key: Path<String>,
    ) -> Result<Found<LimitView>, Problem> {
        let mut tx = auth.0.operate().await?;
        let limit = control::get_limit(&mut tx, &key(&limit_key.0)?).await?;
        Ok(Answer(limit.into()))
    }

    /// Set a limit
    ///
    /// Counts for what begins from then on. Needs an operator's key.
    #[oai(
        path = "/queues/limits/:limit_key",
        method = "put",
        operation_id = "set_limit"
    )]
    async fn set(
        &self,
        auth: Auth,
        /// The limit's key; write `/` as `%2F`.
        limit_key: Path<String>,
        body: JsonBody<SetLimit>,
    ) -> Result<Found<LimitView>, Problem> {
        let mut tx = auth.0.operate().await?;
        let limit = control::set_limit(&mut tx, &key(&limit_key.0)?, body.value.into()).await?;
        tx.commit().await?;
        Ok(Answer(limit.into()))
    }

    /// Delete a limit
    ///
    /// Its rate, concurrency and weight; a pause stays until it is resumed. Needs an operator's key.
    #[oai(
        path = "/queues/limits/:limit_key",
        method = "delete",
        operation_id = "delete_limit"
    )]
    async fn delete(
        &self,
        auth: Auth,
        /// The limit's key; write `/` as `%2F`.
        limit_key: Path<String>,
    ) -> Result<Done, Problem> {
        let mut tx = auth.0.operate().await?;
        control::clear_limit(&mut tx, &key(&limit_key.0)?).await?;
        tx.commit().await?;
        Ok(Done)
    }
}

fn key(text: &str) -> Result<LimitKey, Problem> {
    LimitKey::parse(text).map_err(|wrong| Problem::invalid_field("limit_key", wrong.detail))
}

impl From<SetLimit> for LimitValues {
    fn from(set: SetLimit) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a share needs no more digits"
        )]
        let weight = set.weight.map(|weight| weight as f32);
        Self {
            rate_per_second: set.rate_per_second,
            burst: set.burst,
            concurrency: set.concurrency,
            weight,
        }
    }
}

impl From<control::LimitView> for LimitView {
    fn from(limit: control::LimitView) -> Self {
        Self {
            key: limit.key,
            rate_per_second: limit.rate.map(|rate| rate.per_second),
            burst: limit.rate.map(|rate| rate.burst),
            concurrency: limit.concurrency,
            weight: limit.weight.map(f64::from),
            paused: limit.pause.is_some(),
            paused_until: limit.pause.and_then(|pause| pause.until),
            tokens: limit.tokens,
            running: limit.running,
            changed_at: limit.changed_at,
        }
    }
}
