//! Call text commands over mutual TLS, and know the server by its pin.
//!
//! A [`Client`] makes any number of calls at once over one connection, and a new connection when that one is
//! lost. It knows the right server by the [`KnownServers`] or by a pin.

mod address;
mod answer;
pub mod blocking;
mod builder;
mod calls;
mod client;
mod dial;
mod documents;
mod driver;
mod error;
mod known_servers;
mod limits;
mod right;

pub use address::{Address, BadAddress};
pub use answer::Answer;
pub use builder::Builder;
pub use client::Client;
pub use documents::{Document, Page};
pub use error::{Error, Outcome};
pub use known_servers::{BadLine, Known, KnownServers};
pub use limits::Limits;
pub use pinwire_proto::certificate::{Certificate, Digests};
pub use pinwire_proto::identity::Identity;
pub use pinwire_proto::trust::Pin;
pub use pinwire_proto::wire::Request;
