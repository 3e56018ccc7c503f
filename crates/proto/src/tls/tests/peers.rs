//! The compact layer against rustls's own, buffered connections: new keys from both sides, records of theirs.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConnection, SupportedCipherSuite};

use super::{LIMIT, RecordLayer, SERVER, SUITES, Slot, UNIX, client};
use crate::tls::Layer;

/// Our layer, and a peer of rustls's.
struct Mixed {
    layer: Layer,
    slot: Slot,
    peer: Connection,
    wire: Vec<u8>,
    sealed: Vec<u8>,
    plain: Vec<u8>,
}

impl Mixed {
    /// We are the server.
    fn server(suite: SupportedCipherSuite) -> Mixed {
        let (config, _) = client(suite).record_layer(RecordLayer::Rustls).of_connection();
        let config: Arc<ClientConfig> = config;
        let peer = ClientConnection::new(config, ServerName::try_from("pinwire").unwrap()).unwrap();
        Mixed::new(Layer::server(&SERVER, UNIX).unwrap(), peer.into())
    }

    /// We are the client.
    fn client(suite: SupportedCipherSuite) -> Mixed {
        let (config, _) = SERVER.clone().record_layer(RecordLayer::Rustls).of_connection(UNIX);
        let peer = ServerConnection::new(config).unwrap();
        Mixed::new(Layer::client(&client(suite).at(UNIX)).unwrap(), peer.into())
    }

    fn new(layer: Layer, peer: Connection) -> Mixed {
        let (wire, sealed, plain) = Default::default();
        let mut mixed = Mixed { layer, slot: Slot::default(), peer, wire, sealed, plain };
        mixed.layer.handshake(&mut [], LIMIT, &mut mixed.sealed).unwrap();
        mixed.drive();
        assert!(!mixed.layer.is_handshaking() && !mixed.peer.is_handshaking());
        mixed
    }

    fn drive(&mut self) {
        while !self.sealed.is_empty() || self.peer.wants_write() {
            let sealed = std::mem::take(&mut self.sealed);
            let mut rest = &sealed[..];
            while !rest.is_empty() {
                self.peer.read_tls(&mut rest).unwrap();
                self.peer.process_new_packets().unwrap();
            }
            while self.peer.wants_write() {
                self.peer.write_tls(&mut self.wire).unwrap();
            }
            self.hear();
        }
    }

    fn hear(&mut self) {
        let mut used = 0;
        if self.layer.is_handshaking() {
            used = self.layer.handshake(&mut self.wire, LIMIT, &mut self.sealed).unwrap();
        }
        if !self.layer.is_handshaking() {
            used += self.layer.open(&mut self.slot, &mut self.wire[used..], &mut self.plain).unwrap();
            self.layer.seal(&mut self.slot, b"", &mut self.sealed).unwrap();
        }
        self.wire.drain(..used);
    }

    fn talk(&mut self) {
        self.layer.seal(&mut self.slot, b"ours", &mut self.sealed).unwrap();
        self.peer.writer().write_all(b"theirs").unwrap();
        self.drive();
        assert_eq!(std::mem::take(&mut self.plain), b"theirs");
        let mut read = [0; 64];
        let length = self.peer.reader().read(&mut read).unwrap();
        assert_eq!(&read[..length], b"ours");
    }
}

#[test]
fn new_keys_of_theirs_are_answered_with_ours() {
    for suite in SUITES {
        for mut mixed in [Mixed::server(suite), Mixed::client(suite)] {
            for round in 0..5 {
                mixed.peer.refresh_traffic_keys().unwrap();
                if round % 2 == 0 {
                    mixed.peer.refresh_traffic_keys().unwrap(); // asked twice while we are silent
                }
                mixed.talk();
            }
        }
    }
}

#[test]
fn large_texts_go_both_ways() {
    for suite in SUITES {
        for mut mixed in [Mixed::server(suite), Mixed::client(suite)] {
            let text = vec![b'x'; 40_000];
            mixed.peer.set_buffer_limit(None);
            mixed.peer.writer().write_all(&text).unwrap();
            mixed.drive();
            assert_eq!(mixed.plain, text);
            mixed.plain.clear();
            mixed.layer.seal(&mut mixed.slot, &text[..30_000], &mut mixed.sealed).unwrap();
            mixed.drive();
            let (mut read, mut total) = ([0; 4096], 0);
            while let Ok(length @ 1..) = mixed.peer.reader().read(&mut read) {
                total += length;
            }
            assert_eq!(total, 30_000);
            mixed.talk();
        }
    }
}

#[test]
fn goodbyes_go_both_ways() {
    for mut mixed in [Mixed::server(SUITES[0]), Mixed::client(SUITES[0])] {
        mixed.peer.send_close_notify();
        mixed.drive();
        assert!(mixed.layer.peer_closed());
        mixed.layer.close(&mut mixed.slot, &mut mixed.sealed).unwrap();
        let sealed = std::mem::take(&mut mixed.sealed);
        mixed.peer.read_tls(&mut &sealed[..]).unwrap();
        assert!(mixed.peer.process_new_packets().unwrap().peer_has_closed());
    }
}
