//! The first `serve` makes what is lacking, and no later one changes it.

use std::fs;

use crate::bench::Place;

const FILES: [&str; 6] = ["server.crt", "server.key", "client.crt", "client.key", "trusted", "known_servers"];

fn content(place: &Place) -> Vec<String> {
    FILES.iter().map(|file| place.read(file)).collect()
}

#[test]
fn two_commands_and_it_works() {
    let place = Place::new();
    let server = place.serve();
    let lines = || server.said.lines().filter(|line| line.contains(" greetings/1"));
    let line = lines().next().unwrap();
    assert!(line.contains(&server.address) && line.contains("--home"), "{line}");
    assert!(place.read("trusted").contains("  name=ada"), "{}", place.read("trusted"));
    // The printed lines themselves, through a shell.
    for (line, out) in lines().zip(["1\n", "hello, world"]) {
        let ran = std::process::Command::new("sh").args(["-c", line]).output().unwrap();
        assert!(ran.status.success(), "{line}: {ran:?}");
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), out);
    }
}

#[cfg(unix)]
#[test]
fn keys_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let _server = place.serve();
    let mode = |file| fs::metadata(place.home(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("server.key"), mode("client.key"), mode("")), (0o600, 0o600, 0o700));
}

#[test]
fn a_second_start_changes_nothing() {
    let place = Place::new();
    let first = place.serve();
    let before = content(&place);
    let address = first.address.clone();
    assert!(FILES.iter().all(|file| first.said.contains(file)), "it says what it made: {}", first.said);
    drop(first);
    let second = place.serve_with(&["--listen", &address]);
    assert_eq!(content(&place), before);
    assert!(!second.said.contains("made"), "{}", second.said);
}

#[cfg(target_os = "linux")]
#[test]
fn an_operators_signal_ends_it_well() {
    let place = Place::new();
    assert_eq!(place.serve().terminate().0, Some(0));
}

#[test]
fn a_client_that_was_taken_out_stays_out() {
    let place = Place::new();
    drop(place.serve());
    place.ok(&["trust", "remove", "ada"]);
    let server = place.serve();
    let ran = place.run(&["call", "PING", "-s", &server.address]);
    assert_eq!(ran.status, 3, "{}", ran.err);
    assert!(ran.err.contains("ERR: unfamiliar-certificate: spki-sha256:"), "{}", ran.err);
}

#[cfg(target_os = "linux")]
#[test]
fn a_new_client_is_not_put_on_an_old_list() {
    let place = Place::new();
    drop(place.serve());
    let before = place.read("trusted");
    fs::remove_file(place.home("client.crt")).unwrap();
    fs::remove_file(place.home("client.key")).unwrap();
    let (_, err) = place.serve().terminate();
    assert!(err.contains("was not changed") && err.contains("pinwire trust add"), "{err}");
    assert_eq!(place.read("trusted"), before);
}

#[test]
fn half_an_identity_is_no_reason_to_make_another() {
    let place = Place::new();
    drop(place.serve());
    fs::remove_file(place.home("server.key")).unwrap();
    let ran = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.status, 6);
    assert!(ran.err.contains("server.key is missing, but"), "{}", ran.err);
    assert!(!place.home("server.key").exists());
}

#[test]
fn files_from_elsewhere_take_the_homes_place() {
    let place = Place::new();
    place.ok(&["keygen", "gate"]);
    place.ok(&["keygen", "bob"]);
    place.ok(&["trust", "--trusted", "list", "add", "bob.crt", "--name", "bob"]);
    let own = ["--cert", "gate.crt", "--key", "gate.key", "--trusted", "list", "--listen", "127.0.0.1:0"];
    let server = place.serve_with(&own);
    assert!(!place.home("server.crt").exists() && !place.home("trusted").exists());
    let read = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    let bob = place.visitor(Some((read("bob.crt"), read("bob.key"))));
    let who = bob.ok(&["call", "WHOAMI", "-s", &server.address]);
    assert!(who.starts_with("name: bob\npin: spki-sha256:"), "{who}");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    drop(place.serve());
    fs::set_permissions(place.home("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let ran = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.status, 6);
    assert!(ran.err.contains("server.key: is readable by others (mode 0644); run chmod 600"), "{}", ran.err);
}

#[test]
fn a_taken_port_is_said_in_words() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = place.run(&["serve", "--listen", &address]);
    assert_eq!(ran.status, 6, "{}", ran.err);
    assert!(ran.err.contains(&address), "{}", ran.err);
}

#[test]
fn a_broken_trust_file_lets_nobody_in() {
    let place = Place::new();
    drop(place.serve());
    fs::write(place.home("trusted"), "spki-sha256:abc\n").unwrap();
    let ran = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.status, 6);
    assert!(ran.err.contains("line 1, column 1: 3 digits after"), "{}", ran.err);
}
