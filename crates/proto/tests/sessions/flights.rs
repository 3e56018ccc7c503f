//! Commands in flight: equal sequences, CANCEL, Timeout, too many, too much unsent.

use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_testkit::Pair;
use pinwire_testkit::pair::Setup;

fn holding(mut pair: Pair) -> Pair {
    pair.server.script.holds = vec!["HOLD"];
    pair.connect();
    pair
}

#[test]
fn an_answer_between_turns_arrives() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "1");
    pair.client.send("GET b", "2");
    pair.drive();
    assert_eq!(pair.client.take(), ["2: OK GET b"]);
    assert!(!pair.server.session.owns_nothing());
    pair.server.answer("HOLD a", "late");
    pair.drive();
    assert_eq!(pair.client.take(), ["1: OK late"]);
    assert!(pair.server.session.owns_nothing());
    pair.server.answer("HOLD a", "twice");
    pair.drive();
    assert!(pair.client.read().is_empty(), "one answer each");
}

#[test]
fn a_sequence_that_runs_may_not_be_used_again() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "1");
    pair.client.send("HOLD b", "2");
    pair.client.send("GET c", "1");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: duplicate-sequence", "2: duplicate-sequence", "duplicate-sequence"]);
    assert_eq!(pair.server.heard().len(), 2);
    assert_eq!(pair.server.closed_with(), Some(Code::DuplicateSequence));
}

#[test]
fn nor_one_that_is_answered_in_the_same_turn() {
    let mut pair = Pair::new();
    pair.connect();
    pair.client.send("GET a", "1");
    pair.client.send("GET b", "1");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK GET a", "duplicate-sequence"]);
}

#[test]
fn nor_one_that_is_answered_and_unsent() {
    let mut pair = Pair::new();
    pair.connect();
    pair.server.script.says = Some(vec![b'x'; 1_000]);
    pair.down.room = 0;
    pair.client.send("GET a", "1");
    pair.drive();
    assert!(pair.server.unsent() > 1_000);
    pair.client.send("GET b", "1");
    pair.drive();
    assert_eq!(pair.server.heard(), ["GET a"]);
    assert_eq!(pair.server.closed_with(), Some(Code::DuplicateSequence));
    pair.down.room = usize::MAX;
    pair.drive();
    assert_eq!(pair.client.answers().len(), 2, "the answer comes before the reason");
}

#[test]
fn a_sequence_is_free_once_its_answer_was_sent() {
    let mut pair = Pair::new();
    pair.connect();
    for _ in 0..3 {
        pair.client.send("GET a", "1");
        pair.drive();
    }
    assert_eq!(pair.client.read(), ["1: OK GET a", "1: OK GET a", "1: OK GET a"]);
}

#[test]
fn cancel_of_a_running_command_is_its_answer() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "1");
    pair.client.send_one_way("CANCEL 1");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: cancelled"]);
    assert_eq!(pair.server.cancelled(), [pair.server.held("HOLD a").flight]);
    pair.server.answer("HOLD a", "late");
    pair.drive();
    assert_eq!(pair.client.read().len(), 1);
    assert!(pair.server.session.owns_nothing());
}

#[test]
fn a_late_answer_never_reaches_a_later_command_of_the_same_sequence() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "1");
    pair.client.send_one_way("CANCEL 1");
    pair.drive();
    pair.client.send("HOLD b", "1");
    pair.drive();
    pair.server.answer("HOLD a", "a's");
    pair.drive();
    assert_eq!(pair.client.take(), ["1: cancelled"]);
    pair.server.answer("HOLD b", "b's");
    pair.drive();
    assert_eq!(pair.client.take(), ["1: OK b's"]);
}

