//! The engine of one process: it claims jobs under a lease, hands them to apalis workers, finishes
//! what they did, keeps the leases alive and rescues what others let go.

mod ack;
mod backend;
mod claim;
mod claimed;
mod dead;
mod fetch;
mod finish;
mod inflight;
mod lease;
mod rescue;
mod schedule;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::Db;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{KindInfo, Lane, Policy};

pub use backend::LaneBackend;
pub use claimed::{ClaimedJob, JobHandle, LostLease};
pub use dead::{DeadHook, DeadHooks, DeadJob};
pub use worker::work;

/// How one process runs jobs.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The kinds this process knows; it claims no others.
    pub kinds: Vec<KindInfo>,
    /// How many interactive jobs run at a time.
    pub interactive_slots: usize,
    /// How many bulk jobs run at a time.
    pub bulk_slots: usize,
    /// How long a claim holds without a heartbeat. Default 30 seconds; renewed every third of it.
    pub lease: Duration,
    /// The longest wait between looks at the tables, for signals that were lost. Default 1 second.
    pub poll: Duration,
    /// How long running jobs may go on once the process shall end. Default 25 seconds.
    pub drain: Duration,
}

impl EngineOptions {
    /// Options with 64 interactive and 16 bulk slots.
    pub fn new(kinds: Vec<KindInfo>) -> Self {
        Self {
            kinds,
            interactive_slots: 64,
            bulk_slots: 16,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            drain: Duration::from_secs(25),
        }
    }

    const fn slots(&self, lane: Lane) -> usize {
        match lane {
            Lane::Interactive => self.interactive_slots,
            Lane::Bulk => self.bulk_slots,
        }
    }
}

/// What the tasks of one engine share.
struct Shared {
    db: Db,
    options: EngineOptions,
    /// The names of the kinds, as statements take them.
    kinds: Vec<&'static str>,
    /// This process start, in every claim and every fence.
    session: i64,
    inflight: inflight::InFlight,
    dead_hooks: DeadHooks,
    finishes: mpsc::Sender<finish::Finish>,
    /// One for each lane: there may be something to claim.
    wake_lanes: HashMap<Lane, Notify>,
    /// Something may be due earlier than thought.
    wake_schedule: Notify,
    /// No more claims.
    stop: CancellationToken,
}

impl Shared {
    fn policy(&self, kind: &str) -> Option<Policy> {
        self.options
            .kinds
            .iter()
            .find(|known| known.name == kind)
            .map(|known| known.policy)
    }

    fn wake_all(&self) {
        for lane in self.wake_lanes.values() {
            lane.notify_one();
        }
        self.wake_schedule.notify_one();
    }
}

/// The running engine. Dropping it does not stop it; call [`Engine::shut_down`].
pub struct Engine {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    finisher: tokio::task::JoinHandle<()>,
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
        let (finishes, queue) = mpsc::channel(10_000);
        let end = CancellationToken::new();
        let shared = Arc::new(Shared {
            kinds,
            session,
            inflight: inflight::InFlight::default(),
            dead_hooks,
            finishes,
            wake_lanes: Lane::ALL
                .into_iter()
                .map(|lane| (lane, Notify::new()))
                .collect(),
            wake_schedule: Notify::new(),
            stop: CancellationToken::new(),
            db,
            options,
        });
        let tasks = TaskTracker::new();
        let finisher = tokio::spawn(finish::run(Arc::clone(&shared), queue));
        let background = end.clone();
        tasks.spawn(
            background
                .clone()
                .run_until_cancelled_owned(lease::heartbeat(Arc::clone(&shared))),
        );
        tasks.spawn(
            background
                .clone()
                .run_until_cancelled_owned(rescue::run(Arc::clone(&shared))),
        );
        let stop = shared.stop.clone();
        tasks.spawn(
            stop.clone()
                .run_until_cancelled_owned(schedule::run(Arc::clone(&shared))),
        );
        tasks.spawn(stop.run_until_cancelled_owned(schedule::hear_signals(Arc::clone(&shared))));
        let backends = Lane::ALL
            .into_iter()
            .map(|lane| {
                let slots = shared.options.slots(lane);
                let (claimed, source) = mpsc::channel(slots.max(1));
                tasks.spawn(fetch::run(Arc::clone(&shared), lane, slots, claimed));
                LaneBackend::new(lane, source, Arc::clone(&shared))
            })
            .collect();
        tasks.close();
        Ok((
            Self {
                shared,
                tasks,
                finisher,
                end,
            },
            backends,
        ))
    }

    /// Stops claiming. What is claimed but not begun is given back with its attempt.
    pub fn stop_claiming(&self) {
        self.shared.stop.cancel();
    }

    /// The number of this process start.
    pub fn session(&self) -> i64 {
        self.shared.session
    }

    /// Stops claiming, lets running jobs end within the drain time, gives back the rest, and
    /// returns when the last outcome is committed or the database stays away.
    pub async fn shut_down(self) {
        self.stop_claiming();
        if tokio::time::timeout(self.shared.options.drain, self.shared.inflight.wait_empty())
            .await
            .is_err()
        {
            self.shared.inflight.release_all();
            let grace = Duration::from_secs(2);
            tokio::time::timeout(grace, self.shared.inflight.wait_empty())
                .await
                .ok();
        }
        self.shared.finishes.send(finish::Finish::End).await.ok();
        tokio::time::timeout(Duration::from_secs(5), self.finisher)
            .await
            .ok();
        self.end.cancel();
        self.tasks.wait().await;
        lease::close_session(&self.shared.db, self.shared.session).await;
    }
}
