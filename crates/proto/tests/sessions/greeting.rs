//! Who is greeted, who is refused and in which words, and that nothing is heard before.

use std::net::IpAddr;

use pinwire_proto::code::Code;
use pinwire_proto::trust::{Pin, Sha1, TrustList};
use pinwire_testkit::pair::{self, LOCAL, Setup, UNIX};
use pinwire_testkit::{Pair, certificates};

#[test]
fn a_trusted_client_is_greeted_and_answered() {
    for mut pair in [Pair::new(), Pair::clear(), Pair::rustls()] {
        pair.client.send("GET users/1", "7");
        pair.drive();
        assert_eq!(pair.server.heard(), ["GET users/1"]);
        assert_eq!(pair.client.greeting(), Some("OK"));
        assert_eq!(pair.client.read(), ["7: OK GET users/1"]);
    }
}

#[test]
fn the_server_speaks_first() {
    let mut pair = Pair::new();
    pair.connect();
    assert!(pair.server.heard().is_empty() && pair.client.read().is_empty());
    assert!(pair.server.session.owns_nothing(), "an idle connection owns no buffer");
}

#[test]
fn commands_in_the_flight_of_finished_are_answered_behind_the_greeting() {
    let mut pair = Pair::new();
    pair.client.send("GET a", "1");
    pair.client.send("GET b", "2");
    pair.up.is_held = true;
    pair.drive(); // the server's hello is not there yet
    pair.up.is_held = false;
    pair.step(); // it hears the client's hello
    pair.up.is_held = true;
    pair.drive(); // Finished and both commands wait on the wire
    assert!(pair.up.waiting() > 0 && pair.server.heard().is_empty());
    pair.up.is_held = false;
    pair.drive();
    assert_eq!(pair.server.heard(), ["GET a", "GET b"]);
    assert_eq!(pair.client.greeting(), Some("OK"));
    assert_eq!(pair.client.read(), ["1: OK GET a", "2: OK GET b"]);
}

/// What a client with these papers reads, having sent a hundred kilobytes of commands in its Finished's flight.
fn refusal(setup: &Setup) -> String {
    refusal_from(LOCAL, setup)
}

fn refusal_from(from: IpAddr, setup: &Setup) -> String {
    for mut pair in [setup.pair(), setup.rustls(pair::config(setup.client.as_ref())), setup.clear()] {
        pair.server.from = from;
        for number in 0..2_000 {
            pair.client.send("PUT this/is/never/heard/by/anybody", &number.to_string());
        }
        pair.drive();
        assert!(pair.server.heard().is_empty(), "not heard");
        assert_eq!(pair.server.connects(), 0);
        assert!(pair.client.read().is_empty(), "the greeting is all");
        assert!(pair.server.session.owns_nothing());
    }
    let mut pair = setup.pair();
    pair.server.from = from;
    pair.client.send("GET a", "1");
    pair.drive();
    assert!(pair.client.heard_close_notify());
    assert_eq!(pair.server.session.discard_limit(), 256 * 1024);
    pair.client.greeting().unwrap().to_owned()
}

fn shows(papers: &certificates::Pair) -> Setup {
    Setup::default().client(Some(pair::identity(papers)))
}

#[test]
fn no_certificate() {
    let said = refusal(&Setup::default().client(None));
    assert_eq!(said, "no-certificate: a client certificate is required");
}

#[test]
fn an_unreadable_certificate() {
    let said = refusal(&shows(&certificates::unreadable(UNIX)));
    assert!(said.starts_with("certificate-unreadable: the certificate cannot be read: "), "{said}");
}

#[test]
fn a_certificate_of_the_future() {
    let said = refusal(&shows(&certificates::not_yet_valid(UNIX)));
    assert_eq!(said, "certificate-not-yet-valid: the certificate is valid from 2026-02-09T12:00:00Z");
}

#[test]
fn an_expired_certificate() {
    let said = refusal(&shows(&certificates::expired(UNIX)));
    assert!(said.starts_with("certificate-expired: the certificate was valid until 2025-"), "{said}");
}

