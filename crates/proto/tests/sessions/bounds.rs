//! What keeps a command waiting: what is owed, what the whole server has room for, what a turn may run.

use std::sync::Arc;
use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::limits::HEAD;
use pinwire_proto::session::{Disconnect, Room};
use pinwire_proto::tally::Tally;
use pinwire_testkit::Pair;
use pinwire_testkit::pair::Setup;

const SECOND: Duration = Duration::from_secs(1);
const NO_ROOM: Room = Room { out: 0, come: 0 };

fn holding(mut pair: Pair) -> Pair {
    pair.server.script.holds = vec!["HOLD"];
    pair.connect();
    pair
}

#[test]
fn what_begun_commands_may_owe_is_reserved_before_the_next_begins() {
    let mut pair = holding(Setup::default().limits(|limits| limits.owed = 50_000).pair());
    pair.server.script.reserves = Some(20_000);
    for number in 0..10 {
        pair.client.send(&format!("HOLD {number}"), &number.to_string());
    }
    pair.drive();
    // The third began at 40,000: a client costs its bound, and one reply more.
    assert_eq!((pair.server.heard().len(), pair.server.session.kept_out()), (3, 60_000));
    for number in 0..10 {
        assert_eq!(pair.server.heard().len(), 10.min(number + 3));
        pair.server.answer(&format!("HOLD {number}"), "done");
        pair.drive();
        assert_eq!(pair.client.take(), [format!("{number}: OK done")]);
    }
    assert!(pair.server.session.owns_nothing());
}

#[test]
fn a_command_that_is_taken_back_owes_nothing() {
    let mut pair = holding(Setup::default().limits(|limits| limits.owed = 1).pair());
    pair.client.send("HOLD a", "1");
    pair.client.send_one_way("CANCEL 1"); // before it nothing waits
    pair.client.send("HOLD b", "2");
    pair.client.send("HOLD c", "3");
    pair.drive();
    assert_eq!(pair.server.heard(), ["HOLD a", "HOLD b"]);
    pair.server.answer_error("HOLD b", Code::NotFound);
    pair.drive();
    assert_eq!(pair.client.take(), ["1: cancelled", "2: not-found"]);
    assert_eq!(pair.server.heard().len(), 3);
}

#[test]
fn an_answer_longer_than_its_reservation_is_misuse() {
    let mut pair = holding(Pair::new());
    pair.server.script.reserves = Some(0);
    pair.client.send("HOLD a", "1");
    pair.drive();
    let to = pair.server.held("HOLD a");
    let mut replies = Vec::new();
    let body = vec![b'x'; HEAD];
    let misuse = pair.server.session.ok(&to, &mut replies, |reply| {
        reply.body(&body);
        Ok(())
    });
    assert_eq!(misuse.unwrap_err().to_string(), "a reply of 8095 bytes of at most 8064");
    assert!(replies.is_empty() && pair.server.session.is_owed(&to), "it can still be answered `failed`");
    pair.server.answer("HOLD a", &body[..8_000]);
    pair.drive();
    assert_eq!(pair.client.answers().last().unwrap().body.len(), 8_000);
}

#[test]
fn without_room_nothing_begins_until_there_is_some() {
    let mut pair = holding(Pair::new());
    pair.server.room = NO_ROOM;
    pair.client.send("GET a", "1");
    pair.client.send_body("PUT b", "2", "GET not a command\r\n\r\n");
    pair.client.send_one_way("GET c");
    pair.drive(); // comes to rest: it does not spin
    assert!(pair.server.heard().is_empty() && pair.server.session.is_starved());
    pair.server.give(Room::default());
    pair.drive();
    assert_eq!(pair.server.heard(), ["GET a", "PUT b", "GET c"]);
    assert!(!pair.server.session.is_starved());
}

#[test]
fn a_command_whose_body_completes_waits_for_room_too() {
    let mut pair = holding(Pair::clear());
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 4\r\n\r\nbo");
    pair.drive();
    pair.server.room = Room { out: 0, come: 100 };
    pair.client.raw("dyGET b\r\nSequence: 2\r\n\r\n");
    pair.drive();
    assert!(pair.server.heard().is_empty() && pair.server.session.is_starved());
    pair.server.give(Room::default());
    pair.drive();
    assert_eq!(pair.server.heard(), ["PUT a", "GET b"]);
    assert_eq!(pair.server.bodies()[0], b"body");
}

#[test]
fn what_is_starved_still_ends_in_words_when_the_server_stops() {
    let mut pair = holding(Pair::new());
    pair.server.room = NO_ROOM;
    pair.client.send("GET a", "1");
    pair.drive();
    pair.server.stop();
    pair.drive();
    assert_eq!(pair.client.read(), ["shutting-down"], "it was not begun");
}

#[test]
fn what_waits_for_room_with_its_body_does_not_begin_once_the_server_stops() {
    let mut pair = holding(Pair::clear());
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 4\r\n\r\nbo");
    pair.drive();
    pair.server.room = NO_ROOM;
    pair.client.raw("dy");
    pair.drive();
    pair.server.stop();
    pair.server.give(Room::default());
    pair.drive();
    assert!(pair.server.heard().is_empty());
    assert_eq!(pair.client.read(), ["1: shutting-down", "shutting-down"]);
}

