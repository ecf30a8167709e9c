use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

/// What a value beyond the bound is counted under.
pub const OTHER: &str = "other";

/// Keeps the values of a label few: the first `most` by first use have their own series, all later
/// ones share [`OTHER`]. Clones share what they know.
#[derive(Clone, Debug)]
pub struct BoundedLabel {
    known: Arc<RwLock<HashSet<String>>>,
    most: usize,
}

impl BoundedLabel {
    /// A label with at most so many values of its own.
    pub fn new(most: usize) -> Self {
        Self {
            known: Arc::default(),
            most,
        }
    }

    /// The value to count under.
    pub fn of(&self, value: String) -> Cow<'static, str> {
        // Most are known: the common way takes no exclusive lock.
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.contains(&value) {
                return value.into();
            }
            if known.len() >= self.most {
                return OTHER.into();
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&value) {
            return value.into();
        }
        if known.len() >= self.most {
            return OTHER.into();
        }
        known.insert(value.clone());
        value.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_values_keep_their_names_and_later_ones_share_one() {
        let label = BoundedLabel::new(2);
        let seen: Vec<_> = ["a", "b", "c", "a", "d", "b"]
            .map(|value| label.of(value.to_owned()))
            .into();
        assert_eq!(seen, ["a", "b", OTHER, "a", OTHER, "b"]);
    }

    #[test]
    fn the_bound_holds_between_threads() {
        let label = BoundedLabel::new(100);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let label = label.clone();
                scope.spawn(move || {
                    for nth in 0..200 {
                        label.of(format!("{thread}-{nth}"));
                    }
                });
            }
        });
        assert_eq!(label.known.read().unwrap().len(), 100);
    }
}
