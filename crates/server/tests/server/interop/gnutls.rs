//! GnuTLS's `gnutls-cli`: records of a line's size, KeyUpdates with and without an answer, tickets, half-closing. It
//! cannot pad.

use std::process::Command;

use super::talk::Talk;
use super::{BROKEN, Files, Place, SUITES, Suite, WHY, count};

fn gnutls_cli(place: &Place, suite: &Suite, identity: &Files, more: &[&str]) -> Talk {
    let mut command = Command::new("gnutls-cli");
    command.args(["--insecure", "--inline-commands", "--port", &place.port(), "127.0.0.1"]);
    command.arg("--x509certfile").arg(&identity.certificate).arg("--x509keyfile").arg(&identity.key);
    command.arg("--priority").arg(format!("NORMAL:-CIPHER-ALL:+{}", suite.gnutls)).args(more);
    Talk::start(&mut command, "gnutls-bin")
}

/// Until it carries bytes; what it told before.
fn connect(place: &Place, suite: &Suite, identity: &Files, more: &[&str]) -> (Talk, String) {
    let mut talk = gnutls_cli(place, suite, identity, more);
    let told = talk.hear_until("- Simple Client Mode:\n\n");
    assert!(told.contains(&format!("-({})\n", suite.gnutls)), "{told}");
    (talk, told)
}

fn enter(place: &Place, suite: &Suite, more: &[&str]) -> Talk {
    let (mut talk, _) = connect(place, suite, &place.friend, more);
    talk.hear(b"OK\r\n");
    talk
}

fn update(talk: &mut Talk, word: &str) {
    talk.say(word);
    talk.hear(b"- Rekey was completed\n");
}

/// Its input ends: it says close_notify, and hears the server to its own.
fn leave(mut talk: Talk) -> String {
    talk.close();
    let (rest, notes) = talk.end();
    assert_eq!(rest, CLOSED);
    notes
}

const CLOSED: &str = "- Peer has closed the GnuTLS connection\n";

#[test]
fn gnutls_cli_talks_and_updates_keys() {
    let place = Place::new();
    for suite in &SUITES {
        let mut talk = enter(&place, suite, &["-d", "4"]);
        talk.converse();
        for word in ["^rekey^\n", "^rekey1^\n", "^rekey^\n", "^rekey^\n", "^rekey1^\n"] {
            talk.echo_around(|talk| update(talk, word));
            talk.converse();
        }
        let notes = leave(talk);
        // Each of ours answers a `^rekey^`.
        let updates = (count(&notes, "KEY_UPDATE was queued"), count(&notes, "KEY_UPDATE (24) was received"));
        assert_eq!(updates, (5, 3), "{notes}");
    }
    place.all_ended(3);
}

#[test]
fn gnutls_cli_hears_what_it_asked_before_it_closed_its_half() {
    let place = Place::new();
    for suite in &SUITES {
        let mut talk = enter(&place, suite, &[]);
        talk.say("LATER\r\nSequence: 1\r\nSize: 3\r\n\r\nfar");
        talk.close();
        let (rest, _) = talk.end();
        assert_eq!(rest, format!("OK\r\nSequence: 1\r\nSize: 3\r\n\r\nfar{CLOSED}"));
    }
    place.all_ended(3);
}

#[test]
fn gnutls_cli_resumes_a_session() {
    let place = Place::new();
    for suite in &SUITES {
        let (mut talk, told) = connect(&place, suite, &place.friend, &["--resume", "--waitresumption"]);
        assert!(told.contains("*** This is a resumed session"), "{told}");
        talk.hear(b"OK\r\n");
        talk.converse();
        update(&mut talk, "^rekey^\n");
        talk.converse();
        leave(talk);
    }
    place.all_ended(6);
}

#[test]
fn gnutls_cli_hears_why_it_ends() {
    let place = Place::new();
    for suite in &SUITES {
        let mut talk = enter(&place, suite, &[]);
        talk.say(BROKEN);
        let (rest, _) = talk.end();
        assert!(rest.starts_with(WHY) && rest.ends_with(&format!("\r\nSize: 0\r\n\r\n{CLOSED}")), "{rest}");

        let (rest, _) = connect(&place, suite, &place.stranger, &[]).0.end();
        assert!(rest.starts_with("ERR: unfamiliar-certificate: "), "{rest}");
        assert!(rest.ends_with(&format!("\r\n{CLOSED}")), "{rest}");
    }
    place.all_ended(0);
}
