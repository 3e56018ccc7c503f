//! Serve text commands over mutual TLS: handlers, a router, workers.
//!
//! A [`Handler`] (most people's is a [`Router`]) answers commands; [`Server::bind`] takes the addresses and
//! the trust list, [`Server::follow`] keeps to its file, [`Server::run`] serves until it is stopped. Start reading
//! at `Connection::turn`.
//!
//! ```no_run
//! use pinwire_server::{Command, IdentityFiles, Responder, Router, Server, ServerConfig, ServerTls, Sha1, Tickets, TrustFile};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (files, trusted) = (IdentityFiles::new("server.crt", "server.key"), TrustFile::new("trusted", Sha1::Refuse));
//! let router = Router::new().command("ECHO", |command: Command<'_>, to: Responder<'_>| to.ok(command.body()));
//! let tls = ServerTls::new(&files.read()?, Tickets::new()?)?;
//! let config = ServerConfig::new("127.0.0.1:4433".parse()?, tls, trusted.read()?);
//! let mut server = Server::bind(config, router)?;
//! server.follow(trusted, Some(files))?;
//! server.stop_on_signals()?;
//! server.run()?;
//! # Ok(())
//! # }
//! ```

mod accept;
mod alarms;
pub mod beside;
mod command;
mod connection;
mod current;
mod delays;
mod doubles;
mod follow;
mod handler;
mod handshakes;
mod inbox;
mod linger;
mod listener;
mod members;
mod memory;
mod outbox;
mod penalties;
mod refusing;
mod responder;
mod rounds;
mod router;
mod server;
mod shortage;
mod signals;
mod slab;
mod stats;
mod strangers;
mod streams;
mod tasks;
mod tokens;
mod totals;
mod worker;

pub use beside::Stranger;
pub use command::{Command, OwnedCommand};
pub use follow::{IdentityFiles, IdentityFilesError, TrustFile, TrustFileError};
pub use futures_core::Stream;
pub use handler::{Body, Handler, Peer, Refusal, Registered};
pub use listener::BindError;
pub use pinwire_proto::certificate::{Certificate, Digests};
pub use pinwire_proto::code::Code;
pub use pinwire_proto::identity::Identity;
pub use pinwire_proto::limits::Limits;
pub use pinwire_proto::session::Disconnect;
pub use pinwire_proto::tls::{RecordLayer, ServerTls, Tickets, TlsFailure};
pub use pinwire_proto::trust::{Entry, Pin, Sha1, TrustList};
pub use pinwire_proto::wire::{Encoder, Head, Misuse, Reply, Sequence};
pub use refusing::{Approvals, Refusals};
pub use responder::{Answered, Deferred, Responder};
pub use router::Router;
pub use server::{Server, ServerConfig, Shown, Stopper, Trust};
pub use stats::{Gauge, Snapshot, Stats};

/// What the library is made of, for those who need a part of it: sessions, the wire, trust.
pub use pinwire_proto as proto;
