//! A worker's alarms: one heap for all its connections instead of a timer each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use pinwire_proto::session::ReplyTo;

use crate::inbox::Address;

/// What is to be looked at when an alarm goes off. It may have been settled long before: whoever looks asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alarm {
    /// A command's `Timeout`.
    Timeout(Address, ReplyTo),
    /// A connection's own deadline: handshake or linger.
    Connection(Address),
}

#[derive(Debug)]
struct Entry(Instant, Alarm);

/// Alarms, the earliest first.
#[derive(Debug, Default)]
pub(crate) struct Alarms(BinaryHeap<Reverse<Entry>>);

impl Alarms {
    /// Sets an alarm; says whether it is the earliest now.
    pub(crate) fn set(&mut self, at: Instant, alarm: Alarm) -> bool {
        let earliest = self.earliest().is_none_or(|earliest| at < earliest);
        self.0.push(Reverse(Entry(at, alarm)));
        earliest
    }

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse(entry)| entry.0)
    }

    /// The next alarm that is due at `now`.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Alarm> {
        if self.earliest()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry.1)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