#[test]
fn cancel_of_anything_else_does_nothing() {
    let mut pair = holding(Pair::new());
    pair.client.send("GET a", "1");
    pair.client.send("HOLD b", "2");
    for line in ["CANCEL 1", "CANCEL 9", "CANCEL", "cancel 2", "CANCEL 2", "Cancel 2 3"] {
        pair.client.send_one_way(line);
    }
    pair.client.send("GET c", "3");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK GET a", "2: cancelled", "3: OK GET c"]);
    assert_eq!(pair.server.heard(), ["GET a", "HOLD b", "GET c"], "a handler never hears CANCEL");
}

#[test]
fn cancel_ignores_its_own_sequence_and_reads_over_its_body() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "1");
    pair.client.send_body("CANCEL 1", "1", "GET x\r\nSequence: 7\r\n\r\n");
    pair.client.send_body("CANCEL 1", "5", "GET y");
    pair.client.send("GET b", "5");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: cancelled", "5: OK GET b"]);
}

#[test]
fn a_timeout_answers_and_later_answers_are_dropped() {
    let mut pair = Pair::clear();
    pair.server.script.holds = vec!["HOLD"];
    pair.client.raw("HOLD a\r\nSequence: 1\r\nTimeout: 1.5\r\n\r\n");
    pair.client.raw("HOLD b\r\nTimeout: 1\r\n\r\n");
    pair.drive();
    pair.wait(Duration::from_millis(1_499));
    assert!(pair.client.read().is_empty());
    pair.wait(Duration::from_millis(1));
    assert_eq!(pair.client.read(), ["1: timed-out"]);
    pair.server.answer("HOLD a", "late");
    pair.server.answer("HOLD b", "late");
    pair.drive();
    assert_eq!(pair.client.read().len(), 1);
    assert!(pair.server.session.owns_nothing());
}

#[test]
fn a_timeout_is_capped() {
    let mut pair = Setup::default().limits(|limits| limits.timeout = Duration::from_secs(5)).clear();
    pair.server.script.holds = vec!["HOLD"];
    pair.client.raw("HOLD a\r\nSequence: 1\r\nTimeout: 999999999\r\n\r\n");
    pair.drive();
    pair.wait(Duration::from_secs(5));
    assert_eq!(pair.client.read(), ["1: timed-out"]);
}

#[test]
fn a_timeout_counts_from_the_head_and_the_handler_never_sees_what_came_too_late() {
    let mut pair = Pair::clear();
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 4\r\nTimeout: 1\r\n\r\n12");
    pair.drive();
    pair.wait(Duration::from_secs(2));
    pair.client.raw("34GET b\r\nSequence: 2\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: timed-out", "2: OK GET b"]);
    assert_eq!(pair.server.heard(), ["GET b"]);
}

