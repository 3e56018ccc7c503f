//! The document commands of pinwire over a [`Store`]: `PUT id` with a body, `GET id`.
//!
//! Knows nothing of TLS or sockets, and nothing of how a store keeps what it is given.

mod commands;
mod id;
mod memory;
mod store;

pub use commands::{STORE_FULL, commands};
pub use id::{BadId, ID, Id};
pub use memory::Memory;
pub use store::{Document, Store, StoreError, Version};
