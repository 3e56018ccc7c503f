//! What the C original got wrong, one story each, as far as one connection can show it.

use pinwire_testkit::Pair;
use pinwire_testkit::pair::{self, Setup};

/// The words that a clear connection answers with behind its greeting.
fn says(text: &[u8]) -> String {
    let mut pair = Pair::clear();
    pair.client.raw(text);
    pair.drive();
    let log = String::from_utf8(pair.down.log().to_vec()).unwrap();
    log.strip_prefix("OK\r\n").unwrap().to_owned()
}

#[test]
fn two_connections_with_output_in_one_turn_do_not_hang() {
    let (mut one, mut two) = (Pair::new(), Pair::new());
    for pair in [&mut one, &mut two] {
        pair.connect();
        pair.client.send("GET a", "1");
    }
    for _ in 0..4 {
        one.step();
        two.step();
    }
    assert_eq!(one.client.read(), two.client.read());
    assert_eq!(one.client.read(), ["1: OK GET a"]);
}

#[test]
fn three_commands_in_one_record_get_three_replies() {
    let mut pair = Pair::rustls();
    pair.connect();
    pair.client.raw("A\r\nSequence: 1\r\n\r\nB\r\nSequence: 2\r\n\r\nC\r\nSequence: 3\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK A", "2: OK B", "3: OK C"]);
}

#[test]
fn g_and_then_the_rest_is_answered() {
    let mut pair = Pair::rustls();
    pair.connect();
    pair.client.raw("G");
    pair.drive();
    pair.client.raw("ET a\r\nSequence: 1\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK GET a"]);
}

#[test]
fn empty_lines_alone_spaces_alone_and_colons_are_bad_commands() {
    for text in [&b"\r\n\r\n"[..], b"    \r\n\r\n", b"GET a\r\n:::\r\n\r\n"] {
        let said = says(text);
        assert!(said.starts_with("ERR: bad-command: ") && said.ends_with("\r\nSize: 0\r\n\r\n"), "{said:?}");
    }
}

#[test]
fn percent_s_percent_n_is_a_command_like_any() {
    assert_eq!(says(b"%s%n\r\nSequence: 1\r\n\r\n"), "OK\r\nSequence: 1\r\nSize: 4\r\n\r\n%s%n");
    let mut pair = Pair::clear();
    pair.client.raw("%s%n %d\r\nSequence: %s%n\r\n%n: %s\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.read(), ["bad-command"], "a header's name has no percent sign");
}

#[test]
fn resumption_works() {
    let setup = Setup::default();
    let config = pair::config(setup.client.as_ref());
    setup.rustls(config.clone()).connect();
    let mut pair = setup.rustls(config);
    pair.client.send("GET a", "1");
    pair.drive();
    assert!(pair.server.session.is_resumed());
    assert_eq!(pair.client.read(), ["1: OK GET a"]);
}

#[test]
fn closing_with_writes_in_flight_is_only_a_closing() {
    let mut pair = Pair::new();
    pair.connect();
    pair.server.script.says = Some(vec![b'x'; 500_000]);
    pair.down.room = 1_000;
    pair.client.send("GET a", "1");
    pair.step();
    pair.step();
    pair.up.end();
    pair.drive();
    pair.server.broken();
    pair.drive();
    assert!(pair.server.session.owns_nothing());
}

#[test]
fn a_disconnect_leaves_nothing_behind() {
    for text in [&b"GET a"[..], b"PUT a\r\nSize: 9\r\n\r\nabc", b"HOLD a\r\nSequence: 1\r\n\r\n"] {
        let mut pair = Pair::rustls();
        pair.server.script.holds = vec!["HOLD"];
        pair.client.raw(text);
        pair.connect();
        pair.up.end();
        pair.drive();
        assert!(pair.server.session.owns_nothing(), "{text:?}");
    }
}

#[test]
fn a_client_that_never_reads_takes_its_bound_and_no_more() {
    let mut pair = Pair::new();
    pair.connect();
    pair.server.script.says = Some(vec![b'x'; 64 * 1024]);
    pair.down.room = 0;
    for number in 0..10_000 {
        pair.client.send("GET a", &number.to_string());
    }
    pair.drive();
    assert!(pair.server.unsent() < 1_200_000, "{}", pair.server.unsent());
    assert!(pair.up.waiting() > 100_000);
}

#[test]
fn a_nul_byte_is_a_bad_command() {
    for text in [&b"\0"[..], b"GET \0 a\r\n\r\n", b"GET a\r\nX: \0\r\n\r\n"] {
        assert!(says(text).starts_with("ERR: bad-command: "), "{text:?}");
    }
}

#[test]
fn a_failed_handshake_sends_an_alert() {
    let mut pair = Pair::new();
    pair.up.is_held = true;
    pair.drive();
    pair.up.lose();
    pair.up.inject(b"EHLO example.org\r\n");
    pair.up.is_held = false;
    pair.drive();
    assert_eq!(pair.down.records(), [(21, 2)]);
}
