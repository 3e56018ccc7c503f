//! Expanded AEAD keys: a worker's direct-mapped table of them. Each takes some 600 bytes of heap and 150 ns to
//! make, so that an idle connection should own none and a busy one should not make them anew.
//!
//! A slot remembers whose keys it has: the keys of another connection can never be used, whatever the driver says.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::error::Unspecified;

/// One worker's table. There is no list and no clock: who comes into a slot drives out who was there.
#[derive(Debug)]
pub struct Contexts(Vec<Slot>);

impl Default for Contexts {
    fn default() -> Self {
        Contexts((0..SLOTS).map(|_| Slot::default()).collect())
    }
}

impl Contexts {
    /// The slot of the connection at this place of its worker, which stays the same as long as the connection lives:
    /// what it forgets when its keys change it forgets there.
    pub fn slot(&mut self, place: usize) -> &mut Slot {
        &mut self.0[place % SLOTS]
    }

    /// Forgets the keys in that slot, for the connection there has ended; aws-lc zeroises what it frees.
    pub fn clear(&mut self, place: usize) {
        *self.slot(place) = Slot::default();
    }

    /// Whether nobody's keys are in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|slot| slot.opening.is_none() && slot.sealing.is_none())
    }
}

/// The expanded keys of one connection at most.
#[derive(Default)]
pub struct Slot {
    owner: Option<Owner>,
    opening: Option<LessSafeKey>,
    sealing: Option<LessSafeKey>,
}

impl Slot {
    /// What `owner` opens records with; made by `make` if it is not there.
    pub(super) fn opening(
        &mut self,
        owner: Owner,
        make: impl FnOnce() -> Result<LessSafeKey, Unspecified>,
    ) -> Result<&LessSafeKey, Unspecified> {
        self.belong_to(owner);
        kept(&mut self.opening, make)
    }

    /// What `owner` seals records with; made by `make` if it is not there.
    pub(super) fn sealing(
        &mut self,
        owner: Owner,
        make: impl FnOnce() -> Result<LessSafeKey, Unspecified>,
    ) -> Result<&LessSafeKey, Unspecified> {
        self.belong_to(owner);
        kept(&mut self.sealing, make)
    }

    /// The key of that direction has changed.
    pub(super) fn forget_opening(&mut self) {
        self.opening = None;
    }

    /// The key of that direction has changed.
    pub(super) fn forget_sealing(&mut self) {
        self.sealing = None;
    }

    fn belong_to(&mut self, owner: Owner) {
        if self.owner != Some(owner) {
            *self = Slot { owner: Some(owner), opening: None, sealing: None };
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// A connection, among all of this process that ever were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(u64);

impl Owner {
    pub(super) fn new() -> Self {
        // At a million handshakes a second it wraps after 584,000 years.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Owner(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

fn kept(
    context: &mut Option<LessSafeKey>,
    make: impl FnOnce() -> Result<LessSafeKey, Unspecified>,
) -> Result<&LessSafeKey, Unspecified> {
    if context.is_none() {
        *context = Some(make()?);
    }
    context.as_ref().ok_or(Unspecified)
}

/// 16 KiB a worker, and 300 KiB of expanded keys when all are taken. A worker with more connections that are busy at
/// the same time makes some anew.
const SLOTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::secrets::{Direction, Suite};

    /// Both keys of `owner` are asked for; how many were made.
    fn use_both(slot: &mut Slot, owner: Owner) -> usize {
        let direction = Direction::new(Suite::Aes128Gcm, &[7; 32]).unwrap();
        let made = std::cell::Cell::new(0);
        let make = || {
            made.set(made.get() + 1);
            direction.context(Suite::Aes128Gcm)
        };
        slot.opening(owner, make).unwrap();
        slot.sealing(owner, make).unwrap();
        made.get()
    }

    #[test]
    fn keys_are_made_once_and_at_a_miss_both() {
        let (mut contexts, first, second) = (Contexts::default(), Owner::new(), Owner::new());
        assert_ne!(first, second);
        assert_eq!(use_both(contexts.slot(3), first), 2);
        assert_eq!(use_both(contexts.slot(3), first), 0);
        assert_eq!(use_both(contexts.slot(4), second), 2, "another place");
        assert_eq!(use_both(contexts.slot(3), first), 0);
        assert_eq!(use_both(contexts.slot(3 + SLOTS), second), 2, "the same slot");
        assert_eq!(use_both(contexts.slot(3), first), 2, "which has driven the first one out");
    }

    #[test]
    fn the_key_that_changed_is_made_anew() {
        let (mut slot, owner) = (Slot::default(), Owner::new());
        use_both(&mut slot, owner);
        slot.forget_opening();
        assert_eq!(use_both(&mut slot, owner), 1);
        slot.forget_sealing();
        assert_eq!(use_both(&mut slot, owner), 1);
    }

    #[test]
    fn a_connection_that_has_ended_leaves_nothing() {
        let (mut contexts, owner) = (Contexts::default(), Owner::new());
        use_both(contexts.slot(300), owner);
        assert!(!contexts.is_empty());
        contexts.clear(300);
        assert!(contexts.is_empty());
        contexts.clear(usize::MAX);
    }
}
