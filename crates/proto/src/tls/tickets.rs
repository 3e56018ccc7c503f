//! Session tickets: sealed by one key for all workers, dated by the full handshake behind them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::server::ProducesTickets;

use super::TlsFailure;

/// What seals and opens the session tickets of a server: one for all workers, and for the server that comes
/// after a reload of the certificate.
#[derive(Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// A fresh key, rolled by rustls's ticketer and never written anywhere.
    pub fn new() -> Result<Self, TlsFailure> {
        Ok(Tickets(rustls::crypto::aws_lc_rs::Ticketer::new()?))
    }

    /// The tickets as one connection sees them, at `unix` seconds.
    pub(super) fn of_connection(&self, unix: u64) -> Arc<dyn ProducesTickets> {
        Arc::new(Dated { tickets: Arc::clone(&self.0), now: unix, proven: AtomicU64::new(unix) })
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

/// Puts the moment of the full handshake before the ticket's content. A resumed session hands that moment on
/// to its own ticket, so that no chain of resumptions outlives [`LIFE`].
#[derive(Debug)]
struct Dated {
    tickets: Arc<dyn ProducesTickets>,
    now: u64,
    proven: AtomicU64,
}

impl ProducesTickets for Dated {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime().min(LIFE as u32)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() > LARGEST {
            return None;
        }
        let proven = self.proven.load(Ordering::Relaxed);
        self.tickets.encrypt(&[&proven.to_be_bytes(), plain].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let dated = self.tickets.decrypt(cipher)?;
        let (proven, plain) = dated.split_first_chunk()?;
        let proven = u64::from_be_bytes(*proven);
        if self.now.saturating_sub(proven) > LIFE {
            return None;
        }
        // Of several tickets that one hello offers, the oldest counts: never too late.
        self.proven.fetch_min(proven, Ordering::Relaxed);
        Some(plain.to_vec())
    }
}

/// Seconds after its full handshake in which a session may be resumed (`docs/PROTOCOL.md`, section 1).
const LIFE: u64 = 24 * 60 * 60;

/// Bytes of a ticket's content: it carries the client's chain, and a longer one is not worth it.
const LARGEST: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_keeps_the_date_of_its_full_handshake() {
        let tickets = Tickets::new().unwrap();
        let full = tickets.of_connection(1_000).encrypt(b"session").unwrap();

        let resumed = tickets.of_connection(1_000 + LIFE);
        assert_eq!(resumed.decrypt(&full).as_deref(), Some(&b"session"[..]));
        let again = resumed.encrypt(b"session").unwrap();
        assert_eq!(
            tickets.of_connection(1_000 + LIFE + 1).decrypt(&again),
            None,
            "resumption renews nothing"
        );
    }

    #[test]
    fn no_ticket_for_a_long_chain_and_none_from_elsewhere() {
        let tickets = Tickets::new().unwrap();
        assert!(tickets.of_connection(0).encrypt(&[0; LARGEST + 1]).is_none());
        assert!(tickets.of_connection(0).decrypt(b"").is_none());
        let foreign = Tickets::new().unwrap().of_connection(0).encrypt(b"session").unwrap();
        assert!(tickets.of_connection(0).decrypt(&foreign).is_none());
    }
}
