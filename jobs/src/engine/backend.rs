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
use super::fetch::{self, Delivery};
use super::inflight::Lease;
use super::{JobHandle, Shared};
use crate::Lane;

/// One lane as an apalis backend: it yields claimed jobs and takes their outcomes back.
///
/// It never fails: trouble with the database is waited out behind it, so no apalis worker ends
/// because a connection did.
pub struct LaneBackend {
    lane: Lane,
    source: mpsc::Receiver<Delivery>,
    shared: Arc<Shared>,
}

/// What the acknowledging layer needs to know of a task.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) handle: JobHandle,
    pub(super) lease: Arc<Lease>,
    /// The slot, until the outcome is handed over.
    pub(super) slot: Arc<tokio::sync::OwnedSemaphorePermit>,
}

impl LaneBackend {
    pub(super) const fn new(
        lane: Lane,
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
    pub const fn lane(&self) -> Lane {
        self.lane
    }
}

impl Backend for LaneBackend {
    type Task = Task<JobHandle>;
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
        self.source.poll_recv(cx).map(|delivery| {
            let Delivery { job, lease, slot } = delivery?;
            let handle = JobHandle::new(Arc::clone(&job), self.shared.session, Arc::clone(&lease));
            let held = Held {
                handle: handle.clone(),
                lease,
                slot: Arc::new(slot),
            };
            let task = TaskBuilder::new(handle)
                .task_id(TaskId::from_int(job.id.unsigned_abs()))
                .data(held)
                .build();
            Some(Ok(task))
        })
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.source.close();
        while let Ok(Delivery { job, .. }) = self.source.try_recv() {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move { fetch::give_back(&shared, &job).await });
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for LaneBackend {
    type Args = JobHandle;
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
