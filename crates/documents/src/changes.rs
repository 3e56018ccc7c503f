//! The changes of a store: what is asked of it and what it gives, and a stretch of them in memory. Waits for
//! nothing, and knows no disk.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::Version;

/// What one PUT or DELETE did. To clone it copies no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version that it made.
    pub version: Version,
    /// The document's id.
    pub id: Arc<str>,
    /// What was put; none: the document was deleted.
    pub body: Option<Arc<[u8]>>,
}

/// Which changes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// They come behind this version; 0: all do.
    pub after: Version,
    /// Their ids begin with this; empty: all do.
    pub prefix: &'a str,
    /// They are at most so many. A store may give fewer, or none on its way to those that are far ahead; one is
    /// never too many.
    pub at_most: usize,
    /// Their ids and bodies have at most so many bytes together, unless there is only one.
    pub most_bytes: usize,
}

/// Some changes, in the order of their versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that were asked for.
    pub changes: Vec<Change>,
    /// There are no others up to this version: behind it one goes on.
    pub up_to: Version,
}

impl Change {
    /// Bytes of the id and the body.
    pub fn bytes(&self) -> usize {
        self.id.len() + self.body.as_ref().map_or(0, |body| body.len())
    }
}

impl Changes {
    /// Nothing has happened behind `after`.
    pub(crate) fn none(after: Version) -> Changes {
        Changes { changes: Vec::new(), up_to: after }
    }

    /// What is wanted of `changes`, which begin with the first behind `wanted.after` and leave none out.
    fn of<'c>(changes: impl Iterator<Item = &'c Change>, wanted: &Wanted<'_>) -> Changes {
        let (mut found, mut bytes) = (Changes::none(wanted.after), 0);
        for (passed, change) in changes.enumerate() {
            if passed >= LOOKED_AT {
                break;
            }
            if change.id.starts_with(wanted.prefix) {
                bytes += change.bytes();
                let is_full = found.changes.len() >= wanted.at_most || bytes > wanted.most_bytes;
                if is_full && !found.changes.is_empty() {
                    break;
                }
                found.changes.push(change.clone());
            }
            found.up_to = change.version;
        }
        found
    }
}

/// Changes that one answer looks at: a store in memory gives it while a worker's other connections wait.
const LOOKED_AT: usize = 256;

/// Changes that follow one another without a gap, up to a number and a number of bytes. The newest always stays.
#[derive(Debug)]
pub(crate) struct History {
    changes: VecDeque<Change>,
    bytes: u64,
    most: u64,
    most_bytes: u64,
}

impl History {
    pub(crate) fn new(most: u64, most_bytes: u64) -> History {
        History { changes: VecDeque::new(), bytes: 0, most, most_bytes }
    }

    /// Adds the newest change. Those that are too old for it come back, to be freed where nobody waits.
    pub(crate) fn push(&mut self, change: Change) -> Vec<Change> {
        let mut old = Vec::new();
        // A change whose outcome is not known may have taken a version that never came here.
        if self.newest().is_some_and(|newest| newest + 1 != change.version) {
            old.extend(self.changes.drain(..));
            self.bytes = 0;
        }
        self.bytes += change.bytes() as u64;
        self.changes.push_back(change);
        while self.changes.len() > 1 && self.is_too_much() {
            old.extend(self.changes.pop_front().inspect(|oldest| self.bytes -= oldest.bytes() as u64));
        }
        old
    }

    /// What is wanted; nothing if what comes first behind `wanted.after` is not here.
    pub(crate) fn find(&self, wanted: &Wanted<'_>) -> Option<Changes> {
        let begin = wanted.after.checked_add(1)?.checked_sub(self.oldest()?)?;
        let begin = usize::try_from(begin).ok().filter(|begin| *begin < self.changes.len())?;
        Some(Changes::of(self.changes.range(begin..), wanted))
    }

    pub(crate) fn oldest(&self) -> Option<Version> {
        self.changes.front().map(|change| change.version)
    }

    pub(crate) fn newest(&self) -> Option<Version> {
        self.changes.back().map(|change| change.version)
    }

    /// Bytes of the ids and bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn is_too_much(&self) -> bool {
        self.changes.len() as u64 > self.most || self.bytes > self.most_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(version: Version, id: &str) -> Change {
        Change { version, id: id.into(), body: Some([b'x'; 9].into()) }
    }

    fn found(
        history: &History,
        after: Version,
        prefix: &str,
        at_most: usize,
    ) -> Option<(Vec<Version>, Version)> {
        let found = history.find(&Wanted { after, prefix, at_most, most_bytes: 40 })?;
        Some((found.changes.iter().map(|change| change.version).collect(), found.up_to))
    }

    #[test]
    fn it_is_bounded_by_number_and_by_bytes() {
        let mut history = History::new(3, 40);
        let dropped: Vec<_> =
            (1..=5).flat_map(|version| history.push(change(version, "a"))).map(|old| old.version).collect();
        assert_eq!((dropped, history.oldest(), history.bytes()), (vec![1, 2], Some(3), 30));
        let body = Some([b'x'; 29].into());
        assert_eq!(history.push(Change { version: 6, id: "a".into(), body }).len(), 2);
        assert_eq!((history.oldest(), history.newest(), history.bytes()), (Some(5), Some(6), 40));
        let body = Some([b'x'; 99].into());
        history.push(Change { version: 7, id: "a".into(), body });
        assert_eq!((history.oldest(), history.bytes()), (Some(7), 100), "the newest always stays");
    }

    #[test]
    fn what_is_behind_a_gap_is_not_told_as_if_there_were_none() {
        let mut history = History::new(9, 999);
        history.push(change(1, "a"));
        history.push(change(3, "a"));
        assert_eq!((found(&history, 0, "", 9), found(&history, 1, "", 9)), (None, None));
        assert_eq!((found(&history, 2, "", 9), history.bytes()), (Some((vec![3], 3)), 10));
    }

    #[test]
    fn what_is_found_ends_at_a_number_and_at_bytes_and_goes_on() {
        let mut history = History::new(9, 999);
        for (version, id) in (4..).zip(["a", "b", "a", "b", "a"]) {
            history.push(change(version, id));
        }
        assert_eq!(found(&history, 2, "", 9), None, "version 3 is not here");
        assert_eq!(found(&history, 8, "", 9), None, "nor is 9");
        assert_eq!(found(&history, u64::MAX, "", 9), None);
        assert_eq!(found(&history, 3, "", 9), Some((vec![4, 5, 6, 7], 7)), "40 bytes");
        assert_eq!(found(&history, 3, "a", 2), Some((vec![4, 6], 7)), "7 is passed over");
        assert_eq!(found(&history, 6, "a", 9), Some((vec![8], 8)));
        assert_eq!(found(&history, 3, "c", 9), Some((vec![], 8)));
        assert_eq!(found(&history, 3, "b", 0), Some((vec![5], 6)), "one is never too many");
    }
}