#[test]
fn whoever_is_starved_is_neither_idle_nor_late() {
    let mut pair = holding(Pair::new());
    pair.server.room = NO_ROOM;
    pair.client.send("GET a", "1");
    pair.drive();
    pair.wait(100_000 * SECOND);
    pair.server.give(Room::default());
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK GET a"]);
}

#[test]
fn a_starved_client_that_said_goodbye_is_answered_first() {
    let mut pair = holding(Pair::new());
    pair.server.room = NO_ROOM;
    pair.client.send("GET a", "1");
    pair.client.close();
    pair.drive();
    assert!(pair.client.read().is_empty());
    pair.server.give(Room::default());
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK GET a"]);
    assert!(pair.client.heard_close_notify());
}

#[test]
fn a_body_for_which_there_is_no_room_is_answered_and_read_over() {
    let mut pair = holding(Pair::clear());
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 5000\r\n\r\n");
    pair.drive();
    let head = pair.server.session.kept_come();
    assert!(head > 0, "what is announced and does not come is kept too");
    pair.server.room = Room { out: usize::MAX, come: head + 1_000 };
    pair.client.raw([b'x'; 1_000]);
    pair.drive();
    assert_eq!(pair.server.session.kept_come(), head + 1_000);
    pair.client.raw([b'x'; 1]);
    pair.drive();
    assert_eq!(pair.client.take(), ["1: overloaded"]);
    assert_eq!(pair.server.session.kept_come(), 0, "what was kept of it is given back");
    pair.client.raw([b'x'; 3_999]);
    pair.client.raw("GET b\r\nSequence: 2\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.take(), ["2: OK GET b"], "and what follows it is a command");
}

#[test]
fn a_body_that_comes_in_one_piece_needs_no_room() {
    let mut pair = holding(Pair::clear());
    pair.server.room = Room { out: usize::MAX, come: 0 };
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 4\r\n\r\nbody");
    pair.drive();
    assert_eq!(pair.client.take(), ["1: OK body"]);
}

#[test]
fn a_turn_runs_as_many_commands_as_it_may_and_the_next_goes_on() {
    let mut pair = holding(Setup::default().limits(|limits| limits.events_per_turn = 4).clear());
    let commands: String =
        (0..10).map(|number| format!("GET {number}\r\nSequence: {number}\r\n\r\n")).collect();
    pair.client.raw(commands);
    let before = pair.server.turns();
    pair.client_turn(usize::MAX);
    for heard in [4, 8, 10] {
        pair.server_turn(usize::MAX);
        assert_eq!(pair.server.heard().len(), heard);
        assert_eq!(pair.server.session.yields(), heard < 10);
    }
    pair.drive();
    assert_eq!(pair.client.read().len(), 10);
    assert!(pair.server.turns() - before <= 5);
}

#[test]
fn a_command_whose_body_ends_in_a_turn_is_one_of_those_that_it_runs() {
    let mut pair = holding(Setup::default().limits(|limits| limits.events_per_turn = 2).clear());
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 4\r\n\r\nbo");
    pair.drive();
    pair.client.raw("dyGET b\r\nSequence: 2\r\n\r\nGET c\r\nSequence: 3\r\n\r\n");
    pair.client_turn(usize::MAX);
    pair.server_turn(usize::MAX);
    assert_eq!(pair.server.heard(), ["PUT a", "GET b"]);
    pair.drive();
    assert_eq!(pair.server.heard().len(), 3);
}

#[test]
fn nothing_is_read_while_commands_of_the_last_turn_wait() {
    let mut pair = holding(Setup::default().limits(|limits| limits.events_per_turn = 1).clear());
    pair.client.raw("GET a\r\nSequence: 1\r\n\r\nGET b\r\nSequence: 2\r\n\r\n");
    pair.client_turn(usize::MAX);
    pair.server_turn(usize::MAX);
    assert_eq!(pair.server.heard().len(), 1);
    pair.client.raw("GET c\r\nSequence: 3\r\n\r\n");
    pair.client_turn(usize::MAX);
    let read = pair.server.read();
    pair.server_turn(usize::MAX);
    assert_eq!((pair.server.heard().len(), pair.server.read()), (2, read));
    pair.drive();
    assert_eq!(pair.server.heard().len(), 3);
}

#[test]
fn what_is_said_is_counted() {
    let tally = Arc::new(Tally::default());
    let mut pair = holding(Pair::new());
    pair.server.session.count_in(Arc::clone(&tally));
    pair.client.send("GET a", "1");
    pair.client.send("HOLD b", "2");
    pair.client.send("HOLD c", "3");
    pair.client.send_one_way("GET d");
    pair.client.send_one_way("CANCEL 2");
    pair.drive();
    pair.server.close_with(Code::Removed, "");
    pair.drive();
    assert_eq!((tally.commands.get(), tally.ok.get(), tally.dropped.get()), (4, 1, 1));
    assert_eq!(tally.errors.all(), [(Code::Cancelled, 1), (Code::Removed, 1)]);
}

#[test]
fn where_there_is_no_room_a_body_must_come_on_within_a_second() {
    let mut pair = holding(Pair::clear());
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 5000\r\n\r\n");
    pair.drive();
    for _ in 0..3 {
        pair.drift(SECOND);
        pair.client.raw([b'x'; 1_024]);
        pair.drive();
        let now = pair.now();
        assert!(!pair.server.press(now), "it came on");
    }
    pair.drift(2 * SECOND);
    pair.client.raw([b'x'; 1_023]);
    pair.drive();
    let now = pair.now();
    assert!(pair.server.press(now));
    pair.client.raw([b'x'; 905]);
    pair.client.raw("GET b\r\nSequence: 2\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.take(), ["1: overloaded", "2: OK GET b"]);
}

#[test]
fn where_there_is_no_room_a_head_must_be_complete_within_a_second() {
    let mut pair = holding(Pair::clear());
    pair.client.raw("GET");
    pair.drive();
    pair.drift(SECOND);
    let now = pair.now();
    assert!(!pair.server.press(now));
    pair.drift(SECOND);
    let now = pair.now();
    assert!(pair.server.press(now));
    pair.drive();
    let told = "bad-command: a head must be complete 1s after its first byte";
    assert_eq!(pair.client.read().len(), 1);
    assert!(matches!(pair.server.ended(), Some(Disconnect::Closed { text, .. }) if told.ends_with(text)));
}

#[test]
fn who_waits_for_its_answers_to_be_taken_is_remembered_and_that_is_counted() {
    let mut pair = holding(Pair::clear());
    pair.server.script.says = Some(Vec::new());
    pair.down.room = 0;
    for number in 0..1_000 {
        pair.client.raw(format!("GET a\r\nSequence: {number}\r\n\r\n"));
    }
    pair.drive();
    assert_eq!(pair.server.heard().len(), 1_000);
    assert!(pair.server.session.kept_out() > pair.server.unsent(), "each answer has 30 bytes");
    pair.down.room = usize::MAX;
    pair.drive();
    assert!(pair.server.session.owns_nothing());
}

#[test]
fn pressing_does_nothing_to_those_who_keep_nothing() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "1");
    pair.drive();
    pair.drift(3_600 * SECOND);
    let now = pair.now();
    assert!(!pair.server.press(now));
    pair.server.answer("HOLD a", "done");
    pair.drive();
    assert_eq!(pair.client.take(), ["1: OK done"]);
}

