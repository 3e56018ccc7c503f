//! The server's certificate is renewed, and replaced, while it serves.

use std::fs;

use pinwire_testkit::certificates::{self, Pair};

use crate::bench::{Place, Serving, now, until, write_private};
use crate::peer::Peer;

const ANOTHER: &str = "the server shows another certificate";
const NOT_USED: &str = "the server's certificate and key are not in order and not used";

#[test]
fn a_renewed_certificate_is_shown_and_its_pin_stays() {
    let place = Place::new();
    let server = place.serve();
    let (old, known) = (shown(&server), place.read("known_servers"));
    let session = place.client(&server.address);
    assert!(session.get("a").unwrap().is_none());

    let pin = place.ok(&["keygen", "--server", "--renew"]);
    assert!(known.contains(pin.trim()), "{known}");
    server.wait_for(ANOTHER);
    let new = shown(&server);
    assert!(new != old && new == der(&place), "a new connection is shown the new one");
    assert!(session.get("a").unwrap().is_none(), "sessions go on");
    // Its connection of before the renewal is lost, say: it comes back, by its session ticket or without.
    place.client(&server.address);
    place.ok(&["call", "PING", "-s", &server.address]);
    assert_eq!(place.read("known_servers"), known);
    let status = place.ok(&["trust", "status"]);
    assert!(status.contains(&format!("  shows {}, valid until ", pin.trim())), "{status}");
    drop(session);
    let log = server.terminate().1;
    assert_eq!((log.matches(ANOTHER).count(), log.matches(NOT_USED).count()), (1, 0), "{log}");
    assert!(log.contains("; 1 certificates taken") && log.contains("3 of 5 connections let in"), "{log}");
}

#[test]
fn a_pair_counts_when_both_are_there_and_its_clients_are_warned() {
    let place = Place::new();
    let server = place.serve();
    let (old, known) = (shown(&server), place.read("known_servers"));
    let session = place.client(&server.address);
    place.ok(&["keygen", "next"]);

    fs::copy(place.path("next.key"), place.home("server.key")).unwrap();
    let said = server.wait_for(NOT_USED);
    assert!(said.contains("does not belong to the certificate"), "{said}");
    // It looks again, at all files, and says no more.
    place.ok(&["trust", "add", &format!("spki-sha256:{}", "7".repeat(64))]);
    server.wait_for("trust list replaced");
    assert_eq!(shown(&server), old);
    place.ok(&["call", "PING", "-s", &server.address]);
    let status = || place.run(&["trust", "status"]);
    until(|| status().status == 1);
    let told = status().out();
    assert!(told.contains("its certificate and key as they are now are not in order and not used"), "{told}");

    fs::copy(place.path("next.crt"), place.home("server.crt")).unwrap();
    server.wait_for(ANOTHER);
    assert!(shown(&server) != old && shown(&server) == der(&place));
    assert!(session.get("a").unwrap().is_none(), "sessions go on");
    until(|| status().status == 0);
    warned(&place, &server, &known);

    let log = server.terminate().1;
    assert_eq!((log.matches(ANOTHER).count(), log.matches(NOT_USED).count()), (1, 1), "{log}");
    assert!(log.contains("; 1 certificates taken; 1 bad versions of certificate and key"), "{log}");
}

/// The client is told loudly, and what to do is right to the line.
fn warned(place: &Place, server: &Serving, known: &str) {
    let call = || place.run(&["call", "PING", "-s", &server.address]);
    let refused = call();
    assert_eq!((refused.status, refused.out().as_str()), (5, ""), "{}", refused.err);
    let next = place.ok(&["pin", "--server", "--form", "spki-sha256"]);
    let (old, next) = (known.trim(), format!("{} {}", server.address, next.trim()));
    let file = place.home("known_servers");
    for words in [
        "is not the one that you know; nothing was sent\n@@@@@@@@@@",
        "\n@   WARNING: THIS SERVER'S KEY IS NOT THE ONE THAT YOU KNOW   @\n@@@@@@@@@@",
        &format!("take out of {}:\n  line 1: {old}\nand put in:\n  {next}\n", file.display()),
    ] {
        assert!(refused.err.contains(words), "{words}\n--\n{}", refused.err);
    }
    assert_eq!(place.read("known_servers"), known, "it is not changed by itself");

    // An operator who tells the next pin beforehand: two are right, in any order.
    for both in [format!("{old}\n{next}\n"), format!("{next}\n{old}\n"), format!("{next}\n")] {
        fs::write(&file, both).unwrap();
        let ran = call();
        assert_eq!(ran.status, 0, "{}", ran.err);
    }
}

/// The other order, and a certificate that is cut: what is shown is a whole pair at every moment.
#[test]
fn neither_half_a_pair_nor_half_a_file_is_shown() {
    let place = Place::new();
    let server = place.serve();
    let (old, files) = (shown(&server), ["server.crt", "server.key"].map(|file| place.read(file)));
    let (certificate, key): Pair = certificates::good(now());
    fs::write(place.home("server.crt"), &certificate[..certificate.len() / 2]).unwrap();
    server.wait_for(NOT_USED);
    assert_eq!(shown(&server), old);
    fs::write(place.home("server.crt"), &certificate).unwrap();
    server.wait_for(NOT_USED);
    assert_eq!(shown(&server), old);
    // Who thinks better of it is told that nothing happened.
    fs::write(place.home("server.crt"), &files[0]).unwrap();
    server.wait_for("are in order again: they were in use all the time");
    write_private(&place.home("server.key"), &key);
    server.wait_for(NOT_USED);
    fs::write(place.home("server.crt"), &certificate).unwrap();
    server.wait_for(ANOTHER);
    assert_eq!(shown(&server), der(&place));
    let log = server.terminate().1;
    assert!(log.contains("; 1 certificates taken; 3 bad versions of certificate and key"), "{log}");
}

/// The certificate that a new connection is shown.
fn shown(server: &Serving) -> Vec<u8> {
    Peer::knock([127, 0, 0, 1], &server.address, &certificates::stranger(now())).shown()
}

/// The one in the server's file.
fn der(place: &Place) -> Vec<u8> {
    let [certificate, key] = ["server.crt", "server.key"].map(|file| place.read(file));
    let identity = pinwire_server::Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    identity.chain()[0].to_vec()
}
