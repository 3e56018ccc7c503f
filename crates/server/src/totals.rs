//! What a worker's connections keep, all together: says how much room there is for one of them, and whose
//! turn it is when there is some again. Knows no sockets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pinwire_proto::limits::Limits;
use pinwire_proto::session::Room;
use tracing::warn;

use crate::inbox::Address;

/// A worker's share of `Limits::total`, and what is used of it.
#[derive(Debug)]
pub(crate) struct Totals {
    /// Bytes of each half: replies, and what has come.
    half: usize,
    used: Kept,
    /// Connections of which a command waits for room, by their turn, and the turn of each.
    starved: BTreeMap<Ticket, Address>,
    tickets: BTreeMap<Address, Ticket>,
    number: u64,
    /// When the log was last told that there is no room.
    said: Option<Instant>,
}

/// Whose turn it is first: of those that weigh the same, whoever waits longest.
type Ticket = (Weight, u64);

/// Whether replies of a connection wait, or are owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Light,
    Heavy,
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
    pub(crate) fn new(limits: &Limits, workers: usize) -> Self {
        // With less than one reply nothing would ever begin.
        let half = (limits.total / workers.max(1) / 2).max(limits.longest_reply());
        Totals {
            half,
            used: Kept::default(),
            starved: BTreeMap::new(),
            tickets: BTreeMap::new(),
            number: 0,
            said: None,
        }
    }

    /// What the others leave to a connection that keeps `kept`.
    pub(crate) fn room(&self, kept: Kept) -> Room {
        let others = self.used.out - kept.out;
        let first = usize::from(kept.out == 0 && others < self.half);
        Room {
            out: self.most_heavy().saturating_sub(others).max(first),
            come: self.half.saturating_sub(self.used.come - kept.come),
        }
    }

    /// A connection keeps `after` instead of `before`.
    pub(crate) fn recount(&mut self, before: Kept, after: Kept) {
        self.used.out = self.used.out - before.out + after.out;
        self.used.come = self.used.come - before.come + after.come;
    }

    /// How many wait for room.
    pub(crate) fn starved(&self) -> usize {
        self.starved.len()
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

    /// The last quarter is for those for which nothing waits, one reply each: who reads goes on while others do
    /// not, however many of these there are.
    fn most_heavy(&self) -> usize {
        self.half - self.half / 4
    }

    /// A command of this connection waits for room. It is asked after each turn: whoever was answered meanwhile
    /// weighs less, and does not lose its place in time.
    pub(crate) fn starve(&mut self, address: Address, kept: Kept, now: Instant) {
        let weight = if kept.out == 0 { Weight::Light } else { Weight::Heavy };
        let number = match self.take_ticket(address) {
            Some((_, number)) => number,
            None => self.next_number(),
        };
        self.starved.insert((weight, number), address);
        self.tickets.insert(address, (weight, number));
        if self.said.is_none_or(|said| now > said + SAY) {
            self.said = Some(now);
            let (bytes, most) = (self.used.out, self.half);
            warn!(
                bytes,
                most, "replies wait for slow readers or handlers: commands wait for room (Limits::total)"
            );
        }
    }

    /// It waits for room no more, or is gone: its turn would wake nobody.
    pub(crate) fn forget(&mut self, address: Address) {
        self.take_ticket(address);
    }

    /// Whose command may be tried now, if there is room.
    pub(crate) fn feed(&mut self) -> Option<Address> {
        let (&(weight, _), &address) = self.starved.first_key_value()?;
        let has_room = match weight {
            Weight::Light => self.used.out < self.half,
            Weight::Heavy => !self.is_full(),
        };
        if !has_room {
            return None;
        }
        self.forget(address);
        Some(address)
    }

    fn take_ticket(&mut self, address: Address) -> Option<Ticket> {
        let ticket = self.tickets.remove(&address)?;
        self.starved.remove(&ticket);
        Some(ticket)
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
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

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(half: usize) -> Totals {
        Totals { half, ..Totals::new(&Limits::default(), 1) }
    }

    fn address(place: u32) -> Address {
        Address { place, generation: 0 }
    }

    #[test]
    fn a_share_holds_one_reply_at_least() {
        let limits = Limits { total: 4_000_000, ..Limits::default() };
        assert_eq!(Totals::new(&limits, 1).half, 2_000_000);
        assert_eq!(Totals::new(&limits, 4).half, limits.longest_reply());
    }

    #[test]
    fn a_connection_has_what_the_others_leave() {
        let mut totals = totals(1_000);
        let (mine, others) = (Kept { out: 100, come: 10 }, Kept { out: 300, come: 700 });
        totals.recount(Kept::default(), mine);
        totals.recount(Kept::default(), others);
        assert_eq!(totals.room(mine), Room { out: 450, come: 300 }, "the last quarter is not for it");
        assert_eq!(totals.room(Kept::default()), Room { out: 350, come: 290 });
        totals.recount(others, Kept { out: 899, come: 700 });
        assert_eq!(totals.room(Kept::default()).out, 1, "its first reply, whatever its length");
        totals.recount(Kept { out: 899, come: 700 }, others);
        totals.recount(others, Kept { out: 2_000, come: 2_000 });
        assert_eq!(totals.room(mine), Room { out: 0, come: 0 });
        assert_eq!(totals.short(), Short { of_replies: true, of_bytes: true });
    }

    #[test]
    fn whoever_departs_or_was_answered_holds_nobody_up() {
        let (now, mut totals, nothing) = (Instant::now(), totals(100), Kept::default());
        let kept = |out| Kept { out, come: 0 };
        totals.recount(nothing, kept(99));
        for place in 1..=3 {
            totals.starve(address(place), kept(10), now);
        }
        assert_eq!(totals.feed(), None);
        totals.forget(address(1));
        totals.starve(address(3), nothing, now);
        assert_eq!([totals.feed(), totals.feed()], [Some(address(3)), None]);
        totals.recount(kept(99), nothing);
        assert_eq!([totals.feed(), totals.feed()], [Some(address(2)), None]);
        assert!(totals.starved.is_empty() && totals.tickets.is_empty());
    }

    #[test]
    fn whoever_waits_longest_is_fed_first_and_those_before_others_for_whom_nothing_waits() {
        let (now, mut totals, nothing) = (Instant::now(), totals(100), Kept::default());
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
