//! Who is greeted, who is refused, and that nothing is heard before.

use pinwire_testkit::Pair;

#[test]
fn a_trusted_client_is_greeted_and_answered() {
    let mut pair = Pair::new();
    pair.client.send("GET users/1", "7");
    pair.drive();
    assert_eq!(pair.server.heard(), ["GET users/1"]);
    assert_eq!(pair.client.greeting(), Some("OK"));
    assert_eq!(pair.client.read(), ["7: OK GET users/1"]);
}

#[test]
fn the_same_in_the_clear() {
    let mut pair = Pair::clear();
    pair.client.send("GET users/1", "7");
    pair.drive();
    assert_eq!(pair.client.greeting(), Some("OK"));
    assert_eq!(pair.client.read(), ["7: OK GET users/1"]);
}

#[test]
fn the_same_with_rustls() {
    let mut pair = Pair::rustls();
    pair.client.send("GET users/1", "7");
    pair.drive();
    assert_eq!(pair.client.greeting(), Some("OK"));
    assert_eq!(pair.client.read(), ["7: OK GET users/1"]);
}