#[test]
fn without_room_nothing_is_read_either() {
    let mut pair = holding(Pair::new());
    pair.client.send("GET a", "1");
    pair.drive();
    pair.server.room = NO_ROOM;
    let read = pair.server.read();
    pair.client.send("GET b", "2");
    pair.drive();
    assert_eq!((pair.server.read(), pair.server.session.kept_come()), (read, 0));
    assert!(pair.server.session.is_starved(), "somebody has to wake it");
    pair.server.give(Room::default());
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK GET a", "2: OK GET b"]);
}

#[test]
fn a_timeout_runs_while_its_command_waits() {
    let mut pair = holding(Setup::default().limits(|limits| limits.owed = 1).clear());
    pair.client.raw("HOLD a\r\nSequence: 1\r\n\r\n");
    pair.client.raw("PUT b\r\nSequence: 2\r\nTimeout: 5\r\nSize: 9\r\n\r\nGET x\r\n\r\n");
    pair.client.raw("GET c\r\nSequence: 3\r\n\r\n");
    pair.drive();
    pair.wait(4 * SECOND);
    pair.drive();
    assert!(pair.client.take().is_empty());
    pair.wait(SECOND);
    let deadline = pair.server.session.deadline();
    assert!(deadline.is_none_or(|deadline| deadline > pair.now().instant), "it would be asked for ever");
    pair.drive();
    assert_eq!(pair.client.take(), ["2: timed-out"]);
    pair.server.answer("HOLD a", "done");
    pair.drive();
    assert_eq!(pair.client.take(), ["1: OK done", "3: OK GET c"]);
    assert_eq!(pair.server.heard(), ["HOLD a", "GET c"], "what timed out did not begin");
}

#[test]
fn where_there_is_no_room_a_record_must_come_on_within_a_second() {
    let mut pair = holding(Pair::new());
    pair.wait(100 * SECOND);
    pair.client.send_body("PUT a", "1", vec![b'x'; 10_000]);
    pair.client_turn(usize::MAX);
    pair.server_turn(5_000);
    assert!(pair.server.session.kept_come() > 4_000);
    let now = pair.now();
    assert!(!pair.server.press(now), "it has just come");
    pair.drift(2 * SECOND);
    let now = pair.now();
    assert!(pair.server.press(now));
    assert_eq!(pair.server.closed_with(), Some(Code::BadCommand));
}
