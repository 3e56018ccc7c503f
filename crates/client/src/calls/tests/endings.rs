//! How calls end: once each, with the outcome that docs/PROTOCOL.md, section 6, defines.

use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::wire::Request;

use super::story::{PATIENCE, Story, error, last_word, part, reply};
use crate::Limits;

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn each_gets_its_own_answer_in_whatever_order_they_come() {
    let mut story = Story::connected();
    (1..=3).for_each(|number| story.call(number, "GET a"));
    story.says();
    story.hears(reply(3, "c") + &error(1, "not-found") + &reply(2, "b"));
    assert_eq!(story.ended(), ["1: reply not-found Answered", "2: OK b", "3: OK c"]);
    assert!(story.calls.is_empty() && story.calls.due().is_none());
}

#[test]
fn every_code_of_a_command_has_its_outcome() {
    for code in Code::all().filter(|code| !code.is_of_connection()) {
        let mut story = Story::connected();
        story.request(1, Request::new("PUT").body("x"));
        story.says();
        story.hears(error(1, code.as_str()));
        let unknown = matches!(code, Code::Cancelled | Code::TimedOut | Code::Failed);
        let outcome = if unknown { "Unknown" } else { "Answered" };
        assert_eq!(story.ended(), [format!("1: reply {code} {outcome}")]);
        story.call(2, "GET a");
        assert_eq!(story.lines(), ["GET a #2"], "{code}: the connection goes on");
    }
    let mut story = Story::connected();
    story.call(1, "GET a");
    story.says();
    story.hears(error(1, "a-code-of-the-servers-own"));
    assert_eq!(story.ended(), ["1: reply a-code-of-the-servers-own Answered"]);
}

#[test]
fn a_body_too_large_is_an_answer_to_its_own_command_alone() {
    let mut story = Story::connected();
    story.call(1, "GET a");
    story.request(2, Request::new("PUT").body("much"));
    story.request(3, Request::new("PUT").body("more"));
    story.says();
    story.hears(error(2, "body-too-large") + &error(1, "body-too-large") + &error(3, "body-too-large"));
    let unknown = |number| format!("{number}: reply body-too-large Unknown");
    assert_eq!(story.ended(), [unknown(1), "2: reply body-too-large Answered".to_owned(), unknown(3)]);

    let mut story = Story::connected();
    story.request(1, Request::new("PUT").body("much"));
    story.request(2, Request::new("PUT").body("little"));
    story.says();
    story.calls.cancel(1);
    story.hears(error(1, "body-too-large") + &error(2, "body-too-large"));
    assert_eq!(story.ended(), [unknown(2)], "it was the first, also if nobody waits for it");
}

#[test]
fn every_last_word_says_what_was_not_begun() {
    for code in Code::all().filter(|code| code.is_of_connection()) {
        let mut story = Story::new(Limits { in_flight: 3, ..Limits::default() }, true);
        story.connect();
        (1..=4).for_each(|number| story.call(number, &format!("C {number}")));
        story.says();
        let code = code.as_str();
        story.hears(reply(1, "a") + &error(2, code) + &last_word(code));
        assert_eq!(story.says(), "", "{code}: nobody listens any more");

        let passes = ["idle", "shutting-down"].contains(&code);
        let third = if passes { vec![] } else { vec![format!("3: closed {code} NotBegun")] };
        let ended = [vec!["1: OK a".to_owned(), format!("2: reply {code} Unknown")], third].concat();
        assert_eq!(story.ended(), ended);
        story.connect();
        let again = if passes { vec!["C 3 #4", "C 4 #5"] } else { vec!["C 4 #4"] };
        assert_eq!(story.lines(), again, "{code}: what stood in line goes on");
    }
}

