//! Finding out which flows have ready jobs: by what committed transactions say, and by looking.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use db::{Result, Topic};
use sqlx::FromRow;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::Shared;
use super::inflight::lock;
use super::ready::Flow;
use crate::Lane;
use crate::signal::{self, Word};

/// The most flows that are remembered; beyond them all are forgotten and looked up anew.
const REMEMBERED: usize = 100_000;
/// The most flows that one statement looks at.
const PAGE: usize = 1000;
/// How many times as long as a look took to rest after one of several pages: a table with very
/// many flows is looked at less often.
const REST: u32 = 20;
/// The longest rest.
const MAX_REST: Duration = Duration::from_secs(30);

/// Flows by number.
#[derive(Debug, Default)]
pub(super) struct KnownFlows(Mutex<HashMap<i64, Arc<Flow>>>);

impl KnownFlows {
    /// The flow with this number; made, and remembered, where it is met for the first time.
    pub(super) fn get_or_insert(&self, id: i64, make: impl FnOnce() -> Flow) -> Arc<Flow> {
        let mut flows = lock(&self.0);
        if let Some(known) = flows.get(&id) {
            return Arc::clone(known);
        }
        if flows.len() >= REMEMBERED {
            flows.clear();
        }
        let flow = Arc::new(make());
        flows.insert(id, Arc::clone(&flow));
        flow
    }
}

/// The columns of a flow's head, as [`Head`] reads them.
macro_rules! head {
    () => {
        "flow, id, kind, lane, tenant_id, priority, limit_key_1, limit_key_2"
    };
}

/// The head of a flow.
#[derive(FromRow)]
struct Head {
    flow: i64,
    id: i64,
    kind: String,
    lane: i16,
    tenant_id: Option<Uuid>,
    priority: i16,
    limit_key_1: Option<String>,
    limit_key_2: Option<String>,
}

/// Turns the database's signals into this engine's knowledge.
pub(super) async fn hear_for_ever(shared: Arc<Shared>) {
    let mut signals = shared.db.subscribe();
    let mut unknown = HashMap::new();
    loop {
        match signals.recv().await {
            Ok(signal) if signal.topic != Topic::Jobs => continue,
            Ok(signal) => match signal::words(&signal.payload) {
                Some(words) => {
                    for word in words {
                        hear(&shared, word, &mut unknown);
                    }
                }
                None => shared.look_again(),
            },
            Err(RecvError::Lagged(_)) => shared.look_again(),
            Err(RecvError::Closed) => return,
        }
        if !unknown.is_empty()
            && let Err(error) = look_up(&shared, &unknown).await
        {
            tracing::debug!(error = %error, "flows could not be looked up");
            shared.look_again();
        }
        unknown.clear();
    }
}

fn hear(shared: &Shared, word: Word, unknown: &mut HashMap<i64, i64>) {
    match word {
        Word::Flow { flow, id } => {
            let known = lock(&shared.flows.0).get(&flow).cloned();
            match known {
                Some(known) => announce(shared, &known, id),
                None => {
                    let lowest = unknown.entry(flow).or_insert(id);
                    *lowest = id.min(*lowest);
                }
            }
        }
        Word::Due => shared.wake_due.notify_one(),
        Word::Limits => {
            shared.limits.doubt(Instant::now());
            shared.wake_limits.notify_one();
        }
        Word::Room(limit) => {
            for lane in shared.lanes.values() {
                if lock(&lane.ready).room(limit) {
                    lane.wake.notify_one();
                }
            }
        }
        Word::Cancel(job) => shared.inflight.cancel(job),
        Word::Schedules => {}
    }
}

fn announce(shared: &Shared, flow: &Arc<Flow>, id: i64) {
    if let Some(lane) = shared.lanes.get(&flow.kind.lane) {
        lock(&lane.ready).hear(flow, id);
        lane.wake.notify_one();
    }
}

/// Finds out what flows are that were heard of for the first time.
async fn look_up(shared: &Shared, unknown: &HashMap<i64, i64>) -> Result<()> {
    let flows: Vec<i64> = unknown.keys().copied().collect();
    let heads: Vec<Head> = sqlx::query_as(HEADS)
        .bind(flows)
        .fetch_all(shared.db.fixed())
        .await?;
    for head in heads {
        meet(shared, head);
    }
    Ok(())
}

/// As ranges, as claims name their flows: with `flow = …` a planner may read all jobs by id.
pub(super) const HEADS: &str = concat!(
    "SELECT j.* FROM unnest($1::bigint[]) AS f(flow) CROSS JOIN LATERAL (
        SELECT ",
    head!(),
    " FROM jobs WHERE state = 0 AND (flow, id) >= (f.flow, 0) AND flow <= f.flow
        ORDER BY flow, id LIMIT 1
    ) AS j"
);

/// Looks at the heads of all flows with ready jobs, over and over: what signals lost is found here.
pub(super) async fn look_for_ever(shared: Arc<Shared>) {
    loop {
        let begun = Instant::now();
        let mut rest = shared.options.poll;
        match look(&shared).await {
            Ok(pages) if pages > 1 => {
                rest = rest.max((begun.elapsed() * REST).min(MAX_REST));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %error, "ready jobs could not be looked up"),
        }
        let early = tokio::time::timeout(rest, shared.wake_look.notified()).await;
        if early.is_ok() {
            // Whoever misses many signals asks often.
            tokio::time::sleep(Duration::from_millis(5).max(begun.elapsed())).await;
        }
    }
}

/// Looks at all flows, page by page. Says how many pages there are.
async fn look(shared: &Shared) -> Result<usize> {
    let mut after = i64::MIN;
    for page in 1.. {
        let heads: Vec<Head> = sqlx::query_as(LOOK)
            .bind(after)
            .bind(i32::try_from(PAGE).unwrap_or(i32::MAX))
            .fetch_all(shared.db.fixed())
            .await?;
        let is_last = heads.len() < PAGE;
        for head in heads {
            after = head.flow;
            meet(shared, head);
        }
        if is_last {
            return Ok(page);
        }
    }
    Ok(0)
}

/// Steps from flow to flow through the index: what a flow's backlog holds does not matter.
pub(super) const LOOK: &str = concat!(
    "WITH RECURSIVE heads AS (
        (SELECT ",
    head!(),
    ", 1 AS nth
         FROM jobs WHERE state = 0 AND flow > $1
         ORDER BY flow, id LIMIT 1)
        UNION ALL
        SELECT j.*, heads.nth + 1 FROM heads CROSS JOIN LATERAL (
            SELECT ",
    head!(),
    " FROM jobs WHERE state = 0 AND flow > heads.flow
            ORDER BY flow, id LIMIT 1
        ) AS j WHERE heads.nth < $2
    )
    SELECT ",
    head!(),
    " FROM heads"
);

/// Takes note of a flow with a ready job, if this process knows its kind.
fn meet(shared: &Shared, head: Head) {
    let Some(kind) = shared.kind(&head.kind) else {
        return;
    };
    let flow = shared.flows.get_or_insert(head.flow, || {
        // The row says in which lane it is; a newer version may have moved the kind.
        let kind = crate::KindInfo {
            lane: Lane::of_number(head.lane),
            ..kind
        };
        let keys = [head.limit_key_1, head.limit_key_2];
        let tenant = head.tenant_id.map(Into::into);
        Flow::new(head.flow, kind, tenant, head.priority, &keys)
    });
    announce(shared, &flow, head.id);
}
