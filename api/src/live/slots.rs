use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use domain::WebchatSessionId;

/// Connections that one session may have open: tabs of one browser.
const PER_SESSION: usize = 8;

/// How many connections each session has open in this process.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<HashMap<WebchatSessionId, usize>>);

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    session: WebchatSessionId,
    slots: Arc<Slots>,
}

impl Slots {
    /// Takes a place; `None` if the session has its most.
    pub(super) fn take(self: &Arc<Self>, session: WebchatSessionId) -> Option<Slot> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(session).or_default();
        if *count >= PER_SESSION {
            return None;
        }
        *count += 1;
        Some(Slot {
            session,
            slots: Arc::clone(self),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = open.entry(self.session) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_given_back_can_be_taken_again_and_nothing_is_kept() {
        let slots = Arc::new(Slots::default());
        let session = WebchatSessionId::new();
        let mut taken: Vec<Slot> = (0..PER_SESSION)
            .filter_map(|_| slots.take(session))
            .collect();
        assert_eq!(taken.len(), PER_SESSION);
        assert!(slots.take(session).is_none());
        assert!(slots.take(WebchatSessionId::new()).is_some());
        taken.pop();
        assert!(slots.take(session).is_some());
        taken.clear();
        assert!(slots.0.lock().unwrap().is_empty());
    }
}
