use proptest::prelude::*;

use super::*;
use crate::code::Code;
use crate::limits::{HEAD, HEADERS, WORDS};

/// What decoding came to, in a form that outlives the bytes.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Partial,
    Head(Seen),
    Broken(Violation),
}

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    len: usize,
    words: Vec<String>,
    headers: Vec<(String, String)>,
    sequence: Option<Sequence>,
    size: Option<u64>,
    timeout: Option<Duration>,
}

/// Decodes while the bytes grow from one of these lengths to the next, and at last are all there.
fn feed(bytes: &[u8], lengths: impl IntoIterator<Item = usize>) -> Outcome {
    let mut scan = Scan::default();
    for len in lengths.into_iter().chain([bytes.len()]) {
        match scan.decode(&bytes[..len]) {
            Ok(None) => {}
            Ok(Some((head, len))) => {
                assert_eq!(scan, Scan::default(), "ready for the next head");
                return Outcome::Head(seen(&head, len));
            }
            Err(violation) => {
                assert_eq!(scan.decode(&bytes[..len]).err().as_ref(), Some(&violation), "asked again");
                return Outcome::Broken(violation);
            }
        }
    }
    Outcome::Partial
}

fn seen(head: &Head<'_>, len: usize) -> Seen {
    assert_eq!(head.bytes().len(), len);
    assert_eq!(head.args().next(), head.arg(0));
    Seen {
        len,
        words: std::iter::once(head.name()).chain(head.args()).map(str::to_owned).collect(),
        headers: head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        sequence: head.sequence(),
        size: head.size(),
        timeout: head.timeout(),
    }
}

fn whole(bytes: &[u8]) -> Outcome {
    feed(bytes, [])
}

fn head(bytes: &[u8]) -> Head<'_> {
    let decoded = Scan::default().decode(bytes).expect("a right head").expect("a whole head");
    assert_eq!(decoded.1, bytes.len());
    decoded.0
}

#[track_caller]
fn broken_at(bytes: &[u8], at: usize) -> Violation {
    match whole(bytes) {
        Outcome::Broken(violation) => {
            assert_eq!(violation.at, at, "{violation} in {:?}", bytes.escape_ascii().to_string());
            assert!(!violation.text.chars().any(char::is_control), "{:?}", violation.text);
            violation
        }
        other => panic!("{other:?} from {:?}", bytes.escape_ascii().to_string()),
    }
}

#[track_caller]
fn bad_command_at(bytes: &[u8], at: usize) {
    assert_eq!(broken_at(bytes, at).code, Code::BadCommand);
}

#[track_caller]
fn too_large(bytes: &[u8]) {
    assert_eq!(broken_at(bytes, HEAD).code, Code::MessageTooLarge);
}

