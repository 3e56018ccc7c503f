//! `trust`: what is added is let in, what is removed is not, and nothing else changes.

use std::fs;

use crate::bench::Place;

#[test]
fn add_list_and_remove() {
    let place = Place::new();
    let pin = place.ok(&["keygen", "alice"]).trim().to_owned();
    place.ok(&["trust", "add", "alice.crt", "--name", "alice", "--comment", "since May"]);
    let bob = format!("spki-sha256:{}", "0B".repeat(32));
    place.ok(&["trust", "add", &bob]);
    let bob = bob.to_lowercase();
    assert_eq!(place.ok(&["trust", "list"]), format!("alice  {pin}  since May\n-      {bob}\n"));

    let before = place.read("trusted") + "# mine, with\ttabs\n";
    fs::write(place.home("trusted"), &before).unwrap();
    place.ok(&["trust", "remove", "alice"]);
    let line = format!("{pin}  name=alice  # since May\n");
    assert_eq!(place.read("trusted"), before.replace(&line, ""), "all else stays byte for byte");
    place.ok(&["trust", "remove", "0b0b0b"]);
    assert_eq!(place.ok(&["trust", "list"]), "");
}

#[test]
fn who_is_added_gets_in() {
    let place = Place::new();
    drop(place.serve());
    place.ok(&["keygen", "alice"]);
    place.ok(&["trust", "add", "alice.crt", "--name", "alice"]);
    let server = place.serve();
    let read = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    let alice = place.visitor(Some((read("alice.crt"), read("alice.key"))));
    assert!(alice.ok(&["call", "WHOAMI", "-s", &server.address]).starts_with("name: alice\n"));
}

#[test]
fn mistakes_change_nothing() {
    let place = Place::new();
    place.ok(&["keygen", "alice"]);
    place.ok(&["trust", "add", "alice.crt", "--name", "alice"]);
    let before = place.read("trusted");
    let mistakes: [(&[&str], i32, &str); 9] = [
        (&["add", "alice.crt"], 6, "this pin is there already, line 3"),
        (&["add", &"ab".repeat(20), "--name", "alice"], 6, "this name is there already, line 3"),
        (&["add", &"ab".repeat(20), "--name", "al ice"], 6, "in a name"),
        (&["add", &"ab".repeat(20), "--comment", "a\nb"], 6, "one line"),
        (&["add", "alice.key"], 6, "a private key where a certificate was expected"),
        (&["add", "nobody"], 2, "neither a file nor a pin"),
        (&["add", "nobody.crt"], 6, "nobody.crt: there is no such file"),
        (&["add", "keys/nobody"], 6, "keys/nobody: there is no such file"),
        (&["remove", "nobody"], 6, "no line has the name or the pin"),
    ];
    for (args, status, words) in mistakes {
        let ran = place.run(&[&["trust"], args].concat());
        assert_eq!(ran.status, status, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
        assert_eq!(place.read("trusted"), before);
    }
}

#[test]
fn of_many_at_once_none_is_lost() {
    let place = Place::new();
    let add = |byte: u8| {
        let mut program = place.program();
        program.args(["trust", "add", &format!("sha256:{}", format!("{byte:02x}").repeat(32))]);
        program.stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let adding: Vec<_> = (0..16).map(add).collect();
    assert!(adding.into_iter().all(|mut child| child.wait().unwrap().success()));
    assert_eq!(place.ok(&["trust", "list"]).lines().count(), 16);
}

#[test]
fn sha1_thumbprints_are_taken_where_the_operator_accepts_them() {
    let place = Place::new();
    assert_eq!(place.run(&["keygen"]).status, 0);
    let pin = place.run(&["pin", "home/client.crt", "--form", "sha1"]);
    let pin = String::from_utf8(pin.out).unwrap();
    let added = place.run(&["trust", "add", pin.trim(), "--name", "old"]);
    assert_eq!(added.status, 0);
    assert!(added.err.contains("--accept-sha1"), "{}", added.err);

    let refused = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status, 6, "{}", refused.err);
    assert!(refused.err.contains("SHA-1"), "{}", refused.err);

    let serving = place.serve_with(&["--listen", "127.0.0.1:0", "--accept-sha1"]);
    assert_eq!(place.run(&["call", "-s", &serving.address, "PING"]).status, 0);
}
