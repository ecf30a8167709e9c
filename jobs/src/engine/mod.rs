//! The engine of one process: it claims jobs under a lease, hands them to apalis workers, finishes
//! what they did, keeps the leases alive and rescues what others let go.

mod ack;
mod backend;
mod claim;
mod claimed;
mod dead;
mod direct;
mod discover;
mod due;
mod fetch;
mod finish;
mod hold;
mod inflight;
mod lane;
mod lease;
mod limits;
mod notes;
mod options;
#[cfg(test)]
mod plans;
mod ready;
mod rescue;
mod run;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::Db;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::counters::{Counters, ProcessLoad};
use crate::{JobMetrics, KindInfo, Lane};

pub use backend::LaneBackend;
pub use claimed::{ClaimedJob, JobHandle, LostLease};
pub use dead::{DeadHook, DeadHooks, DeadJob};
pub(crate) use direct::{Seat, Started, limits_changed, reserve};
pub use options::EngineOptions;
pub use run::Batch;
pub use worker::{work, work_batches};

/// What the tasks of one engine share.
struct Shared {
    db: Db,
    options: EngineOptions,
    /// The names of the kinds, as statements take them.
    kinds: Vec<&'static str>,
    /// This process start, in every claim and every fence.
    session: lease::Session,
    inflight: inflight::InFlight,
    dead_hooks: DeadHooks,
    finishes: finish::Finishes,
    notes: notes::Notes,
    lanes: HashMap<Lane, Arc<lane::LaneState>>,
    flows: discover::KnownFlows,
    limits: limits::LimitSettings,
    /// Held by whoever in this process has limits locked.
    limits_gate: Mutex<()>,
    limits_seen: limits::Seen,
    /// Something may be due earlier than thought.
    wake_due: Notify,
    /// Signals may have been missed.
    wake_look: Notify,
    /// Limits were set.
    wake_limits: Notify,
    /// Claims on their way, and jobs that are about to begin without one.
    claimers: TaskTracker,
    /// No more claims.
    stop: CancellationToken,
    /// No more outcomes come.
    last_outcome: CancellationToken,
}

impl Shared {
    fn kind(&self, name: &str) -> Option<KindInfo> {
        self.options
            .kinds
            .iter()
            .find(|known| known.name == name)
            .copied()
    }

    fn load(&self) -> ProcessLoad {
        let slots = |lane| {
            self.lanes.get(&lane).map_or((0, 0), |state| {
                (state.slots, state.slots.saturating_sub(state.free()))
            })
        };
        let (interactive_slots, interactive_busy) = slots(Lane::Interactive);
        let (answers_slots, answers_busy) = slots(Lane::Answers);
        let (bulk_slots, bulk_busy) = slots(Lane::Bulk);
        ProcessLoad {
            interactive_slots,
            interactive_busy,
            answers_slots,
            answers_busy,
            bulk_slots,
            bulk_busy,
        }
    }

    /// Anything may have changed.
    fn look_again(&self) {
        self.wake_look.notify_one();
        self.wake_due.notify_one();
        self.wake_limits.notify_one();
    }
}

/// The running engine. Dropping it does not stop it; call [`Engine::shut_down`].
pub struct Engine {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    finishers: TaskTracker,
    /// Ends what must outlive the last job: heartbeat and rescue.
    end: CancellationToken,
}

impl Engine {
    /// Registers this process start and begins to claim for the backends it returns, one for each
    /// lane; each belongs into an apalis worker.
    ///
    /// # Errors
    /// `Unavailable` if the database cannot be reached.
    pub async fn start(
        db: Db,
        options: EngineOptions,
        dead_hooks: DeadHooks,
    ) -> db::Result<(Self, Vec<LaneBackend>)> {
        let kinds: Vec<_> = options.kinds.iter().map(|kind| kind.name).collect();
        let session = lease::open_session(&db, &kinds).await?;
        let (finishes, queues) = finish::queues();
        let lanes = Lane::ALL.into_iter().map(|lane| {
            let state = lane::LaneState::new(lane, options.slots(lane));
            (lane, Arc::new(state))
        });
        let metrics = options
            .metrics
            .clone()
            .unwrap_or_else(|| JobMetrics::new(kinds.iter().copied()));
        let notes = notes::Notes {
            metrics,
            counters: Counters::install(&db),
        };
        let shared = Arc::new(Shared {
            notes,
            kinds,
            session,
            inflight: inflight::InFlight::default(),
            dead_hooks,
            finishes,
            lanes: lanes.collect(),
            flows: discover::KnownFlows::default(),
            limits: limits::LimitSettings::default(),
            limits_gate: Mutex::new(()),
            limits_seen: limits::Seen::default(),
            wake_due: Notify::new(),
            wake_look: Notify::new(),
            wake_limits: Notify::new(),
            claimers: TaskTracker::new(),
            stop: CancellationToken::new(),
            last_outcome: CancellationToken::new(),
            db,
            options,
        });
        shared.db.run_jobs();
        // What was set before counts from the first claim on.
        shared.limits.load(&shared).await?;
        let finishers = TaskTracker::new();
        finish::start(&shared, queues, &finishers);
        finishers.close();
        let engine = Self {
            shared: Arc::clone(&shared),
            tasks: TaskTracker::new(),
            finishers,
            end: CancellationToken::new(),
        };
        engine.spawn_background();
        let backends = engine.spawn_lanes();
        engine.watch();
        engine.tasks.close();
        engine.shared.claimers.close();
        direct::Host::install(&engine.shared);
        Ok((engine, backends))
    }

