use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::JobState;
use super::facts::{Facts, LastAttempt};
use super::view::{Row, lane_name};
use crate::Lane;
use crate::control::{LimitScope, LimitView, scope_of};

/// Why a job does not run, for programs. The names never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingCode {
    /// It was to run later from the start.
    Scheduled,
    /// Its latest attempt failed and the next one is not due.
    Backoff,
    /// Its handler put it off.
    Snoozed,
    /// Its tenant's rate is used up.
    TenantRate,
    /// Its tenant has as many runs at a time as it may.
    TenantConcurrency,
    /// The rate of another limit is used up.
    LimitRate,
    /// Another limit has as many runs at a time as it may.
    LimitConcurrency,
    /// Somebody paused it, its kind or its tenant.
    Paused,
    /// A job before it with the same ordering key is not finished.
    KeyHeld,
    /// Every slot of its lane is taken.
    LaneFull,
    /// No live process knows its kind.
    NoWorker,
    /// Somebody asked to cancel it.
    Cancelling,
    /// Nothing stands in its way: others are served first.
    OthersFirst,
}

impl WaitingCode {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Backoff => "backoff",
            Self::Snoozed => "snoozed",
            Self::TenantRate => "tenant_rate",
            Self::TenantConcurrency => "tenant_concurrency",
            Self::LimitRate => "limit_rate",
            Self::LimitConcurrency => "limit_concurrency",
            Self::Paused => "paused",
            Self::KeyHeld => "key_held",
            Self::LaneFull => "lane_full",
            Self::NoWorker => "no_worker",
            Self::Cancelling => "cancelling",
            Self::OthersFirst => "others_first",
        }
    }
}

/// The keys of every limit that can apply to a job.
pub(super) fn limit_keys(row: &Row) -> impl Iterator<Item = String> {
    keys_of(row.tenant_id, &row.kind).chain(
        [row.limit_key_1.clone(), row.limit_key_2.clone()]
            .into_iter()
            .flatten(),
    )
}

fn keys_of(tenant: Option<Uuid>, kind: &str) -> impl Iterator<Item = String> + use<> {
    let of_tenant = tenant.map(|id| [format!("tenant:{id}"), format!("tenant:{id}/{kind}")]);
    [format!("kind:{kind}")]
        .into_iter()
        .chain(of_tenant.into_iter().flatten())
}

/// Why a job does not run; `None` if it does, undisturbed, or has ended.
pub(super) fn explain(row: &Row, state: JobState, facts: &Facts) -> Option<(WaitingCode, String)> {
    if matches!(state, JobState::Done | JobState::Cancelled | JobState::Dead) {
        return None;
    }
    if let Some(at) = row.cancel_requested_at {
        let text = format!("to be cancelled, as was asked for at {}", time(at));
        return Some((WaitingCode::Cancelling, text));
    }
    match state {
        JobState::Running => None,
        JobState::Held => Some(held(row, facts)),
        JobState::Scheduled if !row.due => Some(scheduled(row, facts)),
        _ => Some(
            paused(row, facts)
                .or_else(|| no_worker(row, facts))
                .or_else(|| limited(row, facts))
                .or_else(|| lane_full(row, facts))
                .unwrap_or((
                    WaitingCode::OthersFirst,
                    "others are served first".to_owned(),
                )),
        ),
    }
}

fn held(row: &Row, facts: &Facts) -> (WaitingCode, String) {
    let text = match facts.head_of(&row.kind, row.ordering_key.as_deref()) {
        Some(head) => format!("ordering key held by job {head}"),
        None => "ordering key held by another job".to_owned(),
    };
    (WaitingCode::KeyHeld, text)
}

fn scheduled(row: &Row, facts: &Facts) -> (WaitingCode, String) {
    let until = row.run_at.map(time).unwrap_or_default();
    match facts.last_attempt(row.id) {
        Some(LastAttempt {
            snoozed: true,
            error,
        }) => {
            // The handler's own words begin with for how long; when it ends says more.
            let error = error
                .as_deref()
                .or(row.error.as_deref())
                .unwrap_or_default();
            let reason = error.split_once(": ").map_or(error, |(_, reason)| reason);
            let text = format!("put off until {until}: {reason}");
            (WaitingCode::Snoozed, text)
        }
        _ if row.attempt > 0 => {
            let text = format!("backoff after a failed attempt, until {until}");
            (WaitingCode::Backoff, text)
        }
        _ => (WaitingCode::Scheduled, format!("scheduled for {until}")),
    }
}

/// The pause that lasts longest, since all of them have to end.
fn paused(row: &Row, facts: &Facts) -> Option<(WaitingCode, String)> {
    let pauses = limits(row, facts).filter_map(|limit| Some((limit, limit.pause?)));
    let (limit, pause) = pauses.max_by_key(|(_, pause)| *pause)?;
    let key = &limit.key;
    let text = match pause.until {
        Some(until) => format!("paused by {key} until {}", time(until)),
        None => format!("paused by {key} until somebody resumes it"),
    };
    Some((WaitingCode::Paused, text))
}

fn no_worker(row: &Row, facts: &Facts) -> Option<(WaitingCode, String)> {
    let known = facts.sessions().any(|session| session.knows(&row.kind));
    let text = || "no worker for this kind".to_owned();
    (!known).then(|| (WaitingCode::NoWorker, text()))
}

fn limited(row: &Row, facts: &Facts) -> Option<(WaitingCode, String)> {
    let full = limits(row, facts).find(|limit| limit.is_full());
    if let Some(limit) = full {
        let code = if is_tenants(&limit.key) {
            WaitingCode::TenantConcurrency
        } else {
            WaitingCode::LimitConcurrency
        };
        let (key, running) = (&limit.key, limit.running);
        let text = format!("{key} has {running} runs at a time, as many as it may");
        return Some((code, text));
    }
    let limit = limits(row, facts).find(|limit| limit.is_spent())?;
    let code = if is_tenants(&limit.key) {
        WaitingCode::TenantRate
    } else {
        WaitingCode::LimitRate
    };
    let rate = limit.rate.map_or(0.0, |rate| rate.per_second);
    let text = format!("{} has used up its rate of {rate} a second", limit.key);
    Some((code, text))
}

fn lane_full(row: &Row, facts: &Facts) -> Option<(WaitingCode, String)> {
    let loads = facts
        .sessions()
        .filter(|session| session.knows(&row.kind))
        .map(|session| session.load(Lane::of_number(row.lane)))
        // A process that has not told of its slots yet is no full one.
        .filter(|load| load.slots > 0);
    let (mut workers, mut slots) = (0, 0);
    for load in loads {
        if load.busy < load.slots {
            return None;
        }
        workers += 1;
        slots += load.slots;
    }
    let lane = lane_name(row.lane);
    let text = || format!("all {slots} slots of the {lane} lane of {workers} workers are busy");
    (workers > 0).then(|| (WaitingCode::LaneFull, text()))
}

fn limits<'f>(row: &Row, facts: &'f Facts) -> impl Iterator<Item = &'f LimitView> {
    limit_keys(row).filter_map(|key| facts.limit(&key))
}

fn is_tenants(key: &str) -> bool {
    matches!(
        scope_of(key),
        LimitScope::Tenant(_) | LimitScope::TenantKind(..)
    )
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
