//! A store in a file, on redb: what it says is done is on disk.
//!
//! Start reading at `Writer::run`. The worker's side of it is here: it puts requests into queues and never
//! waits. One thread writes, a few read.

#[cfg(test)]
mod faults;
mod handle;
mod lock;
mod open_error;
mod overlay;
mod place;
mod queue;
mod shelf;
mod tables;
#[cfg(test)]
mod tests;
mod trouble;
mod writer;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use redb::ReadTransaction;
use tokio::sync::{oneshot, watch};

use self::handle::Handle;
use self::lock::Lock;
pub use self::open_error::OpenError;
use self::place::Place;
use self::queue::{End, Queue, Refused, Serving};
use self::shelf::Shelf;
use self::tables::Wish;
use self::trouble::Trouble;
use self::writer::{Asking, Tally, Writer};
use crate::changes::History;
use crate::{Asked, Changes, Document, Id, Limits, Listing, Page, Store, StoreError, Version, Wanted};

/// Keeps documents in one file. What it answered is there after a crash, of the process or of the machine.
///
/// Dropped, it makes the changes that wait, closes the file, and only then returns.
pub struct Embedded {
    shared: Arc<Shared>,
    newest: watch::Receiver<Version>,
    threads: Vec<JoinHandle<()>>,
    /// Given back last.
    _lock: Option<Lock>,
}

/// What the threads share with those who ask.
struct Shared {
    handle: Handle,
    changes: Queue<Asking>,
    reads: Arc<Queue<Read>>,
    shelf: Arc<Shelf>,
    tally: Tally,
    limits: Limits,
}

/// A GET, a LIST or a look at changes, and whoever waits for it.
type Read = Box<dyn FnOnce(&Handle) -> Option<Answer> + Send>;

/// Tells whoever waits what was found.
type Answer = Box<dyn FnOnce() + Send>;

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transactions that are on disk.
    pub commits: u64,
    /// The changes in them.
    pub changes: u64,
}

impl Embedded {
    /// Opens the store in the file at `path`, and makes it, for its owner alone, if it is not there. The file
    /// beside it whose name ends in `.lock` keeps other processes out.
    ///
    /// # Errors
    /// [`OpenError`], in words for the operator. Whatever it is, nothing that is there was changed.
    pub fn open(path: impl AsRef<Path>, limits: Limits) -> Result<Embedded, OpenError> {
        let place = Place::take(path.as_ref(), limits.cache)?;
        let open = || {
            let handle = Handle::open(place.opener(limits.cache))?;
            let newest = handle.read(|transaction| tables::newest_changes(transaction, &limits))?;
            Ok((handle, newest))
        };
        let (handle, newest) = open().map_err(|trouble: Trouble| place.problem(&trouble))?;
        Embedded::over(handle, newest, limits, Some(place.lock))
            .map_err(|error| OpenError::Io { path: path.as_ref().to_owned(), error })
    }

    /// `recent` holds the newest changes.
    fn over(handle: Handle, recent: History, limits: Limits, lock: Option<Lock>) -> io::Result<Embedded> {
        let changes = Queue::new(limits.writer_queue, limits.writer_queue_bytes);
        let reads = Arc::new(Queue::new(limits.reader_queue, usize::MAX));
        let (tell, newest) = watch::channel(recent.newest().unwrap_or_default());
        let shelf = Arc::new(Shelf::new(recent, &limits));
        let shared = Arc::new(Shared { handle, changes, reads, shelf, tally: Tally::default(), limits });
        let mut store = Embedded { shared, newest, threads: Vec::new(), _lock: lock };
        let writer = Writer::new(Arc::clone(&store.shared), tell);
        store.spawn("documents-writer", || writer.run())?;
        for _ in 0..store.shared.limits.readers.max(1) {
            let shared = Arc::clone(&store.shared);
            store.spawn("documents-reader", move || read(&shared.reads, &shared.handle, &shared.limits))?;
        }
        Ok(store)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }

    /// What it has done since it was opened.
    pub fn counts(&self) -> Counts {
        let Tally { commits, changes } = &self.shared.tally;
        Counts { commits: commits.load(Ordering::Relaxed), changes: changes.load(Ordering::Relaxed) }
    }

    fn change(&self, wish: Wish) -> Asked<Version> {
        let (answer, asked) = oneshot::channel();
        let bytes = wish.bytes();
        later(self.shared.changes.push(Asking { wish, answer }, bytes), asked)
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&ReadTransaction) -> Result<T, Trouble> + Send + 'static,
    ) -> Asked<T> {
        ask(&self.shared.reads, move |handle| handle.read(&work))
    }
}

impl Store for Embedded {
    fn get(&self, id: Id<'_>) -> Asked<Option<Document>> {
        let id: Box<str> = id.as_str().into();
        self.read(move |transaction| tables::get(transaction, &id))
    }

