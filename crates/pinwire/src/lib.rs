//! Put commands behind mutual TLS, and know every client by its key.
//!
//! This crate is a door to the others, a feature each:
//!
//! - `server`: [`server::Server`], [`server::Handler`], [`server::Router`], for commands of your own
//! - `client`: [`client::Client`], which calls them, and knows the server by its pin
//! - `documents`: GET and PUT over a store, as the program `pinwire` serves them
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
