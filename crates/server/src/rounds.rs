//! Who is looked at when: every connection once in a second, however often its worker wakes meanwhile.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Where the looking stands.
#[derive(Debug)]
pub(crate) struct Rounds {
    next: Instant,
    place: usize,
}

impl Rounds {
    pub(crate) fn new(now: Instant) -> Self {
        Rounds { next: now, place: 0 }
    }

    /// When the next part is due.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// The part of `places` that is due at `now`, if one is.
    pub(crate) fn due(&mut self, now: Instant, places: usize) -> Option<Range<usize>> {
        if now < self.next {
            return None;
        }
        let part = self.place..self.place + places.div_ceil(PARTS);
        self.place = if part.end >= places { 0 } else { part.end };
        // From when it was due, not from now: else lateness adds up, and nobody would be looked at within a second.
        self.next = (self.next + EVERY).max(now);
        Some(part)
    }
}

/// Ten parts, so that no other turn waits for a look at every connection.
const PARTS: usize = 10;
const EVERY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_is_looked_at_once_in_a_second() {
        let start = Instant::now();
        for places in [0, 1, 9, 10, 11, 999, 1_000] {
            let mut rounds = Rounds::new(start);
            let mut looked = vec![0; places];
            for part in 0..10 {
                for place in rounds.due(start + part * EVERY, places).unwrap() {
                    looked.get_mut(place).into_iter().for_each(|times| *times += 1);
                }
            }
            assert!(looked.iter().all(|times| *times >= 1), "{places}: {looked:?}");
        }
    }

    #[test]
    fn a_worker_that_is_woken_often_does_not_look_more_often() {
        let start = Instant::now();
        let mut rounds = Rounds::new(start);
        assert_eq!(rounds.due(start, 100), Some(0..10));
        assert_eq!(rounds.due(start + EVERY / 2, 100), None, "a post came");
        assert_eq!(rounds.next(), start + EVERY);
        assert_eq!(rounds.due(start + EVERY, 100), Some(10..20));
    }
}
