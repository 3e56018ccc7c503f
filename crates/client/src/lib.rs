//! Call text commands over mutual TLS, and know the server by its pin.
//!
//! A [`Client`] makes any number of calls at once over one connection, and a new connection when that one is
//! lost. It knows the right server by the [`KnownServers`] or by a pin, and tells no other anything. Each call
//! ends once: with its answer, or with an [`Error`] that says what became of the command.
//!
//! ```
//! use std::time::Duration;
//!
//! use pinwire_client::{Address, Client, Error, Identity, Pin, Request};
//!
//! async fn greet(server: Address, pin: Pin, identity: Identity) -> Result<(), Error> {
//!     let client = Client::builder(server).identity(identity).server_pin(pin).connect().await?;
//!
//!     let version = client.put("greetings/1", "hello").await?;
//!     let document = client.get("greetings/1").await?.expect("it was put");
//!     assert_eq!((document.version, document.body.as_slice()), (version, &b"hello"[..]));
//!
//!     let echo = Request::new("ECHO").body("any command").timeout(Duration::from_secs(5));
//!     assert_eq!(client.call(echo).await?.body, b"any command");
//!     client.close().await;
//!     Ok(())
//! }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/running.rs"));
//! # fn main() -> Result<(), Error> {
//! #     let server = Running::start();
//! #     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! #     runtime.block_on(greet(server.address.clone(), server.pin, server.identity.clone()))
//! # }
//! ```
//!
//! Programs without tokio use [`blocking::Client`].

mod address;
mod answer;
mod answers;
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
mod watch;

pub use address::{Address, BadAddress};
pub use answer::Answer;
pub use answers::Answers;
pub use builder::Builder;
pub use client::Client;
pub use documents::{Document, Page};
pub use error::{Error, Outcome};
pub use known_servers::{BadLine, Known, KnownServers};
pub use limits::Limits;
pub use pinwire_proto::certificate::{Certificate, Digests};
pub use pinwire_proto::identity::Identity;
pub use pinwire_proto::tls::RecordLayer;
pub use pinwire_proto::trust::Pin;
pub use pinwire_proto::wire::Request;
pub use watch::{Change, Watch};
