//! What TLS does underneath: records in pieces, alerts, unproven keys, tickets, new keys.

use std::sync::Arc;
use std::time::Duration;

use pinwire_proto::session::Disconnect;
use pinwire_proto::tls::RecordLayer;
use pinwire_testkit::pair::{self, Setup, UNIX};
use pinwire_testkit::{Pair, certificates};
use rustls::pki_types::UnixTime;
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{AlertDescription, ClientConfig, Error, HandshakeKind};

use crate::forge::{Forge, HANDSHAKE};

const ALERT: u8 = 21;
const DATA: u8 = 23;

#[test]
fn every_byte_on_its_own() {
    for mut pair in [Pair::new(), Pair::rustls(), Pair::clear()] {
        (pair.up.cut, pair.down.cut) = (1, 1);
        pair.client.send("GET a", "1");
        pair.client.send_body("PUT b", "2", "body");
        pair.drive();
        assert_eq!(pair.client.read(), ["1: OK GET a", "2: OK body"]);
        assert!(pair.server.session.owns_nothing());
    }
}

#[test]
fn two_pieces_at_every_cut() {
    for cut in (1..2_600).step_by(13) {
        let mut pair = Pair::new();
        pair.up.cut = cut;
        pair.client.send("GET a", "1");
        pair.drive();
        assert_eq!(pair.client.read(), ["1: OK GET a"], "pieces of {cut}");
    }
}

#[test]
fn an_unproven_key_never_gets_in() {
    let setup = Setup::default();
    let shown = setup.client.as_ref().unwrap().certified_key();
    let held = pair::identity(&certificates::stranger(UNIX)).certified_key();
    let forged = CertifiedKey::new(shown.cert.clone(), Arc::clone(&held.key));
    let mut pair = setup.rustls(Arc::new(pair::plain_config(Some(Arc::new(forged)))));
    pair.client.send("GET a", "1");
    pair.drive();
    assert_eq!(pair.client.greeting(), None);
    assert_eq!(pair.server.connects(), 0);
    assert!(pair.server.heard().is_empty());
    assert!(matches!(pair.server.ended(), Some(Disconnect::Tls(_))), "{:?}", pair.server.ended());
    assert!(matches!(pair.client.failure(), Some(Error::AlertReceived(_))), "{:?}", pair.client.failure());
}

#[test]
fn garbage_gets_an_alert() {
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 64], &[22, 3, 1, 0, 0, 9, 9, 9, 9], &[255; 64]] {
        let mut pair = Pair::new();
        pair.up.is_held = true;
        pair.drive();
        pair.up.lose();
        pair.up.inject(garbage);
        pair.up.is_held = false;
        pair.drive();
        let sent = pair.down.records();
        assert_eq!(sent, [(ALERT, 2)], "{garbage:?}");
        assert_eq!(pair.down.log()[5], 2, "fatal");
        assert!(matches!(pair.server.ended(), Some(Disconnect::Tls(_))));
        assert!(pair.server.session.owns_nothing());
    }
}

#[test]
fn a_hello_in_pieces_and_then_garbage_gets_an_alert() {
    let mut pair = Pair::new();
    pair.up.is_held = true;
    pair.drive();
    let hello = pair.up.lose();
    pair.up.inject(&[22, 3, 1, 0, 100]);
    pair.up.inject(&hello[5..105]);
    pair.up.inject(b"GET / HTTP/1.1\r\n\r\n");
    pair.up.is_held = false;
    pair.drive();
    assert_eq!(pair.down.records(), [(ALERT, 2)]);
    assert!(matches!(pair.server.ended(), Some(Disconnect::Tls(_))));
}

#[test]
fn a_hello_is_one_once_its_last_byte_is_there() {
    let mut pair = Pair::new();
    pair.up.is_held = true;
    pair.drive();
    let hello = pair.up.lose();
    let (last, others) = hello.split_last().unwrap();
    pair.up.is_held = false;
    for piece in others.chunks(100) {
        pair.up.inject(piece);
        pair.drive();
        assert!(pair.server.session.is_handshaking() && !pair.server.session.has_hello());
    }
    pair.down.is_held = true;
    pair.up.inject(&[*last]);
    pair.drive();
    assert!(pair.server.session.is_handshaking() && pair.server.session.has_hello());
}