#[test]
fn without_reconnecting_a_last_word_ends_everything() {
    for code in Code::all().filter(|code| code.is_of_connection()) {
        let mut story = Story::new(Limits { in_flight: 1, ..Limits::default() }, false);
        story.connect();
        (1..=2).for_each(|number| story.call(number, "C"));
        story.says();
        story.hears(last_word(code.as_str()));
        assert_eq!(
            story.ended(),
            [format!("1: closed {code} NotBegun"), format!("2: closed {code} NotBegun")]
        );
        story.call(3, "C");
        assert_eq!(story.ended(), [format!("3: closed {code} NotBegun")], "later calls say so");
    }
}

#[test]
fn every_refusal_says_that_nothing_was_begun() {
    for code in Code::all().filter(|code| code.is_refusal()) {
        let mut story = Story::new(Limits::default(), true);
        story.ask(1, "GET a");
        story.call(2, "PUT a");
        story.reach();
        assert_eq!(story.lines(), ["GET a #1"]);
        story.hears(format!("ERR: {code}: why\r\n"));
        if matches!(code, Code::ShuttingDown | Code::TooManyConnections) {
            assert_eq!(story.ended(), none(), "{code} passes");
            story.connect();
            assert_eq!(story.lines(), ["GET a #2", "PUT a #3"]);
        } else {
            let refused = |number| format!("{number}: refused {code} NotBegun");
            assert_eq!(story.ended(), [refused(1), refused(2)]);
            story.call(3, "GET a");
            story.connect();
            assert_eq!(story.lines(), ["GET a #2"], "a later call asks again");
        }
    }
}

#[test]
fn a_connection_that_breaks_leaves_what_was_sent_open() {
    let mut story = Story::new(Limits { in_flight: 2, ..Limits::default() }, true);
    story.connect();
    (1..=3).for_each(|number| story.call(number, &format!("C {number}")));
    story.says();
    story.hears(part(2, "half"));
    story.breaks();
    assert_eq!(story.ended(), ["1: lost Unknown", "2: lost Unknown"]);
    story.connect();
    assert_eq!(story.lines(), ["C 3 #3"]);
    story.hears(reply(3, "c"));
    assert_eq!(story.ended(), ["3: OK c"]);
}

#[test]
fn what_may_be_repeated_is_and_its_parts_begin_anew() {
    let mut story = Story::connected();
    story.ask(1, "GET a");
    story.says();
    story.hears(part(1, "half"));
    story.breaks();
    story.connect();
    assert_eq!(story.lines(), ["GET a #2"]);
    story.hears(part(2, "who") + &reply(2, "le"));
    assert_eq!(story.ended(), ["1: OK whole"]);
}

#[test]
fn what_may_be_repeated_is_also_when_a_server_that_goes_away_breaks_it_off() {
    for (code, goes_on) in [("shutting-down", true), ("idle", true), ("removed", false), ("failed", false)] {
        let mut story = Story::connected();
        story.ask(1, "GET a");
        story.call(2, "PUT a");
        story.says();
        story.hears(error(1, code) + &error(2, code) + &last_word(code));
        let ended = if goes_on { vec![] } else { vec![format!("1: reply {code} Unknown")] };
        assert_eq!(story.ended(), [ended, vec![format!("2: reply {code} Unknown")]].concat());
        story.connect();
        assert_eq!(story.lines().len(), usize::from(goes_on));
    }
}

#[test]
fn attempts_have_their_limit() {
    for (is_repeatable, by_word) in [(true, false), (true, true), (false, true)] {
        let mut story = Story::new(Limits { attempts: 3, ..Limits::default() }, true);
        let request = Request::new("GET");
        story.request(1, if is_repeatable { request.repeatable() } else { request });
        for attempt in 1..=3 {
            assert_eq!(story.ended(), none());
            story.connect();
            assert_eq!(story.lines(), [format!("GET #{attempt}")]);
            if by_word { story.hears(last_word("idle")) } else { story.breaks() }
        }
        assert_eq!(story.ended(), [if by_word { "1: closed idle NotBegun" } else { "1: lost Unknown" }]);
    }
}

