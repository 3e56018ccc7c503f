//! The two that are compared, behind the same few methods: our record layer, and rustls's own connection. Each tells
//! the plaintext it has read, how it ended, and the messages that it sealed.

use std::io::{BufRead, Write};
use std::sync::Arc;

use pinwire_proto::tls::{Layer, RecordLayer, Slot};
use rustls::{AlertDescription, Connection};

use super::keys::Keys;
use super::provider::{self, Tickets};
use super::replay::{self, Config, Handshake, Side};

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    /// The peer said close_notify.
    Closed,
    Failed(Class),
}

/// What the peer is told of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Decode,
    Decrypt,
    Unexpected,
    Other,
    /// Nothing at all.
    Silent,
}

impl Class {
    fn of(description: u8) -> Class {
        match AlertDescription::from(description) {
            AlertDescription::DecodeError => Class::Decode,
            AlertDescription::BadRecordMac | AlertDescription::DecryptError => Class::Decrypt,
            AlertDescription::UnexpectedMessage => Class::Unexpected,
            _ => Class::Other,
        }
    }
}

/// What a side sealed: content types and contents, one a record.
pub(super) type Said = Vec<(u8, Vec<u8>)>;

/// Opens what a side sealed, follows its KeyUpdates, and holds it to the form of a record.
pub(super) fn open(keys: &mut Keys, sealed: &[u8]) -> Said {
    open_worn(keys, sealed).0
}

/// The same, and how many KeyUpdates were the last record that their key may seal.
fn open_worn(keys: &mut Keys, mut sealed: &[u8]) -> (Said, usize) {
    let (mut said, mut worn) = (Vec::new(), 0);
    while !sealed.is_empty() {
        let (header, _) = sealed.split_first_chunk::<5>().expect("a header");
        let [kind, major, minor, high, low] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        assert!([kind, major, minor] == [23, 3, 3] && length <= (1 << 14) + 256, "a record's header: {header:?}");
        let (record, rest) = sealed.split_at_checked(5 + length).expect("a whole record");
        let (kind, content) = keys.open(record).expect("a record under the keys that follow from the messages");
        assert!(content.len() <= 1 << 14, "{} bytes in a record", content.len());
        if kind == super::HANDSHAKE {
            assert_eq!(content, super::KEY_UPDATE, "the one message that is said of oneself");
            worn += usize::from(keys.sequence >= super::MOST_RECORDS);
            keys.update();
        }
        assert!(keys.is_fresh(), "a record more than its key may seal");
        said.push((kind, content));
        sealed = rest;
    }
    (said, worn)
}

fn alert(said: &Said) -> Class {
    let alerts: Vec<_> = said.iter().filter(|(kind, _)| *kind == super::ALERT).collect();
    match alerts[..] {
        [] => Class::Silent,
        [(_, alert)] => {
            let &[level, description] = &alert[..] else { panic!("an alert: {alert:?}") };
            assert_eq!(level, 2, "the level of an alert");
            Class::of(description)
        }
        _ => panic!("more than one alert: {said:?}"),
    }
}

/// Our layer.
pub(super) struct Ours {
    pub(super) layer: Layer,
    slot: Slot,
    wire: Vec<u8>,
    pub(super) plain: Vec<u8>,
    pub(super) end: End,
    /// Whether this side said close_notify.
    pub(super) has_closed: bool,
    pub(super) keys: Keys,
    tickets: Option<Arc<Tickets>>,
    /// What it sealed and the other end has not heard yet.
    pub(super) sealed: Vec<u8>,
    /// KeyUpdates that it owed nobody: their keys were worn out.
    worn_out: usize,
}

impl Ours {
    pub(super) fn new(handshake: &Handshake, side: Side, gives: bool) -> Ours {
        let (layer, tickets) = match side {
            Side::Server => {
                (Layer::with_server_config(handshake.server(gives).as_ref().clone(), RecordLayer::Compact), None)
            }
            Side::Client => {
                let (config, tickets) = provider::counting(&handshake.client);
                (Layer::with_client_config(config, RecordLayer::Compact), Some(tickets))
            }
        };
        let mut layer = layer.expect("a configuration");
        let said = shake_hands(&mut layer, &handshake.told(side));
        let mut ours = Ours {
            layer,
            slot: Slot::default(),
            wire: Vec::new(),
            plain: Vec::new(),
            end: End::Open,
            has_closed: false,
            keys: handshake.keys(side),
            tickets,
            sealed: Vec::new(),
            worn_out: 0,
        };
        ours.layer.reduce().expect("the handshake's secrets");
        if let Some(ticket) = said.strip_prefix(handshake.said(side)).filter(|it| !it.is_empty()) {
            assert!(ours.keys.open(ticket).is_some(), "its ticket is the first record");
        }
        ours
    }

    pub(super) fn tickets(&self) -> usize {
        self.tickets.as_ref().map_or(0, |tickets| tickets.count())
    }

