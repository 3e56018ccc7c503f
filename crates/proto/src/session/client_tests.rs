use super::*;

fn session() -> ClientSession {
    let mut session = ClientSession::over(Layer::clear(None));
    session.trust_server();
    session.receive(b"OK\r\n");
    assert!(matches!(session.next(), Some(ClientEvent::Handshaken { .. })));
    assert_eq!(session.next(), Some(ClientEvent::Greeting(Greeting::Ok)));
    session
}

fn reply(sequence: u64, body: &[u8]) -> Vec<u8> {
    [format!("OK\r\nSequence: {sequence}\r\nSize: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn bodies(session: &mut ClientSession) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| session.next())
        .map(|event| match event {
            ClientEvent::Answer(answer) => answer.body,
            ClientEvent::TooLarge(head) => format!("too large: {:?}", head.sequence).into_bytes(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn answers_are_the_same_at_every_cut() {
    let bytes = [reply(1, b"one"), reply(2, b""), reply(3, b"three")].concat();
    for cut in 0..=bytes.len() {
        let mut session = session();
        session.receive(&bytes[..cut]);
        let mut heard = bodies(&mut session);
        session.receive(&bytes[cut..]);
        heard.extend(bodies(&mut session));
        assert_eq!(heard, [&b"one"[..], b"", b"three"], "cut at {cut}");
    }
}

#[test]
fn a_body_over_the_limit_is_thrown_away_at_every_cut() {
    let bytes = [reply(1, b"123456"), reply(2, b"12345")].concat();
    for cut in 0..=bytes.len() {
        let mut session = session().at_most(5);
        session.receive(&bytes[..cut]);
        let mut heard = bodies(&mut session);
        session.receive(&bytes[cut..]);
        heard.extend(bodies(&mut session));
        assert_eq!(heard, [&b"too large: Some(Sequence(1))"[..], b"12345"], "cut at {cut}");
    }
}

#[test]
fn output_leaves_in_pieces_and_stays_in_order() {
    let mut session = session();
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    for number in 0..200_u64 {
        let request = Request::new("PUT").body(vec![b'a' + (number % 26) as u8; 1_000]);
        session.send(&request, Some(&number.into()), None).unwrap();
        request.encode(&mut expected, Some(&number.into()), None).unwrap();
        let length = session.output().len().min(900);
        sent.extend_from_slice(&session.output()[..length]);
        session.sent(length);
        assert_eq!(session.unsent(), expected.len() - sent.len());
    }
    sent.extend(session.take_output());
    assert_eq!(session.unsent(), 0);
    assert!(sent == expected);
}

/// An idle session does not keep what a large command or answer needed, and one that is never idle does not
/// keep what was taken.
#[test]
fn memory_is_given_back() {
    let mut queue = Queue::default();
    for _ in 0..1_000 {
        queue.end().extend_from_slice(&[7; 10_000]);
        queue.take(queue.rest().len() - 1_000);
        assert_eq!(queue.rest(), [7; 1_000]);
    }
    assert!(queue.bytes.capacity() < 8 * USUAL, "{}", queue.bytes.capacity());
    queue.end().extend_from_slice(&vec![7; 64 * USUAL]);
    queue.take(queue.rest().len());
    assert!(queue.bytes.capacity() <= 2 * USUAL, "{}", queue.bytes.capacity());
}