#[test]
fn doubt_stays_however_the_call_ends_later() {
    let doubtful = |limits: Limits| {
        let mut story = Story::new(limits, true);
        story.connect();
        story.ask(1, "GET a");
        story.says();
        story.breaks();
        story
    };
    let mut story = doubtful(Limits::default());
    story.wait(PATIENCE);
    assert_eq!(story.ended(), ["1: timed out Unknown"]);

    let mut story = doubtful(Limits::default());
    story.reach();
    story.says();
    story.hears("ERR: trust-expired\r\n");
    assert_eq!(story.ended(), ["1: lost Unknown"]);

    let mut story = doubtful(Limits { attempts: 2, ..Limits::default() });
    story.connect();
    story.says();
    story.hears(last_word("idle"));
    assert_eq!(story.ended(), ["1: lost Unknown"]);

    let mut story = doubtful(Limits::default());
    story.connect();
    story.says();
    story.hears(error(2, "overloaded"));
    assert_eq!(story.ended(), ["1: reply overloaded Unknown"], "that one had no effect, the first may have");
}

/// The second time its head may be longer by a digit.
#[test]
fn doubt_stays_if_it_cannot_be_said_again() {
    let mut story = Story::new(Limits { attempts: 20, ..Limits::default() }, true);
    let head = "GET \r\nSequence: 9\r\nTimeout: 10\r\n\r\n".len();
    let request = Request::new("GET").arg("x".repeat(8_064 - head)).repeatable();
    story.request(1, request);
    for _ in 1..=9 {
        assert_eq!(story.ended(), none());
        story.connect();
        assert_ne!(story.says(), "");
        story.breaks();
    }
    story.connect();
    assert_eq!((story.says(), story.ended()), (String::new(), vec!["1: lost Unknown".to_owned()]));
}

/// No server does that. One that did would have begun what it now seems not to have.
#[test]
fn what_was_answered_in_part_was_begun_whatever_the_last_word_says() {
    for code in ["idle", "removed"] {
        let mut story = Story::connected();
        story.call(1, "WATCH");
        story.ask(2, "GET a");
        story.says();
        story.hears(part(1, "half") + &part(2, "half") + &last_word(code));
        assert_eq!(story.ended()[0], "1: lost Unknown", "{code}");
        story.connect();
        assert!(!story.says().contains("WATCH"));
    }
}

#[test]
fn time_that_is_over_ends_a_call_and_a_late_answer_is_ignored() {
    let mut story = Story::new(Limits { in_flight: 1, ..Limits::default() }, true);
    story.connect();
    story.call(1, "C 1");
    story.call(2, "C 2");
    story.says();
    assert_eq!(story.calls.due(), Some(story.now + PATIENCE));
    story.wait(PATIENCE - Duration::from_millis(1));
    assert_eq!(story.ended(), none());
    story.wait(Duration::from_millis(1));
    assert_eq!(story.ended(), ["1: timed out Unknown", "2: timed out NotBegun"]);
    story.hears(part(1, "late") + &reply(1, "later"));
    assert_eq!((story.ended(), story.fault), (none(), None));
    assert_eq!(story.calls.due(), None);
}

#[test]
fn time_that_is_over_while_nobody_can_be_reached_says_what_was_in_the_way() {
    let mut story = Story::new(Limits::default(), true);
    story.call(1, "C 1");
    let error = crate::Error::Lost { why: "no way".to_owned(), outcome: crate::Outcome::NotBegun };
    story.calls.not_connected(&error);
    story.now += PATIENCE;
    story.calls.expire(story.now);
    let (_, result) = story.calls.ended().next().unwrap();
    let words = result.unwrap_err().to_string();
    assert!(words.starts_with("no answer within 10s; the command was not begun; no way"), "{words}");
}

#[test]
fn parts_are_joined_with_their_headers() {
    let mut story = Story::connected();
    story.call(1, "LIST");
    story.says();
    story.hears("OK\r\nSequence: 1\r\nSize: 1\r\nMore: yes\r\nA: 1\r\n\r\nx");
    story.hears("OK\r\nSequence: 1\r\nSize: 0\r\nB: 2\r\n\r\n");
    let answer = story.answer();
    assert_eq!(
        (answer.body.as_slice(), answer.header("a"), answer.header("b")),
        (&b"x"[..], Some("1"), Some("2"))
    );
}

