//! A handshake becomes keys: its own, or none at all.

use std::sync::Arc;

use rustls::{ClientConfig, KeyLog, ServerConfig};

use super::{Both, Connection, LIMIT, RecordLayer, SERVER, SUITES, UNIX, client, connections, shake_hands};
use crate::tls::tap::Tap;
use crate::tls::{ClientTls, Layer};

#[test]
fn both_sides_go_over_and_talk() {
    for suite in SUITES {
        let mut both = Both::new(suite);
        both.drive();
        assert!(both.is_done());
        (0..3).for_each(|_| both.talk());
        both.server.layer.close(&mut both.server.slot, &mut both.down).unwrap();
        both.drive();
        assert!(both.client.layer.peer_closed() && !both.server.layer.peer_closed());
    }
}

/// Each layer on each side, against each on the other.
#[test]
fn a_compact_one_and_one_of_rustls_understand_each_other() {
    for (ours, theirs) in
        [(RecordLayer::Compact, RecordLayer::Rustls), (RecordLayer::Rustls, RecordLayer::Compact)]
    {
        for suite in SUITES {
            let server = SERVER.clone().record_layer(ours);
            let mut both = Both::of(&server, &client(suite).record_layer(theirs).at(UNIX));
            both.drive();
            (0..3).for_each(|_| both.talk());
        }
    }
}

#[test]
fn the_certificate_is_there_until_it_goes_over() {
    let mut both = Both::new(SUITES[0]);
    let (server, used) = (&mut both.server.layer, both.up.len());
    assert_eq!(server.handshake(&mut both.up[..used], LIMIT, &mut both.down).unwrap(), used);
    let layer = &mut both.client.layer;
    layer.handshake(&mut both.down, LIMIT, &mut Vec::new()).unwrap();
    assert!(!layer.is_handshaking() && layer.peer_certificate().is_some());
    layer.reduce().unwrap();
    assert!(layer.peer_certificate().is_none() && layer.has_spoken() && !layer.is_resumed());
    layer.reduce().unwrap();
}

/// Nothing is reduced before its time.
#[test]
fn a_handshake_under_way_stays_what_it_is() {
    let mut layer = Layer::server(&SERVER, UNIX).unwrap();
    layer.reduce().unwrap();
    assert!(layer.is_handshaking());
}

#[test]
fn two_handshakes_record_by_record_keep_their_own_secrets() {
    for suite in SUITES {
        // The same client, and so the same sessions and certificate; threads and places are the same anyway.
        let tls = client(suite);
        let mut pairs = [Both::of(&SERVER, &tls.at(UNIX)), Both::of(&SERVER, &tls.at(UNIX))];
        loop {
            let moved = pairs.each_mut().map(|both| both.step(1));
            if moved == [false; 2] {
                break;
            }
        }
        for both in &mut pairs {
            assert!(both.is_done());
            both.talk();
        }
        let [first, second] = &mut pairs;
        let (mut crossed, mut plain) = (Vec::new(), Vec::new());
        first.client.say(b"command", &mut crossed);
        assert!(second.server.layer.open(&mut second.server.slot, &mut crossed, &mut plain).is_err());
        assert!(plain.is_empty());
    }
}

/// A server's connection that believes in `tap`, while rustls tells `logged`.
fn tapped(logged: Option<Arc<dyn KeyLog>>, tap: &Arc<Tap>) -> Connection {
    let (config, _) = SERVER.of_connection(UNIX);
    let mut config = ServerConfig::clone(&config);
    if let Some(logged) = logged {
        config.key_log = logged;
    }
    Connection::server(Arc::new(config), Some(Arc::clone(tap))).unwrap()
}

fn failure(server: Connection) -> String {
    server.reduce().expect_err("failed closed").to_string()
}

#[test]
fn the_tap_of_another_handshake_fails_closed() {
    for suite in SUITES {
        let (mine, others) = (Arc::new(Tap::new()), Arc::new(Tap::new()));
        let mut server = tapped(Some(Arc::clone(&others) as _), &mine);
        let mut other = tapped(Some(Arc::clone(&mine) as _), &others);
        for server in [&mut server, &mut other] {
            shake_hands(server, &mut rustls_client(suite));
        }
        for server in [server, other] {
            assert_eq!(failure(server), "TLS: the tapped secrets are not the connection's");
        }
    }
}

#[test]
fn an_empty_tap_fails_closed() {
    let mut server = tapped(None, &Arc::new(Tap::new()));
    shake_hands(&mut server, &mut rustls_client(SUITES[0]));
    assert_eq!(failure(server), "TLS: the traffic secrets were not tapped once each");
}

