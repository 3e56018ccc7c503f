//! A store in memory: what it holds is gone when the program ends.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use crate::changes::History;
use crate::{Asked, Change, Changes, Document, Id, Listing, Page, Store, StoreError, Version, Wanted};

/// Bytes of ids and bodies that a store holds unless told otherwise: a quarter of a small machine's memory.
const HOLDS: u64 = 256 * 1024 * 1024;

/// Changes that a store remembers unless told otherwise: a minute's worth at some 160 a second, for those who
/// lose their connection. They end with the program.
const HISTORY: u64 = 10_000;

/// Bytes of the ids and bodies of those: a quarter of what the documents may take, and on top of it.
const HISTORY_BYTES: u64 = 64 * 1024 * 1024;

/// Keeps documents in memory, up to a number of bytes. Answers at once.
#[derive(Debug)]
pub struct Memory {
    limit: u64,
    kept: RwLock<Kept>,
    newest: watch::Sender<Version>,
}

#[derive(Debug)]
struct Kept {
    documents: BTreeMap<Box<str>, Document>,
    /// The version of the newest change.
    version: Version,
    /// Bytes of all ids and bodies.
    bytes: u64,
    history: History,
}

impl Memory {
    /// An empty store that holds at most 256 MiB of ids and bodies.
    pub fn new() -> Memory {
        Memory::holding_at_most(HOLDS)
    }

    /// An empty store whose ids and bodies take at most `bytes`. The changes that it remembers come on top
    /// ([`remembering_at_most`](Memory::remembering_at_most)).
    pub fn holding_at_most(bytes: u64) -> Memory {
        let history = History::new(HISTORY, HISTORY_BYTES);
        let kept = Kept { documents: BTreeMap::new(), version: 0, bytes: 0, history };
        Memory { limit: bytes, kept: RwLock::new(kept), newest: watch::Sender::new(0) }
    }

    /// The same, empty, remembering at most so many changes, and so many bytes of their ids and bodies, which the
    /// documents' own do not count for. The newest change always stays. Unsaid, they are 10,000 and 64 MiB.
    #[must_use]
    pub fn remembering_at_most(self, changes: u64, bytes: u64) -> Memory {
        let emptied = Memory::holding_at_most(self.limit);
        emptied.kept.write().unwrap_or_else(PoisonError::into_inner).history = History::new(changes, bytes);
        emptied
    }

    // A poisoned lock is no harm: no method of `Kept` can panic between two of its changes.
    fn change(&self, change: impl FnOnce(&mut Kept) -> Result<Done, StoreError>) -> Asked<Version> {
        let done = change(&mut self.kept.write().unwrap_or_else(PoisonError::into_inner));
        if let Ok(done) = &done {
            self.tell(done.version);
        }
        Asked::Now(done.map(|done| done.version))
    }

