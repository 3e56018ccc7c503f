//! A refused client reads why, every time.

use pinwire_testkit::certificates::{self, Pair};

use crate::bench::{Place, now};

/// Tries of each: a lost line is a race, and a race shows itself only sometimes.
const TRIES: usize = 100;

fn always(client: Option<Pair>, line: &str) {
    let place = Place::new();
    // So many tries in a row, and none is to be delayed.
    let server = place.serve_with(&["--listen", "127.0.0.1:0", "--failures", "4294967295"]);
    let visitor = place.visitor(client);
    for _ in 0..TRIES {
        let ran = visitor.run(&["call", "-s", &server.address, "PUT", "a", "--body", "x"]);
        assert_eq!(ran.status, 3, "{}", ran.err);
        assert!(ran.err.starts_with(line), "{}", ran.err);
    }
    assert_eq!(place.run(&["call", "-s", &server.address, "GET", "a"]).status, 1, "nothing was put");
}

#[test]
fn without_a_certificate() {
    always(None, "ERR: no-certificate: ");
}

#[test]
fn expired() {
    always(Some(certificates::expired(now())), "ERR: certificate-expired: ");
}

#[test]
fn not_yet_valid() {
    always(Some(certificates::not_yet_valid(now())), "ERR: certificate-not-yet-valid: ");
}

#[test]
fn a_stranger() {
    always(Some(certificates::stranger(now())), "ERR: unfamiliar-certificate: spki-sha256:");
}

#[test]
fn unreadable() {
    always(Some(certificates::unreadable(now())), "ERR: certificate-unreadable: ");
}
