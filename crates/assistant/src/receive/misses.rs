use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How many are remembered; then all are forgotten.
const MOST: usize = 10_000;

/// What was looked for lately and was not there.
#[derive(Debug)]
pub(super) struct Misses<K> {
    remembered: Duration,
    since: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Misses<K> {
    /// Misses that are remembered for so long.
    pub(super) fn new(remembered: Duration) -> Self {
        Self {
            remembered,
            since: HashMap::new(),
        }
    }

    /// Whether it was missed lately.
    pub(super) fn holds(&self, missed: &K) -> bool {
        self.since
            .get(missed)
            .is_some_and(|since| since.elapsed() < self.remembered)
    }

    /// Notes that it is not there.
    pub(super) fn note(&mut self, missed: K) {
        if self.since.len() >= MOST {
            self.since.clear();
        }
        self.since.insert(missed, Instant::now());
    }

    /// Forgets all of them.
    pub(super) fn forget(&mut self) {
        self.since.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_is_remembered_for_its_time_and_not_for_ever_many() {
        let mut misses = Misses::new(Duration::from_mins(1));
        assert!(!misses.holds(&1));
        misses.note(1);
        assert!(misses.holds(&1));
        misses.forget();
        assert!(!misses.holds(&1));
        for number in 0..=MOST {
            misses.note(number);
        }
        assert!(misses.holds(&MOST) && !misses.holds(&0));
        let mut over = Misses::new(Duration::ZERO);
        over.note(1);
        assert!(!over.holds(&1));
    }
}