#[test]
fn a_hello_in_pieces_is_a_hello() {
    for size in [1, 7, 100, 1_000] {
        let mut pair = Pair::new();
        pair.up.is_held = true;
        pair.drive();
        let hello = pair.up.lose();
        for piece in hello[5..].chunks(size) {
            pair.up.inject(&[22, 3, 1]);
            pair.up.inject(&u16::try_from(piece.len()).unwrap().to_be_bytes());
            pair.up.inject(piece);
        }
        pair.up.is_held = false;
        pair.up.cut = 50;
        pair.client.send("GET a", "1");
        pair.drive();
        assert_eq!(pair.client.read(), ["1: OK GET a"], "fragments of {size}");
    }
}

#[test]
fn a_handshake_without_end_is_ended() {
    let mut pair = Pair::new();
    pair.up.is_held = true;
    pair.drive();
    pair.up.lose();
    // A hello that announces 60,000 bytes, in records of 16.
    pair.up.inject(&[22, 3, 1, 0, 4, 1, 0, 0xea, 0x60]);
    for _ in 0..3_000 {
        pair.up.inject(&[22, 3, 1, 0, 16]);
        pair.up.inject(&[0; 16]);
    }
    pair.up.is_held = false;
    pair.drive();
    assert!(matches!(pair.server.ended(), Some(Disconnect::Tls(_))), "{:?}", pair.server.ended());
}

#[test]
fn another_applications_name_is_refused_by_tls() {
    let setup = Setup::default();
    let key = setup.client.as_ref().map(|client| client.certified_key());
    for (names, welcome) in [(vec![], true), (vec!["pinwire/1"], true), (vec!["http/1.1"], false)] {
        let mut config = pair::plain_config(key.clone());
        config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut pair = setup.rustls(Arc::new(config));
        pair.drive();
        assert_eq!(pair.client.greeting().is_some(), welcome, "{names:?}");
        let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        assert_eq!(pair.client.failure(), (!welcome).then_some(&alert));
    }
}

#[test]
fn a_large_reply_takes_several_records() {
    let mut pair = Pair::new();
    pair.server.script.says = Some(vec![b'x'; 1024 * 1024]);
    pair.client.send("GET a", "1");
    pair.drive();
    assert_eq!(pair.client.answers()[0].body.len(), 1024 * 1024);
    let full = pair.down.records().iter().filter(|record| **record == (DATA, 16_384 + 17)).count();
    assert_eq!(full, 64);
}

#[test]
fn replies_of_one_turn_share_a_record() {
    let mut pair = Pair::new();
    pair.connect();
    let before = pair.down.records().len();
    for number in 0..20 {
        pair.client.send("GET a", &number.to_string());
    }
    pair.drive();
    assert_eq!(pair.client.read().len(), 20);
    assert_eq!(pair.down.records().len(), before + 1);
}

#[test]
fn new_keys_are_answered_with_new_keys_and_the_talk_goes_on() {
    let mut pair = Pair::rustls();
    pair.connect();
    for round in 0..3 {
        pair.client.tls().refresh_traffic_keys().unwrap();
        pair.client.send("GET a", &round.to_string());
        pair.drive();
    }
    assert_eq!(pair.client.read(), ["0: OK GET a", "1: OK GET a", "2: OK GET a"]);
    assert_eq!(pair.client.failure(), None);
}

#[test]
fn new_keys_alone_are_no_activity_and_no_harm() {
    let mut pair = Pair::rustls();
    pair.connect();
    pair.client.tls().refresh_traffic_keys().unwrap();
    pair.drive();
    assert!(pair.server.session.owns_nothing());
    pair.client.close();
    pair.drive();
    assert!(pair.client.heard_close_notify());
}

