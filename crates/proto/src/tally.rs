//! Counts of what was said, by reason code: one writer's, readable from any thread. Says nothing of when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::code::Code;

/// A number that only rises. Its writer is one thread, so that counting is a load and a store.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

/// How often each code came.
#[derive(Debug)]
pub struct ByCode {
    /// In the order of the table of codes.
    known: Box<[Count]>,
    /// A server's own codes.
    own: Mutex<BTreeMap<&'static str, (Code, u64)>>,
}

/// What sessions of one thread have heard and said, all together.
#[derive(Debug, Default)]
pub struct Tally {
    /// Commands that began.
    pub commands: Count,
    /// Answers that were OK.
    pub ok: Count,
    /// Parts of answers that went on.
    pub parts: Count,
    /// Answers to one-way commands: dropped.
    pub dropped: Count,
    /// Answers that were errors, each with a command's Sequence.
    pub errors: ByCode,
}

impl Count {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for ByCode {
    fn default() -> Self {
        ByCode { known: Code::all().map(|_| Count::default()).collect(), own: Mutex::default() }
    }
}

impl ByCode {
    /// One more of `code`.
    pub fn one(&self, code: Code) {
        match (self.known_count(code), code) {
            (Some(count), _) => count.one(),
            (None, Code::Own(_)) => self.own().entry(code.as_str()).or_insert((code, 0)).1 += 1,
            (None, _) => {}
        }
    }

    /// How often `code` came.
    pub fn get(&self, code: Code) -> u64 {
        match self.known_count(code) {
            Some(count) => count.get(),
            None => self.own().get(code.as_str()).map_or(0, |(_, count)| *count),
        }
    }

    /// The codes that came, and how often: the protocol's in their order, then a server's own.
    pub fn all(&self) -> Vec<(Code, u64)> {
        let known = Code::all().zip(&*self.known).map(|(code, count)| (code, count.get()));
        let own: Vec<_> = self.own().values().copied().collect();
        known.chain(own).filter(|(_, count)| *count > 0).collect()
    }

    fn known_count(&self, code: Code) -> Option<&Count> {
        code.row_number().and_then(|row| self.known.get(row))
    }

    fn own(&self) -> MutexGuard<'_, BTreeMap<&'static str, (Code, u64)>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_counted_for_itself() {
        const QUOTA: Code = Code::own("quota-used");
        let counts = ByCode::default();
        for code in Code::all().chain([QUOTA]) {
            assert_eq!(counts.get(code), 0);
            counts.one(code);
            assert_eq!(counts.get(code), 1, "{code}");
        }
        counts.one(QUOTA);
        let all = counts.all();
        assert_eq!(all.len(), Code::all().count() + 1);
        assert_eq!(all.last(), Some(&(QUOTA, 2)));
    }
}
