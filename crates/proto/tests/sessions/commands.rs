//! Heads: many to a record, cut anywhere, one after the other.

use pinwire_proto::code::Code;
use pinwire_testkit::Pair;

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[test]
fn three_twenty_and_a_thousand_commands_to_a_record() {
    for count in [3, 20, 1_000] {
        let mut pair = Pair::rustls();
        pair.connect();
        let text: String = (0..count).map(|n| format!("C{n}\r\nSequence: {n}\r\n\r\n")).collect();
        for record in text.as_bytes().chunks(16_384) {
            pair.client.raw(record);
        }
        pair.drive();
        let expected: Vec<_> = numbers(count).iter().map(|n| format!("{n}: OK C{n}")).collect();
        assert_eq!(pair.client.read(), expected);
        assert!(pair.server.session.owns_nothing());
    }
}

#[test]
fn a_head_at_every_cut() {
    let text = b"GET employees/1-A\r\nSequence: 32\r\nX: y\r\n\r\nNEXT\r\nSequence: 33\r\n\r\n";
    for cut in 1..text.len() {
        for mut pair in [Pair::rustls(), Pair::clear()] {
            pair.connect();
            pair.client.raw(&text[..cut]);
            pair.drive();
            pair.client.raw(&text[cut..]);
            pair.drive();
            assert_eq!(pair.server.heard(), ["GET employees/1-A", "NEXT"], "cut at {cut}");
            assert_eq!(pair.client.read(), ["32: OK GET employees/1-A", "33: OK NEXT"], "cut at {cut}");
            assert!(pair.server.session.owns_nothing());
        }
    }
}

#[test]
fn the_exchange_of_the_c_original_holds_byte_for_byte() {
    let mut pair = Pair::clear();
    pair.server.script.says = Some(b"{\"id\":1}".to_vec());
    pair.client.raw("GET employees/1-A\r\nSequence: 32\r\n\r\n");
    pair.drive();
    assert_eq!(pair.down.log(), b"OK\r\nOK\r\nSequence: 32\r\nSize: 8\r\n\r\n{\"id\":1}");
}

#[test]
fn one_way_commands_are_run_and_not_answered() {
    let mut pair = Pair::new();
    pair.connect();
    let before = pair.down.log().len();
    pair.client.send_one_way("TOUCH a");
    pair.drive();
    assert_eq!(pair.server.heard(), ["TOUCH a"]);
    assert_eq!(pair.down.log().len(), before, "not a byte");
    assert!(pair.server.session.owns_nothing());
}

/// What becomes of a connection that says this behind one good command.
fn breaks(text: &[u8]) -> (Vec<String>, Option<Code>) {
    let mut pair = Pair::rustls();
    pair.client.raw("GET a\r\nSequence: 1\r\n\r\n");
    pair.client.raw(text);
    pair.client.raw("GET never\r\nSequence: 9\r\n\r\n");
    pair.drive();
    assert_eq!(pair.server.heard(), ["GET a"]);
    assert!(pair.client.heard_close_notify());
    assert!(pair.server.session.owns_nothing());
    (pair.client.take(), pair.server.closed_with())
}

#[test]
fn what_is_no_command_closes_behind_what_is_owed() {
    for text in [
        &b"\r\n\r\n"[..],
        b"   \r\n\r\n",
        b"GET\r\n:::\r\n\r\n",
        b"GET\0\r\n\r\n",
        b"GET\n\n",
        b"G\xff\r\n\r\n",
    ] {
        let (read, code) = breaks(text);
        assert_eq!(read, ["1: OK GET a", "bad-command"], "{text:?}");
        assert_eq!(code, Some(Code::BadCommand));
    }
}

#[test]
fn a_head_over_its_limit_closes_without_waiting_for_its_end() {
    let (read, code) = breaks(&[b'x'; 8_065]);
    assert_eq!(read, ["1: OK GET a", "message-too-large"]);
    assert_eq!(code, Some(Code::MessageTooLarge));
}

#[test]
fn a_framing_error_gives_running_commands_the_closing_code() {
    let mut pair = Pair::rustls();
    pair.server.script.holds = vec!["HOLD"];
    pair.client.raw("HOLD a\r\nSequence: 1\r\n\r\nHOLD b\r\n\r\nHOLD c\r\nSequence: 3\r\n\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: bad-command", "3: bad-command", "bad-command"]);
    pair.server.answer("HOLD a", "late");
    pair.drive();
    assert_eq!(pair.client.read().len(), 3, "abandoned is answered");
    assert!(pair.server.session.owns_nothing());
}

#[test]
fn the_empty_line_may_come_much_later() {
    let mut pair = Pair::rustls();
    pair.connect();
    pair.client.raw("GET a\r\nSequence: 1\r\n");
    pair.drive();
    assert!(pair.server.heard().is_empty());
    pair.client.raw("\r\n");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK GET a"]);
}
