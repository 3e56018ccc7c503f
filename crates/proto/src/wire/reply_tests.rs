use std::io::Write as _;

use super::*;
use crate::limits::{GREETING, HEAD};
use crate::wire::{AnswerScan, Greeting, greeting};

fn seven() -> Sequence {
    Sequence::from(7)
}

fn encoded(reply: &Reply, sequence: Option<&Sequence>) -> String {
    let mut out = Vec::new();
    reply.encode(&mut out, sequence).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_exchange_of_the_c_original() {
    let mut out = Vec::new();
    let mut encoder = Encoder::ok(&mut out, Sequence::new(b"32").as_ref());
    encoder.body(b"Alice");
    encoder.finish();
    assert_eq!(out, b"OK\r\nSequence: 32\r\nSize: 5\r\n\r\nAlice");
}

#[test]
fn parts_stand_in_the_protocols_order() {
    let reply = Reply::ok("0123456789").header("Id", "a").unwrap().header("Version", "12").unwrap();
    assert_eq!(
        encoded(&reply, Some(&seven())),
        "OK\r\nSequence: 7\r\nSize: 10\r\nId: a\r\nVersion: 12\r\n\r\n0123456789"
    );
    let reply = Reply::error(Code::NotFound, "no such document");
    assert_eq!(
        encoded(&reply, Some(&seven())),
        "ERR: not-found: no such document\r\nSequence: 7\r\nSize: 0\r\n\r\n"
    );
}

#[test]
fn an_error_carries_headers_and_its_text_makes_room_for_them() {
    let reply = |text: &str| Reply::error(Code::Conflict, text).header("Version", "7").unwrap();
    assert_eq!(
        encoded(&reply("not 6"), Some(&seven())),
        "ERR: conflict: not 6\r\nSequence: 7\r\nSize: 0\r\nVersion: 7\r\n\r\n"
    );
    let long = encoded(&reply(&"x".repeat(HEAD)), None);
    assert!(long.len() <= HEAD && long.ends_with("xx\r\nSize: 0\r\nVersion: 7\r\n\r\n"), "{}", long.len());
}

#[test]
fn headers_that_leave_no_room_for_an_error_are_refused() {
    let mut out = b"before".to_vec();
    let huge = "v".repeat(HEAD);
    for (name, value) in [("Version", &*huge), ("Size", "1")] {
        assert!(Encoder::error_with(&mut out, None, Code::Conflict, "text", &[(name, value)]).is_err());
    }
    assert_eq!(out, b"before");
}

#[test]
fn an_empty_text_leaves_the_code_alone() {
    assert_eq!(encoded(&Reply::error(Code::Idle, ""), None), "ERR: idle\r\nSize: 0\r\n\r\n");
    const QUOTA: Code = Code::own("quota-used");
    assert_eq!(encoded(&Reply::error(QUOTA, "9"), None), "ERR: quota-used: 9\r\nSize: 0\r\n\r\n");
}

#[test]
fn size_is_right_whatever_the_pieces() {
    for pieces in [&[0][..], &[9], &[10], &[1; 10], &[9, 1], &[0, 1], &[5, 5, 990], &[100_000, 900_000]] {
        let mut out = b"before".to_vec();
        let mut encoder = Encoder::ok(&mut out, None);
        encoder.header("Tag", "x").unwrap();
        for piece in pieces {
            encoder.write_all(&vec![b'b'; *piece]).unwrap();
        }
        encoder.flush().unwrap();
        encoder.finish();
        let size: usize = pieces.iter().sum();
        let head = format!("beforeOK\r\nSize: {size}\r\nTag: x\r\n\r\n");
        assert!(out.starts_with(head.as_bytes()), "{pieces:?}");
        assert_eq!(out[head.len()..], vec![b'b'; size], "{pieces:?}");
    }
}

#[test]
fn what_is_not_finished_is_taken_back() {
    let mut out = b"OK\r\nSize: 0\r\n\r\n".to_vec();
    let before = out.clone();
    let mut encoder = Encoder::error(&mut out, Some(&seven()), Code::Failed, "half");
    encoder.header("Tag", "x").unwrap();
    encoder.body(&[0; 1_000]);
    drop(encoder);
    assert_eq!(out, before);
}

#[test]
fn no_header_can_forge_the_framing() {
    let mut out = Vec::new();
    let mut encoder = Encoder::ok(&mut out, None);
    for name in ["Sequence", "size", "MORE", "", "a b", "a:", "a\r\nSize", "\u{e9}", &"n".repeat(65)] {
        assert!(encoder.header(name, "1").is_err(), "{name:?}");
    }
    for value in ["a\r\nSize: 9", "\n", "\0", "\u{85}", "\u{7f}"] {
        let misuse = encoder.header("Tag", value).unwrap_err().to_string();
        assert!(!misuse.chars().any(char::is_control), "{misuse:?}");
    }
    encoder.body(b"");
    assert!(encoder.header("Tag", "late").is_err());
    encoder.finish();
    assert_eq!(out, b"OK\r\nSize: 0\r\n\r\n");
}

#[test]
fn an_owned_reply_is_held_to_the_same() {
    assert!(Reply::ok("").header("Sequence", "1").is_err());
    let forged = Reply { headers: vec![("Size".to_owned(), "1".to_owned())], ..Reply::ok("x") };
    let mut out = b"kept".to_vec();
    assert!(forged.encode(&mut out, None).is_err());
    assert_eq!(out, b"kept");
}

#[test]
fn a_head_keeps_its_limit() {
    let mut out = Vec::new();
    let mut encoder = Encoder::ok(&mut out, Some(&seven()));
    let taken = (0..).take_while(|_| encoder.header("Tag", &"v".repeat(93)).is_ok()).count();
    assert!(encoder.header("Tag", "").is_ok(), "a refused header leaves the room it would have taken");
    encoder.body(&[b'b'; 100_000]);
    encoder.finish();
    let (head, len) = AnswerScan::default().decode(&out).unwrap().unwrap();
    assert_eq!((head.headers().count(), head.size()), (taken + 1, 100_000));
    assert!(len <= HEAD && len > HEAD - 150, "{len}");
}

#[test]
fn texts_are_cut_between_characters_and_hold_no_controls() {
    for text in ["x".repeat(9_000), "\u{1f600}".repeat(3_000), "\r\n".repeat(5_000), "\u{9f}x\0".to_owned()] {
        for sequence in [None, Some(seven()), Sequence::new(&[b's'; 32])] {
            let mut out = Vec::new();
            Encoder::error(&mut out, sequence.as_ref(), Code::Failed, &text).finish();
            let (head, len) = AnswerScan::default().decode(&out).unwrap().unwrap();
            let (_, said) = head.status().unwrap_err();
            let same = said
                .chars()
                .zip(text.chars())
                .all(|(said, meant)| if meant.is_control() { said == '\u{fffd}' } else { said == meant });
            assert!(same && len == out.len() && len <= HEAD && (text.len() < 10 || len > HEAD - 30), "{len}");
        }
    }
}

#[test]
fn a_greeting_is_one_line_within_its_limit() {
    let mut out = Vec::new();
    greeting_ok(&mut out);
    assert_eq!(out, b"OK\r\n");
    for text in ["", "it is\nnot", &"\u{e9}".repeat(2_000), &"x".repeat(2_000)] {
        out.clear();
        greeting_error(&mut out, Code::UnfamiliarCertificate, text);
        let (greeted, len) = greeting(&out).unwrap().unwrap();
        assert!(len == out.len() && len <= GREETING && (text.len() < 10 || len >= GREETING - 1), "{len}");
        let Greeting::Refused { code, text: said } = greeted else { panic!("{greeted:?}") };
        assert_eq!((code.as_str(), said.is_empty()), ("unfamiliar-certificate", text.is_empty()));
    }
}
