use std::sync::atomic::{AtomicU64, Ordering};

use apalis::prelude::*;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::ack::run_all;
use super::backend::Delivered;
use super::run::Batch;
use super::{JobHandle, LaneBackend};
use crate::Failure;

/// Starts an apalis worker over one lane, whose handler takes one job at a time; it runs until the
/// engine stops claiming and the lane is empty.
///
/// Runs are tasks, and handlers that are done at once share one; a panic is an outcome like others,
/// and a run whose lease is lost, whose time is over or whose grace after a cancel has passed is
/// aborted.
pub fn work<F, Fut>(backend: LaneBackend, handler: F) -> JoinHandle<()>
where
    F: Fn(JobHandle) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    work_batches(backend, move |batch: Batch| {
        let handler = handler.clone();
        async move {
            let mut results = Vec::with_capacity(batch.handles.len());
            for handle in batch.handles {
                results.push(handler(handle).await);
            }
            results
        }
    })
}

/// The same with a handler that takes what belongs together at once: as many jobs of a flow as
/// their kind allows. It returns one result for each, in their order.
pub fn work_batches<F, Fut>(backend: LaneBackend, handler: F) -> JoinHandle<()>
where
    F: Fn(Batch) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Vec<Result<(), Failure>>> + Send + 'static,
{
    // apalis wants names to differ within a process; no claim or fence ever uses them.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let lane = backend.lane().as_str();
    let name = format!("{lane}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let run = move |delivered: Delivered| {
        let work = run_all(handler.clone(), delivered);
        async move {
            work.await;
            Ok::<_, BoxDynError>(())
        }
    };
    let worker = WorkerBuilder::new(name)
        .backend(backend)
        .parallelize(|work| AbortOnDropHandle::new(tokio::spawn(work)))
        .build(run);
    // An async block around `run` would not be general enough for `spawn`.
    let running = tokio::spawn(worker.run());
    tokio::spawn(async move {
        match running.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = %error, lane, "a worker ended"),
            Err(error) => tracing::error!(error = %error, lane, "a worker broke"),
        }
    })
}
