use proptest::prelude::*;

use super::*;
use crate::wire::Scan;

fn encoded(request: &Request, sequence: Option<&str>, timeout: Option<Duration>) -> Result<String, Misuse> {
    let mut out = Vec::new();
    let sequence = sequence.map(|text| Sequence::new(text.as_bytes()).unwrap());
    request.encode(&mut out, sequence.as_ref(), timeout)?;
    Ok(String::from_utf8(out).unwrap())
}

#[track_caller]
fn refused(request: &Request) {
    let mut out = b"kept".to_vec();
    let misuse = request.encode(&mut out, None, None).expect_err("refused").to_string();
    assert!(!misuse.chars().any(char::is_control), "{misuse:?}");
    assert_eq!(out, b"kept");
}

#[test]
fn the_exchange_of_the_c_original() {
    let request = Request::line("GET employees/1-A");
    assert_eq!(request, Request::new("GET").arg("employees/1-A"));
    assert_eq!(request.name(), "GET");
    assert_eq!(encoded(&request, Some("32"), None).unwrap(), "GET employees/1-A\r\nSequence: 32\r\n\r\n");
}

#[test]
fn size_goes_with_a_body_and_only_with_one() {
    assert_eq!(encoded(&Request::new("PING"), None, None).unwrap(), "PING\r\n\r\n");
    assert_eq!(encoded(&Request::new("PUT").body(""), None, None).unwrap(), "PUT\r\nSize: 0\r\n\r\n");
    let put = Request::line("PUT  a ").header("Tag", "t").body("hello");
    assert_eq!(
        encoded(&put, Some("1"), Some(Duration::from_secs(5))).unwrap(),
        "PUT a\r\nSequence: 1\r\nTimeout: 5\r\nSize: 5\r\nTag: t\r\n\r\nhello"
    );
}

#[test]
fn a_timeout_is_rounded_up_to_milliseconds() {
    let text = |timeout| encoded(&Request::new("P"), None, Some(timeout));
    for (timeout, expected) in [
        (Duration::ZERO, "0"),
        (Duration::from_nanos(1), "0.001"),
        (Duration::from_micros(1_999_001), "2"),
        (Duration::from_millis(50), "0.050"),
        (Duration::from_millis(999_999_999_999), "999999999.999"),
    ] {
        assert_eq!(text(timeout).unwrap(), format!("P\r\nTimeout: {expected}\r\n\r\n"));
    }
    assert!(text(Duration::from_secs(1_000_000_000)).is_err());
    assert!(text(Duration::MAX).is_err());
}

#[test]
fn what_section_3_refuses_is_not_sent() {
    refused(&Request::line("  "));
    refused(&Request::new(""));
    for word in ["", "a b", "a\r\n", "\0", "\u{7f}", "\u{9f}"] {
        refused(&Request::new(word));
        refused(&Request::new("GET").arg(word));
    }
    for name in ["Sequence", "SIZE", "timeout", "", "a b", "a:b", "\u{e9}"] {
        refused(&Request::new("GET").header(name, "1"));
    }
    for value in ["a\r\nSize: 1", "\n", "\u{80}"] {
        refused(&Request::new("GET").header("Tag", value));
    }
    refused(&Request::new("GET").arg("x".repeat(8_064)));
}

#[test]
fn counts_keep_their_limits() {
    let words = |count| (1..count).fold(Request::new("W"), |request, _| request.arg("w"));
    assert!(encoded(&words(64), None, None).is_ok());
    refused(&words(65));
    let headers = |count| (0..count).fold(Request::new("H"), |request, _| request.header("h", "v"));
    assert!(encoded(&headers(64), None, None).is_ok());
    assert!(encoded(&headers(64), Some("1"), None).is_err(), "Sequence is a header too");
    assert!(encoded(&headers(63), Some("1"), None).is_ok());
    refused(&headers(65));
}

#[test]
fn the_longest_head_is_sent_and_taken() {
    let request = Request::new("GET").arg("x".repeat(8_064 - 8));
    let bytes = encoded(&request, None, None).unwrap();
    assert_eq!(bytes.len(), 8_064);
    assert!(Scan::default().decode(bytes.as_bytes()).unwrap().is_some());
    refused(&Request::new("GET").arg("x".repeat(8_064 - 7)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_command_comes_back_as_it_went(
        words in prop::collection::vec("[^\\p{Cc} ]{1,20}", 1..10),
        headers in prop::collection::vec(("X-[a-zA-Z0-9_-]{1,20}", "\\P{Cc}{0,30}"), 0..10),
        body in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
        sequence in prop::option::of("[!-~]{1,32}"),
        timeout in prop::option::of(0u64..1_000_000_000_000),
    ) {
        let request = Request { headers: headers.clone(), body: body.clone(), ..Request::of(words.clone()) };
        let sequence = sequence.map(|text| Sequence::new(text.as_bytes()).unwrap());
        let timeout = timeout.map(Duration::from_millis);
        let mut bytes = Vec::new();
        request.encode(&mut bytes, sequence.as_ref(), timeout).unwrap();
        let (head, len) = Scan::default().decode(&bytes).unwrap().unwrap();
        prop_assert_eq!(head.name(), &words[0]);
        prop_assert_eq!(head.args().collect::<Vec<_>>(), &words[1..]);
        prop_assert_eq!((head.sequence(), head.timeout()), (sequence, timeout));
        prop_assert_eq!(head.size(), body.as_ref().map(|body| body.len() as u64));
        let heard: Vec<_> = head.headers().filter(|(name, _)| name.starts_with("X-")).collect();
        let sent: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.trim_matches(' '))).collect();
        prop_assert_eq!(heard, sent);
        prop_assert_eq!(&bytes[len..], &body.unwrap_or_default()[..]);
    }
}

#[test]
fn what_a_client_keeps_beside_the_bytes() {
    let request = Request::new("GET");
    assert_eq!((request.time_limit(), request.is_repeatable(), request.body_len()), (None, false, 0));
    let request = request.timeout(Duration::from_secs(3)).repeatable().body("four");
    assert_eq!((request.time_limit(), request.is_repeatable()), (Some(Duration::from_secs(3)), true));
    assert_eq!(request.body_len(), 4);
    let said = encoded(&request, None, None).unwrap();
    assert_eq!(said, "GET\r\nSize: 4\r\n\r\nfour", "neither is said by itself");
}

#[test]
fn a_check_refuses_what_encoding_would() {
    assert!(Request::new("GET").arg("a b").check().is_err());
    assert!(Request::new("GET").arg("x".repeat(8_064 - 7)).check().is_err());
    Request::new("GET").arg("x".repeat(8_064 - 8)).check().unwrap();
}
