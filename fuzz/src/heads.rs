//! Commands' heads: any bytes against the plain grammar and at every cut; what a client can say comes back.

use std::time::Duration;

use pinwire_proto::limits::HEAD;
use pinwire_proto::wire::{Head, Request, Scan, Sequence, Violation};

use crate::choices::{Choices, inflate};
use crate::grammar::{self, Lines, Reading};

/// See the module.
///
/// # Panics
/// At a finding.
pub fn run(bytes: &[u8]) {
    decodes(&inflate(bytes));
    says(Choices::new(bytes));
}

/// All that a head says, and its length.
type Facts = (Lines, Vec<String>, Option<Sequence>, Option<u64>, Option<Duration>);

fn facts((head, length): (Head<'_>, usize)) -> Facts {
    let headers = head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let words = std::iter::once(head.name()).chain(head.args()).map(str::to_owned).collect();
    let lines = Lines { first: head.line().to_owned(), headers, length };
    (lines, words, head.sequence(), head.size(), head.timeout())
}

fn decode(scan: &mut Scan, bytes: &[u8]) -> Result<Option<Facts>, Violation> {
    scan.decode(bytes).map(|found| found.map(facts))
}

fn decodes(bytes: &[u8]) {
    let whole = decode(&mut Scan::default(), bytes);
    as_the_grammar_has_it(bytes, &whole);
    grown_byte_by_byte(bytes, &whole);
    let cuts = (0..bytes.len()).step_by(1 + bytes.len() / 16);
    cuts.for_each(|cut| in_two_pieces(bytes, cut, &whole));
    if let Err(violation) = &whole {
        names_the_first_offending_byte(bytes, violation);
    }
}

fn as_the_grammar_has_it(bytes: &[u8], whole: &Result<Option<Facts>, Violation>) {
    match (grammar::command(bytes), whole) {
        (Reading::Head(lines), Ok(Some((found, words, sequence, size, timeout)))) => {
            assert_eq!(found.headers, lines.headers);
            assert_eq!((found.length, &*found.first), (lines.length, lines.first.trim_end_matches(' ')));
            let expected: Vec<&str> = lines.first.split(' ').filter(|word| !word.is_empty()).collect();
            assert_eq!(*words, expected);
            assert_eq!(sequence.map(|it| it.to_string()).as_deref(), lines.header("Sequence"));
            assert_eq!(*size, lines.header("Size").map(|it| it.parse().expect("19 digits fit")));
            let seconds = lines.header("Timeout").map(|it| it.parse::<f64>().expect("digits"));
            let close =
                timeout.map(|it| it.as_secs_f64()).zip(seconds).is_none_or(|(a, b)| (a - b).abs() < 1e-6);
            assert!(close && timeout.is_some() == seconds.is_some(), "{timeout:?} {seconds:?}");
        }
        (Reading::Broken, Err(_)) => {}
        // The first offending byte decides, and it may be there long before the end.
        (Reading::Unfinished, Err(_) | Ok(None)) => assert!(bytes.len() <= HEAD || whole.is_err()),
        (reading, whole) => panic!("{whole:?}, but the grammar has {reading:?}"),
    }
}

/// Section 3 has no word for cuts: they never change anything.
fn grown_byte_by_byte(bytes: &[u8], whole: &Result<Option<Facts>, Violation>) {
    let mut scan = Scan::default();
    for end in 0..=bytes.len() {
        match decode(&mut scan, &bytes[..end]) {
            Ok(None) => assert!(end < bytes.len() || *whole == Ok(None), "never found"),
            found => {
                assert_eq!(found, *whole, "cut at {end}");
                let again =
                    if found.is_ok() { scan == Scan::default() } else { decode(&mut scan, bytes) == found };
                return assert!(again, "not the same again");
            }
        }
    }
}

fn in_two_pieces(bytes: &[u8], cut: usize, whole: &Result<Option<Facts>, Violation>) {
    let mut scan = Scan::default();
    let first = decode(&mut scan, &bytes[..cut]);
    let found = if first == Ok(None) { decode(&mut scan, bytes) } else { first };
    assert_eq!(found, *whole, "cut at {cut}");
}

/// What comes before it could still have become a head; what comes behind it changes nothing.
fn names_the_first_offending_byte(bytes: &[u8], violation: &Violation) {
    assert!(violation.at <= bytes.len().min(HEAD), "{violation:?}");
    assert!(!violation.text.contains(char::is_control), "{violation:?}");
    assert_eq!(decode(&mut Scan::default(), &bytes[..violation.at]), Ok(None), "{violation:?}");
    let longer = [bytes, b"\r\n\r\n"].concat();
    let code = decode(&mut Scan::default(), &longer).map_err(|violation| violation.code);
    // A CR or the end of what came can still turn into something else, worse only.
    assert_eq!(code, Err(violation.code), "{violation:?}");
}

/// A command as a client builds it, and what the server must read.
fn says(mut choices: Choices<'_>) {
    let sequence = choices.flag().then(|| Sequence::from(choices.number() as u64));
    let timeout = choices.flag().then(|| Duration::from_micros((choices.number() * choices.number()) as u64));
    let body = choices.flag().then(|| vec![b'\n'; choices.number()]);
    let words: Vec<String> = (0..=choices.below(70)).map(|_| choices.text()).collect();
    let headers: Vec<_> = (0..choices.below(70)).map(|_| (choices.text(), choices.long_text())).collect();
    let mut request = words[1..].iter().fold(Request::new(&*words[0]), Request::arg);
    for (name, value) in &headers {
        request = request.header(name, value);
    }
    if let Some(body) = &body {
        request = request.body(&**body);
    }
    let mut out = b"before".to_vec();
    if request.encode(&mut out, sequence.as_ref(), timeout).is_err() {
        return assert_eq!(out, b"before", "what is refused leaves nothing behind");
    }
    let said = &out[b"before".len()..];
    let (lines, heard, echo, size, time) = decode(&mut Scan::default(), said)
        .expect("what a client may say is no violation")
        .expect("it is whole");
    assert_eq!((heard, echo, size), (words, sequence, body.as_ref().map(|body| body.len() as u64)));
    assert_eq!(said.len(), lines.length + body.map_or(0, |body| body.len()));
    // Milliseconds, rounded up.
    let rounded = timeout.map(|time| Duration::from_millis(time.as_micros().div_ceil(1_000) as u64));
    assert_eq!(time, rounded);
    let own = ["Sequence", "Size", "Timeout"];
    let theirs = lines.headers.into_iter().filter(|(name, _)| !own.contains(&&**name));
    let trimmed = headers.into_iter().map(|(name, value)| (name, value.trim_matches(' ').to_owned()));
    assert!(theirs.eq(trimmed), "the headers changed on the way");
}
