//! Answers in parts over real sockets: a handler's stream is asked as fast as its client reads, and ends with its
//! command.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::common::{Client, HANG, Pair, Running, config, named, now, router, trusting};
use pinwire_server::proto::session::{ClientEnd, ClientEvent};
use pinwire_server::proto::wire::{Greeting, Request, Sequence};
use pinwire_server::{Code, Entry, Limits, Reply, Router, Stream, TrustList};
use pinwire_testkit::certificates;

/// What a test says to its streams, and hears of them.
#[derive(Clone)]
struct Source {
    pushed: Arc<Mutex<Pushed>>,
    /// Parts that were asked for.
    asked: Arc<AtomicUsize>,
    ended: Sender<()>,
}

#[derive(Default)]
struct Pushed {
    parts: Vec<Reply>,
    wakers: Vec<Waker>,
}

/// A stream of everything that is pushed into its source.
struct Followed {
    source: Source,
    at: usize,
}

impl Stream for Followed {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let next = {
            let mut pushed = self.source.pushed.lock().unwrap();
            pushed.wakers.push(cx.waker().clone());
            pushed.parts.get(self.at).cloned()
        };
        let Some(part) = next else { return Poll::Pending };
        assert_ne!(part.body, b"panic", "as the test wishes");
        self.at += 1;
        self.source.asked.fetch_add(1, Ordering::Relaxed);
        if part.body == b"end" { Poll::Ready(None) } else { Poll::Ready(Some(part)) }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = self.source.ended.send(());
    }
}

impl Source {
    fn new() -> (Source, Receiver<()>) {
        let (ended, is_ended) = channel();
        (Source { pushed: Arc::default(), asked: Arc::default(), ended }, is_ended)
    }

    fn push(&self, part: Reply) {
        let wakers = {
            let mut pushed = self.pushed.lock().unwrap();
            pushed.parts.push(part);
            std::mem::take(&mut pushed.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    fn router(&self) -> Router {
        let source = self.clone();
        router().command("FOLLOW", move |_, to| to.stream(Followed { source: source.clone(), at: 0 }))
    }
}

/// Endless parts of 10,000 bytes, counted.
struct Endless(Arc<AtomicUsize>, char);

impl Stream for Endless {
    type Item = Reply;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Reply>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Reply::ok(vec![self.1 as u8; 10_000])))
    }
}

fn alice() -> Pair {
    certificates::good(now())
}

/// The next reply: its sequence, whether it is a part, its status and its body.
fn reply(client: &mut Client) -> (String, bool, String, String) {
    match client.event() {
        ClientEvent::Answer(answer) => {
            let sequence = answer.sequence.map(|sequence| sequence.to_string()).unwrap_or_default();
            let status = answer.status.map_or_else(|(code, _)| code, |()| "OK".to_owned());
            (sequence, answer.more, status, String::from_utf8(answer.body).unwrap())
        }
        other => panic!("an answer was expected, not {other:?}"),
    }
}

fn part(sequence: &str, body: &str) -> (String, bool, String, String) {
    (sequence.to_owned(), true, "OK".to_owned(), body.to_owned())
}

fn last(sequence: &str, status: &str) -> (String, bool, String, String) {
    (sequence.to_owned(), false, status.to_owned(), String::new())
}

#[test]
fn what_is_pushed_from_any_thread_comes_at_once_and_in_order() {
    let (source, is_ended) = Source::new();
    let alice = alice();
    let server = Running::start(config(trusting(&[&alice])), source.router());
    let mut clients: Vec<_> = (0..4).map(|_| Client::enter(server.address, &alice)).collect();
    for client in &mut clients {
        client.send("FOLLOW", "f", None);
        client.send("PING", "p", None);
        assert_eq!(reply(client), last("p", "OK"));
    }
    for round in 0..50 {
        source.push(Reply::ok(format!("{round}")));
        if round % 2 == 0 {
            for client in &mut clients {
                assert_eq!(reply(client), part("f", &round.to_string()));
            }
        } else {
            source.push(Reply::ok("at once"));
            for client in &mut clients {
                assert_eq!(reply(client), part("f", &round.to_string()));
                assert_eq!(reply(client), part("f", "at once"));
            }
        }
    }
    source.push(Reply::ok("end"));
    for client in &mut clients {
        assert_eq!(reply(client), last("f", "OK"));
        is_ended.recv_timeout(HANG).expect("it was dropped");
        client.send("FOLLOW", "f", None);
        assert_eq!(reply(client), part("f", "0"), "the sequence may be used again");
    }
    let stats = server.stats.clone();
    drop((clients, server));
    assert!(stats.snapshot().parts >= 4 * 75);
    assert_eq!(stats.snapshot().waiting.now, 0, "nothing stays reserved");
}