#[test]
fn expanded_keys_are_gone_with_their_connection() {
    let ends: [fn(&mut Pair); 5] = [
        |pair| pair.client.close(),
        |pair| pair.up.end(),
        |pair| pair.server.broken(),
        |pair| pair.server.stop(),
        |pair| pair.up.inject(&[23, 3, 3, 0, 1, 0]),
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let mut pair = Setup { layer: RecordLayer::Compact, ..Setup::default() }.pair();
        pair.client.send("GET a", "1");
        pair.connect();
        assert!(pair.server.keeps_keys(), "{number}: for the next turn");
        end(&mut pair);
        pair.drive();
        assert!(pair.server.session.is_closed() && !pair.server.keeps_keys(), "{number}");
    }
}

/// A client whose records are made by hand from here on.
fn forged(line: &str) -> (Pair, Forge) {
    let setup = Setup::default();
    let mut config = pair::plain_config(setup.client.as_ref().map(|client| client.certified_key()));
    config.enable_secret_extraction = true;
    let mut pair = setup.rustls(Arc::new(config));
    pair.server.script.holds = vec!["HOLD"];
    pair.client.send(line, "1");
    pair.connect();
    let forge = Forge::new(pair.client.take_tls());
    (pair, forge)
}

const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

#[test]
fn a_whole_key_update_by_hand_is_taken() {
    let (mut pair, mut forge) = forged("GET a");
    pair.up.inject(&forge.record(HANDSHAKE, &KEY_UPDATE));
    pair.drive();
    assert_eq!(pair.server.ended(), None, "the forge works");
}

#[test]
fn a_handshake_message_in_pieces_after_the_handshake_breaks_nothing() {
    let (mut pair, mut forge) = forged("HOLD a");
    pair.up.inject(&forge.record(HANDSHAKE, &KEY_UPDATE[..2]));
    pair.drive();
    pair.server.answer("HOLD a", "late"); // sealing must not fall over the piece
    pair.drive();
    pair.up.inject(&forge.record(HANDSHAKE, &KEY_UPDATE[2..]));
    pair.drive();
    assert!(matches!(pair.server.ended(), Some(Disconnect::Tls(_))), "{:?}", pair.server.ended());
}

#[test]
fn a_handshake_message_without_end_after_the_handshake_breaks_nothing() {
    let (mut pair, mut forge) = forged("GET a");
    pair.up.inject(&forge.record(HANDSHAKE, &[24, 0, 0xff, 0xff]));
    for _ in 0..20_000 {
        pair.up.inject(&forge.record(HANDSHAKE, b"x"));
    }
    pair.drive();
    assert!(matches!(pair.server.ended(), Some(Disconnect::Tls(_))), "{:?}", pair.server.ended());
}

#[test]
fn a_forged_record_gets_an_alert() {
    let mut pair = Pair::rustls();
    pair.connect();
    pair.up.inject(&[23, 3, 3, 0, 32]);
    pair.up.inject(&[0; 32]);
    pair.drive();
    assert!(matches!(pair.server.ended(), Some(Disconnect::Tls(_))));
    assert_eq!(pair.client.failure(), Some(&Error::AlertReceived(AlertDescription::BadRecordMac)));
}

/// A client that resumes, with the story's time on its clock.
fn resuming(setup: &Setup) -> ClientConfig {
    let mut config = pair::plain_config(setup.client.as_ref().map(|client| client.certified_key()));
    config.time_provider = Arc::new(Moment(setup.now.unix));
    config
}

#[derive(Debug)]
struct Moment(i64);

impl TimeProvider for Moment {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.unsigned_abs())))
    }
}

