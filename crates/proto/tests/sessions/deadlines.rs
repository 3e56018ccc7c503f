//! Patience, by a clock that moves when told to.

use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::session::Disconnect;
use pinwire_testkit::Pair;
use pinwire_testkit::pair::Setup;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_handshake_ends_in_ten_seconds() {
    let mut pair = Pair::new();
    pair.up.is_held = true;
    pair.drive();
    pair.wait(9 * SECOND);
    assert_eq!(pair.server.ended(), None);
    pair.wait(SECOND);
    assert_eq!(pair.server.ended(), Some(&Disconnect::HandshakeTimeout));
    assert_eq!(pair.down.log(), b"", "there is nobody to tell");
}

#[test]
fn ten_minutes_of_nothing_are_idle() {
    let mut pair = Pair::new();
    pair.connect();
    pair.wait(599 * SECOND);
    pair.client.send("GET a", "1");
    pair.drive();
    pair.wait(599 * SECOND);
    assert_eq!(pair.server.ended(), None);
    pair.wait(SECOND);
    assert_eq!(pair.client.read(), ["1: OK GET a", "idle"]);
    assert!(pair.client.heard_close_notify());
    assert_eq!(pair.server.closed_with(), Some(Code::Idle));
}

#[test]
fn who_waits_for_an_answer_is_not_idle_and_not_right_after_it() {
    let mut pair = Pair::new();
    pair.server.script.holds = vec!["HOLD"];
    pair.client.send("HOLD a", "1");
    pair.client.send_one_way("HOLD b");
    pair.drive();
    for line in ["HOLD a", "HOLD b"] {
        pair.wait(3_000 * SECOND);
        assert_eq!(pair.server.ended(), None);
        pair.server.answer(line, "late");
        pair.drive();
    }
    pair.wait(599 * SECOND);
    assert_eq!(pair.server.ended(), None, "the ten minutes begin with the answer");
    pair.wait(SECOND);
    assert_eq!(pair.client.read(), ["1: OK late", "idle"]);
}

#[test]
fn an_answer_that_the_socket_has_not_taken_is_in_flight() {
    let mut pair = Pair::new();
    pair.connect();
    pair.down.room = 0;
    pair.client.send("GET a", "1");
    pair.drive();
    pair.wait(700 * SECOND); // a slow reader is the driver's to judge
    assert_eq!(pair.server.ended(), None);
}

#[test]
fn idle_time_begins_with_the_greeting() {
    let limits = |limits: &mut pinwire_proto::limits::Limits| limits.idle = 2 * SECOND;
    let mut pair = Setup::default().limits(limits).pair();
    pair.client_turn(usize::MAX);
    pair.server_turn(usize::MAX);
    pair.wait(5 * SECOND); // its handshake takes that long
    pair.drive();
    assert_eq!(pair.client.greeting(), Some("OK"));
    pair.wait(SECOND);
    assert_eq!(pair.server.ended(), None);
    pair.wait(2 * SECOND);
    assert_eq!(pair.server.closed_with(), Some(Code::Idle));
}

#[test]
fn whoever_waited_for_a_one_way_command_was_not_idle_though_a_body_stalls() {
    let mut pair = Pair::clear();
    pair.server.script.holds = vec!["HOLD"];
    pair.connect();
    pair.client.raw("HOLD a\r\n\r\nPUT b\r\nSequence: 1\r\nSize: 4\r\n\r\nbo");
    pair.drive();
    pair.wait(700 * SECOND);
    pair.server.answer("HOLD a", "");
    pair.drive();
    pair.wait(SECOND);
    assert_eq!(pair.server.ended(), None, "until a second ago something was in flight");
    pair.wait(600 * SECOND);
    assert_eq!(pair.server.closed_with(), Some(Code::Idle));
}

#[test]
fn a_head_must_be_complete_in_thirty_seconds_however_it_drips() {
    let mut pair = Pair::rustls();
    pair.connect();
    pair.wait(100 * SECOND);
    for _ in 0..30 {
        assert_eq!(pair.server.ended(), None);
        pair.client.raw("x");
        pair.drive();
        pair.wait(SECOND);
    }
    assert_eq!(pair.client.read(), ["bad-command"]);
    assert_eq!(pair.server.closed_with(), Some(Code::BadCommand));
}