#[test]
fn an_error_is_the_last_word_and_carries_its_headers() {
    let (source, is_ended) = Source::new();
    let alice = alice();
    let server = Running::start(config(trusting(&[&alice])), source.router());
    let mut client = Client::enter(server.address, &alice);
    client.send("FOLLOW", "1", None);
    source.push(Reply::ok("a"));
    source.push(Reply::error(Code::NotFound, "gone"));
    assert_eq!(reply(&mut client), part("1", "a"));
    assert_eq!(reply(&mut client), last("1", "not-found"));
    is_ended.recv_timeout(HANG).expect("it was dropped");
}

#[test]
fn a_stream_ends_when_it_is_taken_back_or_its_time_is_up_or_its_client_is_gone() {
    let (source, is_ended) = Source::new();
    let alice = alice();
    let server = Running::start(config(trusting(&[&alice])), source.router());
    let mut client = Client::enter(server.address, &alice);
    client.send("FOLLOW", "1", None);
    client.session.send(&Request::line("CANCEL 1"), None, None).unwrap();
    client.flush();
    assert_eq!(reply(&mut client), last("1", "cancelled"));
    is_ended.recv_timeout(HANG).expect("it was taken back");
    let sequence = Sequence::new(b"2");
    let soon = Duration::from_millis(20);
    client.session.send(&Request::line("FOLLOW"), sequence.as_ref(), Some(soon)).unwrap();
    client.flush();
    assert_eq!(reply(&mut client), last("2", "timed-out"));
    is_ended.recv_timeout(HANG).expect("its time is up");
    client.session.send(&Request::line("FOLLOW"), None, None).unwrap();
    client.flush();
    is_ended.recv_timeout(HANG).expect("nobody would read it");
    client.send("FOLLOW", "3", None);
    client.send("PING", "4", None);
    assert_eq!(reply(&mut client), last("4", "OK"));
    drop(client);
    is_ended.recv_timeout(HANG).expect("its client is gone");
}

#[test]
fn goodbyes_end_streams() {
    let (source, is_ended) = Source::new();
    let alice = alice();
    let server = Running::start(config(trusting(&[&alice])), source.router());
    let mut polite = Client::enter(server.address, &alice);
    polite.send("FOLLOW", "1", None);
    polite.session.close();
    polite.flush();
    assert_eq!(reply(&mut polite), last("1", "cancelled"));
    assert_eq!(polite.end(), ClientEnd::Closed);
    is_ended.recv_timeout(HANG).expect("the client said goodbye");
    let mut other = Client::enter(server.address, &alice);
    other.send("FOLLOW", "1", None);
    other.send("PING", "2", None);
    assert_eq!(reply(&mut other), last("2", "OK"));
    server.stopper.stop();
    assert_eq!(reply(&mut other), last("1", "shutting-down"));
    assert_eq!(reply(&mut other), last("", "shutting-down"));
    is_ended.recv_timeout(HANG).expect("the server said goodbye");
    server.join();
}

#[test]
fn a_panic_answers_failed_and_closes_that_connection_alone() {
    let (source, _is_ended) = Source::new();
    let alice = alice();
    let server = Running::start(config(trusting(&[&alice])), source.router());
    let mut other = Client::enter(server.address, &alice);
    let mut client = Client::enter(server.address, &alice);
    client.send("FOLLOW", "1", None);
    source.push(Reply::ok("panic"));
    assert_eq!(reply(&mut client), last("1", "failed"));
    assert_eq!(client.end(), ClientEnd::Closed);
    other.send("PING", "1", None);
    assert_eq!(reply(&mut other), last("1", "OK"));
}

#[test]
fn a_part_that_cannot_be_said_is_answered_failed() {
    let (source, is_ended) = Source::new();
    let alice = alice();
    let server = Running::start(config(trusting(&[&alice])), source.router());
    let mut client = Client::enter(server.address, &alice);
    client.send("FOLLOW", "1", None);
    source.push(Reply::ok(vec![b'x'; 1024 * 1024 + 10_000]));
    assert_eq!(reply(&mut client), last("1", "failed"));
    is_ended.recv_timeout(HANG).expect("it was dropped");
    client.send("PING", "2", None);
    assert_eq!(reply(&mut client), last("2", "OK"));
}

