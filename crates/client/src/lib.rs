//! Call text commands over mutual TLS, and know the server by its pin.
//!
//! [`KnownServers`] says which server is the right one, [`Handshaken`] is a connection to a server that has
//! not been judged yet and has been told nothing, [`Connection`] calls one command at a time.

mod address;
mod known_servers;

pub use address::{Address, BadAddress};
pub use known_servers::{BadLine, Known, KnownServers};