    /// Not under the lock of what is kept: it wakes all that watch. Of two changes the later may come first.
    fn tell(&self, version: Version) {
        self.newest.send_if_modified(|newest| {
            let is_newer = version > *newest;
            *newest = version.max(*newest);
            is_newer
        });
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl Store for Memory {
    fn get(&self, id: Id<'_>) -> Asked<Option<Document>> {
        Asked::Now(Ok(self.read().documents.get(id.as_str()).cloned()))
    }

    fn put(&self, id: Id<'_>, body: &[u8], expected: Option<Version>) -> Asked<Version> {
        // Copied before the lock is taken: readers never wait for a large body.
        let body: Arc<[u8]> = body.into();
        self.change(|kept| kept.put(id, body, expected, self.limit))
    }

    fn delete(&self, id: Id<'_>, expected: Option<Version>) -> Asked<Version> {
        self.change(|kept| kept.delete(id, expected))
    }

    fn list(&self, listing: &Listing<'_>) -> Asked<Page> {
        Asked::Now(Ok(self.read().list(listing)))
    }

    fn changes(&self, wanted: &Wanted<'_>) -> Asked<Changes> {
        Asked::Now(self.read().changes(wanted))
    }

    fn newest(&self) -> watch::Receiver<Version> {
        self.newest.subscribe()
    }
}

/// What one change did. The old document and the oldest changes are freed with it, after the lock is given back.
struct Done {
    version: Version,
    _before: Option<Document>,
    _gone: Vec<Change>,
}

impl Kept {
    fn put(
        &mut self,
        id: Id<'_>,
        body: Arc<[u8]>,
        expected: Option<Version>,
        limit: u64,
    ) -> Result<Done, StoreError> {
        let before = self.documents.get(id.as_str());
        StoreError::unless_expected(expected, before.map_or(0, |before| before.version))?;
        let freed = before.map_or(0, |before| size(id, &before.body));
        let bytes = self.bytes - freed + size(id, &body);
        if bytes > limit {
            return Err(StoreError::Full { limit });
        }
        (self.version, self.bytes) = (self.version + 1, bytes);
        let document = Document { version: self.version, body: Arc::clone(&body) };
        let before = match self.documents.get_mut(id.as_str()) {
            Some(place) => Some(std::mem::replace(place, document)),
            None => self.documents.insert(id.as_str().into(), document),
        };
        Ok(self.done(id, Some(body), before))
    }

    fn delete(&mut self, id: Id<'_>, expected: Option<Version>) -> Result<Done, StoreError> {
        let before = self.documents.get(id.as_str());
        StoreError::unless_expected(expected, before.map_or(0, |before| before.version))?;
        let before = self.documents.remove(id.as_str()).ok_or(StoreError::NotFound)?;
        self.version += 1;
        self.bytes -= size(id, &before.body);
        Ok(self.done(id, None, Some(before)))
    }

    /// Remembers the change that made the newest version.
    fn done(&mut self, id: Id<'_>, body: Option<Arc<[u8]>>, before: Option<Document>) -> Done {
        let gone = self.history.push(Change { version: self.version, id: id.as_str().into(), body });
        Done { version: self.version, _before: before, _gone: gone }
    }

    fn changes(&self, wanted: &Wanted<'_>) -> Result<Changes, StoreError> {
        if wanted.after >= self.version {
            return Ok(Changes::none(wanted.after));
        }
        let oldest = self.history.oldest().unwrap_or(self.version);
        self.history.find(wanted).ok_or(StoreError::HistoryGone { oldest })
    }

    fn list(&self, listing: &Listing<'_>) -> Page {
        let mut ids = self.documents.range::<str, _>((listing.begin(), Bound::Unbounded)).map(|(id, _)| id);
        let mut page = Page::default();
        while let Some(id) = ids.next().filter(|id| id.starts_with(listing.prefix)) {
            page.more = page.ids.len() == listing.at_most;
            if page.more {
                break;
            }
            page.ids.push(id.clone());
        }
        page
    }
}

fn size(id: Id<'_>, body: &[u8]) -> u64 {
    (id.as_str().len() + body.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id<'_> {
        Id::parse(text).expect("the test's id is good")
    }

    fn now<T>(asked: Asked<T>) -> Result<T, StoreError> {
        match asked {
            Asked::Now(answer) => answer,
            Asked::Later(_) => panic!("memory answers at once"),
        }
    }

    #[test]
    fn a_full_store_refuses_and_changes_nothing() {
        let store = Memory::holding_at_most(10);
        let put = |name: &'static str, body: &[u8]| now(store.put(id(name), body, None));
        assert_eq!(put("a", b"123456789"), Ok(1));
        assert_eq!(put("b", b""), Err(StoreError::Full { limit: 10 }));
        assert_eq!(put("a", b"1234567890"), Err(StoreError::Full { limit: 10 }));
        assert_eq!(now(store.get(id("a"))).unwrap().unwrap().body.as_ref(), b"123456789");
        assert_eq!(put("a", b"12345678"), Ok(2), "what is replaced makes room");
        assert_eq!(put("b", b""), Ok(3));
        assert_eq!(now(store.delete(id("a"), None)), Ok(4));
        assert_eq!(put("b", b"123456789"), Ok(5), "so does what is deleted");
    }
}
