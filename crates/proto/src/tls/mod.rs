//! TLS 1.3 without sockets: the handshake by rustls, and behind one seam the record layers.
//!
//! [`Layer`] is that seam: `open` takes records apart, `seal` makes them. It decides nothing about trust.

mod compact;
mod config;
mod connection;
mod contexts;
mod layer;
mod secrets;
mod sessions;
mod tap;
mod tickets;
mod verifier;

#[cfg(test)]
mod tests;

pub use config::{ALPN, ClientTls, RecordLayer, ServerTls};
pub use contexts::{Contexts, Slot};
pub use layer::Layer;
pub use tickets::Tickets;

use std::fmt;

/// TLS could not go on: what the peer, or this side's configuration, did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFailure(String);

impl TlsFailure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        TlsFailure(text.into())
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS: {}", self.0)
    }
}

impl std::error::Error for TlsFailure {}

impl From<rustls::Error> for TlsFailure {
    fn from(error: rustls::Error) -> Self {
        TlsFailure(error.to_string())
    }
}