/// The second connection of a client, `later` seconds after its first one, before a server with `list`.
fn again(
    setup: &Setup,
    later: u64,
    list: pinwire_proto::trust::TrustList,
) -> (Option<HandshakeKind>, String) {
    let config = Arc::new(resuming(setup));
    setup.rustls(Arc::clone(&config)).connect();
    let mut second = Setup { list, ..setup.clone() };
    second.now.unix += i64::try_from(later).unwrap();
    // The client's clock stands still: only the server can say that its ticket is too old.
    let mut pair = second.rustls(config);
    pair.client.send("GET a", "1");
    pair.drive();
    let kind = pair.client.tls().handshake_kind();
    assert_eq!(kind == Some(HandshakeKind::Resumed), pair.server.session.is_resumed());
    let greeting = pair.client.greeting().unwrap().to_owned();
    assert_eq!(greeting == "OK", !pair.server.heard().is_empty());
    (kind, greeting)
}

#[test]
fn a_session_is_resumed_within_a_day() {
    let setup = Setup::default();
    let (kind, greeting) = again(&setup, 86_400 - 60, setup.list.clone());
    assert_eq!((kind, greeting.as_str()), (Some(HandshakeKind::Resumed), "OK"));
}

#[test]
fn a_session_is_not_resumed_after_a_day() {
    let setup = Setup::default();
    let (kind, greeting) = again(&setup, 86_400 + 1, setup.list.clone());
    assert_ne!(kind, Some(HandshakeKind::Resumed));
    assert_eq!(greeting, "OK");
}

#[test]
fn a_pin_that_left_the_list_is_refused_in_words_on_a_resumed_session() {
    let (kind, greeting) = again(&Setup::default(), 60, pair::list(&[]));
    assert_eq!(kind, Some(HandshakeKind::Resumed));
    assert!(greeting.starts_with("unfamiliar-certificate: spki-sha256:"), "{greeting}");
}

#[test]
fn a_certificate_that_expired_since_is_refused_on_a_resumed_session() {
    let client = pair::identity(&certificates::good(UNIX));
    let end = client.certificate().unwrap().not_after;
    let list = pair::list(&[&client]);
    let mut setup = Setup { list: list.clone(), ..Setup::default().client(Some(client)) };
    setup.now.unix = end - 10;
    let (kind, greeting) = again(&setup, 11, list);
    assert_eq!(kind, Some(HandshakeKind::Resumed));
    assert!(greeting.starts_with("certificate-expired: "), "{greeting}");
}

#[test]
fn a_refused_client_that_resumes_is_refused_again() {
    let setup = Setup::default().client(Some(pair::identity(&certificates::unreadable(UNIX))));
    let config = Arc::new(resuming(&setup));
    for round in 0..2 {
        let mut pair = setup.rustls(Arc::clone(&config));
        pair.drive();
        let greeting = pair.client.greeting().unwrap();
        assert!(greeting.starts_with("certificate-unreadable: "), "{round}: {greeting}");
    }
}

#[test]
fn a_ticket_of_another_server_means_a_full_handshake() {
    let setup = Setup::default();
    let config = Arc::new(resuming(&setup));
    setup.rustls(Arc::clone(&config)).connect();
    let other = Setup { tickets: pinwire_proto::tls::Tickets::new().unwrap(), ..setup };
    let mut pair = other.rustls(config);
    pair.connect();
    assert!(!pair.server.session.is_resumed());
}

/// RFC 8446 4.6.3: it may answer many KeyUpdates "with a single update".
#[test]
fn whoever_asks_for_new_keys_and_does_not_read_is_owed_one_answer() {
    let mut pair = Pair::rustls();
    pair.connect();
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 100\r\n\r\n");
    pair.drive();
    pair.down.room = 0;
    for _ in 0..100 {
        pair.client.tls().refresh_traffic_keys().unwrap();
        pair.client.raw("x");
        pair.drive();
    }
    assert!(pair.server.unsent() < 400, "{} bytes wait", pair.server.unsent());
    pair.down.room = usize::MAX;
    pair.client.tls().refresh_traffic_keys().unwrap();
    pair.client.send("GET b", "2");
    pair.drive();
    assert_eq!(pair.client.read(), [format!("1: OK {}", "x".repeat(100)), "2: OK GET b".to_owned()]);
}
