//! Call text commands over mutual TLS, and know the server by its pin.
//!
//! [`KnownServers`] says which server is the right one, [`Handshaken`] is a connection to a server that has
//! not been judged yet and has been told nothing, [`Connection`] calls one command at a time. Every future
//! may be dropped at any point, so that `tokio::time::timeout` bounds it.

mod address;
mod connection;
mod error;
mod known_servers;
mod pipe;

pub use address::{Address, BadAddress};
pub use connection::{Connection, Handshaken};
pub use error::Error;
pub use known_servers::{BadLine, Known, KnownServers};
pub use pinwire_proto::session::Answer;
pub use pinwire_proto::wire::Request;
