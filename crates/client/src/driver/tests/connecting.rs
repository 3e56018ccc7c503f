//! The first connection: what `connect` returns, and when.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::net::{Net, play, reply};
use crate::right::Right;
use crate::{Error, KnownServers, Limits, Outcome, Request, client};

#[test]
fn an_answer_comes_back() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let calling = {
            let client = client.clone();
            tokio::spawn(async move { client.call(Request::line("GET a")).await })
        };
        server.hears("GET a\r\nSequence: 1\r\nTimeout: 30\r\n\r\n").await;
        server.says(reply(1, "x"));
        assert_eq!(calling.await.unwrap().unwrap().body, b"x");
        assert!(client.certificate().is_some());
    });
}

#[test]
fn nobody_there_is_said_at_once() {
    play(async {
        let net = Net::new();
        net.refuse(Some(io::ErrorKind::ConnectionRefused));
        let error = client::connect(net.clone(), net.settings()).await.unwrap_err();
        assert!(matches!(error, Error::NotReachable { .. }), "{error}");
        assert_eq!(net.dials().len(), 1);
    });
}

#[test]
fn a_wrong_server_is_told_nothing() {
    play(async {
        let net = Net::new();
        let mut settings = net.settings();
        net.impostor();
        let connecting = tokio::spawn(client::connect(net.clone(), settings.clone()));
        let mut server = net.accept().await;
        let error = connecting.await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::WrongServer { lines, .. } if lines.is_empty()), "{error}");
        assert_eq!(server.gone().await, "");

        settings.right = Right { known: KnownServers::default(), pins: vec![], ..settings.right };
        let connecting = tokio::spawn(client::connect(net.clone(), settings));
        let mut server = net.accept().await;
        let error = connecting.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::UnknownServer { .. }), "{error}");
        assert_eq!(server.gone().await, "");
        assert_eq!(net.dials().len(), 2);
    });
}

#[test]
fn a_refusal_is_said_at_once_and_sessions_are_forgotten() {
    play(async {
        let net = Net::new();
        let connecting = tokio::spawn(client::connect(net.clone(), net.settings()));
        net.accept().await.says("ERR: shutting-down: why\r\n");
        let error = connecting.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert_eq!(error.code(), Some("shutting-down"));
        assert_eq!((net.dials().len(), net.forgotten()), (1, 1));
    });
}

#[test]
fn something_else_there_is_said_at_once() {
    play(async {
        let net = Net::new();
        let connecting = tokio::spawn(client::connect(net.clone(), net.settings()));
        net.accept().await.says("SSH-2.0-OpenSSH_9.2\r\n");
        let error = connecting.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::NoHandshake { .. }), "{error}");
    });
}

#[test]
fn a_connection_that_ends_before_its_greeting_is_tried_again_a_few_times() {
    play(async {
        let net = Net::new();
        let mut settings = net.settings();
        settings.reconnects = false;
        let connecting = tokio::spawn(client::connect(net.clone(), settings.clone()));
        net.accept().await.ends();
        net.accept().await.ends();
        let mut server = net.greet().await;
        let client = connecting.await.unwrap().unwrap();
        let calling = tokio::spawn(async move { client.call(Request::line("PING")).await });
        server.hears("PING").await;
        server.says(reply(1, ""));
        calling.await.unwrap().unwrap();

        let before = net.dials().len();
        let connecting = tokio::spawn(client::connect(net.clone(), settings.clone()));
        for _ in 0..settings.limits.attempts {
            net.accept().await.ends();
        }
        let error = connecting.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::NoHandshake { .. }), "{error}");
        assert_eq!(net.dials().len() - before, settings.limits.attempts as usize);
    });
}

#[test]
fn a_refusal_is_read_although_nothing_can_be_written_any_more() {
    play(async {
        let net = Net::new();
        net.break_writes(true);
        let client = net.lazy(|_| ());
        let calling = tokio::spawn(async move { client.call(Request::line("GET a").repeatable()).await });
        let server = net.accept().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.says("ERR: no-certificate: one is needed\r\n");
        let error = calling.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.outcome()), (Some("no-certificate"), Outcome::NotBegun), "{error}");
    });
}