/// A right first line, then a header that makes the head this long in all.
fn head_of(len: usize) -> Vec<u8> {
    let mut bytes = b"GET a\r\nFill: ".to_vec();
    bytes.resize(len - 4, b'x');
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

#[test]
fn the_exchange_of_the_c_original() {
    let head = head(b"GET employees/1-A\r\nSequence: 32\r\n\r\n");
    assert_eq!(head.name(), "GET");
    assert_eq!(head.args().collect::<Vec<_>>(), ["employees/1-A"]);
    assert_eq!(head.sequence(), Sequence::new(b"32"));
    assert_eq!((head.size(), head.timeout()), (None, None));
}

#[test]
fn words_keep_their_spelling_and_lose_their_spaces() {
    let head = head("gEt  a   \u{a0}é\u{2003}b   \r\n\r\n".as_bytes());
    assert_eq!(head.name(), "gEt");
    assert_eq!(head.line(), "gEt  a   \u{a0}é\u{2003}b");
    assert_eq!(head.args().collect::<Vec<_>>(), ["a", "\u{a0}é\u{2003}b"]);
    assert_eq!((head.arg(1), head.arg(2)), (Some("\u{a0}é\u{2003}b"), None));
}

#[test]
fn headers_match_without_case_and_may_come_again() {
    let head = head(b"PUT x\r\nIf-Version:7\r\nTag:   a b  \r\ntAG: second\r\nEmpty:\r\nsIZE: 3\r\n\r\n");
    assert_eq!(head.header("if-version"), Some("7"));
    assert_eq!(head.header("TAG"), Some("a b"));
    assert_eq!(head.header("empty"), Some(""));
    assert_eq!(head.header("absent"), None);
    assert_eq!(head.size(), Some(3));
    let all: Vec<_> = head.headers().collect();
    assert_eq!(all[2..], [("tAG", "second"), ("Empty", ""), ("sIZE", "3")]);
}

#[test]
fn a_timeout_counts_milliseconds() {
    for (text, millis) in [("5", 5_000), ("0", 0), ("0.5", 500), ("1.05", 1_050), ("2.007  ", 2_007)] {
        let bytes = format!("PING\r\nTimeout: {text}\r\n\r\n");
        assert_eq!(head(bytes.as_bytes()).timeout(), Some(Duration::from_millis(millis)), "{text}");
    }
}

#[test]
fn an_owned_head_is_the_same_head() {
    let head = head(b"PUT x\r\nSequence: 9\r\nSize: 12\r\nTag: t\r\n\r\n");
    let owned = head.into_owned();
    assert_eq!(seen(&owned.head(), head.bytes().len()), seen(&head, head.bytes().len()));
}

#[test]
fn the_same_at_every_cut() {
    let mut cases: Vec<Vec<u8>> = vec![
        b"GET employees/1-A\r\nSequence: 32\r\n\r\nGET next".to_vec(),
        "PUT \u{e9}\u{20ac}\u{1f600}  x \r\nSize: 5\r\nTimeout: 1.250\r\nTag:  \u{e9} \r\n\r\nhello".into(),
        "GET \u{e9}\u{85}x\r\n\r\n".into(),
        b"GET \xe2\x82\r\n\r\n".to_vec(),
        b"GET a\r\nBad header \x00\r\n\r\n".to_vec(),
        b"GET a\rb\r\n\r\n".to_vec(),
        b"\r\n\r\n".to_vec(),
    ];
    cases.extend([HEAD - 1, HEAD, HEAD + 1, HEAD + 2, HEAD + 3, HEAD + 4, HEAD + 9].map(head_of));
    for bytes in cases {
        let expected = whole(&bytes);
        assert_ne!(expected, Outcome::Partial);
        assert_eq!(feed(&bytes, 0..bytes.len()), expected, "byte by byte");
        for cut in 0..=bytes.len() {
            assert_eq!(feed(&bytes, [cut]), expected, "cut at {cut}");
        }
    }
}

#[test]
fn many_heads_in_a_row() {
    for count in [3, 20, 1_000] {
        let bytes: String = (0..count).map(|i| format!("GET {i}\r\nSequence: {i}\r\n\r\n")).collect();
        let (mut scan, mut at) = (Scan::default(), 0);
        for i in 0..count {
            let (head, len) = scan.decode(&bytes.as_bytes()[at..]).unwrap().unwrap();
            assert_eq!(head.arg(0), Some(i.to_string().as_str()));
            assert_eq!(head.sequence(), Some(Sequence::from(i)));
            at += len;
        }
        assert_eq!(at, bytes.len());
        assert!(scan.decode(b"").unwrap().is_none());
    }
}

#[test]
fn what_crashed_or_hung_the_c_original() {
    bad_command_at(b"\r\n\r\n", 0);
    bad_command_at(b"   \r\n\r\n", 0);
    bad_command_at(b"GET a\r\n:::\r\n\r\n", 7);
    bad_command_at(b"GET \0a\r\n\r\n", 4);
    bad_command_at(b"\0", 0);
    assert_eq!(head(b"%s%n\r\n\r\n").name(), "%s%n");
    assert_eq!(feed(b"GET a\r\nSequence: 1\r\n\r\n", [1]), whole(b"GET a\r\nSequence: 1\r\n\r\n"));
}

#[test]
fn a_first_line_begins_with_a_word() {
    bad_command_at(b" GET a\r\n\r\n", 0);
    bad_command_at(b"\r\nGET a\r\n\r\n", 0);
    bad_command_at(b"\nGET", 0);
    bad_command_at(b"\tGET", 0);
}

#[test]
fn controls_are_refused_anywhere() {
    let controls = (0..0x20).chain([0x7F]).filter(|byte| *byte != b'\r');
    for control in controls {
        bad_command_at(&[b"GET a", &[control][..], b"b\r\n\r\n"].concat(), 5);
        bad_command_at(&[b"GET\r\nTag: a", &[control][..], b"b\r\n\r\n"].concat(), 11);
    }
    for control in '\u{80}'..='\u{9f}' {
        bad_command_at(format!("GET a{control}\r\n\r\n").as_bytes(), 6);
    }
    bad_command_at(b"GET a\rb", 5);
    bad_command_at(b"GET a\r\nTag: b\r\n\rx", 15);
    bad_command_at(b"GET a\r\r\n", 5);
    assert_eq!(whole(b"GET a\r"), Outcome::Partial);
}

#[test]
fn what_is_not_utf8_is_refused_where_it_breaks() {
    bad_command_at(b"GET \xff\r\n\r\n", 4);
    bad_command_at(b"GET \x80\r\n\r\n", 4);
    bad_command_at(b"GET \xc0\x80\r\n\r\n", 4);
    bad_command_at(b"GET \xe0\x80\x80\r\n\r\n", 5);
    bad_command_at(b"GET \xed\xa0\x80\r\n\r\n", 5);
    bad_command_at(b"GET \xe2\x82a\r\n\r\n", 6);
    bad_command_at(b"GET \xe2\x82\r\n\r\n", 6);
    bad_command_at(b"GET\r\nTag: \xf5\r\n\r\n", 10);
}

#[test]
fn header_names_keep_their_grammar() {
    bad_command_at(b"GET\r\nno colon\r\n\r\n", 7);
    bad_command_at(b"GET\r\nnocolon\r\n\r\n", 12);
    bad_command_at(b"GET\r\nTag : x\r\n\r\n", 8);
    bad_command_at(b"GET\r\nTag: x\r\n folded\r\n\r\n", 13);
    bad_command_at("GET\r\nT\u{e9}g: x\r\n\r\n".as_bytes(), 6);
    let longest = [b"GET\r\n", &[b'n'; 64][..], b":\r\n\r\n"].concat();
    assert!(matches!(whole(&longest), Outcome::Head(_)));
    bad_command_at(&[b"GET\r\n", &[b'n'; 65][..], b":\r\n\r\n"].concat(), 5 + 64);
}

#[test]
fn the_protocols_own_headers_keep_theirs() {
    let at = |header: &str, at: usize| bad_command_at(format!("G\r\n{header}\r\n\r\n").as_bytes(), 3 + at);
    at("Sequence:", 9);
    at("Sequence: a b", 12);
    at("Sequence: \u{e9}", 10);
    at(&format!("Sequence: {}", "s".repeat(33)), 10 + 32);
    at("Size:  ", 7);
    at("Size: -1", 6);
    at("Size: 1x", 7);
    at("Size: 1 2", 8);
    at("Size: 12345678901234567890", 6 + 19);
    at("Timeout: .5", 9);
    at("Timeout: 1.", 11);
    at("Timeout: 1.0000", 14);
    at("Timeout: 1234567890", 18);
    at("Sequence: 1\r\nsequence: 1", 13 + 8);
    at("Size: 1\r\nSIZE: 1", 9 + 4);
    at("Timeout: 1\r\nTimeout: 1", 12 + 7);
    let most = "G\r\nSequence: ssssssssssssssssssssssssssssssss  \r\nSize: 9999999999999999999\r\n\r\n";
    assert_eq!(head(most.as_bytes()).size(), Some(9_999_999_999_999_999_999));
    assert_eq!(head(most.as_bytes()).sequence(), Sequence::new(&[b's'; 32]));
}

#[test]
fn the_first_offending_byte_decides() {
    bad_command_at(b"GET\r\nno colon\0", 7);
    bad_command_at(b"GET\r\nTag\xff: \0", 8);
    bad_command_at("GET\r\nT: \u{85}\u{1}".as_bytes(), 9);
    bad_command_at(b"GET\r\nSize: x\xff\r\n\r\n", 11);
    bad_command_at(b"GET\r\nSize: 1\xff\r\n\r\n", 12);
    bad_command_at(b"GET \xff\0", 4);
}

#[test]
fn sixty_four_words_and_no_more() {
    let words = |count: usize| format!("{}  \r\n\r\n", vec!["w"; count].join(" "));
    assert_eq!(head(words(WORDS).as_bytes()).args().count(), WORDS - 1);
    bad_command_at(words(WORDS + 1).as_bytes(), 2 * WORDS);
}

#[test]
fn sixty_four_headers_and_no_more() {
    let headers = |count: usize| format!("GET\r\n{}\r\n", "h: v\r\n".repeat(count));
    assert_eq!(head(headers(HEADERS).as_bytes()).headers().count(), HEADERS);
    bad_command_at(headers(HEADERS + 1).as_bytes(), 5 + 6 * HEADERS);
}

#[test]
fn the_limit_is_exact_and_needs_no_end() {
    assert_eq!(head(&head_of(HEAD)).bytes().len(), HEAD);
    for past in 1..6 {
        too_large(&head_of(HEAD + past));
    }
    too_large(&[b'x'; HEAD + 1]);
    assert_eq!(whole(&[b'x'; HEAD]), Outcome::Partial);
}

#[test]
fn at_the_limit_an_earlier_fault_comes_first() {
    let mut bytes = head_of(HEAD + 9);
    bytes[HEAD] = 0;
    too_large(&bytes);
    bytes[HEAD - 1] = 0;
    bad_command_at(&bytes, HEAD - 1);
    let mut endless = b"GET\r\nno colon ".to_vec();
    endless.resize(HEAD + 1, b'x');
    bad_command_at(&endless, 7);
    let mut bare = b"GET\r\nTag: ".to_vec();
    bare.resize(HEAD - 1, b'x');
    bad_command_at(&[&bare[..], b"\rx"].concat(), HEAD - 1);
    too_large(&[&bare[..], b"\r\n"].concat());
    let mut unfinished = b"GET\r\n".to_vec();
    unfinished.resize(HEAD - 2, b'\r');
    assert_eq!(broken_at(&unfinished, 5).code, Code::BadCommand);
}

#[test]
fn a_violation_says_where_and_what() {
    let text = |bytes: &[u8]| match whole(bytes) {
        Outcome::Broken(violation) => violation.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        text(b"GET\r\nSize: x\r\n\r\n"),
        "bad-command: offset 11: found \"x\", expected a Size of 1 to 19 digits"
    );
    assert_eq!(text(b"G\0"), "bad-command: offset 1: found byte 0x00, expected no control characters");
    assert_eq!(
        text(&[b'x'; HEAD + 1]),
        "message-too-large: offset 8064: found one byte more, expected a head of at most 8064 bytes"
    );
}

#[test]
fn a_head_and_its_scan_are_small() {
    const { assert!(size_of::<Scan>() <= 16) };
    const { assert!(size_of::<Head<'_>>() <= 32) };
}

/// Bytes near the grammar, and near its edges.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        8 => prop::sample::select(vec![
            &b"\r\n"[..], b" ", b"GET", b"a", b":", b": ", b"1", b"Sequence: 1", b"Size", b"Size: 20",
            b"Timeout: 1", b".", b"Tag: x", b"-", "\u{e9}".as_bytes(), "\u{1f600}".as_bytes(),
        ]),
        1 => prop::sample::select(vec![
            &b"\r"[..], b"\n", b"\0", b"\x7f", b"\xc2", b"\xc2\x85", b"\xe2\x82", b"\xed", b"\xf4\x8f",
            b"\xff", b"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", b"12345678901",
        ]),
    ];
    let begun = prop_oneof![3 => Just(&b"GET a\r\n"[..]), 1 => Just(&b""[..])];
    (begun, prop::collection::vec(token, 0..14), prop::bool::ANY).prop_map(|(begun, tokens, ended)| {
        let end = if ended { &b"\r\n\r\n"[..] } else { b"" };
        [begun, &tokens.concat(), end].concat()
    })
}

