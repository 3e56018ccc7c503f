//! A client's session tickets: a few, each used once, none later than a day after its full handshake, and
//! all forgotten on request. Knows one server.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// What the connections of one client to one server share. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    tickets: VecDeque<Ticket>,
    /// Counts the calls of `forget`: a connection of before brings no ticket in afterwards.
    generation: u64,
    group: Option<NamedGroup>,
}

struct Ticket {
    value: Tls13ClientSessionValue,
    /// The moment of the full handshake behind it, unix seconds.
    proven: u64,
}

impl Sessions {
    /// The tickets as one connection sees them, at `unix` seconds.
    pub(super) fn of_connection(&self, unix: u64) -> Dated {
        let generation = self.kept().generation;
        Dated { sessions: self.clone(), now: unix, proven: AtomicU64::new(unix), generation }
    }

    pub(super) fn forget(&self) {
        let mut kept = self.kept();
        kept.tickets.clear();
        kept.generation += 1;
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // What is guarded is whole at every moment: a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

/// One connection's view. A ticket that comes over a resumed connection keeps the date of the full handshake,
/// so that no chain of resumptions outlives [`LIFE`].
#[derive(Debug)]
pub(super) struct Dated {
    sessions: Sessions,
    now: u64,
    proven: AtomicU64,
    generation: u64,
}

impl ClientSessionStore for Dated {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.sessions.kept().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.sessions.kept().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut kept = self.sessions.kept();
        if kept.generation != self.generation {
            return;
        }
        if kept.tickets.len() == TICKETS {
            kept.tickets.pop_front();
        }
        kept.tickets.push_back(Ticket { value, proven: self.proven.load(Ordering::Relaxed) });
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut kept = self.sessions.kept();
        kept.tickets.retain(|ticket| self.now.saturating_sub(ticket.proven) <= LIFE);
        let ticket = kept.tickets.pop_back()?;
        // If the server does not take it the handshake is a full one after all: dated too early, never too late.
        self.proven.fetch_min(ticket.proven, Ordering::Relaxed);
        Some(ticket.value)
    }
}

/// Seconds after its full handshake in which a session may be resumed (`docs/PROTOCOL.md`, section 1).
const LIFE: u64 = 24 * 60 * 60;

/// A server of ours gives one a handshake; a few more do no harm.
const TICKETS: usize = 4;
