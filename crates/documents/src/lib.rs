//! The document commands of pinwire over a [`Store`]: `PUT id` with a body, `GET id`, `DELETE id`, `LIST`, `WATCH`.
//!
//! [`Embedded`] keeps documents in a file, [`Memory`] in memory; [`commands`] puts either on a router. Knows
//! nothing of TLS or sockets.
//!
//! ```
//! use pinwire_documents::{Embedded, Limits, commands};
//! use pinwire_server::Router;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("documents.redb");
//! let store = Embedded::open(path, Limits { history: 1_000_000, ..Limits::default() })?;
//! let router = commands(Router::new(), store);
//! # Ok(())
//! # }
//! ```

mod arguments;
mod changes;
mod commands;
mod embedded;
mod id;
mod limits;
mod memory;
mod parts;
mod store;
mod watching;

pub use changes::{Change, Changes, Wanted};
pub use commands::{HISTORY_GONE, STORE_FULL, commands};
pub use embedded::{Counts, Embedded, OpenError};
pub use id::{BadId, ID, Id};
pub use limits::Limits;
pub use memory::Memory;
pub use store::{Asked, Document, Listing, Page, Store, StoreError, Version};

/// Ids in one answer to LIST: with ids of [`ID`] bytes still half of what may be unsent on a connection
/// (`Limits::unsent` of the server).
pub const LIST: usize = 1_000;
