//! Who is at the other end of a connection: only an address, until it is let in.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::handler::Peer;

/// Two words in a connection: whoever is let in takes its address along.
#[derive(Debug)]
pub(super) enum Who {
    Somebody(Box<SocketAddr>),
    Peer(Arc<Peer>),
}

impl Who {
    /// Somebody from there.
    pub(super) fn from(address: SocketAddr) -> Who {
        Who::Somebody(Box::new(address))
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Who::Somebody(address) => **address,
            Who::Peer(peer) => peer.address(),
        }
    }

    pub(super) fn peer(&self) -> Option<&Arc<Peer>> {
        match self {
            Who::Somebody(_) => None,
            Who::Peer(peer) => Some(peer),
        }
    }

    /// The name that the trust list gives it.
    pub(super) fn name(&self) -> Option<&str> {
        self.peer()?.name()
    }
}
