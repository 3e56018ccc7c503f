//! What a worker's connections keep, all together: says how much room there is for one of them, and whose
//! turn it is when there is some again. Knows no sockets.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pinwire_proto::session::Room;
use tracing::warn;

use crate::inbox::Address;

/// A worker's share of `Limits::total`, and what is used of it.
#[derive(Debug)]
pub(crate) struct Totals {
    /// Bytes of each half: replies, and what has come.
    half: usize,
    used: Kept,
    /// Connections of which a command waits for room, the longest waiting first: those for which nothing
    /// waits yet, and the others.
    light: VecDeque<Address>,
    heavy: VecDeque<Address>,
    /// When the log was last told that there is no room.
    said: Option<Instant>,
}

/// Bytes that one connection keeps, or all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Of replies: unsent, or reserved for commands that began.
    pub(crate) out: usize,
    /// Of what has come and is not complete, or may not begin yet.
    pub(crate) come: usize,
}

impl Totals {
    /// A worker's part of `total` bytes that all `workers` have.
    pub(crate) fn new(total: usize, workers: usize) -> Self {
        let half = total / workers.max(1) / 2;
        Totals { half, used: Kept::default(), light: VecDeque::new(), heavy: VecDeque::new(), said: None }
    }

    /// What the others leave to a connection that keeps `kept`.
    pub(crate) fn room(&self, kept: Kept) -> Room {
        let out = if kept.out == 0 { self.half } else { self.most_heavy() };
        Room {
            out: out.saturating_sub(self.used.out - kept.out),
            come: self.half.saturating_sub(self.used.come - kept.come),
        }
    }

    /// A connection keeps `after` instead of `before`.
    pub(crate) fn recount(&mut self, before: Kept, after: Kept) {
        self.used.out = self.used.out - before.out + after.out;
        self.used.come = self.used.come - before.come + after.come;
    }

    pub(crate) fn used(&self) -> Kept {
        self.used
    }

    /// What there is no room for, or soon will not be.
    pub(crate) fn short(&self) -> Short {
        // A body is refused before the half is full.
        Short { of_replies: self.is_full(), of_bytes: self.used.come >= self.half - self.half / 8 }
    }

    /// Whether there is no room for a client's second reply.
    fn is_full(&self) -> bool {
        self.used.out >= self.most_heavy()
    }

    /// The last quarter is for those for which nothing waits: who reads goes on while others do not.
    fn most_heavy(&self) -> usize {
        self.half - self.half / 4
    }

    /// A command of this connection waits for room.
    pub(crate) fn starve(&mut self, address: Address, kept: Kept, now: Instant) {
        let starved = if kept.out == 0 { &mut self.light } else { &mut self.heavy };
        starved.push_back(address);
        if self.said.is_none_or(|said| now > said + SAY) {
            self.said = Some(now);
            let (bytes, most) = (self.used.out, self.half);
            warn!(
                bytes,
                most, "replies wait for slow readers or handlers: commands wait for room (Limits::total)"
            );
        }
    }

    /// Whose command may be tried now, if there is room.
    pub(crate) fn feed(&mut self) -> Option<Address> {
        let light = if self.used.out < self.half { self.light.pop_front() } else { None };
        light.or_else(|| if self.is_full() { None } else { self.heavy.pop_front() })
    }

    /// Throws out those that have ended meanwhile, once they may be half of a worker's connections.
    pub(crate) fn forget_departed(&mut self, connections: usize, mut is_there: impl FnMut(Address) -> bool) {
        for starved in [&mut self.light, &mut self.heavy] {
            if starved.len() > 2 * connections + FEW {
                starved.retain(|address| is_there(*address));
            }
        }
    }
}

/// What a worker has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) of_replies: bool,
    pub(crate) of_bytes: bool,
}

/// The log is told at most this often.
const SAY: Duration = Duration::from_secs(60);

/// Addresses that are worth no look.
const FEW: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(place: u32) -> Address {
        Address { place, generation: 0 }
    }

    #[test]
    fn a_connection_has_what_the_others_leave() {
        let mut totals = Totals::new(4_000, 2); // 1,000 each half
        let (mine, others) = (Kept { out: 100, come: 10 }, Kept { out: 300, come: 700 });
        totals.recount(Kept::default(), mine);
        totals.recount(Kept::default(), others);
        assert_eq!(totals.room(mine), Room { out: 450, come: 300 }, "the last quarter is not for it");
        assert_eq!(totals.room(Kept::default()), Room { out: 600, come: 290 });
        totals.recount(others, Kept { out: 2_000, come: 2_000 });
        assert_eq!(totals.room(mine), Room { out: 0, come: 0 });
        assert_eq!(totals.short(), Short { of_replies: true, of_bytes: true });
    }

    #[test]
    fn whoever_waits_longest_is_fed_first_and_those_before_others_for_whom_nothing_waits() {
        let (now, mut totals, nothing) = (Instant::now(), Totals::new(200, 1), Kept::default());
        let kept = |out| Kept { out, come: 0 };
        totals.recount(nothing, kept(100));
        for (place, out) in [(1, 10), (2, 0), (3, 0), (4, 10)] {
            totals.starve(address(place), kept(out), now);
        }
        assert_eq!(totals.feed(), None);
        totals.recount(kept(100), kept(99));
        assert_eq!([totals.feed(), totals.feed(), totals.feed()], [Some(address(2)), Some(address(3)), None]);
        totals.recount(kept(99), kept(74));
        assert_eq!([totals.feed(), totals.feed(), totals.feed()], [Some(address(1)), Some(address(4)), None]);
    }
}
