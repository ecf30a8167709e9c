use std::sync::atomic::{AtomicU64, Ordering};

use apalis::layers::catch_panic::CatchPanicLayer;
use apalis::prelude::*;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::{JobHandle, LaneBackend};
use crate::Failure;

/// Starts an apalis worker over one lane; it runs until the engine stops claiming and the lane is empty.
///
/// Each job runs as a task of its own; a panic is an outcome like others, and a job whose lease is
/// lost is aborted.
pub fn work<F, Fut>(backend: LaneBackend, handler: F) -> JoinHandle<()>
where
    F: Fn(JobHandle) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    // apalis wants names to differ within a process; no claim or fence ever uses them.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let lane = backend.lane().as_str();
    let name = format!("{lane}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let run = move |handle: JobHandle| {
        let work = handler(handle);
        async move { work.await.map_err(BoxDynError::from) }
    };
    let worker = WorkerBuilder::new(name)
        .backend(backend)
        .parallelize(|work| AbortOnDropHandle::new(tokio::spawn(work)))
        .layer(CatchPanicLayer::with_panic_handler(panicked))
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

fn panicked(payload: &Box<dyn std::any::Any + Send>) -> Failure {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Failure::Panicked(text)
}
