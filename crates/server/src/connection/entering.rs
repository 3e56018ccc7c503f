//! A peer whose handshake is complete: let in, or refused with words.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pinwire_proto::code::Code;
use pinwire_proto::limits::Limits;
use pinwire_proto::trust::Entry;
use tracing::debug;

use super::{Connection, Station, Who, unpanicked};
use crate::handler::{Handler, Peer, Refusal};
use crate::refusing::Why;

impl<S> Connection<S> {
    pub(super) fn connect<H>(&mut self, at: &Station<'_, H>, replies: &mut Vec<u8>)
    where
        H: Handler<State = S>,
    {
        let Some(judged) = self.session.take_judged() else { return };
        let peer = Peer::new(*judged, self.who.address());
        // Whoever is not let in yet takes nobody's place: `Limits::handshakes` bounds those.
        let is_full = at.connections.fetch_add(1, Ordering::Relaxed) >= at.limits.connections;
        let taken = match is_full {
            true => Err(full(at.limits)),
            false => self.join(at, peer),
        };
        if taken.is_err() {
            at.connections.fetch_sub(1, Ordering::Relaxed);
        }
        match taken {
            Ok((peer, state)) => {
                // First: whatever panics behind this, it is given back what it took.
                let peer = Arc::new(peer);
                (self.who, self.state, self.is_member) = (Who::Peer(Arc::clone(&peer)), Some(state), true);
                at.judge.mention_others(&peer);
                at.counts.admitted.one();
                at.refusing.admitted(at.now.instant, peer.address());
                debug!(peer = %peer.address(), name = peer.name(), pin = %peer.pin(), "connected");
                self.session.admit(replies);
            }
            Err(refusal) => self.refuse(at, &Why::NotTaken(&refusal), replies),
        }
    }

    /// One of its entry's connections, if that and the handler take it.
    fn join<H>(&self, at: &Station<'_, H>, peer: Peer) -> Result<(Peer, S), Refusal>
    where
        H: Handler<State = S>,
    {
        let number = at.judge.members.join(peer.entry()).ok_or_else(|| crowded(peer.entry()))?;
        let peer = peer.numbered(number);
        let taken = unpanicked(|| at.handler.connect(&peer)).unwrap_or_else(|| Err(broke()));
        if taken.is_err() {
            at.judge.members.leave(peer.pin());
        }
        taken.map(|state| (peer, state))
    }

    pub(super) fn refuse<H>(&mut self, at: &Station<'_, H>, why: &Why<'_>, replies: &mut Vec<u8>) {
        let text = at.refusing.refuse(at.now, self.who.address(), why);
        self.is_refused = true;
        self.session.refuse(why.code(), &text, replies);
    }
}

fn full(limits: &Limits) -> Refusal {
    let text = format!("the server has its {} connections; try again later", limits.connections);
    Refusal { code: Code::TooManyConnections, text }
}

fn crowded(entry: &Entry) -> Refusal {
    let most = entry.connections.unwrap_or_default();
    Refusal { code: Code::TooManyConnections, text: format!("its entry has its {most} connections already") }
}

fn broke() -> Refusal {
    Refusal { code: Code::Failed, text: "the server could not take this connection".to_owned() }
}
