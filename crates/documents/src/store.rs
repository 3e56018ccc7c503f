//! What the commands ask of a place that keeps documents.

use std::fmt;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use crate::{Changes, Id, Wanted};

/// Counts the changes of a whole store: every change, a delete too, takes the next number; the first is 1.
/// It never falls back, not after deletes and not after a restart. 0 stands for "there is no document".
pub type Version = u64;

/// A document as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The store's version when this document was last written.
    pub version: Version,
    /// What was written; shared with the store, not copied.
    pub body: Arc<[u8]>,
}

/// Which ids a list is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing<'a> {
    /// They begin with this; empty: all do.
    pub prefix: &'a str,
    /// They come behind this one, which need not be there itself.
    pub after: Option<Id<'a>>,
    /// They are at most so many. A store may give fewer, but never none when there are some.
    pub at_most: usize,
}

impl<'a> Listing<'a> {
    /// Where a store that keeps its ids in order begins; those without the prefix end it.
    pub fn begin(&self) -> Bound<&'a str> {
        match self.after {
            Some(after) if after.as_str() >= self.prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(self.prefix),
        }
    }
}

/// A part of the ids, in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The ids.
    pub ids: Vec<Box<str>>,
    /// Whether there are more behind the last of them.
    pub more: bool,
}

/// A place that keeps documents. Shared by all workers; calls may come from many threads at once.
///
/// No call may block: a store that has to wait for a disk or a network answers [`Asked::Later`].
pub trait Store: Send + Sync + 'static {
    /// The newest document under `id`, if there is one.
    fn get(&self, id: Id<'_>) -> Asked<Option<Document>>;

    /// Keeps `body` under `id`, in place of what was there, and says which version that made. With `expected`
    /// only if that is the version of what is there, 0 if nothing is; else [`StoreError::Conflict`].
    ///
    /// Once it says so, the change survives whatever the store promises to survive, and every later `get` of
    /// that id finds this version or a newer one.
    fn put(&self, id: Id<'_>, body: &[u8], expected: Option<Version>) -> Asked<Version>;

    /// Takes the document under `id` away, and says which version that made: a delete is a change. Nothing
    /// there is [`StoreError::NotFound`], or with `expected` a [`StoreError::Conflict`].
    fn delete(&self, id: Id<'_>, expected: Option<Version>) -> Asked<Version>;

    /// The ids that are there at one moment, in the order of their bytes.
    fn list(&self, listing: &Listing<'_>) -> Asked<Page>;

    /// What was changed, as it was made, in the order of versions; nothing if `wanted.after` is the newest
    /// version or more. [`StoreError::HistoryGone`] if what comes first behind it is not kept any more.
    ///
    /// Asked whenever [`newest`](Store::newest) moves, by each of those who watch: for what is new the answer
    /// should be there at once.
    fn changes(&self, wanted: &Wanted<'_>) -> Asked<Changes>;

    /// The version of the newest change that `changes` can tell; it rises before the change is answered. It ends
    /// when the store will never change again.
    fn newest(&self) -> watch::Receiver<Version>;
}

/// A store's answer: there already, or still to come.
pub enum Asked<T> {
    /// The answer.
    Now(Result<T, StoreError>),
    /// It comes. Dropped before, nobody wants it any more: a change that was not begun yet is not made.
    Later(Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>),
}

impl<T> Asked<T> {
    /// The answer, waited for if need be.
    ///
    /// # Errors
    /// What the store says.
    pub async fn done(self) -> Result<T, StoreError> {
        match self {
            Asked::Now(answer) => answer,
            Asked::Later(answer) => answer.await,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Asked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Now(answer) => f.debug_tuple("Now").field(answer).finish(),
            Asked::Later(_) => f.write_str("Later"),
        }
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn get(&self, id: Id<'_>) -> Asked<Option<Document>> {
        (**self).get(id)
    }

    fn put(&self, id: Id<'_>, body: &[u8], expected: Option<Version>) -> Asked<Version> {
        (**self).put(id, body, expected)
    }

    fn delete(&self, id: Id<'_>, expected: Option<Version>) -> Asked<Version> {
        (**self).delete(id, expected)
    }

    fn list(&self, listing: &Listing<'_>) -> Asked<Page> {
        (**self).list(listing)
    }

    fn changes(&self, wanted: &Wanted<'_>) -> Asked<Changes> {
        (**self).changes(wanted)
    }

    fn newest(&self) -> watch::Receiver<Version> {
        (**self).newest()
    }
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The ids and bodies would take more than this many bytes; nothing was changed.
    Full {
        /// The store's limit.
        limit: u64,
    },
    /// The document is not the one that was expected; nothing was changed.
    Conflict {
        /// The version of what is there; 0: nothing is.
        current: Version,
    },
    /// There is no such document; nothing was changed.
    NotFound,
    /// Changes that are asked for are not kept any more.
    HistoryGone {
        /// The version of the oldest that is.
        oldest: Version,
    },
    /// Too much is under way already; nothing was changed.
    Overloaded,
    /// The store itself failed: whether a change was made is unknown. The text shows its insides: it is for
    /// the operator, never for the peer. A store logs its own troubles, once and not once a call.
    Broken(String),
}

impl StoreError {
    /// What `expected` says of what is there: nothing, unless it says otherwise.
    pub(crate) fn unless_expected(expected: Option<Version>, current: Version) -> Result<(), StoreError> {
        match expected {
            Some(expected) if expected != current => Err(StoreError::Conflict { current }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full { limit } => {
                write!(f, "the store holds all it may ({limit} bytes); nothing was changed")
            }
            StoreError::Conflict { current: 0 } => f.write_str("there is no such document"),
            StoreError::Conflict { current } => write!(f, "the document's version is {current}"),
            StoreError::NotFound => f.write_str("there is no such document"),
            StoreError::HistoryGone { oldest } => {
                write!(f, "the oldest change that is kept is version {oldest}; what came before it is gone")
            }
            StoreError::Overloaded => f.write_str("the store has too much to do already; try again later"),
            StoreError::Broken(text) => write!(f, "the store is broken: {text}"),
        }
    }
}

impl std::error::Error for StoreError {}