#[test]
fn a_tap_of_two_handshakes_fails_closed() {
    let tap = Arc::new(Tap::new());
    let [mut first, mut second] = [(); 2].map(|()| tapped(Some(Arc::clone(&tap) as _), &tap));
    for server in [&mut first, &mut second] {
        shake_hands(server, &mut rustls_client(SUITES[0]));
    }
    assert_eq!(failure(first), "TLS: the traffic secrets were not tapped once each");
    assert_eq!(failure(second), "TLS: the traffic secrets were not tapped once each");
}

/// Client and server have each other's secrets when one looks at the wrong label.
#[test]
fn a_tap_that_mixes_the_sides_up_fails_closed() {
    #[derive(Debug)]
    struct Swapped(Arc<Tap>);
    impl KeyLog for Swapped {
        fn log(&self, label: &str, random: &[u8], secret: &[u8]) {
            let label = match label {
                "CLIENT_TRAFFIC_SECRET_0" => "SERVER_TRAFFIC_SECRET_0",
                "SERVER_TRAFFIC_SECRET_0" => "CLIENT_TRAFFIC_SECRET_0",
                other => other,
            };
            self.0.log(label, random, secret);
        }
    }
    let tap = Arc::new(Tap::new());
    let mut server = tapped(Some(Arc::new(Swapped(Arc::clone(&tap)))), &tap);
    shake_hands(&mut server, &mut rustls_client(SUITES[0]));
    assert_eq!(failure(server), "TLS: the tapped secrets are not the connection's");
}

/// One bit of a secret is another secret.
#[test]
fn a_tap_that_is_wrong_in_a_bit_fails_closed() {
    #[derive(Debug)]
    struct Bent(Arc<Tap>, &'static str);
    impl KeyLog for Bent {
        fn log(&self, label: &str, random: &[u8], secret: &[u8]) {
            let mut secret = secret.to_vec();
            secret[31] ^= u8::from(label == self.1);
            self.0.log(label, random, &secret);
        }
    }
    for label in ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"] {
        let tap = Arc::new(Tap::new());
        let mut server = tapped(Some(Arc::new(Bent(Arc::clone(&tap), label))), &tap);
        shake_hands(&mut server, &mut rustls_client(SUITES[0]));
        assert_eq!(failure(server), "TLS: the tapped secrets are not the connection's");
    }
}

/// What fails there says nothing and hears nothing.
#[test]
fn a_layer_whose_secrets_are_wrong_is_silent() {
    let mut server = tapped(None, &Arc::new(Tap::new()));
    shake_hands(&mut server, &mut rustls_client(SUITES[0]));
    let (mut layer, mut slot) = (Layer::of(server), Default::default());
    assert!(layer.reduce().is_err());
    let mut out = Vec::new();
    assert!(layer.open(&mut slot, &mut [0; 64], &mut out).is_err());
    assert!(layer.seal(&mut slot, b"reply", &mut out).is_err());
    assert!(layer.close(&mut slot, &mut out).is_err());
    layer.alert(&mut slot, &mut out);
    assert!(out.is_empty() && !layer.is_handshaking());
}

/// A connection of which rustls opened a record may hold plaintext, or a key that was used.
#[test]
fn a_connection_that_was_used_is_not_reduced() {
    for suite in SUITES {
        let (mut server, mut client) = connections(suite);
        let (mut wire, mut plain) = (Vec::new(), Vec::new());
        client.seal(b"command", &mut wire).unwrap();
        server.open(&mut wire, &mut plain).unwrap();
        for connection in [server, client] {
            assert!(connection.reduce().unwrap_err().to_string().contains("before the end of the handshake"));
        }
    }
}

/// With the configuration of one connection ends its tap.
#[test]
fn a_tap_is_empty_and_gone_afterwards() {
    let tap = Arc::new(Tap::new());
    let mut server = tapped(Some(Arc::clone(&tap) as _), &tap);
    shake_hands(&mut server, &mut rustls_client(SUITES[0]));
    let keys = server.reduce().unwrap();
    assert_eq!(Arc::strong_count(&tap), 1);
    let tapped = tap.take();
    assert!(tapped.client.is_none() && tapped.server.is_none());
    drop(keys);
}

fn rustls_client(suite: rustls::SupportedCipherSuite) -> Connection {
    let tls: ClientTls = client(suite).record_layer(RecordLayer::Rustls);
    let (config, tap): (Arc<ClientConfig>, _) = tls.of_connection();
    assert!(tap.is_none());
    Connection::client(config, tap).unwrap()
}