/// Whether something can follow that makes a head of it.
fn can_go_on(bytes: &[u8]) -> bool {
    let lead = [&b""[..], b"\x8f", b"\x9f", b"\xa0", b"\xbf"];
    let more = [&b""[..], b"\x80", b"\x80\x80"];
    let ends = [
        &b""[..],
        b"\n",
        b"\r\n",
        b"\n\r\n",
        b"\r\n\r\n",
        b"x\r\n\r\n",
        b"1\r\n\r\n",
        b":1\r\n\r\n",
        b"x:1\r\n\r\n",
    ];
    lead.iter().any(|lead| {
        more.iter().any(|more| {
            ends.iter().any(|end| matches!(whole(&[bytes, lead, more, end].concat()), Outcome::Head(_)))
        })
    })
}

fn unrecorded() -> ProptestConfig {
    // No regression files in the tree: a failure prints its input.
    ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(unrecorded())]

    #[test]
    fn cuts_change_nothing(
        bytes in nearly_a_head(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut lengths: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        lengths.sort_unstable();
        prop_assert_eq!(feed(&bytes, lengths), whole(&bytes));
        prop_assert_eq!(feed(&bytes, 0..bytes.len()), whole(&bytes));
    }

    #[test]
    fn a_violation_names_the_first_byte_after_which_nothing_helps(bytes in nearly_a_head()) {
        if let Outcome::Broken(violation) = whole(&bytes) {
            prop_assert!(can_go_on(&bytes[..violation.at]), "{violation}: broken before");
            // A CR that no LF follows is the offending byte, although an LF could have followed it.
            if bytes[violation.at] != b'\r' {
                prop_assert!(!can_go_on(&bytes[..=violation.at]), "{violation}: not broken yet");
            }
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(feed(&bytes, 0..bytes.len()), whole(&bytes));
    }
}
