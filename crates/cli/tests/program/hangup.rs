//! SIGHUP makes a server look at its files, and does not end it.

use std::fs;

use crate::bench::Place;

#[test]
fn after_a_hangup_the_edited_list_is_in_force() {
    let place = Place::new();
    let server = place.serve();
    place.ok(&["keygen", "alice"]);
    let read = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    let alice = place.visitor(Some((read("alice.crt"), read("alice.key"))));
    let who = || alice.run(&["call", "WHOAMI", "-s", &server.address]);
    assert_eq!(who().status, 3);
    let pin = place.ok(&["pin", "alice.crt", "--form", "spki-sha256"]);
    let before = place.read("trusted");
    fs::write(place.home("trusted"), format!("{before}{}  name=alice\n", pin.trim())).unwrap();
    server.signal("-HUP");
    server.wait_for("SIGHUP: looking at the trust file");
    server.wait_for("trust list replaced: 2 entries; 1 came, 0 went, 0 changed");
    assert!(who().out().starts_with("name: alice\n"));

    // Nothing is new: it looks, has nothing to say, and serves.
    server.signal("-HUP");
    server.wait_for("SIGHUP: looking at the trust file");
    assert_eq!(who().status, 0);

    fs::write(place.home("trusted"), &before).unwrap();
    server.signal("-HUP");
    server.wait_for("trust list replaced: 1 entries; 0 came, 1 went, 0 changed");
    assert_eq!(who().status, 3);
    let (status, said) = server.terminate();
    assert_eq!((status, said.matches("trust list replaced").count()), (Some(0), 2), "{said}");
}
