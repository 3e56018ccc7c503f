//! Whose connections there are, by the entry that let them in: what an entry's `connections` is asked of. A lock is
//! taken when somebody comes or goes and when the list changes, never for a command.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pinwire_proto::trust::{Entry, Pin, TrustList};

use crate::inbox::{Address, Inbox};

/// All clients that are in, of all workers.
#[derive(Debug, Default)]
pub(crate) struct Members(Mutex<Register>);

#[derive(Debug, Default)]
struct Register {
    /// The last number given: who has a higher one came later.
    number: u64,
    by_pin: HashMap<Pin, BTreeMap<u64, Member>>,
    /// The newest list, and how many workers have judged all of theirs by it.
    judged: (u32, usize),
}

/// Where a client's connection is.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) address: Address,
}

impl Members {
    /// A client is in, under the number that is returned; none if `entry` has its `connections` already.
    pub(crate) fn join(&self, entry: &Entry, member: Member) -> Option<u64> {
        let mut register = self.lock();
        let there = register.by_pin.get(&entry.pin).map_or(0, BTreeMap::len);
        if entry.connections.is_some_and(|most| there >= as_count(most)) {
            return None;
        }
        register.number += 1;
        let number = register.number;
        register.by_pin.entry(entry.pin).or_default().insert(number, member);
        Some(number)
    }

    pub(crate) fn leave(&self, pin: &Pin, number: u64) {
        self.lock().take(pin, number);
    }

    /// The client of this number is another entry's now, and no newer there than it was.
    pub(crate) fn change(&self, from: &Pin, to: &Pin, number: u64) {
        let mut register = self.lock();
        if let Some(member) = register.take(from, number) {
            register.by_pin.entry(*to).or_default().insert(number, member);
        }
    }

    /// A worker has judged all of its own by the list of this generation. Says whether it is the last of `workers`:
    /// then everybody stands under the entry that is theirs.
    pub(crate) fn all_judged(&self, generation: u32, workers: usize) -> bool {
        let judged = &mut self.lock().judged;
        if judged.0 != generation {
            *judged = (generation, 0);
        }
        judged.1 += 1;
        judged.1 >= workers
    }

    /// Strikes out whoever an entry of `list` has too many of, the newest first: who they are, and how many their
    /// entry may have.
    pub(crate) fn excess(&self, list: &TrustList) -> Vec<(Member, u32)> {
        let mut register = self.lock();
        let mut struck = Vec::new();
        for entry in list.entries() {
            let (Some(most), Some(members)) = (entry.connections, register.by_pin.get_mut(&entry.pin)) else {
                continue;
            };
            while members.len() > as_count(most) {
                struck.extend(members.pop_last().map(|(_, member)| (member, most)));
            }
        }
        struck
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Register {
    fn take(&mut self, pin: &Pin, number: u64) -> Option<Member> {
        let members = self.by_pin.get_mut(pin)?;
        let member = members.remove(&number);
        if members.is_empty() {
            self.by_pin.remove(pin);
        }
        member
    }
}

fn as_count(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: Pin = Pin::Spki([1; 32]);
    const OTHER: Pin = Pin::Certificate([2; 32]);

    fn member(place: u32) -> Member {
        Member { inbox: Arc::default(), address: Address { place, generation: 0 } }
    }

    fn entry(pin: Pin, connections: Option<u32>) -> Entry {
        Entry { connections, ..Entry::of(pin) }
    }

    fn places(struck: Vec<(Member, u32)>) -> Vec<u32> {
        struck.into_iter().map(|(member, _)| member.address.place).collect()
    }

    #[test]
    fn an_entry_has_so_many_and_no_more() {
        let (members, two) = (Members::default(), entry(PIN, Some(2)));
        let first = members.join(&two, member(0)).unwrap();
        assert!(members.join(&two, member(1)).is_some());
        assert_eq!(members.join(&two, member(2)), None);
        assert!(members.join(&entry(OTHER, Some(1)), member(3)).is_some(), "another's do not count");
        members.leave(&PIN, first);
        assert!(members.join(&two, member(4)).is_some());
    }

    #[test]
    fn the_last_worker_asks_who_is_too_many() {
        let members = Members::default();
        assert!(!members.all_judged(1, 3) && !members.all_judged(1, 3));
        assert!(!members.all_judged(2, 3), "a newer list came before the third had judged");
        assert!(!members.all_judged(2, 3) && members.all_judged(2, 3));
        assert!(members.all_judged(3, 1));
    }

    #[test]
    fn the_newest_are_struck_out_first_wherever_they_came_in() {
        let members = Members::default();
        let numbers: Vec<_> =
            (0..4).map(|place| members.join(&entry(PIN, None), member(place)).unwrap()).collect();
        let newest = members.join(&entry(OTHER, None), member(4)).unwrap();
        members.change(&PIN, &OTHER, numbers[0]);
        members.change(&PIN, &OTHER, numbers[3]);
        let list = TrustList::of([entry(PIN, Some(1)), entry(OTHER, Some(2))]);
        assert_eq!(places(members.excess(&list)), [2, 4]);
        assert!(members.excess(&list).is_empty());
        members.leave(&OTHER, newest);
        members.leave(&OTHER, numbers[0]);
        members.leave(&OTHER, numbers[3]);
        members.leave(&PIN, numbers[1]);
        assert!(members.lock().by_pin.is_empty(), "nothing is kept of who has left");
    }
}
