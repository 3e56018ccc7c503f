use proptest::prelude::*;

use super::*;
use crate::code::Code;
use crate::limits::HEAD;
use crate::wire::Reply;

type Decoded = (Result<(), (String, String)>, Option<Sequence>, u64, bool, Vec<(String, String)>, usize);

fn feed(bytes: &[u8], lengths: impl IntoIterator<Item = usize>) -> Result<Option<Decoded>, Violation> {
    let mut scan = AnswerScan::default();
    for len in lengths.into_iter().chain([bytes.len()]) {
        if let Some((head, len)) = scan.decode(&bytes[..len])? {
            let status = head.status().map_err(|(code, text)| (code.to_owned(), text.to_owned()));
            let headers = head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            return Ok(Some((status, head.sequence(), head.size(), head.more(), headers, len)));
        }
    }
    Ok(None)
}

#[track_caller]
fn broken_at(bytes: &[u8], at: usize) {
    let violation = feed(bytes, []).expect_err("a violation");
    assert_eq!(violation.at, at, "{violation}");
}

#[test]
fn the_exchange_of_the_c_original() {
    let bytes = b"OK\r\nSequence: 32\r\nSize: 5\r\n\r\nAlice";
    let (head, len) = AnswerScan::default().decode(bytes).unwrap().unwrap();
    assert_eq!((head.status(), head.sequence(), head.size()), (Ok(()), Sequence::new(b"32"), 5));
    assert_eq!(&bytes[len..], b"Alice");
    assert!(!head.more() && head.headers().next().is_none());
}

#[test]
fn unknown_codes_and_headers_are_taken() {
    let bytes = b"ERR: from-the-future: a: b\r\nmore: yes\r\nNew: x y\r\nsize: 0\r\n\r\n";
    let (head, _) = AnswerScan::default().decode(bytes).unwrap().unwrap();
    assert_eq!(head.status(), Err(("from-the-future", "a: b")));
    assert_eq!(head.headers().collect::<Vec<_>>(), [("New", "x y")]);
    assert_eq!((head.header("NEW"), head.header("Size"), head.more()), (Some("x y"), None, true));
}

#[test]
fn more_headers_than_a_command_may_have_are_taken() {
    let bytes = format!("OK\r\nSize: 0\r\n{}\r\n", "h: v\r\n".repeat(300));
    assert_eq!(feed(bytes.as_bytes(), []).unwrap().unwrap().4.len(), 300);
}

#[test]
fn what_is_no_reply_is_refused_where_it_breaks() {
    broken_at(b"OKAY\r\nSize: 0\r\n\r\n", 2);
    broken_at(b"O\r\n", 1);
    broken_at(b"\r\n", 0);
    broken_at(b"HTTP/1.1 200 OK\r\n", 0);
    broken_at(b"ERR\r\n", 3);
    broken_at(b"ERR: \r\n", 5);
    broken_at(b"ERR: Upper\r\n", 5);
    broken_at(b"ERR: idle:text\r\n", 10);
    broken_at(b"ERR: idle \r\n", 9);
    broken_at(&[b"ERR: ", &[b'c'; 65][..], b"\r\n"].concat(), 5 + 64);
    broken_at(b"OK\r\n\r\n", 4);
    broken_at(b"OK\r\nSize: 0\r\nSize: 0\r\n\r\n", 17);
    broken_at(b"OK\r\nSize: 0\r\nMore: no\r\n\r\n", 19);
    broken_at(b"OK\r\nSize: 0\r\nTag: \0", 18);
    broken_at(&[b"OK\r\nSize: 0\r\nTag: ", &[b'x'; HEAD][..]].concat(), HEAD);
}

#[test]
fn the_same_at_every_cut() {
    for bytes in [
        "ERR: failed: \u{e9}\u{fffd}\r\nSequence: 1\r\nSize: 4\r\nTag: \u{20ac}\r\n\r\nbody".as_bytes(),
        b"OK\r\nSequence: 1\r\nMore: yes\r\n\r\n",
        b"ERR: failed: \xff\r\n\r\n",
    ] {
        let expected = feed(bytes, []);
        assert_eq!(feed(bytes, 0..bytes.len()), expected);
        for cut in 0..=bytes.len() {
            assert_eq!(feed(bytes, [cut]), expected, "cut at {cut}");
        }
    }
}

#[test]
fn greetings() {
    assert_eq!(greeting(b"OK\r\nOK\r\n").unwrap(), Some((Greeting::Ok, 4)));
    let refused = Greeting::Refused { code: "idle".to_owned(), text: "so: it is".to_owned() };
    let bytes = b"ERR: idle: so: it is\r\n";
    assert_eq!(greeting(bytes).unwrap(), Some((refused, bytes.len())));
    for cut in 0..bytes.len() {
        assert_eq!(greeting(&bytes[..cut]).unwrap(), None, "cut at {cut}");
    }
}

#[test]
fn what_is_no_greeting() {
    let at = |bytes: &[u8]| greeting(bytes).expect_err("a violation").at;
    assert_eq!(at(b"HTTP/1.1 400\r\n"), 0);
    assert_eq!(at(b"O\nK"), 1);
    assert_eq!(at(b"OK\rx"), 2);
    assert_eq!(at(b"ERR: idle: \xff\r\n"), 11);
    assert_eq!(at(b"220 \x00"), 0);
    assert_eq!(at(b"\x15\x03\x03\x00\x02"), 0);
}

#[test]
fn a_greeting_keeps_its_limit() {
    let line = |len: usize| [b"ERR: idle: ", &vec![b'x'; len - 13][..], b"\r\n"].concat();
    assert_eq!(greeting(&line(GREETING)).unwrap().unwrap().1, GREETING);
    for past in 1..4 {
        let violation = greeting(&line(GREETING + past)).expect_err("a violation");
        assert_eq!((violation.code, violation.at), (Code::MessageTooLarge, GREETING));
    }
    assert!(greeting(&line(GREETING + 9)[..GREETING]).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reply_comes_back_as_it_went(
        error in prop::option::of((prop::sample::select(Code::all().collect::<Vec<_>>()), "\\PC{0,40}")),
        headers in prop::collection::vec(("X-[a-zA-Z0-9_-]{1,20}", "(\\PC{0,30}[!-~])?"), 0..5),
        body in prop::collection::vec(any::<u8>(), 0..300),
        sequence in prop::option::of("[!-~]{1,32}"),
        cut in any::<prop::sample::Index>(),
    ) {
        let sequence = sequence.map(|text| Sequence::new(text.as_bytes()).unwrap());
        let status = error.map_or(Ok(()), Err);
        let reply = Reply { status: status.clone(), headers: headers.clone(), body: body.clone() };
        let mut bytes = Vec::new();
        reply.encode(&mut bytes, sequence.as_ref()).unwrap();
        let (said, echoed, size, more, heard, len) = feed(&bytes, [cut.index(bytes.len())]).unwrap().unwrap();
        prop_assert_eq!(said, status.map_err(|(code, text)| (code.to_string(), text)));
        prop_assert_eq!((echoed, size, more), (sequence, body.len() as u64, false));
        let trimmed = |(name, value): (String, String)| (name, value.trim_matches(' ').to_owned());
        prop_assert_eq!(heard, headers.into_iter().map(trimmed).collect::<Vec<_>>());
        prop_assert_eq!(&bytes[len..], &body[..]);
    }
}
