//! A map for what is mostly few: scanned while it is small, hashed once it has grown.

use std::collections::HashMap;
use std::hash::Hash;

/// Keys and their values; a key is there once.
#[derive(Debug)]
pub(super) struct Few<K, V> {
    few: Vec<(K, V)>,
    /// Takes over when there are more than [`FEW`], until it is empty again.
    many: HashMap<K, V>,
}

impl<K: Copy + Eq + Hash, V> Few<K, V> {
    pub(super) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    /// Whether it has never hashed since it was made, or gave back what it needed for that.
    pub(super) fn is_small(&self) -> bool {
        self.many.capacity() == 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        if !self.many.is_empty() {
            return self.many.get(key);
        }
        // From the end: what came last is asked for first.
        self.few.iter().rev().find(|(there, _)| there == key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if !self.many.is_empty() {
            return self.many.get_mut(key);
        }
        self.few.iter_mut().rev().find(|(there, _)| there == key).map(|(_, value)| value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if let Some(there) = self.few.iter_mut().rev().find(|(there, _)| *there == key) {
            there.1 = value;
        } else if self.many.is_empty() && self.few.len() < FEW {
            self.few.push((key, value));
        } else {
            self.many.extend(self.few.drain(..));
            self.many.insert(key, value);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.few.iter().map(|(key, value)| (key, value)).chain(&self.many)
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) {
        self.few.retain(|(_, value)| keep(value));
        self.many.retain(|_, value| keep(value));
        // Given back: one that stays would hold what thousands needed.
        if self.many.len() < self.many.capacity() / 8 {
            self.many.shrink_to(2 * self.many.len());
        }
    }

    pub(super) fn clear(&mut self) {
        self.few.clear();
        self.many.clear();
    }
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Few { few: Vec::new(), many: HashMap::new() }
    }
}

/// Of 32 keys a scan costs less than one hash: `cargo xtask bench`, 64 connections at depth 16.
pub(super) const FEW: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_thousands_needed_is_given_back() {
        let mut few = Few::default();
        (0..10_000).for_each(|key| few.insert(key, key));
        few.retain(|value| *value < 40);
        assert!(few.len() == 40 && few.many.capacity() < 200, "{}", few.many.capacity());
    }

    #[test]
    fn it_is_a_map_however_many_there_are() {
        let (mut few, mut map) = (Few::default(), HashMap::new());
        // Up over the bound, down to nothing, and up again; some keys come twice.
        for round in 0..3_u32 {
            for key in (0..100).chain(20..30) {
                few.insert(key, key + round);
                map.insert(key, key + round);
                assert_eq!((few.len(), few.get(&key)), (map.len(), map.get(&key)));
            }
            for bound in [200, 90, 40, 33, 32, 31, 5, 0] {
                few.retain(|value| *value < bound);
                map.retain(|_, value| *value < bound);
                assert_eq!(few.len(), map.len());
                assert!((0..110).all(|key| few.get(&key) == map.get(&key)));
                few.insert(7, 1);
                map.insert(7, 1);
                assert_eq!(few.iter().collect::<HashMap<_, _>>(), map.iter().collect());
            }
            few.clear();
            map.clear();
            assert!(few.is_empty());
        }
    }
}
