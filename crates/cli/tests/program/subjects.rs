//! What a stranger calls itself is anybody's to choose: it writes to no terminal, no log and no file.

use std::fs;

use pinwire_testkit::certificates;

use crate::bench::{Place, Ran, now, until};

/// Subjects that a server judges. Beside them each has a word that shows where it came through.
fn nasty() -> Vec<String> {
    let line = format!("mallory\nspki-sha256:{}  name=eve admin\r\n# ", "e".repeat(64));
    vec![
        line,
        "mallory\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}[31m".to_owned(),
        "mallory\u{202e}\u{9b}31m\u{2028}\u{85}\u{0}\u{7f}".to_owned(),
        "mallory\",\"pin\":\"x\"}]}\\u001b[2J".to_owned(),
        // Of the 32 KiB that a handshake may have, almost all: the issuer is called the same.
        format!("mallory{}", "\u{1b}[2Jy\n".repeat(2_500)),
    ]
}

#[test]
fn a_subject_is_shown_short_and_plain_and_written_nowhere() {
    for subject in nasty() {
        let place = Place::new();
        let server = place.serve_with(&["--listen", "127.0.0.1:0", "--log", "debug"]);
        let visitor = place.visitor(Some(certificates::called(&subject, now())));
        let call = || visitor.run(&["call", "WHOAMI", "-s", &server.address]);
        let (refused, pinned) = (call(), visitor.run(&["pin", "--form", "spki-sha256"]));
        assert_eq!(refused.status, 3, "{}", refused.err);
        let pin = pinned.out().trim().to_owned();
        until(|| place.ok(&["trust", "pending"]).contains(&pin));
        let shown = place.run(&["trust", "pending"]);
        let (_, named) = shown.out().split_once("CN=").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert!(named.starts_with("mallory") && named.lines().next().unwrap().len() <= 64, "{named}");
        plain(&refused);
        plain(&pinned);
        plain(&shown);
        plain(&place.run(&["trust", "pending", "--json"]));
        is_plain(&place.read("trusted.pending"), 1_000);

        let before = place.read("trusted");
        plain(&place.run(&["trust", "approve", &pin, "--name", "bob"]));
        assert_eq!(place.read("trusted"), format!("{before}{pin}  name=bob\n"), "nothing that it sent");
        until(|| call().status == 0);
        plain(&call());
        plain(&place.run(&["trust", "remove", "bob"]));
        is_plain(&place.read("trusted.removed"), 1_000);
        is_plain(&place.read("trusted.status"), 2_000);
        is_plain(&server.terminate().1, 1_000);
    }
}

/// More than a handshake may have: nobody looks at it, and it is remembered nowhere.
#[test]
fn a_subject_of_64_kilobytes_is_not_even_read() {
    let place = Place::new();
    let server = place.serve_with(&["--listen", "127.0.0.1:0", "--log", "debug"]);
    let subject = format!("mallory{}", "\u{1b}[2Jyyy\n".repeat(8_192));
    let visitor = place.visitor(Some(certificates::called(&subject, now())));
    let ran = visitor.run(&["call", "PING", "-s", &server.address]);
    assert_eq!(ran.status, 4, "{}", ran.err);
    plain(&ran);
    plain(&visitor.run(&["pin"]));
    plain(&visitor.run(&["call", "PING", "-s", &server.address, "--wait"]));
    let log = server.terminate().1;
    is_plain(&log, 1_000);
    assert!(!log.contains("mallory"), "{log}");
    let pending = fs::read_to_string(place.home("trusted.pending")).unwrap_or_default();
    assert!(!pending.contains("mallory"), "{pending}");
}

fn plain(ran: &Ran) {
    is_plain(&ran.out(), 1_000);
    is_plain(&ran.err, 1_000);
}

/// Printable ASCII in lines of at most so many bytes, and no line is a trust file's that somebody else wrote.
fn is_plain(text: &str, longest: usize) {
    let is_plain = |byte: u8| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic();
    assert!(text.bytes().all(is_plain), "{text:?}");
    assert!(text.lines().all(|line| line.len() <= longest), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("spki-sha256:eee")), "{text}");
}