#[test]
fn an_error_behind_parts_is_the_answer() {
    let mut story = Story::connected();
    story.call(1, "WATCH");
    story.says();
    story.hears(part(1, "some") + &error(1, "history-gone"));
    assert_eq!(story.ended(), ["1: reply history-gone Answered"]);
}

#[test]
fn an_answer_over_the_limit_is_cancelled_and_not_kept() {
    let mut story = Story::new(Limits { answer: 5, ..Limits::default() }, true);
    story.connect();
    story.call(1, "LIST");
    story.call(2, "GET");
    story.says();
    story.hears(part(1, "abc") + &part(1, "def"));
    assert_eq!(story.ended(), ["1: too large Unknown"]);
    assert_eq!(story.lines(), ["CANCEL 1"]);
    story.hears(part(1, "ghi") + &error(1, "cancelled") + &reply(2, "short"));
    assert_eq!((story.ended(), story.fault), (vec!["2: OK short".to_owned()], None));

    story.call(3, "LIST");
    story.says();
    story.hears(part(3, "abc") + &reply(3, "def"));
    assert_eq!(story.ended(), ["3: too large Unknown"], "the last part counts too");
    assert_eq!(story.says(), "", "and after it there is nothing to cancel");
}

/// Parts without bodies, without an end: what they bring is kept too.
#[test]
fn headers_of_parts_count_against_the_limit() {
    let mut story = Story::new(Limits { answer: 1_000, ..Limits::default() }, true);
    story.connect();
    story.call(1, "WATCH");
    story.says();
    let part = format!("OK\r\nSequence: 1\r\nSize: 0\r\nMore: yes\r\nA: {}\r\n\r\n", "x".repeat(400));
    story.hears(part.clone() + &part);
    assert_eq!(story.ended(), none());
    story.hears(part);
    assert_eq!(story.ended(), ["1: too large Unknown"]);
    assert_eq!(story.lines(), ["CANCEL 1"]);
}

#[test]
fn what_breaks_the_protocol_is_said() {
    for (said, fault) in [
        (reply(9, ""), "not asked"),
        ("OK\r\nSequence: x\r\nSize: 0\r\n\r\n".to_owned(), "not asked"),
        ("OK\r\nSequence: 01\r\nSize: 0\r\n\r\n".to_owned(), "not asked"),
        (reply(1, "a") + &reply(1, "twice"), "not asked"),
        ("OK\r\nSize: 0\r\n\r\n".to_owned(), "to nothing"),
        ("ERR: failed\r\nSequence: 1\r\nSize: 0\r\nMore: yes\r\n\r\n".to_owned(), "only a part"),
    ] {
        let mut story = Story::connected();
        story.call(1, "C");
        story.says();
        story.hears(&said);
        assert!(story.fault.is_some_and(|found| found.contains(fault)), "{said}: {:?}", story.fault);
    }
}

#[test]
fn what_a_person_must_look_into_ends_everything_that_waits() {
    let mut story = Story::new(Limits::default(), true);
    story.call(1, "C");
    let why = "no TLS".to_owned();
    story.calls.fail(&crate::Error::NoHandshake { address: "a:1".parse().unwrap(), why });
    assert_eq!(story.ended(), ["1: other NotBegun"]);
    story.call(2, "C");
    assert_eq!(story.ended(), none());

    let mut story = Story::new(Limits::default(), true);
    story.ask(1, "C");
    story.call(2, "C");
    story.reach();
    assert_eq!(story.lines(), ["C #1"]);
    let why = "no greeting".to_owned();
    story.calls.fail(&crate::Error::NoHandshake { address: "a:1".parse().unwrap(), why });
    assert_eq!(story.ended(), ["1: lost Unknown", "2: other NotBegun"]);
}
