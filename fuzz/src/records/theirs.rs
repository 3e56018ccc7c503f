//! rustls's connection, the one that ours is compared with and the one at the other end.

use std::io::{BufRead, Write};
use std::sync::Arc;

use rustls::Connection;

use super::keys::Keys;
use super::provider::{self, Tickets};
use super::replay::{self, Config, Handshake, Side};
use super::sides::{Class, End, Said, alert, open};

/// rustls's connection.
pub(super) struct Theirs {
    connection: Connection,
    pub(super) plain: Vec<u8>,
    pub(super) end: End,
    keys: Keys,
    tickets: Option<Arc<Tickets>>,
}

impl Theirs {
    pub(super) fn new(handshake: &Handshake, side: Side) -> Theirs {
        let (config, tickets) = match side {
            Side::Server => (Config::Server(handshake.server(false)), None),
            Side::Client => {
                let (config, tickets) = provider::counting(&handshake.client);
                (Config::Client(Arc::new(config)), Some(tickets))
            }
        };
        let connection = replay::connected(handshake, side, config);
        Theirs { connection, plain: Vec::new(), end: End::Open, keys: handshake.keys(side), tickets }
    }

    pub(super) fn tickets(&self) -> usize {
        self.tickets.as_ref().map_or(0, |tickets| tickets.count())
    }

    /// More bytes of the peer.
    pub(super) fn hear(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.end == End::Open {
            if self.connection.read_tls(&mut bytes).is_err() {
                self.end = End::Failed(Class::Silent);
                return;
            }
            let processed = self.connection.process_new_packets();
            read(&mut self.connection, &mut self.plain);
            self.end = match processed {
                Ok(state) if state.peer_has_closed() => End::Closed,
                Ok(_) => End::Open,
                Err(_) => End::Failed(alert(&self.said())),
            };
        }
    }

    fn said(&mut self) -> Said {
        let sealed = replay::said(&mut self.connection);
        open(&mut self.keys, &sealed)
    }

    pub(super) fn say(&mut self, plain: &[u8]) -> Said {
        self.connection.writer().write_all(plain).expect("a buffer larger than what is said");
        // Without data too, it says what it owes.
        let _ = self.connection.writer().write(&[]);
        self.said()
    }
}

fn read(connection: &mut Connection, plain: &mut Vec<u8>) {
    let mut reader = connection.reader();
    while let Ok(bytes) = reader.fill_buf() {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        plain.extend_from_slice(bytes);
        reader.consume(length);
    }
}

/// rustls at the other end: seals what both hear, and opens what ours seals.
pub(super) struct Peer {
    connection: Connection,
    heard: Vec<u8>,
    has_heard_close: bool,
    /// KeyUpdates heard in a row without application data: it bears 32.
    updates: usize,
}

impl Peer {
    pub(super) fn new(handshake: &Handshake, side: Side) -> Peer {
        let config = match side {
            Side::Server => Config::Server(handshake.server(false)),
            Side::Client => Config::Client(Arc::new(handshake.client.clone())),
        };
        let connection = replay::connected(handshake, side, config);
        Peer { connection, heard: Vec::new(), has_heard_close: false, updates: 0 }
    }

    pub(super) fn say(&mut self, plain: &[u8]) -> Vec<u8> {
        self.connection.writer().write_all(plain).expect("a buffer larger than what is said");
        replay::said(&mut self.connection)
    }

    pub(super) fn refresh(&mut self) -> Vec<u8> {
        self.connection.refresh_traffic_keys().expect("a handshake that is complete");
        replay::said(&mut self.connection)
    }

    pub(super) fn close(&mut self) -> Vec<u8> {
        self.connection.send_close_notify();
        replay::said(&mut self.connection)
    }

    /// What ours sealed: the data of it must be `said`.
    pub(super) fn hear(&mut self, mut sealed: &[u8], said: &Said) {
        if self.has_heard_close {
            return;
        }
        for (kind, _) in said {
            self.updates = if *kind == super::HANDSHAKE { self.updates + 1 } else { 0 };
            if self.updates > 32 {
                self.has_heard_close = true;
                return;
            }
        }
        while !sealed.is_empty() && !self.has_heard_close {
            self.connection.read_tls(&mut sealed).expect("room");
            let state = self.connection.process_new_packets().expect("what ours says is right");
            self.has_heard_close |= state.peer_has_closed();
            read(&mut self.connection, &mut self.heard);
        }
        assert!(std::mem::take(&mut self.heard) == super::data(said), "the peer read something else");
        assert!(
            self.has_heard_close || !said.iter().any(|(kind, _)| *kind == super::ALERT),
            "no close_notify"
        );
    }
}