#[test]
fn the_next_head_has_its_own_thirty_seconds() {
    let mut pair = Pair::rustls();
    pair.connect();
    pair.client.raw("GET");
    pair.drive();
    for number in 0..5 {
        pair.wait(20 * SECOND);
        pair.client.raw(format!(" a\r\nSequence: {number}\r\n\r\nGET"));
        pair.drive();
    }
    assert_eq!(pair.client.read().len(), 5);
    pair.wait(30 * SECOND);
    assert_eq!(pair.server.closed_with(), Some(Code::BadCommand));
}

#[test]
fn a_head_that_the_server_does_not_read_is_not_late() {
    let mut pair = Pair::rustls();
    pair.connect();
    pair.server.script.says = Some(vec![b'x'; 1_050_000]);
    pair.down.room = 0;
    pair.client.raw("GET a\r\nSequence: 1\r\n\r\n");
    pair.drive();
    pair.client.raw("GET b\r\nSequence: 2\r\n\r\n");
    pair.drive();
    pair.wait(31 * SECOND);
    assert_eq!(pair.server.ended(), None);
    pair.down.room = usize::MAX;
    pair.drive();
    assert_eq!(pair.client.read().len(), 2);
}

#[test]
fn half_a_head_read_before_the_socket_filled_is_not_late() {
    let mut pair = Pair::clear();
    pair.connect();
    pair.server.script.holds = vec!["HOLD"];
    pair.client.raw("HOLD a\r\nSequence: 1\r\n\r\nGET b\r\nSequence: 2\r\n");
    pair.drive();
    pair.down.room = 0;
    pair.server.answer("HOLD a", vec![b'x'; 1_050_000]);
    pair.drive();
    pair.client.raw("\r\n"); // nobody reads it now
    pair.wait(31 * SECOND);
    assert_eq!(pair.server.ended(), None);
    pair.down.room = usize::MAX;
    pair.drive();
    assert_eq!(pair.client.read().len(), 2);
}

#[test]
fn a_body_counts_while_it_brings_a_kilobyte_in_each_span() {
    let mut pair = Pair::clear();
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 100000\r\n\r\n");
    pair.drive();
    for _ in 0..40 {
        pair.client.raw([b'x'; 1_024]);
        pair.drive();
        pair.wait(29 * SECOND);
    }
    assert_eq!(pair.server.ended(), None, "1,160 seconds of a slow body");
    for _ in 0..30 {
        pair.client.raw(b"x");
        pair.drive();
        pair.wait(25 * SECOND);
    }
    assert_eq!(pair.client.read(), ["1: idle", "idle"], "a body that drips is none");
    assert!(pair.server.heard().is_empty());
}

#[test]
fn what_is_thrown_away_counts_no_more_than_what_is_kept() {
    let mut pair = Pair::clear();
    pair.server.script.refuses_bodies = vec!["PUT"];
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 100000\r\n\r\n");
    pair.drive();
    for _ in 0..30 {
        pair.client.raw(b"x");
        pair.drive();
        pair.wait(25 * SECOND);
    }
    assert_eq!(pair.client.read(), ["1: not-permitted", "idle"]);
}

#[test]
fn half_a_head_that_nobody_reads_on_is_not_late() {
    let half = || {
        let mut pair = Pair::rustls();
        pair.server.script.holds = vec!["HOLD"];
        pair.connect();
        pair.client.raw("HOLD a\r\nSequence: 1\r\n\r\nGET ");
        pair.drive();
        pair
    };
    let answered = |mut pair: Pair| {
        pair.drive();
        pair.wait(Duration::from_secs(60));
        pair.server.answer("HOLD a", "late");
        pair.drive();
        pair.client.take()
    };
    let mut pair = half();
    pair.client.close();
    assert_eq!(answered(pair), ["1: OK late"]);
    let mut pair = half();
    pair.server.stop();
    assert_eq!(answered(pair), ["1: OK late", "shutting-down"]);
}