    fn put(&self, id: Id<'_>, body: &[u8], expected: Option<Version>) -> Asked<Version> {
        self.change(Wish { id: id.as_str().into(), body: Some(body.into()), expected })
    }

    fn delete(&self, id: Id<'_>, expected: Option<Version>) -> Asked<Version> {
        self.change(Wish { id: id.as_str().into(), body: None, expected })
    }

    fn list(&self, listing: &Listing<'_>) -> Asked<Page> {
        let (prefix, at_most) = (Box::<str>::from(listing.prefix), listing.at_most);
        let after = listing.after.map(|after| Box::<str>::from(after.as_str()));
        let most_bytes = self.shared.limits.list_bytes;
        self.read(move |transaction| {
            let after = after.as_deref().and_then(|after| Id::parse(after).ok());
            tables::list(transaction, &Listing { prefix: &prefix, after, at_most }, most_bytes)
        })
    }

    fn changes(&self, wanted: &Wanted<'_>) -> Asked<Changes> {
        let newest = *self.newest.borrow();
        if wanted.after >= newest {
            return Asked::Now(Ok(Changes::none(wanted.after)));
        }
        let Shared { shelf, reads, .. } = &*self.shared;
        match shelf.find(wanted) {
            Some(found) => Asked::Now(Ok(found)),
            None => {
                let (wanted, prefix) = (Wanted { prefix: "", ..*wanted }, wanted.prefix.into());
                Asked::Later(Box::pin(older(Arc::clone(shelf), Arc::clone(reads), wanted, prefix, newest)))
            }
        }
    }

    fn newest(&self) -> watch::Receiver<Version> {
        self.newest.clone()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.shared.changes.end(End::Closed);
        self.shared.reads.end(End::Closed);
        for thread in self.threads.drain(..) {
            // A panic of it was logged when it happened.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

fn read(queue: &Queue<Read>, handle: &Handle, limits: &Limits) {
    let _serving = Serving::new(queue);
    while let Some(reads) = queue.take_share(limits.readers.max(1), TOGETHER, usize::MAX) {
        let answers: Vec<Answer> = reads.into_iter().filter_map(|read| read(handle)).collect();
        // Only now: those who ask together are answered together, in one record and one system call.
        answers.into_iter().for_each(|answer| answer());
    }
}

/// Reads that one thread takes at once, when many wait: waking it costs more than a read from the cache.
const TOGETHER: usize = 32;

/// Has changes put on the shelf that were made up to `newest`, and takes from there those that are wanted.
///
/// Not from the reader: between its answer and the moment at which somebody wants it, which a slow client puts off,
/// nothing is held. Keeps the queue and the shelf, not the store: that closes its file when it is dropped.
async fn older(
    shelf: Arc<Shelf>,
    reads: Arc<Queue<Read>>,
    wanted: Wanted<'static>,
    prefix: Box<str>,
    newest: Version,
) -> Result<Changes, StoreError> {
    let wanted = Wanted { prefix: &prefix, ..wanted };
    loop {
        let onto = Arc::clone(&shelf);
        let first = Wanted { after: wanted.after, prefix: "", at_most: 1, most_bytes: 0 };
        let work = move |handle: &Handle| {
            // Another that is as far behind has had it read.
            if onto.find(&first).is_some() {
                return Ok(Ok(()));
            }
            let read = handle.read(|transaction| tables::changes(transaction, first.after, newest))?;
            Ok(read.map(|read| onto.put(read)))
        };
        ask(&reads, work).done().await??;
        if let Some(found) = shelf.find(&wanted) {
            return Ok(found);
        }
    }
}

/// Has a reader do this.
fn ask<T: Send + 'static>(
    reads: &Queue<Read>,
    work: impl FnOnce(&Handle) -> Result<T, Trouble> + Send + 'static,
) -> Asked<T> {
    let (answer, asked) = oneshot::channel::<Result<T, StoreError>>();
    let read: Read = Box::new(move |handle| {
        if answer.is_closed() {
            return None;
        }
        let found = work(handle).map_err(|trouble| StoreError::Broken(trouble.to_string()));
        Some(Box::new(move || drop(answer.send(found))))
    });
    later(reads.push(read, 0), asked)
}

fn later<T: Send + 'static>(
    queued: Result<(), Refused>,
    asked: oneshot::Receiver<Result<T, StoreError>>,
) -> Asked<T> {
    let ended = || Err(StoreError::Broken("its threads have ended".to_owned()));
    match queued {
        Ok(()) => Asked::Later(Box::pin(async move { asked.await.unwrap_or_else(|_| ended()) })),
        Err(Refused::Full) => Asked::Now(Err(StoreError::Overloaded)),
        Err(Refused::Ended) => Asked::Now(ended()),
    }
}
