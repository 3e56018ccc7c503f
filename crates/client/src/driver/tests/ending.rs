//! Callers that go, clients that are closed, sockets that break, runtimes that end.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::net::{Net, play, reply};
use crate::{Answer, Client, Error, Limits, Outcome, Request};

fn call(client: &Client, request: Request) -> JoinHandle<Result<Answer, Error>> {
    let client = client.clone();
    tokio::spawn(async move { client.call(request).await })
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn dropping_a_call_takes_it_back() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let calling = call(&client, Request::line("SLOW"));
        server.hears("SLOW").await;
        calling.abort();
        server.hears("CANCEL 1\r\n\r\n").await;
        server.says("ERR: cancelled\r\nSequence: 1\r\nSize: 0\r\n\r\n");
        let calling = call(&client, Request::line("PING"));
        server.hears("PING").await;
        server.says(reply(2, ""));
        calling.await.unwrap().unwrap();
        assert_eq!(server.heard().matches("CANCEL").count(), 1);
    });
}

#[test]
fn dropping_a_call_that_has_not_left_leaves_no_trace() {
    play(async {
        let net = Net::new();
        let client = net.lazy(|_| ());
        let calling = call(&client, Request::line("GONE"));
        let server = net.accept().await;
        calling.abort();
        settle().await;
        let calling = call(&client, Request::line("PING"));
        server.says("OK\r\n");
        let mut server = server;
        server.hears("PING\r\nSequence: 1\r\n").await;
        server.says(reply(1, ""));
        calling.await.unwrap().unwrap();
        assert!(!server.heard().contains("GONE") && !server.heard().contains("CANCEL"));
    });
}

#[test]
fn the_last_handle_says_goodbye() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        drop(client.clone());
        settle().await;
        drop(client);
        server.gone().await;
    });
}

#[test]
fn closing_waits_for_what_was_called_and_takes_no_more() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let calling = call(&client, Request::line("SLOW"));
        server.hears("SLOW").await;
        let closing = {
            let client = client.clone();
            tokio::spawn(async move { client.close().await })
        };
        settle().await;
        let error = client.call(Request::line("LATE")).await.unwrap_err();
        assert!(matches!(error, Error::Lost { outcome: Outcome::NotBegun, .. }), "{error}");
        assert!(!closing.is_finished());
        server.says(reply(1, "x"));
        assert_eq!(calling.await.unwrap().unwrap().body, b"x");
        closing.await.unwrap();
        assert!(!server.gone().await.contains("LATE"));
        client.close().await;
    });
}

/// More posts than a task may receive in one turn, with the wish to close in the middle.
#[test]
fn closing_among_many_calls_ends_each() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let mut calls: Vec<_> =
            (0..300).map(|n| Box::pin(client.call(Request::line(&format!("C {n}"))))).collect();
        let mut closing = Box::pin(client.close());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        calls[..150].iter_mut().for_each(|call| assert!(call.as_mut().poll(&mut cx).is_pending()));
        assert!(closing.as_mut().poll(&mut cx).is_pending());
        calls[150..].iter_mut().for_each(|call| assert!(call.as_mut().poll(&mut cx).is_pending()));
        server.hears("C 299").await;
        (1..=300).for_each(|sequence| server.says(reply(sequence, "x")));
        for call in calls {
            assert_eq!(call.await.unwrap().body, b"x");
        }
        closing.await;
        server.gone().await;
    });
}

#[test]
fn closing_a_client_that_never_connected_ends_at_once() {
    play(async {
        let net = Net::new();
        net.lazy(|_| ()).close().await;
        assert_eq!(net.dials().len(), 0);
    });
}

#[test]
fn a_goodbye_that_nobody_takes_has_its_limit() {
    play(async {
        let net = Net::new();
        let (client, server) = net.connected().await;
        server.room(1);
        let calling = call(&client, Request::new("PUT").body(vec![b'x'; 100]));
        settle().await;
        calling.abort();
        let begin = Instant::now();
        client.close().await;
        let time = begin.elapsed();
        assert!(time >= Duration::from_secs(2) && time < Duration::from_secs(3), "{time:?}");
    });
}

#[test]
fn answers_are_read_while_a_large_body_waits_for_the_socket() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let first = call(&client, Request::line("FIRST"));
        server.hears("FIRST").await;
        server.room(1_000);
        let large = call(&client, Request::new("PUT").body(vec![b'x'; 1_000_000]));
        settle().await;
        server.says(reply(1, "x"));
        assert_eq!(first.await.unwrap().unwrap().body, b"x");
        server.hears(&"x".repeat(1_000_000)).await;
        server.says(reply(2, ""));
        large.await.unwrap().unwrap();
    });
}

