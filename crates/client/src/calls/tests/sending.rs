//! What leaves, when, and in which order.

use std::time::Duration;

use pinwire_proto::wire::Request;

use super::story::{PATIENCE, Story, reply};
use crate::Limits;

#[test]
fn a_command_carries_a_sequence_and_what_is_left_of_its_time() {
    let mut story = Story::connected();
    story.call(7, "GET a");
    story.wait(Duration::from_millis(1_500));
    assert_eq!(story.says(), "GET a\r\nSequence: 1\r\nTimeout: 8.500\r\n\r\n");
    story.request(8, Request::new("PUT").arg("b").body("x").timeout(Duration::from_secs(2)));
    assert_eq!(story.says(), "PUT b\r\nSequence: 2\r\nTimeout: 2\r\nSize: 1\r\n\r\nx");
}

#[test]
fn before_the_greeting_only_what_may_be_repeated_leaves() {
    let mut story = Story::new(Limits::default(), true);
    story.call(1, "PUT a");
    story.ask(2, "GET a");
    assert_eq!(story.lines(), [""; 0], "nobody is there");
    story.reach();
    assert_eq!(story.lines(), ["GET a #1"]);
    story.hears("OK\r\n");
    assert_eq!(story.lines(), ["PUT a #2"]);
}

#[test]
fn before_the_greeting_no_more_leaves_than_a_refusing_server_reads() {
    let mut story = Story::new(Limits { unsent: usize::MAX, ..Limits::default() }, true);
    for number in 1..=3 {
        story.request(number, Request::new("PUT").body(vec![b'x'; 50_000]).repeatable());
    }
    story.request(4, Request::new("PUT").body(vec![b'x'; 1_000_000]).repeatable());
    story.reach();
    let early = story.says().len();
    assert!(early > 100_000 && early < 128 * 1024, "{early}");
    story.hears("OK\r\n");
    assert!(story.says().len() > 1_050_000);
}

#[test]
fn only_so_many_are_in_flight_and_the_oldest_goes_first() {
    let mut story = Story::new(Limits { in_flight: 2, ..Limits::default() }, true);
    story.connect();
    for number in 1..=4 {
        story.call(number, &format!("C {number}"));
    }
    assert_eq!(story.lines(), ["C 1 #1", "C 2 #2"]);
    assert_eq!(story.lines(), [""; 0]);
    story.hears(reply(2, "b"));
    assert_eq!(story.lines(), ["C 3 #3"]);
    assert_eq!(story.ended(), ["2: OK b"]);
}

#[test]
fn one_that_nobody_waits_for_counts_until_its_final_answer() {
    let mut story = Story::new(Limits { in_flight: 1, ..Limits::default() }, true);
    story.connect();
    story.call(1, "C 1");
    assert_eq!(story.lines(), ["C 1 #1"]);
    story.calls.cancel(1);
    story.call(2, "C 2");
    assert_eq!(story.lines(), ["CANCEL 1"]);
    story.hears(super::story::error(1, "cancelled"));
    assert_eq!(story.lines(), ["C 2 #2"]);
    story.wait(PATIENCE);
    story.call(3, "C 3");
    assert_eq!(story.lines(), [""; 0], "whose time is over needs no word, and counts");
    story.hears(super::story::error(2, "timed-out"));
    assert_eq!(story.lines(), ["C 3 #3"]);
    assert_eq!(story.ended(), ["2: timed out Unknown"]);
}

#[test]
fn little_is_encoded_ahead_of_the_socket() {
    let mut story = Story::new(Limits { unsent: 1_000, ..Limits::default() }, true);
    story.connect();
    for number in 1..=10 {
        story.request(number, Request::new("PUT").body(vec![b'x'; 600]));
    }
    // `says` is a socket that takes everything at once.
    for said in [2, 2, 2, 2, 2, 0] {
        assert_eq!(story.says().matches("PUT").count(), said);
    }
}

#[test]
fn a_call_that_is_taken_back_in_line_never_leaves() {
    let mut story = Story::new(Limits::default(), true);
    story.call(1, "C 1");
    story.call(2, "C 2");
    story.calls.cancel(1);
    story.calls.cancel(1);
    story.connect();
    assert_eq!(story.lines(), ["C 2 #1"]);
    assert_eq!(story.ended(), [""; 0], "nobody is told: nobody is there");
}

#[test]
fn a_call_that_is_taken_back_in_flight_is_cancelled_once_and_its_answer_ignored() {
    let mut story = Story::connected();
    story.call(1, "C 1");
    story.says();
    story.calls.cancel(1);
    story.calls.cancel(1);
    assert_eq!(story.says(), "CANCEL 1\r\n\r\n");
    assert_eq!(story.says(), "");
    story.hears(reply(1, "late"));
    assert_eq!((story.ended(), story.fault), (vec![], None));
    assert!(story.calls.is_empty());
}

#[test]
fn an_answer_on_its_way_needs_no_cancel() {
    let mut story = Story::connected();
    story.call(1, "C 1");
    story.says();
    story.calls.cancel(1);
    story.hears(reply(1, "crossed"));
    assert_eq!(story.says(), "");
}

#[test]
fn no_sequence_is_used_twice_not_even_on_another_connection() {
    let mut story = Story::connected();
    story.ask(1, "GET a");
    assert_eq!(story.lines(), ["GET a #1"]);
    story.breaks();
    story.connect();
    assert_eq!(story.lines(), ["GET a #2"]);
}

#[test]
fn what_the_protocol_cannot_say_is_said_to_its_caller_alone() {
    let mut story = Story::connected();
    // It fits as long as no Sequence stands in it: the handle's look lets it pass.
    let request = Request::new("GET").arg("x".repeat(8_064 - 8));
    request.check().unwrap();
    story.request(1, request);
    story.call(2, "GET a");
    assert_eq!(story.lines(), ["GET a #2"]);
    assert_eq!(story.ended(), ["1: other NotBegun"]);
}
