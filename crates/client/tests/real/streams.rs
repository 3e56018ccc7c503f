//! Answers in parts from a real server, one by one.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use pinwire_client::{Error, Limits, Request, blocking};
use pinwire_server::{Command, Reply, Responder, Router};

use crate::play;
use crate::running::{Running, Setup, documents};

/// Parts with numbers: so many, or without an end.
struct Numbers {
    next: usize,
    end: Option<usize>,
    size: usize,
    dropped: Arc<Dropped>,
}

/// How many streams were dropped; whoever waits for one is woken.
#[derive(Default)]
struct Dropped {
    count: AtomicUsize,
    waiting: Mutex<Option<Waker>>,
}

impl Stream for Numbers {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Reply>> {
        if self.end == Some(self.next) {
            return Poll::Ready(None);
        }
        self.next += 1;
        let mut body = self.next.to_string().into_bytes();
        body.resize(self.size, b' ');
        Poll::Ready(Some(Reply::ok(body)))
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        self.dropped.count.fetch_add(1, Ordering::SeqCst);
        self.dropped.waiting.lock().unwrap().take().into_iter().for_each(Waker::wake);
    }
}

/// `COUNT` to 1,000, and `FOREVER` with 10 kB each.
fn counting() -> (Running, Arc<Dropped>) {
    let dropped = Arc::<Dropped>::default();
    let command = |end: Option<usize>, size: usize| {
        let dropped = Arc::clone(&dropped);
        move |_: Command<'_>, to: Responder<'_>| {
            to.stream(Numbers { next: 0, end, size, dropped: Arc::clone(&dropped) })
        }
    };
    let router: Router =
        documents().command("COUNT", command(Some(1_000), 4)).command("FOREVER", command(None, 10_000));
    (Setup::new().serve("127.0.0.1:0".parse().unwrap(), router), dropped)
}

#[test]
fn every_part_comes_in_its_order_and_joined_they_are_the_answer() {
    let (server, _) = counting();
    let expected: Vec<u8> = (1..=1_000).flat_map(|number| format!("{number:<4}").into_bytes()).collect();
    play(async {
        let client = server.client().connect().await.unwrap();
        let mut parts = client.stream(Request::new("COUNT")).await.unwrap();
        let mut bodies = Vec::new();
        while let Some(part) = parts.next().await.unwrap() {
            bodies.push(part.body);
        }
        assert_eq!((bodies.len(), bodies.concat()), (1_000, expected.clone()));
        assert_eq!(client.call(Request::new("COUNT")).await.unwrap().body, expected);
        client.close().await;
    });
}

/// The server makes more than anybody takes: this one stream ends, and the others do not feel it.
#[test]
fn a_stream_that_nobody_takes_ends_and_the_connection_goes_on() {
    let (server, dropped) = counting();
    play(async {
        let limits = Limits { untaken: 100_000, ..Limits::default() };
        let client = server.client().limits(limits).connect().await.unwrap();
        let mut parts = client.stream(Request::new("FOREVER")).await.unwrap();
        std::future::poll_fn(|cx| {
            *dropped.waiting.lock().unwrap() = Some(cx.waker().clone());
            if dropped.count.load(Ordering::SeqCst) == 1 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(client.call(Request::new("ECHO").body("x")).await.unwrap().body, b"x");
        let mut kept = 0;
        let error = loop {
            match parts.next().await {
                Ok(part) => {
                    kept += 1;
                    let number = String::from_utf8(part.unwrap().body).unwrap();
                    assert_eq!(number.trim_end(), kept.to_string(), "none is missing of those that are kept");
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Behind { limit: 100_000 }), "{error}");
        assert!((1..10).contains(&kept), "{kept}");
    });
}

#[test]
fn a_stream_that_is_dropped_ends_at_the_server() {
    let (server, dropped) = counting();
    play(async {
        let client = server.client().connect().await.unwrap();
        let mut parts = client.stream(Request::new("FOREVER")).await.unwrap();
        parts.next().await.unwrap().unwrap();
        drop(parts);
        std::future::poll_fn(|cx| {
            *dropped.waiting.lock().unwrap() = Some(cx.waker().clone());
            if dropped.count.load(Ordering::SeqCst) == 1 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(client.call(Request::new("ECHO").body("x")).await.unwrap().body, b"x");
    });
}

#[test]
fn without_tokio_it_is_an_iterator() {
    let (server, _) = counting();
    let client = blocking::Client::builder(server.address.clone())
        .identity(server.identity.clone())
        .server_pin(server.pin)
        .connect()
        .unwrap();
    let parts = client.stream(Request::new("COUNT")).unwrap();
    assert_eq!(parts.map(Result::unwrap).count(), 1_000);
    let forever = client.stream(Request::new("FOREVER")).unwrap();
    assert_eq!(forever.map(Result::unwrap).take(5).count(), 5);
    let other = client.clone();
    let forever = client.stream(Request::new("FOREVER")).unwrap();
    let mut seen = 0;
    let end = forever.into_iter().find_map(|part| {
        seen += 1;
        if seen == 10 {
            other.close();
        }
        part.err()
    });
    assert!(matches!(end, Some(Error::Lost { .. })), "{end:?}");
}
