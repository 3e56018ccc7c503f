//! One value for all workers that may be replaced while they run: the trust list, the server's identity. Whoever
//! holds a copy of it asks a number whether it is still the one; a lock is taken only when it is not.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The value, and how often it was replaced.
#[derive(Debug)]
pub(crate) struct Current<T> {
    generation: AtomicU32,
    value: Mutex<Arc<T>>,
}

/// A worker's copy of it.
#[derive(Debug)]
pub(crate) struct Copied<T> {
    pub(crate) generation: u32,
    pub(crate) value: Arc<T>,
}

impl<T> Current<T> {
    pub(crate) fn new(value: T) -> Self {
        Current { generation: AtomicU32::new(0), value: Mutex::new(Arc::new(value)) }
    }

    /// From now on this is the value.
    pub(crate) fn replace(&self, value: T) {
        let mut there = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        *there = Arc::new(value);
        self.generation.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn copy(&self) -> Copied<T> {
        let there = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        Copied { generation: self.generation.load(Ordering::Acquire), value: Arc::clone(&there) }
    }
}

impl<T> Copied<T> {
    /// Says whether it was another value until now.
    pub(crate) fn refresh(&mut self, current: &Current<T>) -> bool {
        let is_old = self.generation != current.generation.load(Ordering::Acquire);
        if is_old {
            *self = current.copy();
        }
        is_old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_refreshed_when_the_value_was_replaced() {
        let current = Current::new("a");
        let mut copied = current.copy();
        assert!(!copied.refresh(&current));
        current.replace("b");
        assert_eq!(*copied.value, "a", "until it is refreshed");
        assert!(copied.refresh(&current));
        assert_eq!((*copied.value, copied.generation), ("b", 1));
        assert!(!copied.refresh(&current));
    }
}
