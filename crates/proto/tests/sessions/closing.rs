//! How connections end: by the server, by the client, by neither.

use pinwire_proto::code::Code;
use pinwire_proto::session::{ClientEnd, Disconnect};
use pinwire_testkit::Pair;
use pinwire_testkit::pair::Setup;

fn holding(mut pair: Pair) -> Pair {
    pair.server.script.holds = vec!["HOLD"];
    pair.connect();
    pair
}

#[test]
fn a_stop_answers_what_is_under_way_and_begins_nothing() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "1");
    pair.drive();
    pair.server.stop();
    pair.client.send("GET b", "2");
    pair.drive();
    assert!(pair.client.read().is_empty());
    pair.server.answer("HOLD a", "done");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK done", "shutting-down"]);
    assert_eq!(pair.server.heard(), ["HOLD a"]);
    assert!(pair.client.heard_close_notify());
    assert!(pair.server.session.owns_nothing());
}

#[test]
fn a_stop_while_idle_says_so_at_once() {
    let mut pair = holding(Pair::new());
    pair.server.stop();
    pair.drive();
    assert_eq!(pair.client.read(), ["shutting-down"]);
}

#[test]
fn a_stop_does_not_wait_for_a_body() {
    for refused in [false, true] {
        let mut pair = holding(Pair::clear());
        if refused {
            pair.server.script.refuses_bodies = vec!["PUT"];
        }
        pair.client.raw("HOLD a\r\nSequence: 1\r\n\r\nPUT b\r\nSequence: 2\r\nSize: 9\r\n\r\n123");
        pair.drive();
        pair.client.take();
        pair.server.stop();
        pair.drive();
        assert!(pair.client.read().is_empty(), "a is still under way");
        pair.server.answer("HOLD a", "done");
        pair.drive();
        match refused {
            true => assert_eq!(pair.client.read(), ["1: OK done", "shutting-down"]),
            false => assert_eq!(pair.client.read(), ["1: OK done", "2: shutting-down", "shutting-down"]),
        }
        assert_eq!(pair.server.heard(), ["HOLD a"]);
    }
}

#[test]
fn a_closing_gives_everything_owed_its_code() {
    for mut pair in [holding(Pair::new()), holding(Pair::clear())] {
        for (line, sequence) in [("HOLD a", "z"), ("HOLD b", "y"), ("HOLD c", "x")] {
            pair.client.send(line, sequence);
        }
        pair.client.send_one_way("HOLD d");
        pair.drive();
        pair.server.answer("HOLD b", "done");
        pair.server.close_with(Code::Removed, "by an operator");
        pair.client.send("GET never", "w");
        pair.drive();
        assert_eq!(pair.client.read(), ["y: OK done", "z: removed", "x: removed", "removed"]);
        assert_eq!(pair.server.heard().len(), 4);
        assert!(pair.server.session.owns_nothing());
        pair.server.close_with(Code::Idle, "");
        pair.drive();
        assert_eq!(pair.server.closed_with(), Some(Code::Removed), "the first reason counts");
        assert!(!pair.server.session.has_waiting());
    }
}

#[test]
fn a_closing_before_the_handshake_is_without_words() {
    let mut pair = Pair::new();
    pair.server.close_with(Code::Removed, "by an operator");
    pair.drive();
    assert_eq!(pair.down.log(), b"");
    assert_eq!(pair.server.closed_with(), Some(Code::Removed));
    assert!(pair.server.session.owns_nothing());
}

#[test]
fn a_close_notify_is_answered_behind_the_answers() {
    for mut pair in [holding(Pair::new()), holding(Pair::rustls())] {
        pair.client.send("HOLD a", "1");
        pair.client.send("GET b", "2");
        pair.client.close();
        pair.drive();
        assert_eq!(pair.client.take(), ["2: OK GET b"]);
        assert!(!pair.client.heard_close_notify());
        pair.server.answer("HOLD a", "done");
        pair.drive();
        assert_eq!(pair.client.take(), ["1: OK done"]);
        assert!(pair.client.heard_close_notify());
        assert_eq!(pair.server.ended(), Some(&Disconnect::Peer));
        assert!(pair.server.session.owns_nothing());
    }
}

