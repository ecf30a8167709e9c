use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How many messages of one connection may wait.
const PLACES: usize = 64;

/// Where the messages of one connection wait for each other, in the order in which they came.
///
/// Each packet is handled by a task of its own, and tasks overtake each other; so a message enters
/// before its task begins. Clones are the same line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Resolves when the last message in line is done.
    last: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
    places: Arc<Semaphore>,
}

/// A message's place in line, given up when dropped.
#[derive(Debug)]
pub(super) struct InLine {
    before: Option<oneshot::Receiver<()>>,
    _done: oneshot::Sender<()>,
    _place: OwnedSemaphorePermit,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            last: Arc::default(),
            places: Arc::new(Semaphore::new(PLACES)),
        }
    }
}

impl Line {
    /// Enters at the end; `None` if too many wait already.
    pub(super) fn enter(&self) -> Option<InLine> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (done, is_done) = oneshot::channel();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        Some(InLine {
            before: last.replace(is_done),
            _done: done,
            _place: place,
        })
    }
}

impl InLine {
    /// Waits until everything before it is done, or was given up.
    pub(super) async fn at_the_head(&mut self) {
        if let Some(before) = self.before.take() {
            before.await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn each_waits_for_the_one_before_it_however_that_ends() {
        let line = Line::default();
        let mut in_line: Vec<InLine> = (0..3).filter_map(|_| line.enter()).collect();
        let (mut third, mut second) = (in_line.pop().unwrap(), in_line.pop().unwrap());
        let mut first = in_line.pop().unwrap();
        assert!(first.at_the_head().now_or_never().is_some());
        {
            let waits = third.at_the_head();
            tokio::pin!(waits);
            assert!(waits.as_mut().now_or_never().is_none());
            {
                let second_waits = second.at_the_head();
                tokio::pin!(second_waits);
                assert!(second_waits.as_mut().now_or_never().is_none());
                drop(first);
                assert!(second_waits.now_or_never().is_some());
            }
            assert!(waits.as_mut().now_or_never().is_none());
            drop(second);
            assert!(waits.now_or_never().is_some());
        }
        drop(third);
        assert!(line.enter().unwrap().at_the_head().now_or_never().is_some());
    }

    #[test]
    fn a_line_is_no_longer_than_it_may_be() {
        let line = Line::default();
        let mut in_line: Vec<InLine> = (0..PLACES).filter_map(|_| line.enter()).collect();
        assert!(line.enter().is_none());
        in_line.truncate(1);
        assert!(line.enter().is_some());
    }
}
