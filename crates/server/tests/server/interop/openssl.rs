//! OpenSSL's `s_client`: small and padded records, KeyUpdates with and without an answer, tickets.

use std::process::Command;

use super::talk::{Talk, body};
use super::{BROKEN, Files, Place, SUITES, Suite, WHY, said_so};

/// `-brief` keeps standard output to what the server says, and the commands `K` and `k`, which `-quiet` takes away.
fn s_client(place: &Place, suite: &Suite, identity: &Files, more: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-brief", "-connect"]).arg(place.server.address.to_string());
    command.arg("-cert").arg(&identity.certificate).arg("-key").arg(&identity.key);
    command.args(["-ciphersuites", suite.name]).args(["-msg", "-msgfile"]).arg(messages(identity)).args(more);
    command
}

fn messages(identity: &Files) -> std::path::PathBuf {
    identity.beside("messages")
}

/// What TLS itself said in the last talk, a line each.
fn said_in_tls(identity: &Files) -> String {
    let all = std::fs::read_to_string(messages(identity)).unwrap();
    all.lines().filter(|line| line.starts_with(['>', '<'])).map(|line| format!("{line}\n")).collect()
}

fn enter(place: &Place, suite: &Suite, more: &[&str]) -> Talk {
    let mut talk = Talk::start(&mut s_client(place, suite, &place.friend, more), "openssl");
    talk.hear(b"OK\r\n");
    talk
}

/// `K` asks for one in return, `k` does not.
fn update(talk: &mut Talk, word: &str) {
    talk.say(word);
    talk.note("KEYUPDATE");
}

/// Its input ends: it says close_notify.
fn leave(mut talk: Talk, suite: &Suite) {
    talk.close();
    let (rest, notes) = talk.end();
    assert_eq!(rest, "");
    assert!(notes.contains(&format!("Ciphersuite: {}\n", suite.name)), "{notes}");
}

#[test]
fn s_client_talks_in_records_of_every_size() {
    let place = Place::new();
    for suite in &SUITES {
        for more in [&[][..], &["-max_send_frag", "512"], &["-record_padding", "4096"]] {
            let mut talk = enter(&place, suite, more);
            talk.converse();
            leave(talk, suite);
        }
    }
    place.all_ended(9);
}

#[test]
fn s_client_updates_keys() {
    let place = Place::new();
    for suite in &SUITES {
        let mut talk = enter(&place, suite, &["-record_padding", "64"]);
        for word in ["K\n", "k\n", "K\n", "K\n", "k\n", "k\n"] {
            talk.echo_around(|talk| update(talk, word));
            talk.converse();
        }
        leave(talk, suite);
        // Each of ours answers a `K`.
        let said = said_in_tls(&place.friend);
        assert_eq!(
            (said_so(&said, ">>>", "KeyUpdate"), said_so(&said, "<<<", "KeyUpdate")),
            (6, 3),
            "{said}"
        );
    }
    place.all_ended(3);
}

#[test]
fn talks_on_all_suites_take_turns() {
    let place = Place::new();
    let mut talks: Vec<_> =
        SUITES.iter().chain(&SUITES).map(|suite| (enter(&place, suite, &[]), suite)).collect();
    for size in [1, 20_000, 100_000] {
        for (talk, _) in &mut talks {
            talk.echo(&body(size));
            talk.echo_around(|talk| update(talk, "K\n"));
        }
    }
    talks.into_iter().for_each(|(talk, suite)| leave(talk, suite));
    place.all_ended(6);
}

#[test]
fn s_client_resumes_a_session() {
    let place = Place::new();
    let file = place.friend.beside("session");
    let file = file.to_str().unwrap();
    for suite in &SUITES {
        leave(enter(&place, suite, &["-sess_out", file]), suite);
        assert_eq!(said_so(&said_in_tls(&place.friend), "<<<", "CertificateVerify"), 1);
        // Each resumed session brings the ticket of the next.
        for _ in 0..2 {
            let mut talk = enter(&place, suite, &["-sess_in", file, "-sess_out", file]);
            talk.converse();
            update(&mut talk, "K\n");
            talk.converse();
            leave(talk, suite);
            let said = said_in_tls(&place.friend);
            assert!(!said.contains("Certificate"), "{}: not resumed: {said}", suite.name);
        }
    }
    place.all_ended(9);
}

#[test]
fn s_client_hears_why_it_ends() {
    let place = Place::new();
    for suite in &SUITES {
        let mut talk = enter(&place, suite, &[]);
        talk.say(BROKEN);
        let (rest, _) = talk.end();
        assert!(rest.starts_with(WHY) && rest.ends_with("\r\nSize: 0\r\n\r\n"), "{rest}");
        let said = said_in_tls(&place.friend);
        assert_eq!(said_so(&said, "<<<", "warning close_notify"), 1, "{said}");

        let talk = Talk::start(&mut s_client(&place, suite, &place.stranger, &[]), "openssl");
        let (rest, notes) = talk.end();
        assert!(rest.starts_with("ERR: unfamiliar-certificate: ") && rest.ends_with("\r\n"), "{rest}");
        assert!(notes.contains(&format!("Ciphersuite: {}\n", suite.name)), "{notes}");
    }
    place.all_ended(0);
}
