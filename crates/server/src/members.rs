//! Whose connections there are, by the entry that let them in: what an entry's `connections` is asked of. A lock is
//! taken when somebody comes or goes and when the list changes, never for a command.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pinwire_proto::trust::{Entry, Pin, TrustList};

use crate::inbox::{Address, Inbox};

/// How many clients are in, of all workers. Who they are, the workers know: nothing is kept of each.
#[derive(Debug, Default)]
pub(crate) struct Members(Mutex<Register>);

#[derive(Debug, Default)]
struct Register {
    /// The last number given: who has a higher one came later.
    number: u64,
    by_pin: HashMap<Pin, usize>,
    roll_call: RollCall,
}

/// Of the newest list: how many workers have judged all of theirs by it, and whom they named.
#[derive(Debug, Default)]
struct RollCall {
    generation: u32,
    workers: usize,
    named: Vec<Member>,
}

/// A client under an entry that bounds its connections, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) pin: Pin,
    pub(crate) number: u64,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) address: Address,
}

impl Members {
    /// A client is in, under the number that is returned; none if `entry` has its `connections` already.
    pub(crate) fn join(&self, entry: &Entry) -> Option<u64> {
        let mut register = self.lock();
        let there = register.by_pin.get(&entry.pin).copied().unwrap_or_default();
        if entry.connections.is_some_and(|most| there >= as_count(most)) {
            return None;
        }
        register.add(entry.pin);
        register.number += 1;
        Some(register.number)
    }

    /// One of this entry's has left.
    pub(crate) fn leave(&self, pin: &Pin) {
        self.lock().take(pin);
    }

    /// A client is another entry's now.
    pub(crate) fn change(&self, from: &Pin, to: &Pin) {
        let mut register = self.lock();
        register.take(from);
        register.add(*to);
    }

    /// A worker has judged all of its own by the list of this generation, and names those under entries that have
    /// `connections`. If it is the last of `workers`, everybody stands under the entry that is theirs: whom all have
    /// named.
    pub(crate) fn all_judged(
        &self,
        generation: u32,
        workers: usize,
        mut named: Vec<Member>,
    ) -> Option<Vec<Member>> {
        let call = &mut self.lock().roll_call;
        // A worker that is late, while others answer a newer call.
        if generation.wrapping_sub(call.generation) as i32 <= -1 {
            return None;
        }
        if call.generation != generation {
            *call = RollCall { generation, ..RollCall::default() };
        }
        call.workers += 1;
        call.named.append(&mut named);
        (call.workers >= workers).then(|| mem::take(&mut call.named))
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Register {
    fn add(&mut self, pin: Pin) {
        *self.by_pin.entry(pin).or_default() += 1;
    }

    fn take(&mut self, pin: &Pin) {
        let Some(there) = self.by_pin.get_mut(pin) else { return };
        *there -= 1;
        if *there == 0 {
            self.by_pin.remove(pin);
        }
    }
}

/// Whom an entry of `list` has too many of, the newest first, and how many their entry may have.
pub(crate) fn excess(list: &TrustList, mut named: Vec<Member>) -> Vec<(Member, u32)> {
    named.sort_unstable_by_key(|member| member.number);
    let mut places: HashMap<Pin, u32> =
        list.entries().iter().filter_map(|entry| Some((entry.pin, entry.connections?))).collect();
    let bounds = places.clone();
    let is_too_many = |member: &Member| match places.get_mut(&member.pin) {
        Some(0) => true,
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    };
    let many: Vec<_> = named.into_iter().filter(is_too_many).collect();
    many.into_iter().rev().map(|member| (member.clone(), bounds[&member.pin])).collect()
}

fn as_count(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: Pin = Pin::Spki([1; 32]);
    const OTHER: Pin = Pin::Certificate([2; 32]);

    fn entry(pin: Pin, connections: Option<u32>) -> Entry {
        Entry { connections, ..Entry::of(pin) }
    }

    fn member(pin: Pin, number: u64) -> Member {
        Member { pin, number, inbox: Arc::default(), address: Address { place: 0, generation: 0 } }
    }

    #[test]
    fn an_entry_has_so_many_and_no_more() {
        let (members, two) = (Members::default(), entry(PIN, Some(2)));
        assert_eq!((members.join(&two), members.join(&two)), (Some(1), Some(2)));
        assert_eq!(members.join(&two), None);
        assert!(members.join(&entry(OTHER, Some(1))).is_some(), "another's do not count");
        members.leave(&PIN);
        assert!(members.join(&two).is_some());
        members.change(&PIN, &OTHER);
        assert!(members.join(&two).is_some(), "who changes over leaves a place");
        (0..2).for_each(|_| members.leave(&PIN));
        (0..2).for_each(|_| members.leave(&OTHER));
        assert!(members.lock().by_pin.is_empty(), "nothing is kept of who has left");
    }

    #[test]
    fn the_last_worker_hears_whom_all_have_named() {
        let members = Members::default();
        let judged = |generation, workers, number| {
            let named = members.all_judged(generation, workers, vec![member(PIN, number)]);
            named.map(|named| named.iter().map(|member| member.number).collect::<Vec<_>>())
        };
        assert_eq!((judged(1, 3, 1), judged(1, 3, 2)), (None, None));
        assert_eq!(judged(2, 3, 3), None, "a newer list came before the third had judged");
        assert_eq!((judged(2, 3, 4), judged(2, 3, 5)), (None, Some(vec![3, 4, 5])));
        assert_eq!((judged(4, 2, 6), judged(3, 2, 7)), (None, None), "an older list is nobody's any more");
        assert_eq!(judged(4, 2, 8), Some(vec![6, 8]));
    }

    #[test]
    fn the_newest_are_too_many_wherever_they_came_in() {
        let list = TrustList::of([entry(PIN, Some(1)), entry(OTHER, Some(2))]);
        let named = [(PIN, 3), (OTHER, 5), (PIN, 2), (OTHER, 1), (OTHER, 4)];
        let named: Vec<_> = named.into_iter().map(|(pin, number)| member(pin, number)).collect();
        let struck = |named| excess(&list, named).into_iter().map(|(member, most)| (member.number, most));
        assert_eq!(struck(named.clone()).collect::<Vec<_>>(), [(5, 2), (3, 1)]);
        assert_eq!(struck(named[2..].to_vec()).count(), 0);
    }
}
