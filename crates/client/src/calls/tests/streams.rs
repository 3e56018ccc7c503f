//! Streams: parts that are taken one by one, without an end of their own.

use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::wire::Request;

use super::story::{Story, error, last_word, part, reply};
use crate::Limits;

fn watch() -> Request {
    Request::new("WATCH")
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn parts_are_there_as_they_come_and_the_last_is_the_end() {
    let mut story = Story::connected();
    let mut stream = story.stream(1, watch());
    assert_eq!(story.says(), "WATCH\r\nSequence: 1\r\n\r\n", "no deadline, and so no Timeout");
    story.hears(part(1, "a") + &part(1, "b"));
    assert_eq!((stream.rest(), story.ended()), (vec!["a".to_owned(), "b".to_owned()], none()));
    story.wait(Duration::from_secs(1_000_000));
    story.hears(part(1, "c") + &reply(1, "the end"));
    assert_eq!((stream.rest(), story.ended()), (vec!["c".to_owned()], vec!["1: OK the end".to_owned()]));
    assert!(story.calls.is_empty() && story.calls.due().is_none());
}

#[test]
fn other_calls_go_on_beside_it() {
    let mut story = Story::connected();
    let mut stream = story.stream(1, watch());
    story.call(2, "GET a");
    story.says();
    story.hears(part(1, "a") + &reply(2, "x") + &part(1, "b"));
    assert_eq!(story.ended(), ["2: OK x"]);
    assert_eq!(stream.rest(), ["a", "b"]);
}

#[test]
fn a_deadline_of_its_own_ends_it_and_the_server_is_told_of_it() {
    let mut story = Story::connected();
    let mut parts = story.timed_stream(1, watch(), Duration::from_secs(2));
    assert_eq!(story.says(), "WATCH\r\nSequence: 1\r\nTimeout: 2\r\n\r\n");
    story.hears(part(1, "a"));
    story.wait(Duration::from_secs(2));
    assert_eq!(story.ended(), ["1: timed out Unknown"]);
    story.hears(part(1, "late") + &error(1, "timed-out"));
    assert_eq!((parts.rest(), story.fault), (vec!["a".to_owned()], None));
}

#[test]
fn who_waits_for_the_first_part_waits_no_longer_once_it_is_there() {
    let mut story = Story::connected();
    let limit = Duration::from_secs(2);
    let mut stream = story.impatient_stream(1, watch(), limit);
    assert_eq!(story.says(), "WATCH\r\nSequence: 1\r\n\r\n", "the server is not told");
    story.hears(part(1, "a"));
    assert_eq!((stream.rest(), story.calls.due()), (vec!["a".to_owned()], None));
    story.wait(limit * 10);
    assert_eq!(story.ended(), none());

    let _stream = story.impatient_stream(2, watch(), limit);
    story.says();
    story.wait(limit);
    assert_eq!(
        (story.ended(), story.lines()),
        (vec!["2: timed out Unknown".to_owned()], vec!["CANCEL 2".to_owned()])
    );
    story.hears(part(2, "late") + &error(2, "cancelled"));
    assert_eq!((story.fault, story.calls.is_owed()), (None, false));
}

#[test]
fn an_error_is_the_end_whatever_came_before() {
    for code in Code::all().filter(|code| !code.is_of_connection()) {
        let mut story = Story::connected();
        let mut stream = story.stream(1, watch());
        story.says();
        story.hears(part(1, "a") + &error(1, code.as_str()));
        assert_eq!(stream.rest(), ["a"]);
        assert!(story.ended()[0].starts_with(&format!("1: reply {code} ")));
    }
}

#[test]
fn taken_back_it_is_cancelled_and_what_still_comes_is_not_kept() {
    let mut story = Story::connected();
    let mut stream = story.stream(1, watch());
    story.says();
    story.hears(part(1, "a"));
    story.calls.cancel(1);
    assert_eq!(story.lines(), ["CANCEL 1"]);
    assert!(story.calls.is_owed(), "the server still has to say that it is over");
    story.hears(part(1, "b") + &error(1, "cancelled"));
    assert_eq!((stream.rest(), story.ended(), story.fault), (vec!["a".to_owned()], none(), None));
    assert!(!story.calls.is_owed());
}

#[test]
fn whoever_does_not_take_is_told_and_nobody_else_feels_it() {
    let mut story = Story::new(Limits { untaken: 1_000, ..Limits::default() }, true);
    story.connect();
    let (mut slow, mut quick) = (story.stream(1, watch()), story.stream(2, watch()));
    story.says();
    let long = "x".repeat(300);
    for _ in 0..10 {
        story.hears(part(1, &long) + &part(2, &long));
        assert_eq!(quick.rest().len(), 1);
    }
    assert_eq!(story.ended(), ["1: behind Unknown"]);
    assert_eq!(story.lines(), ["CANCEL 1"]);
    story.hears(error(1, "cancelled") + &part(2, "on"));
    let kept = slow.rest();
    assert!(!kept.is_empty() && kept.len() * 300 <= 1_000, "{}", kept.len());
    assert_eq!((quick.rest(), story.ended(), story.fault), (vec!["on".to_owned()], none(), None));
}

#[test]
fn parts_without_bodies_add_up_too() {
    let mut story = Story::new(Limits { untaken: 10_000, ..Limits::default() }, true);
    story.connect();
    let mut stream = story.stream(1, watch());
    story.says();
    for _ in 0..=10_000 / 48 {
        story.hears(part(1, ""));
    }
    assert_eq!(story.ended(), ["1: behind Unknown"]);
    assert!(stream.rest().len() > 50);
}

/// What has been taken makes room, and a part that is alone always has it.
#[test]
fn whoever_takes_is_never_behind() {
    let mut story = Story::new(Limits { untaken: 100, ..Limits::default() }, true);
    story.connect();
    let mut stream = story.stream(1, watch());
    story.says();
    for _ in 0..100 {
        story.hears(part(1, &"x".repeat(5_000)));
        assert_eq!(stream.rest().len(), 1);
    }
    assert_eq!(story.ended(), none());
}

#[test]
fn a_part_over_the_limit_of_an_answer_ends_it() {
    let mut story = Story::new(Limits { answer: 5, ..Limits::default() }, true);
    story.connect();
    let mut stream = story.stream(1, watch());
    story.says();
    let head = pinwire_proto::session::Answer {
        status: Ok(()),
        sequence: Some(1_u64.into()),
        headers: Vec::new(),
        body: Vec::new(),
        more: true,
    };
    story.hears(part(1, "short"));
    story.calls.hear_too_large(head).unwrap();
    assert_eq!(story.ended(), ["1: too large Unknown"]);
    assert_eq!((story.lines(), stream.rest()), (vec!["CANCEL 1".to_owned()], vec!["short".to_owned()]));
}

#[test]
fn of_a_broken_connection_it_goes_again_only_before_its_first_part() {
    for (is_repeatable, is_begun) in [(true, false), (true, true), (false, false)] {
        let mut story = Story::connected();
        let request = if is_repeatable { watch().repeatable() } else { watch() };
        let mut stream = story.stream(1, request);
        story.says();
        if is_begun {
            story.hears(part(1, "a"));
        }
        story.breaks();
        story.connect();
        if is_repeatable && !is_begun {
            assert_eq!((story.lines(), story.ended()), (vec!["WATCH #2".to_owned()], none()));
            story.hears(part(2, "a"));
        } else {
            assert_eq!((story.lines(), story.ended()), (none(), vec!["1: lost Unknown".to_owned()]));
        }
        assert_eq!(stream.rest().len(), usize::from(is_repeatable));
    }
}

#[test]
fn a_server_that_goes_away_ends_what_it_has_begun_with_its_code() {
    for code in ["shutting-down", "idle", "no-longer-trusted", "removed"] {
        let mut story = Story::connected();
        let mut stream = story.stream(1, watch().repeatable());
        story.says();
        story.hears(part(1, "a") + &error(1, code) + &last_word(code));
        assert_eq!(
            (stream.rest(), story.ended()),
            (vec!["a".to_owned()], vec![format!("1: reply {code} Unknown")])
        );
    }
}

#[test]
fn it_waits_for_a_server_as_long_as_it_takes() {
    let mut story = Story::new(Limits::default(), true);
    let _stream = story.stream(1, watch());
    story.wait(Duration::from_secs(1_000_000));
    let error = crate::Error::Lost { why: "no way".to_owned(), outcome: crate::Outcome::NotBegun };
    story.calls.not_connected(&error);
    assert_eq!((story.ended(), story.calls.due()), (none(), None));
    story.connect();
    assert_eq!(story.lines(), ["WATCH #1"]);

    let mut story = Story::new(Limits::default(), false);
    let _stream = story.stream(1, watch());
    story.calls.not_connected(&error);
    assert_eq!(story.ended(), ["1: lost NotBegun"]);
}

#[test]
fn a_client_that_is_closed_ends_its_streams_alone() {
    let mut story = Story::new(Limits { in_flight: 2, ..Limits::default() }, true);
    story.connect();
    let mut begun = story.stream(1, watch());
    story.call(2, "GET a");
    let _unbegun = story.stream(3, watch());
    story.says();
    story.hears(part(1, "a"));
    story.calls.end_streams("closed");
    assert_eq!(story.ended(), ["1: lost Unknown", "3: lost NotBegun"]);
    assert_eq!(story.lines(), ["CANCEL 1"]);
    story.hears(error(1, "cancelled") + &reply(2, "x"));
    assert_eq!((begun.rest(), story.ended()), (vec!["a".to_owned()], vec!["2: OK x".to_owned()]));
}
