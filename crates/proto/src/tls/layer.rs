//! The seam between a session and the bytes on its wire: records are opened and sealed here, by whichever
//! layer the connection has.

#[cfg(feature = "clear")]
use std::sync::Arc;

#[cfg(feature = "clear")]
use rustls::{ClientConfig, ServerConfig};

use super::connection::Connection;
use super::{ClientTls, ServerTls, TlsFailure};

/// One connection's record layer. Behind it today: rustls's own, and for tests none at all.
#[derive(Debug)]
pub struct Layer(Kind);

#[derive(Debug)]
enum Kind {
    // rustls's own state is some 5 KB a connection: boxed apart from the connection's small state.
    Rustls(Box<Connection>),
    #[cfg(feature = "clear")]
    Clear {
        certificate: Option<Vec<u8>>,
    },
}

impl Layer {
    /// A server's side, at `unix` seconds.
    pub fn server(tls: &ServerTls, unix: i64) -> Result<Self, TlsFailure> {
        Ok(Layer(Kind::Rustls(Box::new(Connection::server(tls.of_connection(unix))?))))
    }

    /// A client's side.
    pub fn client(tls: &ClientTls) -> Result<Self, TlsFailure> {
        Ok(Layer(Kind::Rustls(Box::new(Connection::client(tls.config.clone())?))))
    }

    /// A server's side with any configuration of rustls. For fuzzing: no setting leads here.
    #[cfg(feature = "clear")]
    pub fn with_server_config(config: Arc<ServerConfig>) -> Result<Self, TlsFailure> {
        Ok(Layer(Kind::Rustls(Box::new(Connection::server(config)?))))
    }

    /// A client's side with any configuration of rustls. For fuzzing: no setting leads here.
    #[cfg(feature = "clear")]
    pub fn with_client_config(config: Arc<ClientConfig>) -> Result<Self, TlsFailure> {
        Ok(Layer(Kind::Rustls(Box::new(Connection::client(config)?))))
    }

    /// No records at all, and a peer that is said to have proven `certificate`. For tests and benches: no
    /// setting leads here.
    #[cfg(feature = "clear")]
    pub fn clear(certificate: Option<Vec<u8>>) -> Self {
        Layer(Kind::Clear { certificate })
    }

    /// Goes on with the handshake and stops with the record that completes it: nothing that follows is opened
    /// before the peer is judged. Returns the bytes of `wire` that are done with; they may have been changed,
    /// and so may the rest, which must come again unaltered at the front of the next call's `wire`.
    pub fn handshake(
        &mut self,
        wire: &mut [u8],
        limit: usize,
        sealed: &mut Vec<u8>,
    ) -> Result<usize, TlsFailure> {
        match &mut self.0 {
            Kind::Rustls(connection) => connection.handshake(wire, limit, sealed),
            #[cfg(feature = "clear")]
            Kind::Clear { .. } => Ok(0),
        }
    }

    /// Whether the handshake is still under way.
    pub fn is_handshaking(&self) -> bool {
        match &self.0 {
            Kind::Rustls(connection) => connection.is_handshaking(),
            #[cfg(feature = "clear")]
            Kind::Clear { .. } => false,
        }
    }

    /// Whether this side has said anything in the handshake. A server speaks once the ClientHello is complete.
    pub fn has_spoken(&self) -> bool {
        match &self.0 {
            Kind::Rustls(connection) => connection.has_spoken(),
            #[cfg(feature = "clear")]
            Kind::Clear { .. } => true,
        }
    }

    /// Whether the handshake resumed an earlier session.
    pub fn is_resumed(&self) -> bool {
        match &self.0 {
            Kind::Rustls(connection) => connection.is_resumed(),
            #[cfg(feature = "clear")]
            Kind::Clear { .. } => false,
        }
    }

    /// The first certificate that the peer showed, DER, once the handshake is complete.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Rustls(connection) => connection.peer_certificate(),
            #[cfg(feature = "clear")]
            Kind::Clear { certificate } => certificate.as_deref(),
        }
    }

    /// Opens all whole records of `wire` to the end of `plain`; returns the bytes of `wire` that are done
    /// with, which may have been changed.
    pub fn open(&mut self, wire: &mut [u8], plain: &mut Vec<u8>) -> Result<usize, TlsFailure> {
        match &mut self.0 {
            Kind::Rustls(connection) => connection.open(wire, plain),
            #[cfg(feature = "clear")]
            Kind::Clear { .. } => {
                plain.extend_from_slice(wire);
                Ok(wire.len())
            }
        }
    }

    /// Whether the peer's close_notify has been read: nothing follows it.
    pub fn peer_closed(&self) -> bool {
        match &self.0 {
            Kind::Rustls(connection) => connection.peer_closed(),
            #[cfg(feature = "clear")]
            Kind::Clear { .. } => false,
        }
    }

    /// Makes records of `replies` at the end of `sealed`, and says there what is owed to TLS itself.
    pub fn seal(&mut self, replies: &[u8], sealed: &mut Vec<u8>) -> Result<(), TlsFailure> {
        match &mut self.0 {
            Kind::Rustls(connection) => connection.seal(replies, sealed),
            #[cfg(feature = "clear")]
            Kind::Clear { .. } => {
                sealed.extend_from_slice(replies);
                Ok(())
            }
        }
    }

    /// Says close_notify at the end of `sealed`: nothing is sealed after it.
    pub fn close(&mut self, sealed: &mut Vec<u8>) -> Result<(), TlsFailure> {
        match &mut self.0 {
            Kind::Rustls(connection) => connection.close(sealed),
            #[cfg(feature = "clear")]
            Kind::Clear { .. } => Ok(()),
        }
    }

    /// After a failure: the alert for the peer, at the end of `sealed`.
    pub fn alert(&mut self, sealed: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Rustls(connection) => connection.alert(sealed),
            #[cfg(feature = "clear")]
            Kind::Clear { .. } => {}
        }
    }
}