#[test]
fn after_a_failed_write_the_reason_is_still_read() {
    play(async {
        let net = Net::new();
        let (client, server) = net.connected().await;
        server.breaks_writes();
        let calling = call(&client, Request::line("PUT a"));
        settle().await;
        server.says("ERR: removed: by hand\r\nSize: 0\r\n\r\n");
        let error = calling.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Closed { .. }), "{error}");
        assert_eq!((error.code(), error.outcome()), (Some("removed"), Outcome::NotBegun));
    });
}

#[test]
fn after_a_failed_write_a_silent_server_is_not_waited_for_long() {
    play(async {
        let net = Net::new();
        let (client, server) = net.connected().await;
        server.breaks_writes();
        let begin = Instant::now();
        let error = client.call(Request::line("PUT a")).await.unwrap_err();
        assert!(matches!(error, Error::Lost { outcome: Outcome::Unknown, .. }), "{error}");
        assert!(error.to_string().contains("the connection broke"), "{error}");
        let time = begin.elapsed();
        assert!(time >= Duration::from_secs(2) && time < Duration::from_secs(3), "{time:?}");
    });
}

#[test]
fn a_server_that_answers_what_was_not_asked_is_left() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let calling = call(&client, Request::line("PUT a"));
        server.hears("PUT a").await;
        server.says(reply(7, ""));
        let error = calling.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Lost { outcome: Outcome::Unknown, .. }), "{error}");
        assert!(error.to_string().contains("broke the protocol"), "{error}");
        server.gone().await;
    });
}

#[test]
fn an_answer_over_the_limit_is_thrown_away_and_the_connection_goes_on() {
    play(async {
        let net = Net::new();
        let mut settings = net.settings();
        settings.limits.answer = 1_000;
        let (client, mut server) = net.connect(settings).await;
        let client = client.unwrap();
        let calling = call(&client, Request::line("GET a"));
        server.hears("GET a").await;
        server.says(reply(1, &"x".repeat(100_000)));
        let error = calling.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 1_000 }), "{error}");
        let calling = call(&client, Request::line("GET b"));
        server.hears("GET b").await;
        server.says(reply(2, "y"));
        assert_eq!(calling.await.unwrap().unwrap().body, b"y");
    });
}

#[test]
fn more_calls_than_the_limit_wait_for_room_and_their_time_passes() {
    play(async {
        let net = Net::new();
        let mut settings = net.settings();
        settings.limits.calls = 2;
        let (client, mut server) = net.connect(settings).await;
        let client = client.unwrap();
        let calls: Vec<_> = (0..4).map(|n| call(&client, Request::line(&format!("C {n}")))).collect();
        server.hears("C 1").await;
        settle().await;
        assert!(!server.heard().contains("C 2"));
        let error = client.call(Request::line("D").timeout(Duration::from_secs(1))).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { outcome: Outcome::NotBegun, .. }), "{error}");
        for sequence in 1..=4 {
            server.hears(&format!("Sequence: {sequence}\r\n")).await;
            server.says(reply(sequence, ""));
        }
        for calling in calls {
            calling.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_caller_elsewhere_is_told_when_the_runtime_ends() {
    let net = Net::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (client, mut server) = runtime.block_on(net.connected());
    let caller = {
        let client = client.clone();
        let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        std::thread::spawn(move || other.block_on(client.call(Request::line("SLOW"))))
    };
    runtime.block_on(server.hears("SLOW"));
    drop(runtime);
    let error = caller.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::Lost { outcome: Outcome::Unknown, .. }), "{error}");
    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let error = other.block_on(client.call(Request::line("LATE"))).unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotBegun);
    other.block_on(client.close());
}

/// What a program says that wants none of them to end anything.
#[test]
fn times_without_end_are_far_away() {
    play(async {
        let net = Net::new();
        let mut settings = net.settings();
        let forever = Duration::MAX;
        let limits = Limits { linger: forever, silence: forever, backoff: forever, ..Limits::default() };
        settings.limits = Limits { backoff_most: forever, ..limits }.usable();
        let (client, server) = net.connect(settings).await;
        let client = client.unwrap();
        let error = client.call(Request::line("A")).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        server.breaks_writes();
        let error = client.call(Request::line("B")).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        server.ends();
        let error = client.call(Request::line("C")).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    });
}

#[test]
fn a_command_that_is_never_answered_is_no_call() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let error = client.call(Request::line("Cancel 1")).await.unwrap_err();
        assert!(matches!(error, Error::Misuse(_)), "{error}");
        assert_eq!(server.heard(), "");
    });
}