#[test]
fn a_timeout_does_not_wait_for_the_body() {
    let mut pair = Pair::clear();
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 14\r\nTimeout: 1\r\n\r\nGET x\r\n");
    pair.client.raw("");
    pair.drive();
    pair.wait(Duration::from_secs(1));
    assert_eq!(pair.client.read(), ["1: timed-out"]);
    pair.client.raw("\r\nGET yGET b\r\nSequence: 1\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.read(), ["1: timed-out", "1: OK GET b"]);
    assert_eq!(pair.server.heard(), ["GET b"]);
    assert!(pair.server.session.owns_nothing());
}

#[test]
fn one_too_many_is_overloaded_at_once() {
    let mut pair = holding(Pair::new());
    pair.server.script.reserves = Some(0); // short answers: not what they owe bounds them
    for number in 0..1_025 {
        pair.client.send("HOLD a", &number.to_string());
    }
    pair.client.send_body("PUT b", "x", "GET y\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.take(), ["1024: overloaded", "x: overloaded"]);
    assert_eq!(pair.server.heard().len(), 1_024);
    pair.client.send_one_way("CANCEL 7");
    pair.client.send("GET c", "1024");
    pair.drive();
    assert_eq!(pair.client.take(), ["7: cancelled", "1024: OK GET c"]);
}

#[test]
fn half_a_head_is_no_reason_to_stop_reading() {
    let mut pair = holding(Setup::default().limits(|limits| limits.in_flight = 1).clear());
    pair.client.send("HOLD a", "1");
    pair.drive();
    pair.client.raw("CANC");
    pair.drive();
    pair.client.raw("EL 1\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.take(), ["1: cancelled"]);
}

#[test]
fn one_way_ones_count_and_wait_and_reading_stops() {
    let mut pair = holding(Setup::default().limits(|limits| limits.in_flight = 2).pair());
    pair.client.send("HOLD a", "1");
    pair.client.send_one_way("HOLD b");
    pair.client.send_one_way("HOLD c");
    pair.client.send("GET d", "2");
    pair.drive();
    assert_eq!(pair.server.heard(), ["HOLD a", "HOLD b"]);
    for _ in 0..100 {
        pair.client.send_one_way("FLOOD");
        pair.drive();
    }
    assert!(pair.up.waiting() > 2_000, "the flood waits outside: {}", pair.up.waiting());
    assert!(pair.client.read().is_empty(), "nothing behind it is looked at");
    pair.server.answer("HOLD b", "");
    pair.drive();
    assert_eq!(pair.client.take(), ["2: overloaded"], "c runs now");
    pair.server.answer("HOLD a", "");
    pair.drive();
    assert_eq!(pair.server.heard().len(), 103);
    assert_eq!(pair.up.waiting(), 0);
}

#[test]
fn above_the_unsent_bound_no_further_command_begins() {
    let mut pair = Pair::new();
    pair.connect();
    pair.server.script.says = Some(vec![b'x'; 400_000]);
    pair.down.room = 0;
    for number in 0..10 {
        pair.client.send("GET a", &number.to_string());
    }
    pair.drive();
    assert_eq!(pair.server.heard().len(), 3, "1,200,000 bytes are above the bound");
    pair.client.send("GET b", "b");
    pair.drive();
    assert!(pair.up.waiting() > 0, "reading stops");
    pair.down.room = usize::MAX;
    pair.drive();
    assert_eq!(pair.client.answers().len(), 11);
    assert!(pair.server.session.owns_nothing());
}

#[test]
fn reading_goes_on_once_the_socket_has_taken_what_waited() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "1");
    pair.drive();
    pair.down.room = 0;
    pair.server.answer("HOLD a", vec![b'x'; 1_050_000]);
    pair.drive();
    pair.client.send("GET b", "2");
    pair.drive();
    assert!(pair.up.waiting() > 0, "nobody reads it");
    pair.down.room = usize::MAX;
    pair.drive();
    assert_eq!(pair.client.answers().len(), 2);
}

#[test]
fn what_waits_for_the_socket_does_not_grow() {
    let mut pair = Pair::new();
    pair.connect();
    pair.server.script.says = Some(vec![b'x'; 1_050_000]);
    // The socket takes just enough at a time for one more command to begin.
    for number in 0..20_000 {
        pair.client.send("GET a", &number.to_string());
    }
    pair.down.room = 4_000_000;
    for _ in 0..10 {
        pair.step();
    }
    assert!(
        pair.up.waiting() > 300_000,
        "{} read, {} heard",
        400_000 - pair.up.waiting(),
        pair.server.heard().len()
    );
}

#[test]
fn a_server_that_stops_while_commands_wait_for_the_socket_does_not_spin() {
    let mut pair = holding(Pair::new());
    pair.server.script.says = Some(vec![b'x'; 1_050_000]);
    pair.down.room = 0;
    pair.client.send("HOLD a", "1");
    pair.client.send("GET b", "2");
    pair.client.send("GET c", "3");
    pair.drive();
    pair.server.stop();
    pair.down.room = usize::MAX;
    pair.drive(); // comes to rest
    pair.server.answer("HOLD a", "done");
    pair.drive();
    let said: Vec<_> =
        pair.client.answers().iter().map(|answer| answer.sequence.map(|s| s.to_string())).collect();
    assert_eq!(said, [Some("2".to_owned()), Some("1".to_owned()), None]);
}
