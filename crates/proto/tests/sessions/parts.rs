//! Answers in parts: their order, what bounds them, and how they end.

use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::session::Room;
use pinwire_testkit::Pair;
use pinwire_testkit::pair::Setup;

fn watching(mut pair: Pair, lines: &[&str]) -> Pair {
    pair.server.script.streams = vec!["WATCH"];
    pair.server.script.holds = vec!["HOLD"];
    pair.connect();
    for (line, sequence) in lines.iter().zip("abcdef".chars()) {
        pair.client.send(line, &sequence.to_string());
    }
    pair.drive();
    pair
}

#[test]
fn parts_come_in_order_until_the_last_word() {
    let mut pair = watching(Pair::new(), &["WATCH x"]);
    assert!(pair.client.read().is_empty());
    pair.server.push("WATCH x", "1");
    pair.drive();
    pair.server.push("WATCH x", "2");
    pair.server.push("WATCH x", "");
    pair.client.send("GET y", "g");
    pair.drive();
    assert_eq!(pair.client.take(), ["a: PART 1", "g: OK GET y", "a: PART 2", "a: PART "]);
    pair.server.end_stream("WATCH x", "");
    pair.drive();
    assert_eq!(pair.client.take(), ["a: OK "]);
    assert!(pair.server.session.owns_nothing());
    pair.server.push("WATCH x", "late");
    pair.drive();
    assert!(pair.client.read().is_empty(), "its last word was said");
}

#[test]
fn a_part_says_more_and_an_error_never_does() {
    let mut pair = watching(Pair::clear(), &["WATCH x"]);
    pair.server.push("WATCH x", "hello");
    pair.drive();
    pair.server.end_stream("WATCH x", "");
    pair.drive();
    let said = String::from_utf8_lossy(pair.down.log()).into_owned();
    let part = "OK\r\nSequence: a\r\nSize: 5\r\nMore: yes\r\n\r\nhello";
    assert!(said.ends_with(&format!("{part}OK\r\nSequence: a\r\nSize: 0\r\n\r\n")), "{said}");
}

#[test]
fn a_stream_that_is_taken_back_ends_at_once_and_its_parts_are_dropped() {
    let mut pair = watching(Pair::new(), &["WATCH x", "WATCH y"]);
    pair.client.send_one_way("CANCEL a");
    pair.server.push("WATCH x", "dropped");
    pair.server.push("WATCH y", "kept");
    pair.drive();
    assert_eq!(pair.client.take(), ["a: cancelled", "b: PART kept"]);
    assert_eq!(pair.server.cancelled().len(), 1);
    pair.client.send("WATCH z", "a");
    pair.drive();
    pair.server.push("WATCH z", "again");
    pair.drive();
    assert_eq!(pair.client.read(), ["a: PART again"], "the sequence is free");
}

#[test]
fn its_time_is_up_as_any_commands() {
    let mut pair = watching(Pair::clear(), &[]);
    pair.client.raw("WATCH x\r\nSequence: 1\r\nTimeout: 5\r\n\r\n");
    pair.drive();
    pair.server.push("WATCH x", "in time");
    let to = pair.server.stream("WATCH x");
    pair.wait(Duration::from_secs(4));
    let now = pair.now();
    assert_eq!(to.deadline, Some(now.instant + Duration::from_secs(1)));
    pair.server.time_out(&to);
    pair.drive();
    assert_eq!(pair.client.read(), ["1: PART in time", "1: timed-out"]);
}

#[test]
fn an_open_stream_is_not_idle() {
    let mut pair = watching(Pair::new(), &["WATCH x"]);
    pair.wait(Duration::from_secs(100_000));
    pair.server.push("WATCH x", "still here");
    pair.drive();
    assert_eq!(pair.client.take(), ["a: PART still here"]);
    pair.server.end_stream("WATCH x", "");
    pair.drive();
    pair.wait(Duration::from_secs(599));
    assert_eq!(pair.client.take(), ["a: OK "]);
    pair.wait(Duration::from_secs(2));
    assert_eq!(pair.client.read(), ["idle"]);
}

#[test]
fn the_clients_goodbye_ends_streams_and_waits_for_answers() {
    let mut pair = watching(Pair::new(), &["WATCH x", "HOLD y", "WATCH z"]);
    pair.client.close();
    pair.drive();
    assert_eq!(pair.client.take(), ["a: cancelled", "c: cancelled"]);
    assert_eq!(pair.server.cancelled().len(), 2);
    pair.server.push("WATCH x", "nobody hears it");
    pair.server.answer("HOLD y", "done");
    pair.drive();
    assert_eq!(pair.client.read(), ["b: OK done"]);
    assert!(pair.client.heard_close_notify());
}