    fn spawn_background(&self) {
        let shared = || Arc::clone(&self.shared);
        let (stop, end) = (&self.shared.stop, &self.end);
        let until = |token: &CancellationToken| token.clone();
        self.tasks
            .spawn(until(end).run_until_cancelled_owned(lease::beat_for_ever(shared())));
        self.tasks
            .spawn(until(end).run_until_cancelled_owned(rescue::rescue_for_ever(shared())));
        self.tasks
            .spawn(until(end).run_until_cancelled_owned(discover::hear_for_ever(shared())));
        self.tasks
            .spawn(until(stop).run_until_cancelled_owned(discover::look_for_ever(shared())));
        self.tasks
            .spawn(until(stop).run_until_cancelled_owned(due::promote_for_ever(shared())));
        self.tasks
            .spawn(until(stop).run_until_cancelled_owned(limits::refresh_for_ever(shared())));
        self.tasks
            .spawn(until(stop).run_until_cancelled_owned(fetch::give_back_stale(shared())));
    }

    fn spawn_lanes(&self) -> Vec<LaneBackend> {
        Lane::ALL
            .into_iter()
            .filter_map(|lane| self.shared.lanes.get(&lane))
            .map(|lane| {
                let (shared, lane) = (Arc::clone(&self.shared), Arc::clone(lane));
                let (out, source) = mpsc::channel(lane.slots);
                lane.open(&out);
                let claiming = fetch::claim_for_ever(Arc::clone(&shared), Arc::clone(&lane));
                let handing = fetch::hand_out_for_ever(Arc::clone(&shared), Arc::clone(&lane), out);
                self.shared.claimers.spawn(claiming);
                self.tasks.spawn(handing);
                LaneBackend::new(lane, source, shared)
            })
            .collect()
    }

    /// Counts, and tells how busy the lanes are.
    fn watch(&self) {
        let shared = Arc::clone(&self.shared);
        for lane in shared.lanes.values() {
            let state = Arc::clone(lane);
            let metrics = &shared.notes.metrics;
            metrics.watch_slots(lane.lane, lane.slots, move || state.free());
        }
        let (db, session) = (shared.db.clone(), shared.session.id);
        let counters = Arc::clone(&shared.notes.counters);
        let load = move || shared.load();
        let folding = crate::counters::run(db, counters, Some(session), load, self.end.clone());
        self.tasks.spawn(folding);
    }

    /// Stops claiming. What is claimed but not begun is given back with its attempt.
    pub fn stop_claiming(&self) {
        self.shared.stop.cancel();
    }

    /// The number of this process start.
    pub fn session(&self) -> i64 {
        self.shared.session.id
    }

    /// Waits until this process has no job. A claim that was on its way when claiming was stopped may
    /// still bring some, which are given back.
    async fn drained(&self) {
        self.shared.claimers.wait().await;
        self.shared.inflight.wait_empty().await;
    }

    /// Stops claiming, lets running jobs end within the drain time, gives back the rest, and
    /// returns when the last outcome is committed or the database stays away.
    pub async fn shut_down(self) {
        self.stop_claiming();
        let drain = self.shared.options.drain;
        if tokio::time::timeout(drain, self.drained()).await.is_err() {
            self.shared.inflight.release_all();
            let grace = Duration::from_secs(2);
            tokio::time::timeout(grace, self.drained()).await.ok();
        }
        self.shared.last_outcome.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.finishers.wait())
            .await
            .ok();
        self.end.cancel();
        self.shared.claimers.wait().await;
        self.tasks.wait().await;
        lease::close_session(&self.shared.db, &self.shared.session).await;
    }
}
