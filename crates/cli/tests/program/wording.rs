//! What a new user stumbled over: each message now says what is wrong and what to do.

use crate::bench::Place;

#[track_caller]
fn says(place: &Place, args: &[&str], status: i32, words: &str) {
    let ran = place.run(args);
    assert_eq!(ran.status, status, "{args:?}: {}", ran.err);
    assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
}

#[test]
fn the_command_line() {
    let place = Place::new();
    for address in ["localhost:0", "4433", "::1:0", "127.0.0.1"] {
        says(&place, &["serve", "--listen", address], 2, "like 127.0.0.1:4433");
    }
    says(&place, &["serve", "--log", "inf"], 2, "is none of off, error, warn, info");
    says(&place, &["keygen", "--out", "x"], 2, "NAME");
    says(&place, &["call", "CANCEL", "1"], 2, "a call has only its own");
    says(&place, &["call", "PUT", "a", "--body", "@"], 2, "--body @FILE");
    says(&place, &["call", "PING", "--timeout", "0"], 2, "from 0.001 to");
    says(&place, &["trust", "--trusted", "nowhere", "list"], 6, "nowhere: it is not there");
}

#[test]
fn files_and_their_modes() {
    let place = Place::new();
    place.ok(&["keygen", "--server"]);
    let certificate = "home/server.crt";
    let words = "a certificate where a private key was expected";
    says(
        &place,
        &["serve", "--listen", "127.0.0.1:0", "--cert", certificate, "--key", certificate],
        6,
        words,
    );
}

#[test]
fn the_servers_pin_is_where_clients_are_told_to_look() {
    let place = Place::new();
    let serving = place.serve();
    let pin = place.ok(&["pin", "--server", "--form", "spki-sha256"]);
    let said = &serving.said;
    assert!(said.contains(&format!("the server's pin: {pin}")), "{said}");
}

#[test]
fn a_list_of_nobody_is_mentioned() {
    let place = Place::new();
    std::fs::write(place.path("empty"), "# nobody yet\n").unwrap();
    let serving =
        place.serve_with(&["--listen", "127.0.0.1:0", "--trusted", &place.path("empty").to_string_lossy()]);
    let (_, said) = serving.terminate();
    assert!(said.contains("nobody is let in"), "{said}");
}

#[test]
fn a_body_may_begin_with_a_dash() {
    let place = Place::new();
    let serving = place.serve();
    place.ok(&["call", "-s", &serving.address, "PUT", "a", "--body", "-x"]);
    assert_eq!(place.ok(&["call", "-s", &serving.address, "GET", "a"]), "-x");
}

#[test]
fn a_server_that_is_not_one() {
    let place = Place::new();
    says(&place, &["get", "a", "-s", "http://x:4433"], 2, "without a scheme");
    says(&place, &["get", "a", "-s", ""], 2, "is not HOST:PORT");
    let serving = place.serve();
    let get = |server: &str, args: &[&str]| {
        let ran = place.program().env("PINWIRE_SERVER", server).args(args).output().unwrap();
        (ran.status.code().unwrap(), String::from_utf8(ran.stderr).unwrap())
    };
    let (status, err) = get(&serving.address, &["get", "a"]);
    assert!(status == 1 && err.starts_with("ERR: not-found: "), "{err}");
    // Whoever is or is not there: it is the usual place that was asked.
    let (status, err) = get("", &["get", "a"]);
    assert!(status != 2 && !err.contains("is not HOST:PORT"), "{err}");
    let (status, err) = get("nowhere", &["get", "a"]);
    assert!(status == 2 && err.contains("is not HOST:PORT"), "{err}");
}

#[test]
fn numbers_and_dashes() {
    let place = Place::new();
    for version in ["abc", "", "+1", "10000000000000000000"] {
        let words = "a version: 0 to 9999999999999999999";
        says(&place, &["put", "a", "--body=x", "--if-version", version], 2, words);
        let words = "a version: 1 to 9999999999999999999";
        says(&place, &["delete", "a", "--if-version", version], 2, words);
    }
    says(&place, &["delete", "a", "--if-version", "0"], 2, "a version: 1 to ");
    for history in ["x", "0", "-"] {
        says(&place, &["serve", "--history", history], 2, "a number of changes, 1 at least");
    }
    for command in ["put", "get", "delete", "list"] {
        let help = place.ok(&[command, "-h"]);
        assert!(help.contains("that begins with \"-\" stands behind \"--\""), "{help}");
    }
    let serving = place.serve();
    place.ok(&["put", "-s", &serving.address, "--body=x", "--", "-a"]);
    assert_eq!(place.ok(&["get", "-s", &serving.address, "--", "-a"]), "x");
    assert_eq!(place.ok(&["list", "-s", &serving.address, "--", "-"]), "-a\n");
}