#[test]
fn a_stranger_is_told_the_pin_to_add() {
    let stranger = pair::identity(&certificates::stranger(UNIX));
    let hex: String = {
        let digests = stranger.certificate().unwrap().digests;
        digests.spki.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let said = refusal(&Setup::default().client(Some(stranger)));
    assert_eq!(
        said,
        format!(
            "unfamiliar-certificate: spki-sha256:{hex} is not on the list; \
             add it with `pinwire trust add spki-sha256:{hex}`"
        )
    );
}

/// A client whose entry has these options.
fn under(options: &str) -> Setup {
    let setup = Setup::default();
    let certificate = setup.client.as_ref().unwrap().certificate().unwrap();
    let line = format!("{} {options}\n", Pin::Spki(certificate.digests.spki));
    Setup { list: TrustList::parse(line.as_bytes(), Sha1::Refuse).unwrap(), ..setup }
}

#[test]
fn an_expired_entry() {
    let said = refusal(&under("expires=2026-01-30"));
    assert_eq!(said, "trust-expired: its entry expired: 2026-01-30");
    let said = refusal(&under("expires=2026-01-31T13:00:00+01:00"));
    assert_eq!(said, "trust-expired: its entry expired: 2026-01-31T13:00:00+01:00");
    under("expires=2026-01-31T12:00:01Z").pair().connect();
    under("expires=2026-01-31").pair().connect();
}

#[test]
fn a_source_that_the_entry_does_not_hold() {
    let setup = under("from=10.0.0.0/8,192.168.1.7,fd00::/8");
    for from in ["203.0.113.9", "192.168.1.8", "2001:db8::1"] {
        let said = refusal_from(from.parse().unwrap(), &setup);
        assert_eq!(said, format!("source-not-allowed: its entry does not let it in from {from}"));
    }
    for from in ["10.9.8.7", "192.168.1.7", "fd00::1"] {
        let mut pair = setup.pair();
        pair.server.from = from.parse().unwrap();
        pair.connect();
    }
}

#[test]
fn who_may_come_no_more_is_not_told_whence_it_might() {
    let said = refusal(&under("from=10.0.0.0/8 expires=2026-01-30"));
    assert_eq!(said, "trust-expired: its entry expired: 2026-01-30");
}

#[test]
fn the_order_is_the_protocols() {
    // Expired and unfamiliar: the earlier row of the table counts. Nobody is on the list.
    let said = refusal(&Setup { list: pair::list(&[]), ..shows(&certificates::expired(UNIX)) });
    assert!(said.starts_with("certificate-expired"), "{said}");
}

#[test]
fn x509_version_1_gets_in() {
    let client = pair::identity(&certificates::version_1(UNIX));
    let list = pair::list(&[&client]);
    let setup = Setup { list, ..Setup::default().client(Some(client)) };
    let mut pair = setup.pair();
    pair.client.send("GET a", "1");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK GET a"]);
}

#[test]
fn the_handler_may_refuse_whom_the_list_lets_in() {
    for mut pair in [Pair::new(), Pair::clear()] {
        pair.server.script.refuses = Some((Code::TooManyConnections, "ten are enough"));
        pair.client.send("GET a", "1");
        pair.drive();
        assert_eq!(pair.client.greeting(), Some("too-many-connections: ten are enough"));
        assert!(pair.server.heard().is_empty() && pair.client.read().is_empty());
        assert_eq!(pair.server.session.discard_limit(), 256 * 1024, "it was never let in");
    }
}

#[test]
fn who_is_in_is_heard_out_longer_at_the_end() {
    let mut pair = Pair::new();
    pair.connect();
    assert_eq!(pair.server.session.discard_limit(), 16 * 1024 * 1024);
}

#[test]
fn each_connection_is_asked_about_once() {
    let mut pair = Pair::new();
    pair.up.cut = 7;
    pair.down.cut = 7;
    pair.client.send("GET a", "1");
    pair.drive();
    assert_eq!(pair.server.connects(), 1);
}

#[test]
fn a_server_that_stops_says_so_in_the_greeting() {
    for mut pair in [Pair::new(), Pair::clear()] {
        pair.server.stop();
        pair.client.send("GET a", "1");
        pair.drive();
        assert_eq!(pair.client.greeting(), Some("shutting-down: "));
        assert!(pair.server.heard().is_empty() && pair.client.read().is_empty());
    }
}
