//! What the commands ask of a place that keeps documents.

use std::fmt;
use std::sync::Arc;

use crate::Id;

/// Counts the changes of a whole store: every change takes the next number, the first is 1.
pub type Version = u64;

/// A document as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The store's version when this document was last written.
    pub version: Version,
    /// What was written; shared with the store, not copied.
    pub body: Arc<[u8]>,
}

/// A place that keeps documents. Shared by all workers; calls may come from many threads at once.
pub trait Store: Send + Sync + 'static {
    /// Keeps `body` under `id`, in place of what was there, and says which version that made.
    /// Every later `get` of that id, from any thread, finds this version or a newer one.
    fn put(&self, id: Id<'_>, body: &[u8]) -> Result<Version, StoreError>;

    /// The newest document under `id`, if there is one.
    fn get(&self, id: Id<'_>) -> Result<Option<Document>, StoreError>;
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn put(&self, id: Id<'_>, body: &[u8]) -> Result<Version, StoreError> {
        (**self).put(id, body)
    }

    fn get(&self, id: Id<'_>) -> Result<Option<Document>, StoreError> {
        (**self).get(id)
    }
}

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The ids and bodies would take more than this many bytes.
    Full {
        /// The store's limit.
        limit: u64,
    },
    /// The store itself is broken; the text is for the operator's log, not for the peer.
    Broken(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full { limit } => {
                write!(f, "the store holds all it may ({limit} bytes); nothing was changed")
            }
            StoreError::Broken(text) => write!(f, "the store is broken: {text}"),
        }
    }
}

impl std::error::Error for StoreError {}
