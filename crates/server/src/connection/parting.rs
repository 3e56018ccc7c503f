//! The end of a connection: its user learns why, and so do the log and the counters.

use std::mem;
use std::sync::atomic::Ordering;

use pinwire_proto::code::{Code, Severity};
use pinwire_proto::session::Disconnect;
use tracing::{debug, error, info, warn};

use super::{Connection, Who, unpanicked};
use crate::handler::Handler;
use crate::members::Members;
use crate::stats::Counts;
use crate::worker::{Shared, now};

impl<S> Connection<S> {
    /// The connection is over: its user learns why, and so does the log.
    pub(crate) fn depart<H>(mut self, shared: &Shared<H>, counts: &Counts)
    where
        H: Handler<State = S>,
    {
        self.tasks.abort_all();
        let why = self.session.ended().cloned().unwrap_or(Disconnect::Vanished);
        match self.who {
            Who::Peer(_) => {
                self.log(&why);
                // Whoever was taken off the list speaks for its source no longer.
                if !matches!(why, Disconnect::Closed { code: Code::NoLongerTrusted, .. }) {
                    shared.refusing.admitted(now().instant, self.who.address());
                }
            }
            Who::Somebody(_) if self.is_refused => {}
            Who::Somebody(ref address) => {
                shared.refusing.ended(now(), **address, &why, self.session.has_hello());
            }
        }
        counts.ended(&why, self.who.peer().is_some());
        self.leave(&shared.members);
        if let Some(state) = self.state.take() {
            shared.connections.fetch_sub(1, Ordering::Relaxed);
            unpanicked(|| shared.handler.disconnect(state, &why));
        }
    }

    /// Its entry may have another connection in its place.
    pub(super) fn leave(&mut self, members: &Members) {
        if let (true, Some(peer)) = (mem::take(&mut self.is_member), self.who.peer()) {
            members.leave(peer.pin());
        }
    }

    fn log(&self, why: &Disconnect) {
        let (peer, name) = (self.who.address(), self.who.name());
        match why {
            Disconnect::Closed { code, text } => match code.severity() {
                Severity::Info => info!(%peer, name, %code, text, "closed"),
                Severity::Warn => warn!(%peer, name, %code, text, "closed"),
                Severity::Error => error!(%peer, name, %code, text, "closed"),
            },
            Disconnect::Tls(failure) => info!(%peer, name, %failure, "closed"),
            Disconnect::Peer
            | Disconnect::Vanished
            | Disconnect::HandshakeTimeout
            | Disconnect::HandshakeDropped => debug!(%peer, name, ?why, "disconnected"),
        }
    }
}
