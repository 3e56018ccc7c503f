//! A client's session, fed any bytes in any pieces: what happens is what the plain grammar says, it ends once,
//! and nothing leaves before the server is trusted.

use std::sync::LazyLock;

use pinwire_proto::session::{ClientEnd, ClientEvent, ClientSession};
use pinwire_proto::tls::{ClientTls, Layer, TlsFailure};
use pinwire_proto::wire::{Greeting, Request, Sequence};

use crate::choices::{Choices, inflate};
use crate::grammar::{self, Reading};

/// See the module.
///
/// # Panics
/// At a finding.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = choices.byte();
    let count = choices.below(32);
    let cuts = choices.bytes(count);
    let stream = inflate(choices.rest());
    if kind == b'T' {
        return shakes_no_hands(cuts, &stream);
    }
    let most = [64 * 1024 * 1024, 1_000, 10, 0][usize::from(kind) % 4];
    let whole = listen(&mut clear(most), &[], &stream);
    is_what_the_grammar_says(&stream, most, &whole);
    let mut session = clear(most);
    assert_eq!(listen(&mut session, cuts, &stream), whole, "cuts change nothing");
    says_nothing_after_its_end(&mut session, &stream);
    sends_to_the_trusted_alone(cuts, &stream);
}

fn clear(most: u64) -> ClientSession {
    ClientSession::over(Layer::clear(None)).at_most(most)
}

/// All that happens, and one end.
fn listen(session: &mut ClientSession, cuts: &[u8], stream: &[u8]) -> Vec<ClientEvent> {
    let mut events = Vec::new();
    let mut rest = stream;
    for cut in cuts {
        let (piece, left) = rest.split_at(usize::from(*cut).min(rest.len()));
        rest = left;
        session.receive(piece);
        events.extend(std::iter::from_fn(|| session.next()));
    }
    session.receive(rest);
    session.end_of_input();
    events.extend(std::iter::from_fn(|| session.next()));
    let ends = events.iter().filter(|event| matches!(event, ClientEvent::End(_))).count();
    assert!(ends == 1 && matches!(events.last(), Some(ClientEvent::End(_))), "{events:?}");
    events
}

fn says_nothing_after_its_end(session: &mut ClientSession, stream: &[u8]) {
    session.receive(stream);
    session.end_of_input();
    assert_eq!(session.next(), None);
}

/// Sections 2 and 4, event by event.
fn is_what_the_grammar_says(stream: &[u8], most: u64, events: &[ClientEvent]) {
    let mut events = events.iter();
    assert_eq!(events.next(), Some(&ClientEvent::Handshaken { certificate: Vec::new() }));
    let line = match grammar::greeting(stream) {
        Ok(Some(line)) => line,
        Ok(None) => return is_an_end(events, true),
        Err(()) => return is_an_end(events, false),
    };
    let greeting = match grammar::status(line) {
        Some(Err((code, text))) => Greeting::Refused { code: code.to_owned(), text: text.to_owned() },
        _ => Greeting::Ok,
    };
    assert_eq!(events.next(), Some(&ClientEvent::Greeting(greeting)));
    let mut rest = &stream[line.len() + 2..];
    loop {
        let lines = match grammar::reply(rest) {
            Reading::Head(lines) => lines,
            Reading::Unfinished => return is_an_end(events, true),
            Reading::Broken => return is_an_end(events, false),
        };
        let size: u64 = lines.header("Size").and_then(|size| size.parse().ok()).expect("a size");
        let body = &rest[lines.length..];
        let is_whole = size <= body.len() as u64;
        let (answer, kept) = match events.next() {
            Some(ClientEvent::TooLarge(answer)) if size > most => (answer, &[][..]),
            Some(ClientEvent::Answer(answer)) if size <= most && is_whole => (answer, &body[..size as usize]),
            Some(end @ ClientEvent::End(ClientEnd::Vanished)) if size <= most && !is_whole => {
                return assert_eq!(events.next(), None, "after {end:?}");
            }
            other => panic!("{other:?} for {lines:?}"),
        };
        assert_eq!(answer.body, kept);
        assert_eq!(answer.sequence.map(|it| it.to_string()).as_deref(), lines.header("Sequence"));
        assert_eq!(answer.more, lines.header("More").is_some());
        let status = answer.status.as_ref().copied().map_err(|(code, text)| (&**code, &**text));
        assert_eq!(Some(status), grammar::status(&lines.first));
        if !is_whole {
            return is_an_end(events, true);
        }
        rest = &body[size as usize..];
    }
}

/// A connection that ended in the middle, or broke the grammar; what is unfinished may be broken already.
fn is_an_end<'e>(mut events: impl Iterator<Item = &'e ClientEvent>, is_unfinished: bool) {
    match events.next() {
        Some(ClientEvent::End(ClientEnd::Violation(_))) => {}
        Some(ClientEvent::End(ClientEnd::Vanished)) => assert!(is_unfinished, "nothing was wrong"),
        other => panic!("{other:?}"),
    }
    assert_eq!(events.next(), None);
}

/// Before that word nothing leaves; then every command, byte for byte, however the socket takes them.
fn sends_to_the_trusted_alone(cuts: &[u8], stream: &[u8]) {
    let mut session = clear(0);
    let mut said = Vec::new();
    let mut left = Vec::new();
    let requests = stream.chunks(1 + stream.len() / 4).map(|body| Request::new("PUT").body(body));
    for (number, request) in (0_u64..).zip(requests) {
        let sequence = Sequence::from(number);
        request.encode(&mut said, Some(&sequence), None).expect("a command");
        session.send(&request, Some(&sequence), None).expect("a command");
        session.receive(stream);
        while session.next().is_some() {}
        assert!(session.output().is_empty(), "a stranger reads it");
    }
    session.trust_server();
    for cut in cuts.iter().map(|cut| usize::from(*cut)).chain([usize::MAX]) {
        assert_eq!(session.unsent(), said.len() - left.len());
        let taken = session.output();
        let taken = &taken[..cut.min(taken.len())];
        left.extend_from_slice(taken);
        let length = taken.len();
        session.sent(length);
    }
    assert!(left == said && session.unsent() == 0);
}

/// Bytes that nobody with a key made: TLS ends it, and the command stays here.
fn shakes_no_hands(cuts: &[u8], stream: &[u8]) {
    static TLS: LazyLock<Result<ClientTls, TlsFailure>> = LazyLock::new(|| ClientTls::new(None));
    let mut session = ClientSession::new(TLS.as_ref().expect("a configuration")).expect("a configuration");
    let secret = b"a word that no stranger reads";
    session.send(&Request::new("PUT").body(secret), None, None).expect("a command");
    session.trust_server();
    let events = listen(&mut session, cuts, stream);
    assert!(matches!(events[..], [ClientEvent::End(ClientEnd::Tls(_) | ClientEnd::Vanished)]), "{events:?}");
    session.close();
    let output = session.take_output();
    assert!(output.windows(secret.len()).all(|window| window != secret), "it left unsealed");
}
