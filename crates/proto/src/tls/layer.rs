//! The seam between a session and the bytes on its wire: records are opened and sealed here, by whichever
//! layer the connection has.

#[cfg(feature = "clear")]
mod fuzzing;

use super::compact::Compact;
use super::connection::Connection;
use super::{ClientTls, ServerTls, Slot, TlsFailure};

/// One connection's record layer: rustls's in the handshake, afterwards ours or rustls's, and for tests none at all.
#[derive(Debug)]
pub struct Layer(Kind);

#[derive(Debug)]
enum Kind {
    // rustls's own state is some 5 KB a connection: boxed apart from the connection's small state.
    Rustls(Box<Connection>),
    // Boxed too: some 230 bytes, and a connection's small state is to fit into 448 with its user's 64.
    Compact(Box<Compact>),
    /// What the handshake left could not be relied on.
    Broken,
    // Boxed like the others: a build that has it measures connections as large as those of one that has not.
    #[cfg(feature = "clear")]
    Clear(Box<Clear>),
}

#[cfg(feature = "clear")]
#[derive(Debug)]
struct Clear {
    certificate: Option<Vec<u8>>,
}

impl Layer {
    /// A server's side, at `unix` seconds.
    pub fn server(tls: &ServerTls, unix: i64) -> Result<Self, TlsFailure> {
        #[cfg(feature = "clear")]
        if let Some(clear) = tls.clear() {
            return Ok(clear);
        }
        let (config, tap) = tls.of_connection(unix);
        Ok(Layer(Kind::Rustls(Box::new(Connection::server(config, tap)?))))
    }

    /// A client's side.
    pub fn client(tls: &ClientTls) -> Result<Self, TlsFailure> {
        #[cfg(feature = "clear")]
        if let Some(clear) = tls.clear() {
            return Ok(clear);
        }
        let (config, tap) = tls.of_connection();
        Ok(Layer(Kind::Rustls(Box::new(Connection::client(config, tap)?))))
    }

    #[cfg(test)]
    pub(super) fn of(connection: Connection) -> Self {
        Layer(Kind::Rustls(Box::new(connection)))
    }

    /// No records at all, and a peer that is said to have proven `certificate`. For tests and benches: no
    /// setting leads here.
    #[cfg(feature = "clear")]
    pub fn clear(certificate: Option<Vec<u8>>) -> Self {
        Layer(Kind::Clear(Box::new(Clear { certificate })))
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
            Kind::Compact(_) => Ok(0),
            Kind::Broken => Err(broken()),
            #[cfg(feature = "clear")]
            Kind::Clear(_) => Ok(0),
        }
    }

    /// Whether the handshake is still under way.
    pub fn is_handshaking(&self) -> bool {
        match &self.0 {
            Kind::Rustls(connection) => connection.is_handshaking(),
            Kind::Compact(_) | Kind::Broken => false,
            #[cfg(feature = "clear")]
            Kind::Clear(_) => false,
        }
    }

    /// Whether this side has said anything in the handshake. A server speaks once the ClientHello is complete.
    pub fn has_spoken(&self) -> bool {
        match &self.0 {
            Kind::Rustls(connection) => connection.has_spoken(),
            Kind::Compact(_) | Kind::Broken => true,
            #[cfg(feature = "clear")]
            Kind::Clear(_) => true,
        }
    }

    /// Whether the handshake resumed an earlier session.
    pub fn is_resumed(&self) -> bool {
        match &self.0 {
            Kind::Rustls(connection) => connection.is_resumed(),
            Kind::Compact(compact) => compact.is_resumed(),
            Kind::Broken => false,
            #[cfg(feature = "clear")]
            Kind::Clear(_) => false,
        }
    }

    /// The first certificate that the peer showed, DER, once the handshake is complete and until
    /// [`reduce`](Layer::reduce).
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Rustls(connection) => connection.peer_certificate(),
            Kind::Compact(_) | Kind::Broken => None,
            #[cfg(feature = "clear")]
            Kind::Clear(clear) => clear.certificate.as_deref(),
        }
    }

    /// Goes over to the compact layer, if that is wanted, the handshake is complete and it was not done before: the
    /// peer's certificate was looked at, and of rustls's connection nothing stays but the keys. The first record does
    /// the same.
    pub fn reduce(&mut self) -> Result<(), TlsFailure> {
        if !matches!(&self.0, Kind::Rustls(connection) if connection.is_reducible()) {
            return Ok(());
        }
        if let Kind::Rustls(connection) = std::mem::replace(&mut self.0, Kind::Broken) {
            self.0 = Kind::Compact(Box::new(Compact::new(connection.reduce()?)));
        }
        Ok(())
    }

    /// Opens all whole records of `wire` to the end of `plain`; returns the bytes of `wire` that are done
    /// with, which may have been changed. On a failure nothing of the record that failed is in `plain`.
    pub fn open(
        &mut self,
        slot: &mut Slot,
        wire: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<usize, TlsFailure> {
        self.reduce()?;
        match &mut self.0 {
            Kind::Rustls(connection) => connection.open(wire, plain),
            Kind::Compact(compact) => compact.open(slot, wire, plain),
            Kind::Broken => Err(broken()),
            #[cfg(feature = "clear")]
            Kind::Clear(_) => {
                plain.extend_from_slice(wire);
                Ok(wire.len())
            }
        }
    }

    /// Whether the peer's close_notify has been read: nothing follows it.
    pub fn peer_closed(&self) -> bool {
        match &self.0 {
            Kind::Rustls(connection) => connection.peer_closed(),
            Kind::Compact(compact) => compact.peer_closed(),
            Kind::Broken => false,
            #[cfg(feature = "clear")]
            Kind::Clear(_) => false,
        }
    }

    /// Makes records of `replies` at the end of `sealed`, and says there what is owed to TLS itself.
    pub fn seal(&mut self, slot: &mut Slot, replies: &[u8], sealed: &mut Vec<u8>) -> Result<(), TlsFailure> {
        self.reduce()?;
        match &mut self.0 {
            Kind::Rustls(connection) => connection.seal(replies, sealed),
            Kind::Compact(compact) => compact.seal(slot, replies, sealed),
            Kind::Broken => Err(broken()),
            #[cfg(feature = "clear")]
            Kind::Clear(_) => {
                sealed.extend_from_slice(replies);
                Ok(())
            }
        }
    }

    /// Says close_notify at the end of `sealed`: nothing is sealed after it.
    pub fn close(&mut self, slot: &mut Slot, sealed: &mut Vec<u8>) -> Result<(), TlsFailure> {
        self.reduce()?;
        match &mut self.0 {
            Kind::Rustls(connection) => connection.close(sealed),
            Kind::Compact(compact) => compact.close(slot, sealed),
            Kind::Broken => Err(broken()),
            #[cfg(feature = "clear")]
            Kind::Clear(_) => Ok(()),
        }
    }

    /// After a failure: the alert for the peer, at the end of `sealed`.
    pub fn alert(&mut self, slot: &mut Slot, sealed: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Rustls(connection) => connection.alert(sealed),
            Kind::Compact(compact) => compact.alert(slot, sealed),
            Kind::Broken => {}
            #[cfg(feature = "clear")]
            Kind::Clear(_) => {}
        }
    }
}

fn broken() -> TlsFailure {
    TlsFailure::new("the handshake's secrets could not be taken over")
}
