use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use tokio::sync::mpsc;

use super::ack::AckLayer;
use super::claim::Hold;
use super::fetch::{self, Delivery, LaneState};
use super::run::Batch;
use super::{JobHandle, Shared};
use crate::Lane;

/// One lane as an apalis backend: it yields claimed jobs and takes their outcomes back.
///
/// It never fails: trouble with the database is waited out behind it, so no apalis worker ends
/// because a connection did.
pub struct LaneBackend {
    lane: Arc<LaneState>,
    source: mpsc::Receiver<Delivery>,
    shared: Arc<Shared>,
}

/// What the acknowledging layer needs to know of a task.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) holds: Vec<Hold>,
    pub(super) lane: Arc<LaneState>,
    /// The slot, until the outcome is handed over.
    pub(super) slot: Arc<tokio::sync::OwnedSemaphorePermit>,
}

impl LaneBackend {
    pub(super) const fn new(
        lane: Arc<LaneState>,
        source: mpsc::Receiver<Delivery>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            lane,
            source,
            shared,
        }
    }

    /// Which lane it serves.
    pub fn lane(&self) -> Lane {
        self.lane.lane
    }

    fn task(&self, delivery: Delivery) -> Task<Batch> {
        let Delivery { holds, slot } = delivery;
        let handles: Vec<JobHandle> = holds
            .iter()
            .map(|hold| {
                let (job, lease) = (Arc::clone(&hold.job), Arc::clone(&hold.lease));
                JobHandle::new(job, self.shared.session, lease)
            })
            .collect();
        let id = holds.first().map_or(0, |hold| hold.job.id.unsigned_abs());
        TaskBuilder::new(Batch { handles })
            .task_id(TaskId::from_int(id))
            .data(Held {
                holds,
                lane: Arc::clone(&self.lane),
                slot: Arc::new(slot),
            })
            .build()
    }
}

impl Backend for LaneBackend {
    type Task = Task<Batch>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.source
            .poll_recv(cx)
            .map(|delivery| Some(Ok(self.task(delivery?))))
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.source.close();
        while let Ok(Delivery { holds, .. }) = self.source.try_recv() {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move { fetch::give_back(&shared, holds).await });
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for LaneBackend {
    type Args = Batch;
    type Id = u64;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = AckLayer;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> AckLayer {
        AckLayer::new(Arc::clone(&self.shared))
    }
}
