//! The changes that are in memory: the newest, as they were committed, and stretches of older ones that were read
//! for those who are behind. Reads nothing itself.
//!
//! Whoever watches takes changes from here when it can send them, and holds none meanwhile: what is in memory for
//! all of them is bounded, however many are slow. A stretch that has gone before it was used is read again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::changes::History;
use crate::{Change, Changes, Limits, Wanted};

#[derive(Debug)]
pub(super) struct Shelf(Mutex<Shelved>);

#[derive(Debug)]
struct Shelved {
    recent: History,
    /// The last that were read, in the order in which they were; at most so many bytes.
    older: VecDeque<History>,
    most_bytes: u64,
}

impl Shelf {
    /// With the newest changes, which [`recent`] bounds.
    pub(super) fn new(recent: History, limits: &Limits) -> Shelf {
        Shelf(Mutex::new(Shelved { recent, older: VecDeque::new(), most_bytes: limits.reread_bytes }))
    }

    /// The newest changes, in their order. They are on disk.
    pub(super) fn push(&self, changes: impl Iterator<Item = Change>) {
        let mut shelved = self.lock();
        let old: Vec<_> = changes.flat_map(|change| shelved.recent.push(change)).collect();
        drop(shelved);
        drop(old); // not under the lock
    }

    /// Older changes.
    pub(super) fn put(&self, read: History) {
        let mut shelved = self.lock();
        shelved.older.push_back(read);
        let gone = shelved.too_much();
        drop(shelved);
        drop(gone); // not under the lock
    }

    /// What is wanted, if what comes first is here.
    pub(super) fn find(&self, wanted: &Wanted<'_>) -> Option<Changes> {
        let shelved = self.lock();
        let older = || shelved.older.iter().rev().find_map(|older| older.find(wanted));
        shelved.recent.find(wanted).or_else(older)
    }

    // A poisoned lock is no harm: what panics in here, for want of memory, leaves a history that is found wanting.
    fn lock(&self) -> MutexGuard<'_, Shelved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelved {
    /// The stretches that there is no room for; the last one read stays.
    fn too_much(&mut self) -> Vec<History> {
        let bytes = |older: &VecDeque<History>| older.iter().map(History::bytes).sum::<u64>();
        let mut gone = Vec::new();
        while self.older.len() > 1 && (self.older.len() > STRETCHES || bytes(&self.older) > self.most_bytes) {
            gone.extend(self.older.pop_front());
        }
        gone
    }
}

/// A history for the newest changes. None of them is older than what the file keeps, so that a watcher is told the
/// same whichever it is read from.
pub(super) fn recent(limits: &Limits) -> History {
    let most = limits.recent.min(limits.history);
    History::new(most, limits.recent_bytes.min(limits.history_bytes))
}

/// Stretches of older changes, each of at most [`tables::STRETCH`](super::tables::STRETCH): small ones are bounded by
/// this, large ones by their bytes.
const STRETCHES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn change(version: u64, bytes: usize) -> Change {
        Change { version, id: "".into(), body: Some(vec![b'x'; bytes].into()) }
    }

    fn stretch(version: u64, bytes: usize) -> History {
        let mut stretch = History::new(9, u64::MAX);
        stretch.push(change(version, bytes));
        stretch
    }

    fn has(shelf: &Shelf, version: u64) -> bool {
        shelf.find(&Wanted { after: version - 1, prefix: "", at_most: 1, most_bytes: 1 }).is_some()
    }

    fn shelf() -> Shelf {
        let limits = Limits { reread_bytes: 100, recent: 2, ..Limits::default() };
        Shelf::new(recent(&limits), &limits)
    }

    #[test]
    fn older_changes_are_bounded_by_bytes_and_by_number() {
        let shelf = shelf();
        (1..=3).for_each(|version| shelf.put(stretch(version, 50)));
        assert_eq!([1, 2, 3].map(|version| has(&shelf, version)), [false, true, true]);
        shelf.put(stretch(4, 999));
        assert_eq!([3, 4].map(|version| has(&shelf, version)), [false, true], "the last one stays");
        (5..).take(STRETCHES).for_each(|version| shelf.put(stretch(version, 0)));
        assert!(!has(&shelf, 4));
        (5..).take(STRETCHES).for_each(|version| assert!(has(&shelf, version)));
        shelf.put(stretch(1, 0));
        assert!(!has(&shelf, 5) && has(&shelf, 6));
    }

    #[test]
    fn the_newest_are_found_before_older_ones() {
        let shelf = shelf();
        shelf.push((1..=3).map(|version| change(version, 1)));
        assert_eq!([1, 2, 3, 4].map(|version| has(&shelf, version)), [false, true, true, false]);
        shelf.put(stretch(1, 1));
        assert!(has(&shelf, 1));
    }
}
