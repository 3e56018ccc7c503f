//! A worker's free lists: what connections needed for a moment and gave back, for whoever needs it next, so that a
//! request allocates nothing. Empty of anybody's bytes.

use super::buffers::Leftovers;
use super::flights::Flights;

/// Boxes that nobody uses now.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "they come and go as boxes: a word in an idle connection")]
pub(super) struct Spares {
    leftovers: Vec<Box<Leftovers>>,
    flights: Vec<Box<Flights>>,
}

impl Spares {
    pub(super) fn take_leftovers(&mut self) -> Box<Leftovers> {
        self.leftovers.pop().unwrap_or_default()
    }

    pub(super) fn give_leftovers(&mut self, mut spare: Box<Leftovers>) {
        if self.leftovers.len() < MOST && spare.is_usual() {
            spare.clear();
            self.leftovers.push(spare);
        }
    }

    pub(super) fn take_flights(&mut self) -> Box<Flights> {
        self.flights.pop().unwrap_or_default()
    }

    /// Those that have landed.
    pub(super) fn give_flights(&mut self, mut spare: Box<Flights>) {
        debug_assert!(spare.is_empty());
        spare.take_ended();
        if self.flights.len() < MOST && spare.is_usual() {
            self.flights.push(spare);
        }
    }
}

/// Of each kind. A connection takes one at a time and mostly gives it back in the same turn; those of 64 incomplete
/// records and heads are 1.6 to 3.2 MB.
const MOST: usize = 64;