#[test]
fn a_close_notify_in_one_flight_with_finished() {
    let mut pair = Pair::rustls();
    pair.up.is_held = true;
    pair.client.send("GET a", "1");
    pair.step();
    pair.up.is_held = false;
    pair.step();
    pair.up.is_held = true;
    pair.drive();
    pair.client.close();
    pair.drive();
    pair.up.is_held = false;
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK GET a"]);
    assert!(pair.client.heard_close_notify());
}

#[test]
fn a_close_notify_and_a_fin_still_get_their_answers() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "1");
    pair.client.close();
    pair.drive();
    pair.up.end();
    pair.drive();
    pair.server.answer("HOLD a", "done");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK done"]);
    assert_eq!(pair.client.end(), Some(&ClientEnd::Closed));
}

#[test]
fn a_close_notify_behind_half_a_head_ends_it() {
    let mut pair = Pair::rustls();
    pair.connect();
    pair.client.raw("GET a\r\nSequence: 1\r\n");
    pair.client.close();
    pair.drive();
    assert!(pair.server.heard().is_empty());
    assert!(pair.client.heard_close_notify());
}

#[test]
fn what_follows_a_close_notify_is_ignored() {
    let mut pair = holding(Pair::rustls());
    pair.client.send("HOLD a", "1");
    pair.client.close();
    pair.drive();
    pair.up.inject(&[0; 100]);
    pair.server.answer("HOLD a", "done");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK done"]);
    assert_eq!(pair.server.ended(), Some(&Disconnect::Peer));
}

#[test]
fn a_close_notify_with_garbage_in_the_same_flight() {
    let mut pair = holding(Pair::rustls());
    pair.up.is_held = true;
    pair.client.send("HOLD a", "1");
    pair.client.close();
    pair.drive();
    pair.up.inject(&[0; 100]);
    pair.up.is_held = false;
    pair.drive();
    pair.server.answer("HOLD a", "done");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK done"]);
    assert_eq!(pair.server.ended(), Some(&Disconnect::Peer));
}

#[test]
fn a_close_notify_while_the_socket_is_full_is_answered_once_it_is_not() {
    let mut pair = Pair::new();
    pair.connect();
    pair.server.script.says = Some(vec![b'x'; 1_050_000]);
    pair.down.room = 0;
    pair.client.send("GET a", "1");
    pair.client.close();
    pair.drive();
    pair.down.room = usize::MAX;
    pair.drive();
    assert_eq!(pair.client.answers().len(), 1);
    assert!(pair.client.heard_close_notify());
    assert_eq!(pair.server.ended(), Some(&Disconnect::Peer));
}

#[test]
fn a_close_notify_runs_what_waits_for_the_socket() {
    let mut pair = Pair::new();
    pair.connect();
    pair.server.script.says = Some(vec![b'x'; 1_050_000]);
    pair.down.room = 0;
    for number in 0..3 {
        pair.client.send("GET a", &number.to_string());
    }
    pair.client.close();
    pair.drive();
    assert_eq!(pair.server.heard().len(), 1);
    pair.down.room = usize::MAX;
    pair.drive();
    assert_eq!(pair.client.answers().len(), 3);
    assert!(pair.client.heard_close_notify());
}

#[test]
fn a_fin_alone_runs_what_is_complete_and_sends_nothing() {
    for mut pair in [holding(Pair::new()), holding(Pair::clear())] {
        let before = pair.down.log().len();
        pair.client.send("GET a", "1");
        pair.client.send("HOLD b", "2");
        pair.step(); // both are sealed and on their way
        pair.up.end();
        let log = pair.down.log().len();
        pair.drive();
        assert_eq!(pair.server.heard(), ["GET a", "HOLD b"]);
        assert_eq!(pair.server.ended(), Some(&Disconnect::Vanished));
        assert_eq!(pair.down.log().len(), log.max(before));
        assert!(pair.server.session.owns_nothing());
    }
}