#[test]
fn whoever_does_not_read_is_not_asked_for_and_streams_take_turns() {
    let counts: [Arc<AtomicUsize>; 2] = Default::default();
    let router = [('x', 0), ('y', 1)].into_iter().fold(router(), |router, (letter, count)| {
        let count = Arc::clone(&counts[count]);
        router.command(&format!("ENDLESS-{letter}"), move |_, to| to.stream(Endless(count.clone(), letter)))
    });
    let alice = alice();
    let limits = Limits { unsent: 256 * 1024, ..Limits::default() };
    let server = Running::start(config(trusting(&[&alice])).limits(limits), router);
    let mut client = Client::enter_over(server.address, &alice, |socket| socket.set_recv_buffer_size(4_096));
    client.send("ENDLESS-x", "x", None);
    client.send("ENDLESS-y", "y", None);
    let mut heard = Vec::new();
    while heard.len() < 400 {
        let (sequence, is_part, _, body) = reply(&mut client);
        assert!(is_part && body == sequence.repeat(10_000), "parts are whole and their own");
        heard.push(sequence);
    }
    let from = heard.iter().position(|sequence| sequence == "y").expect("both have their turns");
    let of_x = heard[from..].iter().filter(|sequence| *sequence == "x").count();
    let of_y = heard.len() - from - of_x;
    assert!(of_x.abs_diff(of_y) <= 2, "{of_x} and {of_y}");
    // What was made and not read waits in the sockets and below the limit: nothing else was asked for.
    let made: usize = counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    let sockets = 8 * 1024 * 1024;
    assert!(made * 10_000 < 400 * 10_000 + 256 * 1024 + 16_384 + sockets, "{made} parts were made");
    let mut other = Client::enter(server.address, &alice);
    other.send("PING", "1", None);
    assert_eq!(reply(&mut other), last("1", "OK"), "the others have their turns");
}

#[test]
fn a_stream_that_is_permitted_no_more_ends_and_so_does_one_whose_client_is_trusted_no_more() {
    let (source, is_ended) = Source::new();
    let (alice, bob) = (alice(), self::alice());
    let server = Running::start(config(trusting(&[&alice, &bob])), source.router());
    let (mut a, mut b) = (Client::enter(server.address, &alice), Client::enter(server.address, &bob));
    for client in [&mut a, &mut b] {
        client.send("follow", "1", None);
        client.send("PING", "2", None);
        assert_eq!(reply(client), last("2", "OK"));
    }
    let only_get = Entry { commands: Some(vec!["GET".to_owned()]), ..named(&alice, "alice") };
    server.trust.replace(TrustList::of([only_get, named(&bob, "bob")]));
    assert_eq!(reply(&mut a), last("1", "not-permitted"));
    is_ended.recv_timeout(HANG).expect("it was dropped");
    source.push(Reply::ok("for bob"));
    assert_eq!(reply(&mut b), part("1", "for bob"));
    server.trust.replace(trusting(&[&alice]));
    source.push(Reply::ok("for nobody"));
    assert_eq!(reply(&mut b), last("1", "no-longer-trusted"));
    assert_eq!(reply(&mut b), last("", "no-longer-trusted"));
    is_ended.recv_timeout(HANG).expect("it was dropped");
    a.send("PING", "3", None);
    assert_eq!(reply(&mut a), last("3", "OK"));
}

/// It has one part, and breaks when it is dropped.
struct Brittle(bool);

impl Stream for Brittle {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Reply>> {
        match std::mem::replace(&mut self.0, true) {
            false => Poll::Ready(Some(Reply::ok("one"))),
            true => Poll::Pending,
        }
    }
}

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("as the test wishes");
    }
}

#[test]
fn a_stream_that_panics_when_it_is_dropped_harms_nobody() {
    let alice = alice();
    let router = router().command("BRITTLE", |_, to| to.stream(Brittle(false)));
    let two = TrustList::of([Entry { connections: Some(2), ..named(&alice, "alice") }]);
    let server = Running::start(config(two).workers(1), router);
    let mut other = Client::enter(server.address, &alice);
    let mut client = Client::enter(server.address, &alice);
    client.send("BRITTLE", "1", None);
    assert_eq!(reply(&mut client), part("1", "one"));
    client.session.send(&Request::line("CANCEL 1"), None, None).unwrap();
    client.flush();
    assert_eq!(reply(&mut client), last("1", "cancelled"));
    let soon = Duration::from_millis(20);
    client.session.send(&Request::line("BRITTLE"), Sequence::new(b"2").as_ref(), Some(soon)).unwrap();
    client.flush();
    assert_eq!(reply(&mut client), part("2", "one"));
    assert_eq!(reply(&mut client), last("2", "timed-out"));
    client.send("BRITTLE", "3", None);
    assert_eq!(reply(&mut client), part("3", "one"));
    drop(client);
    other.send("PING", "1", None);
    assert_eq!(reply(&mut other), last("1", "OK"));
    let began = Instant::now();
    let greeted = || Client::connect(server.address, Some(&alice)).event();
    while greeted() != ClientEvent::Greeting(Greeting::Ok) {
        assert!(began.elapsed() < HANG, "its place among its entry's connections was never given back");
    }
}
