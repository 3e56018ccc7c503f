//! A store in memory: what it holds is gone when the program ends.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::{Document, Id, Store, StoreError, Version};

/// Bytes of ids and bodies that a store holds unless told otherwise: a quarter of a small machine's memory.
const HOLDS: u64 = 256 * 1024 * 1024;

/// Keeps documents in memory, up to a number of bytes.
#[derive(Debug)]
pub struct Memory {
    limit: u64,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    documents: HashMap<Box<str>, Document>,
    /// The version of the newest change.
    version: Version,
    /// Bytes of all ids and bodies.
    bytes: u64,
}

impl Memory {
    /// An empty store that holds at most 256 MiB of ids and bodies.
    pub fn new() -> Memory {
        Memory::holding_at_most(HOLDS)
    }

    /// An empty store whose ids and bodies take at most `bytes`.
    pub fn holding_at_most(bytes: u64) -> Memory {
        Memory { limit: bytes, kept: RwLock::default() }
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl Store for Memory {
    fn put(&self, id: Id<'_>, body: &[u8]) -> Result<Version, StoreError> {
        // Copied before the lock is taken: readers never wait for a large body.
        let body: Arc<[u8]> = body.into();
        // A poisoned lock is no harm: `Kept::put` cannot panic between two of its changes.
        let replaced = {
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            kept.put(id, body, self.limit)?
        };
        Ok(replaced.now)
    }

    fn get(&self, id: Id<'_>) -> Result<Option<Document>, StoreError> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.documents.get(id.as_str()).cloned())
    }
}

/// What one put did. The old document is freed with it, after the lock is given back.
struct Replaced {
    now: Version,
    _before: Option<Document>,
}

impl Kept {
    fn put(&mut self, id: Id<'_>, body: Arc<[u8]>, limit: u64) -> Result<Replaced, StoreError> {
        let size = |body: &[u8]| (id.as_str().len() + body.len()) as u64;
        let freed = self.documents.get(id.as_str()).map_or(0, |before| size(&before.body));
        let bytes = self.bytes - freed + size(&body);
        if bytes > limit {
            return Err(StoreError::Full { limit });
        }
        let document = Document { version: self.version + 1, body };
        let before = match self.documents.get_mut(id.as_str()) {
            Some(place) => Some(std::mem::replace(place, document)),
            None => self.documents.insert(id.as_str().into(), document),
        };
        self.version += 1;
        self.bytes = bytes;
        Ok(Replaced { now: self.version, _before: before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id<'_> {
        Id::parse(text).expect("the test's id is good")
    }

    #[test]
    fn versions_rise_over_the_whole_store() {
        let store = Memory::new();
        assert_eq!(store.put(id("a"), b"one"), Ok(1));
        assert_eq!(store.put(id("b"), b"two"), Ok(2));
        assert_eq!(store.put(id("a"), b"three"), Ok(3));
        let found = |text| store.get(id(text)).map(|found| found.map(|d| (d.version, d.body.to_vec())));
        assert_eq!(found("a"), Ok(Some((3, b"three".to_vec()))));
        assert_eq!(found("b"), Ok(Some((2, b"two".to_vec()))));
        assert_eq!(found("c"), Ok(None));
        assert_eq!(found("A"), Ok(None), "case counts");
    }

    #[test]
    fn a_full_store_refuses_and_changes_nothing() {
        let store = Memory::holding_at_most(10);
        assert_eq!(store.put(id("a"), b"123456789"), Ok(1));
        assert_eq!(store.put(id("b"), b""), Err(StoreError::Full { limit: 10 }));
        assert_eq!(store.put(id("a"), b"1234567890"), Err(StoreError::Full { limit: 10 }));
        assert_eq!(store.get(id("a")).unwrap().unwrap().body.as_ref(), b"123456789");
        assert_eq!(store.put(id("a"), b"12345678"), Ok(2), "what is replaced makes room");
        assert_eq!(store.put(id("b"), b""), Ok(3));
    }

    #[test]
    fn threads_never_share_a_version() {
        let store = Arc::new(Memory::new());
        let puts = |name: &'static str| {
            let store = Arc::clone(&store);
            move || (0..1_000).map(|_| store.put(id(name), b"x").unwrap()).collect::<Vec<_>>()
        };
        let threads: Vec<_> = ["a", "b", "c"].map(|name| std::thread::spawn(puts(name))).into();
        let mut versions: Vec<_> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        versions.sort_unstable();
        assert_eq!(versions, (1..=3_000).collect::<Vec<_>>());
    }
}