#[test]
fn a_stop_ends_streams_and_waits_for_answers() {
    let mut pair = watching(Pair::new(), &["WATCH x", "HOLD y"]);
    pair.server.stop();
    pair.drive();
    assert_eq!(pair.client.take(), ["a: shutting-down"]);
    pair.server.answer("HOLD y", "done");
    pair.drive();
    assert_eq!(pair.client.read(), ["b: OK done", "shutting-down"]);
}

#[test]
fn a_closing_gives_streams_its_code() {
    let mut pair = watching(Pair::new(), &["WATCH x", "WATCH y"]);
    pair.server.push("WATCH x", "before");
    pair.drive();
    pair.server.cut(Code::NoLongerTrusted, "");
    pair.server.push("WATCH y", "after");
    pair.drive();
    let heard = ["a: PART before", "a: no-longer-trusted", "b: no-longer-trusted", "no-longer-trusted"];
    assert_eq!(pair.client.read(), heard);
}

#[test]
fn whoever_does_not_read_is_sent_no_more_than_the_limit_and_a_part() {
    let setup = Setup::default().limits(|limits| limits.unsent = 100_000);
    let mut pair = watching(setup.clear(), &["WATCH x", "WATCH y"]);
    pair.down.room = 0;
    for _ in 0..100 {
        pair.server.push("WATCH x", vec![b'x'; 10_000]);
        pair.server.push("WATCH y", vec![b'y'; 10_000]);
    }
    pair.drive();
    assert!((100_001..111_000).contains(&pair.server.unsent()), "{}", pair.server.unsent());
    let waiting = pair.server.parts_waiting();
    assert_eq!(waiting, 200 - 10, "what was not written was not asked for");
    pair.client.send_one_way("CANCEL a");
    pair.down.room = usize::MAX;
    pair.drive();
    let heard = pair.client.read();
    assert_eq!(heard.iter().filter(|line| line.starts_with("b: PART")).count(), 100, "all of y's came");
    assert_eq!(pair.server.parts_waiting(), 0);
}

#[test]
fn parts_wait_for_room_that_the_other_connections_leave() {
    let mut pair = watching(Pair::clear(), &["WATCH x"]);
    pair.server.give(Room { out: 0, ..Room::default() });
    pair.server.push("WATCH x", "1");
    pair.drive();
    assert!(pair.client.read().is_empty());
    assert!(pair.server.session.is_starved());
    pair.server.give(Room::default());
    pair.drive();
    assert_eq!(pair.client.read(), ["a: PART 1"]);
    assert!(!pair.server.session.is_starved());
}

/// They live for days: what they held back nobody else could have.
#[test]
fn open_streams_keep_nothing_of_the_servers_room() {
    let mut pair = watching(Pair::clear(), &["WATCH x", "WATCH y", "WATCH z"]);
    assert_eq!(pair.server.session.kept_out(), 0);
    pair.server.give(Room { out: 1, ..Room::default() });
    pair.client.send("GET w", "g");
    pair.server.push("WATCH x", "1");
    pair.drive();
    assert_eq!(pair.client.read(), ["g: OK GET w", "a: PART 1"]);
}

#[test]
fn a_turn_has_so_many_parts_and_then_the_others_have_theirs() {
    let setup = Setup::default().limits(|limits| limits.events_per_turn = 4);
    let mut pair = watching(setup.clear(), &["WATCH x"]);
    for part in 0..10 {
        pair.server.push("WATCH x", part.to_string());
    }
    let mut left = Vec::new();
    while pair.server_turn(usize::MAX) {
        left.push(pair.server.parts_waiting());
        assert_eq!(pair.server.session.yields(), pair.server.parts_waiting() > 0);
    }
    assert_eq!(left[..3], [6, 2, 0]);
    pair.drive();
    assert_eq!(pair.client.read().len(), 10);
}

#[test]
fn many_streams_are_bounded_as_any_commands_in_flight() {
    let setup = Setup::default().limits(|limits| limits.in_flight = 2);
    let mut pair = watching(setup.pair(), &["WATCH x", "WATCH y", "WATCH z"]);
    assert_eq!(pair.client.take(), ["c: overloaded"]);
    pair.client.send_one_way("CANCEL b");
    pair.client.send("WATCH z", "d");
    pair.drive();
    pair.server.push("WATCH z", "1");
    pair.drive();
    assert_eq!(pair.client.read(), ["b: cancelled", "d: PART 1"]);
}
