//! What stays of a handshake: keys that were tapped, compared with those that rustls gives away.

use std::fmt;

use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::{AlertDescription, ConnectionTrafficSecrets, Error, ExtractedSecrets};

use super::{Connection, Side};
use crate::tls::TlsFailure;
use crate::tls::compact::Keys;
use crate::tls::secrets::{Direction, Suite};
use crate::tls::tap::{Secret, Tap};

impl Connection {
    /// Whether [`reduce`](Connection::reduce) may follow: its handshake is complete, and its secrets were tapped.
    pub(in crate::tls) fn is_reducible(&self) -> bool {
        self.tap.is_some() && !self.is_handshaking()
    }

    /// What its records are protected with; the rest of it is dropped. It has opened none of them, and what it had to
    /// say is said: so there is nothing in it that could be lost, or be sealed again under the same number.
    pub(in crate::tls) fn reduce(self) -> Result<Keys, TlsFailure> {
        self.check()?;
        let is_resumed = self.is_resumed();
        let tapped = self.tap.as_deref().map(Tap::take).unwrap_or_default();
        if tapped.is_spoilt {
            return Err(not_tapped());
        }
        let keys = match self.side {
            Side::Server(server) => {
                let (extracted, _) = server.dangerous_into_kernel_connection()?;
                keys(extracted, (tapped.client, tapped.server), TICKETS)?
            }
            Side::Client(client) => {
                let (extracted, kernel) = client.dangerous_into_kernel_connection()?;
                let keys = keys(extracted, (tapped.server, tapped.client), 0)?;
                Keys { tickets: Some(Box::new(TicketTaker(kernel))), ..keys }
            }
        };
        Ok(Keys { is_resumed, ..keys })
    }
}

/// From the secrets of the peer and of this side, which has sealed `most` records at most.
fn keys(
    ExtractedSecrets { rx, tx }: ExtractedSecrets,
    (opening, sealing): (Option<Secret>, Option<Secret>),
    most: u64,
) -> Result<Keys, TlsFailure> {
    let (Some(opening), Some(sealing)) = (opening, sealing) else { return Err(not_tapped()) };
    if rx.0 != 0 || tx.0 > most {
        return Err(TlsFailure::new("records were opened or sealed before the end of the handshake"));
    }
    let (suite, opening) = direction(opening.as_ref(), rx)?;
    let (sealing_suite, sealing) = direction(sealing.as_ref(), tx)?;
    if suite != sealing_suite {
        return Err(TlsFailure::new("two suites"));
    }
    Ok(Keys { suite, opening, sealing, is_resumed: false, tickets: None })
}

/// What `secret` protects one direction with, if rustls says the same.
fn direction(
    secret: &[u8],
    (sequence, extracted): (u64, ConnectionTrafficSecrets),
) -> Result<(Suite, Direction), TlsFailure> {
    let (suite, key, iv) = match extracted {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (Suite::Aes128Gcm, key, iv),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (Suite::ChaCha20Poly1305, key, iv),
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (Suite::Aes256Gcm, key, iv),
        _ => return Err(TlsFailure::new("a suite that is not offered")),
    };
    match Direction::new(suite, secret) {
        Ok(mut direction) if direction.equals(suite, key.as_ref(), iv.as_ref()) => {
            direction.set_sequence(sequence);
            Ok((suite, direction))
        }
        _ => Err(TlsFailure::new("the tapped secrets are not the connection's")),
    }
}

fn not_tapped() -> TlsFailure {
    TlsFailure::new("the traffic secrets were not tapped once each")
}

/// What a client keeps of rustls's connection: it takes the session tickets that come after the handshake.
pub(in crate::tls) struct TicketTaker(KernelConnection<ClientConnectionData>);

impl TicketTaker {
    /// `message` is a NewSessionTicket (RFC 8446 4.6.1) without its header. Fails with the alert for the peer.
    pub(in crate::tls) fn take(&mut self, message: &[u8]) -> Result<(), (AlertDescription, String)> {
        self.0.handle_new_session_ticket(message).map_err(|error| {
            let alert = match &error {
                // Not each is a decode_error: an extension that comes twice is an illegal_parameter.
                Error::InvalidMessage(invalid) => AlertDescription::from(*invalid),
                Error::PeerMisbehaved(_) => AlertDescription::IllegalParameter,
                _ => AlertDescription::InternalError,
            };
            (alert, error.to_string())
        })
    }
}

impl fmt::Debug for TicketTaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketTaker")
    }
}

/// Session tickets that a server of ours seals in a handshake.
pub(in crate::tls) const TICKETS: u64 = 1;

#[cfg(test)]
#[path = "../tests/updates.rs"]
mod tests;
