//! The document commands of pinwire over a [`Store`]: `PUT id` with a body, `GET id`, `DELETE id`, `LIST`.
//!
//! Knows nothing of TLS or sockets.

mod arguments;
mod commands;
mod embedded;
mod id;
mod limits;
mod memory;
mod store;

pub use commands::{STORE_FULL, commands};
pub use embedded::{Counts, Embedded, OpenError};
pub use id::{BadId, ID, Id};
pub use limits::Limits;
pub use memory::Memory;
pub use store::{Asked, Document, Listing, Page, Store, StoreError, Version};

/// Ids in one answer to LIST: with ids of [`ID`] bytes still half of what may be unsent on a connection
/// (`Limits::unsent` of the server).
pub const LIST: usize = 1_000;