#[test]
fn a_connection_that_can_only_be_read_is_given_up_although_its_greeting_came() {
    play(async {
        let net = Net::new();
        net.break_writes(true);
        let client = net.lazy(|_| ());
        let calling = tokio::spawn(async move { client.call(Request::line("GET a").repeatable()).await });
        let server = net.accept().await;
        net.break_writes(false);
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.says("OK\r\n");
        let mut server = net.greet().await;
        server.hears("GET a").await;
        server.says(reply(2, "x"));
        assert_eq!(calling.await.unwrap().unwrap().body, b"x");
    });
}

/// Closed at accept, say, because of what others at its address did.
#[test]
fn a_lazy_client_too_tries_again_what_ends_before_its_greeting() {
    play(async {
        let net = Net::new();
        let client = net.lazy(|settings| settings.reconnects = false);
        let calling = tokio::spawn(async move { client.call(Request::line("PUT a")).await });
        net.accept().await.ends();
        net.accept().await.ends();
        let mut server = net.greet().await;
        server.hears("PUT a").await;
        server.says(reply(1, ""));
        calling.await.unwrap().unwrap();

        let before = net.dials().len();
        let client = net.lazy(|settings| settings.reconnects = false);
        let calling = tokio::spawn(async move { client.call(Request::line("PUT a")).await });
        let attempts = Limits::default().attempts;
        for _ in 0..attempts {
            net.accept().await.ends();
        }
        assert_eq!(calling.await.unwrap().unwrap_err().outcome(), Outcome::NotBegun);
        assert_eq!(net.dials().len() - before, attempts as usize);
    });
}

/// What left before the greeting may have been begun.
#[test]
fn a_lazy_client_that_must_not_repeat_does_not() {
    play(async {
        let net = Net::new();
        let client = net.lazy(|settings| settings.reconnects = false);
        let calling = tokio::spawn(async move { client.call(Request::line("GET a").repeatable()).await });
        let mut server = net.accept().await;
        server.hears("GET a").await;
        server.ends();
        assert_eq!(calling.await.unwrap().unwrap_err().outcome(), Outcome::Unknown);
        assert_eq!(net.dials().len(), 1);
    });
}

#[test]
fn a_silent_server_has_its_time() {
    play(async {
        let net = Net::new();
        let begin = Instant::now();
        let error = client::connect(net.clone(), net.settings()).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { outcome: Outcome::NotBegun, .. }), "{error}");
        let time = begin.elapsed();
        assert!(time >= Duration::from_secs(30) && time < Duration::from_millis(30_010), "{time:?}");
    });
}

#[test]
fn a_lazy_client_sends_before_the_greeting_what_may_be_repeated() {
    play(async {
        let net = Net::new();
        let client = net.lazy(|_| ());
        tokio::task::yield_now().await;
        assert_eq!(net.dials().len(), 0);
        let asking = {
            let client = client.clone();
            tokio::spawn(async move { client.call(Request::line("GET a").repeatable()).await })
        };
        let mut server = net.accept().await;
        server.hears("GET a").await;
        let putting = tokio::spawn(async move { client.call(Request::line("PUT a")).await });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!server.heard().contains("PUT"));
        server.says("OK\r\n");
        server.hears("PUT a").await;
        server.says(reply(2, "") + &reply(1, "x"));
        assert_eq!(asking.await.unwrap().unwrap().body, b"x");
        putting.await.unwrap().unwrap();
    });
}

#[test]
fn what_a_lazy_client_finds_ends_the_calls_that_wait() {
    play(async {
        let net = Net::new();
        let client = net.lazy(|settings| settings.reconnects = false);
        net.refuse(Some(io::ErrorKind::ConnectionRefused));
        let error = client.call(Request::line("PUT a")).await.unwrap_err();
        assert!(matches!(error, Error::NotReachable { .. }), "{error}");
        let error = client.call(Request::line("PUT a")).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotBegun);
        assert!(error.to_string().contains("server:1 cannot be reached"), "later calls say so: {error}");
        assert_eq!(net.dials().len(), 1);

        net.refuse(None);
        let client = net.lazy(|settings| settings.right.pins.clear());
        let calling = tokio::spawn(async move { client.call(Request::line("GET a").repeatable()).await });
        assert_eq!(net.accept().await.gone().await, "");
        let error = calling.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::UnknownServer { .. }), "{error}");
    });
}
