//! Whole handshakes, and what is left of them: the compact layer's keys against rustls's own words.

mod peers;
mod reducing;
mod tickets;

use std::sync::{Arc, LazyLock};

use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};

use super::config::provider;
use super::connection::Connection;
use super::{ClientTls, Layer, RecordLayer, ServerTls, Slot, Tickets};
use crate::identity::{Identity, KeyKind, generate};

const UNIX: i64 = 1_769_860_800;
const LIMIT: usize = 64 * 1024;

pub(super) const SUITES: [SupportedCipherSuite; 3] =
    [TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256, TLS13_AES_256_GCM_SHA384];

static SERVER: LazyLock<ServerTls> = LazyLock::new(|| {
    let made = generate(KeyKind::Ed25519, "server", UNIX, 1).unwrap();
    let identity = Identity::from_pem(made.certificate_pem.as_bytes(), made.key_pem.as_bytes()).unwrap();
    ServerTls::new(&identity, Tickets::new().unwrap()).unwrap()
});

/// A client that offers one suite.
fn client(suite: SupportedCipherSuite) -> ClientTls {
    ClientTls::with(only(suite), None).unwrap()
}

fn only(suite: SupportedCipherSuite) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { cipher_suites: vec![suite], ..CryptoProvider::clone(&provider()) })
}

/// Both sides of one connection, and what is on its way.
struct Both {
    server: End,
    client: End,
    up: Vec<u8>,
    down: Vec<u8>,
}

struct End {
    layer: Layer,
    slot: Slot,
    plain: Vec<u8>,
}

impl Both {
    fn new(suite: SupportedCipherSuite) -> Both {
        Both::of(&SERVER, &client(suite).at(UNIX))
    }

    fn of(server: &ServerTls, client: &ClientTls) -> Both {
        let server = End::new(Layer::server(server, UNIX).unwrap());
        let client = End::new(Layer::client(client).unwrap());
        let mut both = Both { server, client, up: Vec::new(), down: Vec::new() };
        both.client.layer.handshake(&mut [], LIMIT, &mut both.up).unwrap();
        both
    }

    /// Until neither has anything more to say.
    fn drive(&mut self) {
        while self.step(usize::MAX) {}
    }

    /// Each hears so many records; whether anything moved.
    fn step(&mut self, most: usize) -> bool {
        let before = (self.up.len(), self.down.len());
        self.server.hear(&mut self.up, &mut self.down, most);
        self.client.hear(&mut self.down, &mut self.up, most);
        before != (self.up.len(), self.down.len())
    }

    fn is_done(&self) -> bool {
        !self.server.layer.is_handshaking() && !self.client.layer.is_handshaking()
    }

    /// Both say something, and hear it.
    fn talk(&mut self) {
        self.client.say(b"command", &mut self.up);
        self.server.say(b"reply", &mut self.down);
        self.drive();
        assert_eq!(std::mem::take(&mut self.server.plain), b"command");
        assert_eq!(std::mem::take(&mut self.client.plain), b"reply");
    }
}

impl End {
    fn new(layer: Layer) -> End {
        End { layer, slot: Slot::default(), plain: Vec::new() }
    }

    fn hear(&mut self, wire: &mut Vec<u8>, sealed: &mut Vec<u8>, most: usize) {
        let records = records(wire);
        let end = records.into_iter().take(most).sum();
        let mut used = 0;
        if self.layer.is_handshaking() {
            used = self.layer.handshake(&mut wire[..end], LIMIT, sealed).unwrap();
        }
        if !self.layer.is_handshaking() {
            used += self.layer.open(&mut self.slot, &mut wire[used..end], &mut self.plain).unwrap();
            self.layer.seal(&mut self.slot, b"", sealed).unwrap();
        }
        wire.drain(..used);
    }

    fn say(&mut self, text: &[u8], sealed: &mut Vec<u8>) {
        self.layer.seal(&mut self.slot, text, sealed).unwrap();
    }
}

/// The lengths of the whole records in `wire`.
fn records(wire: &[u8]) -> Vec<usize> {
    let (mut rest, mut lengths) = (wire, Vec::new());
    while let Some(header) = rest.first_chunk::<5>() {
        let length = 5 + usize::from(u16::from_be_bytes([header[3], header[4]]));
        let Some(behind) = rest.get(length..) else { break };
        lengths.push(length);
        rest = behind;
    }
    lengths
}

/// A handshake of rustls's connections with each other, before anything is taken out of them.
pub(super) fn connections(suite: SupportedCipherSuite) -> (Connection, Connection) {
    let ((server, server_tap), (client, client_tap)) =
        (SERVER.of_connection(UNIX), client(suite).of_connection());
    let mut server = Connection::server(server, server_tap).unwrap();
    let mut client = Connection::client(client, client_tap).unwrap();
    shake_hands(&mut server, &mut client);
    (server, client)
}

fn shake_hands(server: &mut Connection, client: &mut Connection) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    client.handshake(&mut [], LIMIT, &mut up).unwrap();
    while server.is_handshaking() || client.is_handshaking() {
        let used = server.handshake(&mut up, LIMIT, &mut down).unwrap();
        up.drain(..used);
        let used = client.handshake(&mut down, LIMIT, &mut up).unwrap();
        down.drain(..used);
    }
}
