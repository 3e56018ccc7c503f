//! Many client connections on one thread.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use pinwire_server::proto::tls::ClientTls;

use crate::child::words;
use crate::peer::{Batch, Heard, Peer, Room};

/// Client connections to one server.
pub(crate) struct Fleet {
    address: SocketAddr,
    tls: ClientTls,
    peers: Vec<Peer>,
    admitted: usize,
    room: Room,
    poll: Poll,
    events: Events,
}

impl Fleet {
    pub(crate) fn new(address: SocketAddr, tls: &ClientTls) -> Result<Fleet, String> {
        let (poll, events) = (words(Poll::new())?, Events::with_capacity(1_024));
        Ok(Fleet {
            address,
            tls: tls.clone(),
            peers: Vec::new(),
            admitted: 0,
            room: Room::new(),
            poll,
            events,
        })
    }

    /// Connects until `count` connections have had their greeting.
    pub(crate) fn grow(&mut self, count: usize) -> Result<(), String> {
        while self.admitted < count {
            while self.peers.len() < count.min(self.admitted + HANDSHAKES) {
                self.connect()?;
            }
            self.admitted += self.wait(|_, _, heard| Ok(usize::from(heard == Heard::Admitted)))?;
        }
        Ok(())
    }

    /// Where it connects to, and as whom.
    pub(crate) fn target(&self) -> (SocketAddr, ClientTls) {
        (self.address, self.tls.clone())
    }

    fn connect(&mut self) -> Result<(), String> {
        let mut peer = Peer::connect(self.address, &self.tls, &mut self.room)?;
        let token = Token(self.peers.len());
        words(self.poll.registry().register(peer.socket(), token, Interest::READABLE))?;
        self.peers.push(peer);
        Ok(())
    }

    /// Sends so many batches, over all connections and `batches` in turn; a connection sends again once all is
    /// answered.
    pub(crate) fn load(&mut self, batches: &[Batch], count: usize) -> Result<(), String> {
        let mut unsent = batches.iter().cycle().take(count);
        for (peer, batch) in self.peers.iter_mut().zip(unsent.by_ref()) {
            peer.send(batch, &mut self.room)?;
        }
        let mut answered = 0;
        while answered < count {
            answered += self.wait(|peer, room, heard| {
                if heard != Heard::Answered {
                    return Ok(0);
                }
                unsent.next().map_or(Ok(()), |batch| peer.send(batch, room))?;
                Ok(1)
            })?;
        }
        Ok(())
    }

    /// For so long, each connection sends the batch, again once it is answered: how long each answer took.
    pub(crate) fn sample(&mut self, batch: &Batch, span: Duration) -> Result<Vec<Duration>, String> {
        let (until, mut under_way) = (Instant::now() + span, self.peers.len());
        let mut waits = Vec::new();
        self.peers.iter_mut().try_for_each(|peer| peer.send(batch, &mut self.room))?;
        while under_way > 0 {
            under_way -= self.wait(|peer, room, heard| {
                if heard != Heard::Answered {
                    return Ok(0);
                }
                waits.push(peer.sent().elapsed());
                let is_over = Instant::now() >= until;
                if !is_over {
                    peer.send(batch, room)?;
                }
                Ok(usize::from(is_over))
            })?;
        }
        Ok(waits)
    }

    /// Waits for the server once; the sum of what `act` makes of what was heard.
    fn wait(
        &mut self,
        mut act: impl FnMut(&mut Peer, &mut Room, Heard) -> Result<usize, String>,
    ) -> Result<usize, String> {
        words(self.poll.poll(&mut self.events, Some(SILENCE)))?;
        if self.events.is_empty() {
            return Err(format!("the server was silent for {SILENCE:?}"));
        }
        let mut sum = 0;
        for event in &self.events {
            let Some(peer) = self.peers.get_mut(event.token().0) else { continue };
            let heard = peer.receive(&mut self.room)?;
            if let (Heard::Told, Some(code)) = (heard, peer.told()) {
                return Err(format!("the server closed a connection: {code}"));
            }
            sum += act(peer, &mut self.room, heard)?;
        }
        Ok(sum)
    }
}

/// Connections in their handshake at one time: far from the server's limits.
const HANDSHAKES: usize = 32;

/// Only catches a hang.
const SILENCE: Duration = Duration::from_secs(20);
