use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};

use crate::Cause;

/// The most one answer may weigh on the wire: a server that never ends a line fills no memory.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// What ends a byte stream before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("nothing came for too long")]
    Idle,
    #[error("the answer weighs over {ANSWER_BYTES} bytes")]
    TooLarge,
    #[error("the connection broke")]
    Broken(#[source] Cause),
}

/// Whether an answer has begun: until then the wait for its first piece has a limit of its own.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Begun {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Cuts `bytes` off when they grow too many or, once the answer has begun, stop coming for `idle`.
pub(super) fn limited<S, E>(
    bytes: S,
    idle: Duration,
    begun: Begun,
) -> BoxStream<'static, Result<Bytes, Cut>>
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Cause> + 'static,
{
    let state = Some((bytes.boxed(), 0_usize));
    stream::unfold(state, move |state| {
        let begun = begun.clone();
        async move {
            let (mut bytes, seen) = state?;
            let next = if begun.get() {
                match tokio::time::timeout(idle, bytes.next()).await {
                    Ok(next) => next,
                    Err(_) => return Some((Err(Cut::Idle), None)),
                }
            } else {
                bytes.next().await
            };
            match next? {
                Ok(piece) if seen + piece.len() > ANSWER_BYTES => Some((Err(Cut::TooLarge), None)),
                Ok(piece) => {
                    let seen = seen + piece.len();
                    Some((Ok(piece), Some((bytes, seen))))
                }
                Err(error) => Some((Err(Cut::Broken(error.into())), None)),
            }
        }
    })
    .boxed()
}