    /// More bytes of the peer.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        if let End::Failed(_) = self.end {
            return;
        }
        self.wire.extend_from_slice(bytes);
        match self.layer.open(&mut self.slot, &mut self.wire, &mut self.plain) {
            Ok(used) => {
                self.wire.drain(..used);
                self.end = if self.layer.peer_closed() { End::Closed } else { End::Open };
            }
            Err(_) => {
                let mut sealed = Vec::new();
                self.layer.alert(&mut self.slot, &mut sealed);
                self.end = End::Failed(alert(&open(&mut self.keys, &sealed)));
                self.is_dead();
            }
        }
    }

    /// After a failure nothing is opened, sealed or said.
    fn is_dead(&mut self) {
        let (mut sealed, mut plain) = (Vec::new(), Vec::new());
        assert!(self.layer.seal(&mut self.slot, b"after the end", &mut sealed).is_err(), "sealed after a failure");
        assert!(self.layer.close(&mut self.slot, &mut sealed).is_err(), "closed after a failure");
        assert!(self.layer.open(&mut self.slot, &mut self.wire, &mut plain).is_err(), "opened after a failure");
        self.layer.alert(&mut self.slot, &mut sealed);
        assert!(sealed.is_empty() && plain.is_empty(), "something was said after a failure");
    }

    /// Seals application data, and what is owed to TLS.
    pub(super) fn say(&mut self, plain: &[u8]) -> Said {
        let mut sealed = Vec::new();
        let done = self.layer.seal(&mut self.slot, plain, &mut sealed);
        let is_refused = self.has_closed && !plain.is_empty();
        assert_eq!(done.is_err(), is_refused, "{done:?}");
        self.sealed.extend_from_slice(&sealed);
        let (said, worn) = open_worn(&mut self.keys, &sealed);
        self.worn_out = worn;
        said
    }

    /// How many KeyUpdates of the last word were due to a worn key.
    pub(super) fn worn_out(&self) -> usize {
        self.worn_out
    }

    pub(super) fn refresh(&mut self) -> Said {
        let mut sealed = Vec::new();
        self.layer.refresh(&mut self.slot, &mut sealed).expect("nothing failed before");
        self.sealed.extend_from_slice(&sealed);
        open(&mut self.keys, &sealed)
    }

    pub(super) fn close(&mut self) -> Said {
        let mut sealed = Vec::new();
        self.layer.close(&mut self.slot, &mut sealed).expect("nothing failed before");
        self.has_closed = true;
        self.sealed.extend_from_slice(&sealed);
        open(&mut self.keys, &sealed)
    }

    /// Its key has sealed all records but `left` that it may.
    pub(super) fn wear(&mut self, left: u64) {
        self.layer.wear(super::MOST_RECORDS - left).expect("the handshake's secrets");
        self.keys.sequence = super::MOST_RECORDS - left;
    }

    /// Another connection has driven its expanded keys out.
    pub(super) fn lose_contexts(&mut self) {
        self.slot = Slot::default();
    }
}

/// Returns what it said in the handshake.
fn shake_hands(layer: &mut Layer, flights: &[&[u8]]) -> Vec<u8> {
    let (mut wire, mut said) = (Vec::new(), Vec::new());
    layer.handshake(&mut wire, MOST_HANDSHAKE, &mut said).expect("its first word");
    for flight in flights {
        wire.extend_from_slice(flight);
        let used = layer.handshake(&mut wire, MOST_HANDSHAKE, &mut said).expect("the handshake's bytes");
        wire.drain(..used);
    }
    assert!(!layer.is_handshaking() && wire.is_empty(), "a handshake");
    said
}

/// rustls's connection.
pub(super) struct Theirs {
    connection: Connection,
    pub(super) plain: Vec<u8>,
    pub(super) end: End,
    keys: Keys,
    tickets: Option<Arc<Tickets>>,
}

impl Theirs {
    pub(super) fn new(handshake: &Handshake, side: Side, gives: bool) -> Theirs {
        let (config, tickets) = match side {
            Side::Server => (Config::Server(handshake.server(gives)), None),
            Side::Client => {
                let (config, tickets) = provider::counting(&handshake.client);
                (Config::Client(Arc::new(config)), Some(tickets))
            }
        };
        let (connection, ticket) = replay::connected(handshake, side, config);
        let mut keys = handshake.keys(side);
        if !ticket.is_empty() {
            keys.open(&ticket).expect("its ticket is the first record");
        }
        Theirs { connection, plain: Vec::new(), end: End::Open, keys, tickets }
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
        let (connection, _) = replay::connected(handshake, side, config);
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
        assert!(self.has_heard_close || !said.iter().any(|(kind, _)| *kind == super::ALERT), "no close_notify");
    }
}

/// As a client of ours has it.
const MOST_HANDSHAKE: usize = 64 * 1024;
