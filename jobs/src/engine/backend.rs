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

use tower::layer::util::Identity;

use super::Shared;
use super::fetch;
use super::lane::{Delivery, LaneState};
use crate::Lane;

/// One lane as an apalis backend: it yields claimed jobs. Their outcomes need no layer of apalis:
/// what runs them sees the typed errors, which persisted strings would lose.
///
/// It never fails: trouble with the database is waited out behind it, so no apalis worker ends
/// because a connection did.
pub struct LaneBackend {
    lane: Arc<LaneState>,
    source: mpsc::Receiver<Delivery>,
    shared: Arc<Shared>,
}

/// What an apalis task carries: runs that begin together, and where they belong.
pub struct Delivered {
    pub(super) delivery: Delivery,
    pub(super) lane: Arc<LaneState>,
    pub(super) shared: Arc<Shared>,
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

    fn task(&self, delivery: Delivery) -> Task<Delivered> {
        let first = delivery.runs.first().and_then(|holds| holds.first());
        let id = first.map_or(0, |hold| hold.job.id.unsigned_abs());
        TaskBuilder::new(Delivered {
            delivery,
            lane: Arc::clone(&self.lane),
            shared: Arc::clone(&self.shared),
        })
        .task_id(TaskId::from_int(id))
        .build()
    }
}

impl Backend for LaneBackend {
    type Task = Task<Delivered>;
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
        while let Ok(delivery) = self.source.try_recv() {
            let (shared, holds) = (Arc::clone(&self.shared), delivery.into_holds());
            tokio::spawn(async move { fetch::give_back(&shared, holds).await });
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for LaneBackend {
    type Args = Delivered;
    type Id = u64;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
