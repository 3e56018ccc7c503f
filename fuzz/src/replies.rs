//! Replies and greetings: any bytes against the plain grammar and at every cut; what a server encodes can
//! always be decoded, whatever its handlers say.

use std::io::Write as _;

use pinwire_proto::code::Code;
use pinwire_proto::limits::{GREETING, HEAD};
use pinwire_proto::wire::{
    self, AnswerHead, AnswerScan, Encoder, Greeting, Misuse, Reply, Sequence, Violation, greeting_error,
};

use crate::choices::{Choices, inflate};
use crate::grammar::{self, Lines, Reading};

/// See the module.
///
/// # Panics
/// At a finding.
pub fn run(bytes: &[u8]) {
    let inflated = inflate(bytes);
    decodes(&inflated);
    greets(&inflated);
    replies(Choices::new(bytes));
    refuses(Choices::new(bytes));
}

type Status = Result<(), (String, String)>;

/// All that a head says: status, headers, length, sequence, size, more.
type Facts = (Status, Vec<(String, String)>, usize, Option<Sequence>, u64, bool);

fn facts((head, length): (AnswerHead<'_>, usize)) -> Facts {
    let headers = head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (owned(head.status()), headers, length, head.sequence(), head.size(), head.more())
}

fn owned(status: Result<(), (&str, &str)>) -> Status {
    status.map_err(|(code, text)| (code.to_owned(), text.to_owned()))
}

fn decode(scan: &mut AnswerScan, bytes: &[u8]) -> Result<Option<Facts>, Violation> {
    scan.decode(bytes).map(|found| found.map(facts))
}

fn decodes(bytes: &[u8]) {
    let whole = decode(&mut AnswerScan::default(), bytes);
    match (grammar::reply(bytes), &whole) {
        (Reading::Head(lines), Ok(Some(found))) => same(&lines, found),
        (Reading::Broken, Err(_)) => {}
        (Reading::Unfinished, Err(_) | Ok(None)) => assert!(bytes.len() <= HEAD || whole.is_err()),
        (reading, whole) => panic!("{whole:?}, but the grammar has {reading:?}"),
    }
    let mut scan = AnswerScan::default();
    let mut pieces = (0..=bytes.len()).map(|end| decode(&mut scan, &bytes[..end]));
    let grown = pieces.find(|found| *found != Ok(None)).unwrap_or(Ok(None));
    assert_eq!(grown, whole, "byte by byte");
    if let Err(violation) = whole {
        assert!(violation.at <= bytes.len().min(HEAD) && !violation.text.contains(char::is_control));
        assert_eq!(decode(&mut AnswerScan::default(), &bytes[..violation.at]), Ok(None), "{violation:?}");
    }
}

fn same(lines: &Lines, (status, headers, length, sequence, size, more): &Facts) {
    let own = ["Sequence", "Size", "More"];
    let theirs =
        lines.headers.iter().filter(|(name, _)| !own.iter().any(|own| own.eq_ignore_ascii_case(name)));
    assert!(theirs.eq(headers));
    assert_eq!(Some(status.clone()), grammar::status(&lines.first).map(owned));
    assert_eq!(sequence.map(|it| it.to_string()).as_deref(), lines.header("Sequence"));
    assert_eq!(Some(*size), lines.header("Size").map(|it| it.parse().expect("19 digits fit")));
    assert_eq!((*length, *more), (lines.length, lines.header("More").is_some()));
}

fn greets(bytes: &[u8]) {
    let whole = wire::greeting(bytes);
    match (grammar::greeting(bytes), &whole) {
        (Ok(Some(line)), Ok(Some((greeting, length)))) => {
            assert_eq!(*length, line.len() + 2);
            let found = match greeting {
                Greeting::Ok => Ok(()),
                Greeting::Refused { code, text } => Err((&**code, &**text)),
            };
            assert_eq!(Some(found), grammar::status(line));
        }
        (Err(()), Err(_)) | (Ok(None), Ok(None) | Err(_)) => {}
        (reading, whole) => panic!("{whole:?}, but the grammar has {reading:?}"),
    }
    let mut pieces = (0..=bytes.len().min(GREETING + 2)).map(|end| wire::greeting(&bytes[..end]));
    let grown = pieces.find(|found| *found != Ok(None)).unwrap_or(Ok(None));
    assert_eq!(grown, whole, "byte by byte");
}

/// What a handler may try: each reply is whole and right, or not there at all.
fn replies(mut choices: Choices<'_>) {
    let mut out = Vec::new();
    let mut expected = Vec::new();
    for _ in 0..=choices.below(4) {
        let before = out.clone();
        match reply(&mut choices, &mut out) {
            Some(reply) => expected.push(reply),
            None => assert_eq!(out, before, "what is refused or dropped leaves nothing behind"),
        }
    }
    let mut rest = &out[..];
    for (status, headers, sequence, body) in expected {
        let found = decode(&mut AnswerScan::default(), rest).expect("what a server says is no violation");
        let (said, theirs, length, echo, size, more) = found.expect("it is whole");
        assert!(length <= HEAD && !more);
        assert_eq!((&theirs, echo, size), (&headers, sequence, body.len() as u64));
        is_cut(&said, &status);
        assert_eq!(rest[length..][..body.len()], body);
        rest = &rest[length + body.len()..];
    }
    assert!(rest.is_empty(), "more than was said");
}

type Said = (Result<(), (Code, String)>, Vec<(String, String)>, Option<Sequence>, Vec<u8>);

/// One reply, by either of the two ways there are; what of it must arrive.
fn reply(choices: &mut Choices<'_>, out: &mut Vec<u8>) -> Option<Said> {
    let sequence = choices.flag().then(|| Sequence::from(choices.number() as u64));
    let status = match choices.flag() {
        true => Err((code(choices), choices.long_text())),
        false => Ok(()),
    };
    let headers: Vec<_> = (0..choices.below(5)).map(|_| (choices.text(), choices.long_text())).collect();
    let body: Vec<u8> = choices.bytes(64).repeat(choices.below(20));
    let trimmed = headers.iter().map(|(name, value)| (name.clone(), value.trim_matches(' ').to_owned()));
    let said = (status.clone(), trimmed.collect(), sequence, body.clone());
    match choices.below(3) {
        0 => Reply { status, headers, body }.encode(out, sequence.as_ref()).is_ok(),
        1 => encode(choices, out, &(status, headers, sequence, body), true) == Ok(true),
        _ => encode(choices, out, &(status, headers, sequence, body), false) == Ok(true),
    }
    .then_some(said)
}

/// Whether it was finished.
fn encode(
    choices: &mut Choices<'_>,
    out: &mut Vec<u8>,
    (status, headers, sequence, body): &Said,
    finishes: bool,
) -> Result<bool, Misuse> {
    let mut encoder = match status {
        Ok(()) => Encoder::ok(out, sequence.as_ref()),
        Err((code, text)) => Encoder::error(out, sequence.as_ref(), *code, text),
    };
    headers.iter().try_for_each(|(name, value)| encoder.header(name, value))?;
    for piece in body.chunks(1 + choices.below(100)) {
        encoder.write_all(piece).expect("writing to a buffer does not fail");
    }
    if finishes {
        encoder.finish();
    }
    Ok(finishes)
}

fn code(choices: &mut Choices<'_>) -> Code {
    let all: Vec<Code> = Code::all().collect();
    choices.pick(&all)
}

/// Control characters become U+FFFD, and the text may be cut: nothing else happens to a status.
fn is_cut(said: &Status, meant: &Result<(), (Code, String)>) {
    match (said, meant) {
        (Ok(()), Ok(())) => {}
        (Err((code, text)), Err((meant, whole))) => {
            assert_eq!(code, meant.as_str());
            let clean: String =
                whole.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
            assert!(clean.starts_with(&**text), "{text:?} of {clean:?}");
        }
        _ => panic!("{said:?} for {meant:?}"),
    }
}

/// The greeting of a peer that is refused: one line of at most 1,024 bytes, whatever the text.
fn refuses(mut choices: Choices<'_>) {
    let (code, text) = (code(&mut choices), choices.long_text());
    let mut out = Vec::new();
    greeting_error(&mut out, code, &text);
    assert!(out.len() <= GREETING);
    let greeting = wire::greeting(&out).expect("what a server says is no violation").expect("it is whole");
    let (Greeting::Refused { code: said, text: words }, length) = greeting else { panic!("let in") };
    assert_eq!(length, out.len());
    is_cut(&Err((said, words)), &Err((code, text)));
}
