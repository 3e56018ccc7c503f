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
pub(crate) struct Alarms {
    heap: BinaryHeap<Reverse<Entry>>,
    /// How many were live when the settled ones were last thrown out.
    live: usize,
}

impl Alarms {
    /// Sets an alarm; says whether it is the earliest now.
    pub(crate) fn set(&mut self, at: Instant, alarm: Alarm) -> bool {
        let earliest = self.earliest().is_none_or(|earliest| at < earliest);
        self.heap.push(Reverse(Entry(at, alarm)));
        earliest
    }

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.0)
    }

    /// Throws out what is settled, once that may be half of it: a command that is answered at once leaves its
    /// `Timeout` of an hour behind.
    pub(crate) fn forget_settled(&mut self, mut is_live: impl FnMut(Alarm) -> bool) {
        if self.heap.len() > 2 * self.live + FEW {
            self.heap.retain(|Reverse(entry)| is_live(entry.1));
            self.live = self.heap.len();
        }
    }

    /// The next alarm that is due at `now`.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Alarm> {
        if self.earliest()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.1)
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

/// Settled alarms that are worth no look: some 100 KB.
const FEW: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn settled_alarms_do_not_pile_up() {
        let (start, mut alarms) = (Instant::now(), Alarms::default());
        let is_live = |alarm: Alarm| matches!(alarm, Alarm::Connection(address) if address.place < 10);
        for place in 0..100_000 {
            alarms
                .set(start + Duration::from_secs(3_600), Alarm::Connection(Address { place, generation: 0 }));
            alarms.forget_settled(is_live);
            assert!(alarms.heap.len() <= 2 * 10 + FEW + 1);
        }
        let left = std::iter::from_fn(|| alarms.due(start + Duration::from_secs(3_600)));
        assert_eq!(left.filter(|alarm| is_live(*alarm)).count(), 10, "those that are live go off");
    }
}
