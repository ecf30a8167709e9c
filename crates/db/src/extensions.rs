use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

type Value = Arc<dyn Any + Send + Sync>;

/// What crates on upper floors keep beside a database for as long as its process runs: at most one
/// value of each type, found again from every clone of the handle and from every transaction.
///
/// A value must not hold a [`Db`](crate::Db) of its own: the two would keep each other alive.
#[derive(Debug, Default)]
pub struct Extensions {
    values: RwLock<HashMap<TypeId, Value>>,
}

impl Extensions {
    /// The value of this type, if there is one.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
        let value = Arc::clone(values.get(&TypeId::of::<T>())?);
        drop(values);
        value.downcast().ok()
    }

    /// Keeps `value`, unless there is one of its type; returns the one that is kept.
    pub fn get_or_insert<T: Any + Send + Sync>(&self, value: T) -> Arc<T> {
        if let Some(kept) = self.get() {
            return kept;
        }
        let value = Arc::new(value);
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        let entry = values.entry(TypeId::of::<T>());
        let kept = Arc::clone(entry.or_insert_with(|| Arc::<T>::clone(&value) as Value));
        drop(values);
        kept.downcast().unwrap_or(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_type_stays_and_types_do_not_mix() {
        let extensions = Extensions::default();
        assert_eq!(extensions.get::<u32>(), None);
        assert_eq!(*extensions.get_or_insert(1_u32), 1);
        assert_eq!(*extensions.get_or_insert(2_u32), 1);
        assert_eq!(*extensions.get_or_insert("text"), "text");
        assert_eq!(extensions.get::<u32>().as_deref(), Some(&1));
        assert_eq!(extensions.get::<i64>(), None);
    }
}
