//! Put commands behind mutual TLS, and know every client by its key.
//!
//! This crate is a door to the others, a feature each:
//!
//! - `server`: [`server::Server`], [`server::Handler`], [`server::Router`], for commands of your own
//! - `client`: [`client::Client`], which calls them, and knows the server by its pin
//! - `documents`: GET, PUT, DELETE and LIST over a store in a file or in memory, as the program `pinwire` serves them
//!
//! ```
//! use pinwire::server::{Command, Responder, Router};
//!
//! let router = Router::new().command("GREET", |command: Command<'_>, to: Responder<'_>| {
//!     to.ok(format!("hello, {}", command.peer().name().unwrap_or("stranger")))
//! });
//! ```

#[cfg(feature = "client")]
pub use pinwire_client as client;
#[cfg(feature = "documents")]
pub use pinwire_documents as documents;
#[cfg(feature = "server")]
pub use pinwire_server as server;

/// The Rust blocks of the project's pages, compiled and run. An archive of this crate has no such pages, and
/// nothing but its tests looks for them.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../ARCHITECTURE.md")]
    mod architecture {}
    #[doc = include_str!("../../../CHANGELOG.md")]
    mod changelog {}
    #[doc = include_str!("../../../docs/BENCHMARKS.md")]
    mod benchmarks {}
    #[doc = include_str!("../../../docs/PROTOCOL.md")]
    mod protocol {}
    #[doc = include_str!("../../../docs/STORE.md")]
    mod store {}
}
