//! The model refuses what no server may do.

use super::*;
use crate::simulator::said::What;
use crate::simulator::schedule::Command;
use pinwire_proto::wire::Sequence;

/// Commands of these names with the sequences 0, 1, 2 …, each of ten bytes.
fn said(names: &[Name]) -> Model {
    let mut model = Model::default();
    for (number, &name) in (0_u32..).zip(names) {
        let command = Command { number, name, sequence: Some(number), size: None, timeout: None, head: None };
        let start = number as usize * 10;
        model.say(Said::new(What::Command(command), (start, start + 10, start + 10), Duration::ZERO));
    }
    model
}

fn hear(model: &mut Model, line: &str, delivered: usize) -> Result<(), String> {
    let stream = Stream { handed: delivered, unsent: 0 };
    model.hear(line, b"", delivered, Heard { at: Duration::ZERO, stream, reserved: 0 })
}

fn read(model: &mut Model, sequence: &str, code: Option<&str>, body: &str) -> Result<(), String> {
    let answer = Answer {
        status: code.map_or(Ok(()), |code| Err((code.to_owned(), String::new()))),
        sequence: Sequence::new(sequence.as_bytes()),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        more: false,
    };
    model.read(&answer, Duration::ZERO)
}

#[test]
fn what_was_said_is_heard_once_and_whole_and_in_order() {
    let mut model = said(&[Name::Echo, Name::Echo, Name::Echo]);
    assert!(hear(&mut model, "EVIL", 30).is_err(), "nobody said it");
    assert!(hear(&mut model, "ECHO 0", 9).is_err(), "it is not there yet");
    assert_eq!(hear(&mut model, "ECHO 1", 20), Ok(()));
    assert!(hear(&mut model, "ECHO 1", 20).is_err(), "twice");
    assert!(hear(&mut model, "ECHO 0", 30).is_err(), "behind the one after it");
    let evil = model.hear("ECHO 2", b"x", 30, model.said[1].heard.unwrap());
    assert!(evil.is_err(), "it has no body");
}

#[test]
fn what_was_heard_is_answered_once_and_with_its_own() {
    let mut model = said(&[Name::Echo, Name::Hold]);
    assert!(read(&mut model, "0", None, "ECHO 0").is_err(), "nobody heard it");
    hear(&mut model, "ECHO 0", 20).unwrap();
    assert!(read(&mut model, "0", None, "ECHO 1").is_err(), "another's");
    assert!(read(&mut model, "0", Some("timed-out"), "").is_err(), "it has all the time there is");
    assert!(read(&mut model, "0", Some("cancelled"), "").is_err(), "nobody took it back");
    assert_eq!(read(&mut model, "0", None, "ECHO 0"), Ok(()));
    assert!(read(&mut model, "0", None, "ECHO 0").is_err(), "twice");
    assert!(read(&mut model, "7", None, "").is_err(), "nobody asked");
    hear(&mut model, "HOLD 1", 20).unwrap();
    assert!(read(&mut model, "1", None, "").is_err(), "the handler has not answered");
}

#[test]
fn the_last_words_have_their_order() {
    let held = || {
        let mut model = said(&[Name::Hold, Name::Hold]);
        hear(&mut model, "HOLD 0", 20).unwrap();
        hear(&mut model, "HOLD 1", 20).unwrap();
        model
    };
    let mut model = held();
    read(&mut model, "1", Some("removed"), "").unwrap();
    assert!(read(&mut model, "0", Some("removed"), "").is_err(), "they began the other way round");
    let mut model = held();
    read(&mut model, "0", Some("removed"), "").unwrap();
    assert!(read(&mut model, "1", Some("slow-reader"), "").is_err(), "another code");
    assert!(read(&mut model, "", Some("shutting-down"), "").is_err(), "another code");
    read(&mut model, "", Some("removed"), "").unwrap();
    assert!(read(&mut model, "1", Some("removed"), "").is_err(), "behind the last word");
}

#[test]
fn an_end_leaves_nothing_begun_unanswered_and_nothing_whole_undone() {
    let all_runs = End { code: None, is_said: true, runs_all: true, has_lost: false };
    let mut model = said(&[Name::Hold]);
    assert!(model.check_end(&all_runs, 10).is_err(), "it was there, and never begun");
    assert_eq!(model.check_end(&all_runs, 9), Ok(()), "the last byte was missing");
    hear(&mut model, "HOLD 0", 10).unwrap();
    let closed = End { code: Some(Code::Removed), is_said: true, runs_all: false, has_lost: false };
    assert!(model.check_end(&closed, 10).is_err(), "it was begun, and never answered");
    read(&mut model, "0", Some("removed"), "").unwrap();
    assert_eq!(model.check_end(&closed, 10), Ok(()));
    let idle = End { code: Some(Code::Idle), ..closed };
    assert!(model.check_end(&idle, 10).is_err(), "the peer was told another code");
}

/// A command of this name with a body of 90 bytes behind its head of ten; the handler was told of it at once.
fn coming(name: Name) -> Model {
    let mut model = Model::default();
    let (number, sequence, size) = (0, Some(0), Some(90));
    let command = Command { number, name, sequence, size, timeout: None, head: None };
    model.say(Said::new(What::Command(command), (0, 10, 100), Duration::ZERO));
    model.meet(10, Duration::ZERO);
    model.announce(&format!("{} 0", name.word()), Duration::ZERO);
    model
}

#[test]
fn a_body_without_room_is_refused_and_no_other() {
    let mut model = coming(Name::Echo);
    model.keep(60, 60 + 1_024, true);
    assert!(read(&mut model, "0", Some("overloaded"), "").is_err(), "there was room for its head and for it");
    model.keep(100, 0, true);
    assert!(read(&mut model, "0", Some("overloaded"), "").is_err(), "it was complete");
    model.keep(61, 50, true);
    assert!(hear(&mut model, "ECHO 0", 100).is_err(), "there was no room for it");
    assert_eq!(read(&mut model, "0", Some("overloaded"), ""), Ok(()));
    let mut model = coming(Name::Echo);
    model.keep(61, 50, true);
    assert!(read(&mut model, "0", Some("shutting-down"), "").is_err(), "it has its answer");
}

#[test]
fn who_stands_still_where_room_is_short_is_slow_and_nobody_else() {
    let (late, reads) = (crate::simulator::PRESSED + Duration::from_millis(1), Some(Duration::ZERO));
    let mut model = coming(Name::Echo);
    assert!(model.press(50, crate::simulator::PRESSED, true, reads).is_err(), "there is time");
    assert!(model.press(100, late, true, reads).is_err(), "it is complete");
    assert!(model.press(50, late, false, reads).is_err(), "it stands still");
    assert_eq!(model.press(50, late, true, reads), Ok(()));
    assert_eq!(read(&mut model, "0", Some("overloaded"), ""), Ok(()));
    assert!(coming(Name::NoBody).press(50, late, true, reads).is_err(), "nothing of it is kept");
    let mut model = said(&[Name::Echo]);
    model.meet(5, Duration::ZERO);
    assert!(model.press(5, late, false, reads).is_err(), "a head stands still");
    assert_eq!(model.press(5, late, false, None), Ok(()), "the server does not read");
    assert_eq!(model.press(5, late, true, reads), Ok(()));
}