#[test]
fn a_fin_behind_what_waits_for_its_turn_is_read_behind_it() {
    let mut pair = holding(Setup::default().limits(|limits| limits.in_flight = 1).clear());
    let lines = ["HOLD a", "HOLD b", "HOLD c"];
    for line in lines {
        pair.client.send_one_way(line);
    }
    pair.step();
    pair.up.end();
    for (number, line) in lines.into_iter().enumerate() {
        pair.drive();
        assert_eq!(pair.server.heard(), &lines[..=number], "each waits for the one before it");
        pair.server.answer(line, "");
    }
    pair.drive();
    assert_eq!(pair.server.ended(), Some(&Disconnect::Vanished));
}

#[test]
fn a_breach_behind_what_waits_is_told_although_a_fin_has_come() {
    let mut pair = holding(Setup::default().limits(|limits| limits.in_flight = 1).clear());
    pair.client.raw("HOLD a\r\nSequence: 1\r\n\r\nHOLD b\r\n\r\n\r\n");
    pair.step();
    pair.up.end();
    pair.drive();
    pair.server.answer("HOLD a", "done");
    pair.drive();
    assert_eq!(pair.server.heard(), ["HOLD a", "HOLD b"]);
    assert_eq!(pair.client.read(), ["1: OK done", "bad-command"]);
    assert_eq!(pair.server.closed_with(), Some(Code::BadCommand));
}

#[test]
fn a_fin_in_the_handshake_is_the_end() {
    let mut pair = Pair::new();
    pair.up.cut = 100;
    pair.step();
    pair.up.end();
    pair.drive();
    assert_eq!(pair.server.ended(), Some(&Disconnect::Vanished));
    assert_eq!(pair.server.connects(), 0);
}

#[test]
fn a_client_may_close_twice_and_listen_on() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "1");
    pair.client.close();
    pair.client.close();
    pair.drive();
    pair.server.answer("HOLD a", "done");
    pair.drive();
    pair.client.close();
    assert_eq!(pair.client.read(), ["1: OK done"]);
    assert_eq!(pair.client.end(), Some(&ClientEnd::Closed));
}

#[test]
fn a_client_reads_the_reason_although_it_still_writes() {
    let mut pair = Pair::new();
    pair.connect();
    pair.server.close_with(Code::NoLongerTrusted, "");
    pair.step();
    pair.client.send("GET a", "1");
    pair.drive();
    pair.client.send("GET b", "2");
    pair.drive();
    assert_eq!(pair.client.read(), ["no-longer-trusted"]);
    assert_eq!(pair.client.end(), Some(&ClientEnd::Closed));
}

#[test]
fn a_reply_cut_off_is_thrown_away() {
    let mut pair = Pair::clear();
    pair.connect();
    pair.down.inject(b"OK\r\nSequence: 1\r\nSize: 5\r\n\r\nhel");
    pair.down.end();
    pair.drive();
    assert!(pair.client.read().is_empty());
    assert_eq!(pair.client.end(), Some(&ClientEnd::Vanished));
}

#[test]
fn a_handshake_that_waits_for_the_socket_while_the_server_stops_goes_on() {
    let mut pair = Setup::default().limits(|limits| limits.unsent = 100).pair();
    pair.down.room = 0;
    pair.drive();
    assert!(pair.server.unsent() > 100);
    pair.server.stop();
    pair.drive();
    pair.down.room = usize::MAX;
    pair.drive();
    assert_eq!(pair.client.greeting(), Some("shutting-down: "));
}

#[test]
fn a_panic_behind_the_answer_is_told_to_the_connection() {
    let mut pair = Pair::new();
    pair.server.script.holds = vec!["HOLD"];
    pair.connect();
    pair.client.send("HOLD a", "1");
    pair.drive();
    let to = pair.server.held("HOLD a");
    pair.server.answer("HOLD a", "done");
    pair.server.session.between_turns(|session, replies| session.close_after(&to, Code::Failed, "", replies));
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK done", "failed"]);
}
