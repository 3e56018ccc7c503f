//! The calls that wait to be sent, oldest first, and which of them may leave before the greeting.

use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(super) struct Line {
    all: BTreeSet<u64>,
    repeatable: BTreeSet<u64>,
}

impl Line {
    /// Stands in line by the age of its number, also when it comes back.
    pub(super) fn enter(&mut self, number: u64, is_repeatable: bool) {
        self.all.insert(number);
        if is_repeatable {
            self.repeatable.insert(number);
        }
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.all.remove(&number);
        self.repeatable.remove(&number);
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.all.first().copied()
    }

    pub(super) fn first_repeatable(&self) -> Option<u64> {
        self.repeatable.first().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
