use jobs::JobFilter;
use jobs::control::{self, BulkAction, ControlError};
use poem_openapi::{Enum, Object};
use serde::Deserialize;

use super::filter::Filter;
use super::reason;
use crate::Problem;
use crate::auth::Caller;
use crate::problem::FieldProblem;

/// What is to be done to jobs.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case", rename = "JobAction")]
#[serde(rename_all = "snake_case")]
enum Action {
    /// End what waits, and tell the workers of what runs.
    Cancel,
    /// Run at once what waits for its time.
    Retry,
    /// Run again what was given up.
    Redrive,
}

/// Something to be done to all jobs that match.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub(super) struct BulkRequest {
    /// What to do.
    action: Action,
    /// To which jobs.
    #[serde(default)]
    #[oai(default)]
    filter: Filter,
    /// Only count what would be hit.
    #[serde(default)]
    #[oai(default)]
    dry_run: bool,
    /// How many jobs a dry run counted: needed where the filter may hit everything.
    confirm_count: Option<u32>,
}

impl poem_openapi::types::Example for BulkRequest {
    fn example() -> Self {
        Self {
            action: Action::Redrive,
            filter: Filter {
                kind: Some("deliver-webhook".to_owned()),
                ..Filter::default()
            },
            dry_run: true,
            confirm_count: None,
        }
    }
}

/// What was, or would be, done.
#[derive(Debug, Object)]
pub(super) struct BulkResult {
    /// Whether the jobs were only counted.
    dry_run: bool,
    /// How many jobs it was done to, or would be: 10,000 at most.
    count: u32,
    /// Of a dry run: there are more than that.
    more: bool,
    /// Otherwise: some may be left; send the request again.
    remaining: bool,
}

impl BulkRequest {
    pub(super) async fn run(self, caller: &Caller) -> Result<BulkResult, Problem> {
        let action = self.action.into();
        let filter = self.filter.read(caller, "filter.")?;
        let answer = if self.dry_run {
            count(caller, action, &filter).await
        } else {
            act(caller, action, &filter, self.confirm_count).await
        };
        answer.map_err(within_filter)
    }
}

async fn count(
    caller: &Caller,
    action: BulkAction,
    filter: &JobFilter,
) -> control::Result<BulkResult> {
    let mut tx = caller.state().db.system().await?;
    let count = control::count_matching(&mut tx, action, filter).await?;
    Ok(BulkResult {
        dry_run: true,
        count: whole(count.jobs),
        more: count.more,
        remaining: false,
    })
}

async fn act(
    caller: &Caller,
    action: BulkAction,
    filter: &JobFilter,
    confirmed: Option<u32>,
) -> control::Result<BulkResult> {
    let of_tenant = caller.tenant().is_some();
    let confirmed = confirmed.map(|count| count as usize);
    let (db, reason) = (&caller.state().db, reason(caller));
    let done = control::act_on_matching(db, action, filter, of_tenant, confirmed, reason).await?;
    Ok(BulkResult {
        dry_run: false,
        count: whole(done.jobs),
        more: false,
        remaining: done.remaining,
    })
}

/// A problem whose fields lie within the filter.
fn within_filter(error: ControlError) -> Problem {
    match error {
        ControlError::Invalid(fields) => {
            let fields = fields.into_iter();
            let named = fields
                .map(|wrong| FieldProblem::new(format!("filter.{}", wrong.field), wrong.detail));
            Problem::invalid(named.collect())
        }
        other => other.into(),
    }
}

fn whole(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl From<Action> for BulkAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Cancel => Self::Cancel,
            Action::Retry => Self::Retry,
            Action::Redrive => Self::Redrive,
        }
    }
}
