//! Connections that are lost, and what goes to the next one.

use std::io;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::net::{Net, play, reply};
use crate::{Answer, Client, Error, Outcome, Request};

fn call(client: &Client, request: Request) -> JoinHandle<Result<Answer, Error>> {
    let client = client.clone();
    tokio::spawn(async move { client.call(request).await })
}

#[test]
fn what_was_certainly_not_begun_goes_to_the_next_connection() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let putting = call(&client, Request::line("PUT a"));
        server.hears("PUT a").await;
        server.says("ERR: idle\r\nSize: 0\r\n\r\n");
        server.ends();
        let mut server = net.greet().await;
        server.hears("PUT a\r\nSequence: 2").await;
        server.says(reply(2, "x"));
        assert_eq!(putting.await.unwrap().unwrap().body, b"x");
    });
}

#[test]
fn a_lost_connection_leaves_open_what_must_not_be_repeated() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let putting = call(&client, Request::line("PUT a"));
        let asking = call(&client, Request::line("GET a").repeatable());
        server.hears("GET a").await;
        server.ends();
        let error = putting.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Lost { outcome: Outcome::Unknown, .. }), "{error}");
        let mut server = net.greet().await;
        server.hears("GET a\r\nSequence: 3").await;
        server.says(reply(3, "x"));
        assert_eq!(asking.await.unwrap().unwrap().body, b"x");
    });
}

#[test]
fn nobody_reconnects_while_nobody_calls() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        server.ends();
        server.gone().await;
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(net.dials().len(), 1);
        let begin = Instant::now();
        let calling = call(&client, Request::line("PING"));
        let mut server = net.greet().await;
        assert_eq!(begin.elapsed(), Duration::ZERO, "and then at once");
        server.hears("PING").await;
        server.says(reply(1, ""));
        calling.await.unwrap().unwrap();
    });
}

#[test]
fn a_server_that_is_away_is_dialled_until_the_callers_time_is_over() {
    play(async {
        let net = Net::new();
        let (client, server) = net.connected().await;
        net.refuse(Some(io::ErrorKind::ConnectionRefused));
        server.ends();
        let begin = Instant::now();
        let error = client.call(Request::line("PUT a").timeout(Duration::from_secs(60))).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { outcome: Outcome::NotBegun, .. }), "{error}");
        assert!(error.to_string().contains("server:1 cannot be reached"), "{error}");
        assert!(begin.elapsed() < Duration::from_millis(60_010), "{:?}", begin.elapsed());
        let dials = net.dials();
        let pauses: Vec<_> = dials[1..].windows(2).map(|dials| dials[1] - dials[0]).collect();
        // Twelve of 5 s at least; a lot of them all below 2 s has a chance of one in ten thousand.
        assert!(pauses.len() >= 12 && pauses.len() < 60, "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(5_001)), "{pauses:?}");

        net.refuse(None);
        let calling = call(&client, Request::line("PUT a"));
        let mut server = net.greet().await;
        server.hears("PUT a").await;
        server.says(reply(1, ""));
        calling.await.unwrap().unwrap();
    });
}

#[test]
fn a_server_that_greets_and_goes_is_not_hammered() {
    play(async {
        let net = Net::new();
        let client = net.lazy(|settings| settings.limits.attempts = u32::MAX);
        let asking = call(&client, Request::line("GET a").repeatable().timeout(Duration::from_secs(60)));
        let serving = {
            let net = net.clone();
            tokio::spawn(async move {
                loop {
                    net.greet().await.ends();
                }
            })
        };
        let error = asking.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::TimedOut { outcome: Outcome::Unknown, .. }), "{error}");
        assert!(net.dials().len() < 80, "{}", net.dials().len());
        serving.abort();
    });
}

#[test]
fn a_refusal_ends_those_who_wait_and_a_later_call_asks_again() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        server.ends();
        server.gone().await;
        let calling = call(&client, Request::line("PUT a"));
        net.accept().await.says("ERR: unfamiliar-certificate: pin\r\n");
        let error = calling.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert_eq!(net.forgotten(), 1);

        let calling = call(&client, Request::line("PUT a"));
        let mut server = net.greet().await;
        server.hears("PUT a").await;
        server.says(reply(1, ""));
        calling.await.unwrap().unwrap();
    });
}

#[test]
fn a_server_that_is_full_is_asked_again() {
    play(async {
        let net = Net::new();
        let client = net.lazy(|_| ());
        let calling = call(&client, Request::line("PUT a"));
        net.accept().await.says("ERR: too-many-connections\r\n");
        net.accept().await.says("ERR: shutting-down\r\n");
        net.accept().await.ends();
        let mut server = net.greet().await;
        server.hears("PUT a").await;
        server.says(reply(1, ""));
        calling.await.unwrap().unwrap();
    });
}

#[test]
fn another_server_at_the_same_place_is_told_nothing() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let asking = call(&client, Request::line("GET a").repeatable());
        server.hears("GET a").await;
        net.impostor();
        server.ends();
        let mut impostor = net.accept().await;
        let error = asking.await.unwrap().unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "it was sent to the right one before: {error}");
        assert!(error.to_string().contains("is not the known pin"), "{error}");
        assert_eq!(impostor.gone().await, "");

        let calling = call(&client, Request::line("PUT a"));
        let mut impostor = net.accept().await;
        let error = calling.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::WrongServer { .. }), "{error}");
        assert_eq!(impostor.gone().await, "");
    });
}

#[test]
fn without_reconnecting_a_lost_connection_ends_everything() {
    play(async {
        let net = Net::new();
        let mut settings = net.settings();
        settings.reconnects = false;
        settings.limits.in_flight = 1;
        let (client, mut server) = net.connect(settings).await;
        let client = client.unwrap();
        let (asking, waiting) =
            (call(&client, Request::line("GET a").repeatable()), call(&client, Request::line("B")));
        server.hears("GET a").await;
        server.ends();
        assert_eq!(asking.await.unwrap().unwrap_err().outcome(), Outcome::Unknown);
        assert_eq!(waiting.await.unwrap().unwrap_err().outcome(), Outcome::NotBegun);
        let error = client.call(Request::line("C")).await.unwrap_err();
        assert!(matches!(error, Error::Lost { outcome: Outcome::NotBegun, .. }), "{error}");
        assert_eq!(net.dials().len(), 1);
    });
}

/// A peer that is gone without a word: the system would notice a quarter of an hour later.
#[test]
fn a_server_that_owes_an_answer_and_is_silent_is_given_up() {
    play(async {
        let net = Net::new();
        let (client, mut first) = net.connected().await;
        let second = Duration::from_secs(1);
        let error = client.call(Request::line("PUT a").timeout(second)).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { outcome: Outcome::Unknown, .. }), "{error}");
        let begin = Instant::now();
        let calling = call(&client, Request::line("GET a").repeatable());
        let mut server = net.greet().await;
        let time = begin.elapsed();
        assert!(time >= Duration::from_secs(10) && time < Duration::from_secs(11), "{time:?}");
        assert!(first.gone().await.contains("GET a"));
        server.hears("GET a").await;
        server.says(reply(3, ""));
        calling.await.unwrap().unwrap();
    });
}

#[test]
fn a_slow_server_that_is_there_is_not_given_up() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let second = Duration::from_secs(1);
        let watching = call(&client, Request::line("WATCH").timeout(Duration::from_secs(100)));
        server.hears("WATCH").await;
        client.call(Request::line("PUT a").timeout(second)).await.unwrap_err();
        for _ in 0..20 {
            server.says("OK\r\nSequence: 1\r\nSize: 1\r\nMore: yes\r\n\r\nx");
            tokio::time::sleep(5 * second).await;
        }
        watching.await.unwrap().unwrap_err();
        assert_eq!(net.dials().len(), 1);
    });
}

/// Callers that go before their time is over leave a server that is gone as silent as it was.
#[test]
fn a_server_that_does_not_answer_what_is_taken_back_is_given_up() {
    play(async {
        let net = Net::new();
        let (client, mut first) = net.connected().await;
        let second = Duration::from_secs(1);
        tokio::time::timeout(second, client.call(Request::line("PUT a"))).await.unwrap_err();
        first.hears("CANCEL 1").await;
        let begin = Instant::now();
        let calling = call(&client, Request::line("GET a").repeatable());
        let mut server = net.greet().await;
        let time = begin.elapsed();
        assert!(time >= 10 * second && time < 11 * second, "{time:?}");
        server.hears("GET a").await;
        server.says(reply(3, ""));
        calling.await.unwrap().unwrap();
    });
}

/// It has said to one command that it closes, and never does.
#[test]
fn a_server_that_stops_in_the_middle_of_its_last_words_is_given_up() {
    play(async {
        let net = Net::new();
        let (client, mut first) = net.connected().await;
        let putting = call(&client, Request::line("PUT a"));
        first.hears("PUT a").await;
        first.says("ERR: shutting-down\r\nSequence: 1\r\nSize: 0\r\n\r\n");
        assert_eq!(putting.await.unwrap().unwrap_err().code(), Some("shutting-down"));
        let calling = call(&client, Request::line("PUT b"));
        let mut server = net.greet().await;
        server.hears("PUT b").await;
        server.says(reply(2, ""));
        calling.await.unwrap().unwrap();
        assert!(!first.gone().await.contains("PUT b"));
    });
}

/// One sign of life is no answer: as long as one is owed the server has to give another.
#[test]
fn a_server_that_is_gone_after_a_sign_of_life_is_given_up() {
    play(async {
        let net = Net::new();
        let (client, mut first) = net.connected().await;
        let second = Duration::from_secs(1);
        let watching = call(&client, Request::line("WATCH").timeout(100 * second));
        first.hears("WATCH").await;
        client.call(Request::line("PUT a").timeout(second)).await.unwrap_err();
        first.says("OK\r\nSequence: 1\r\nSize: 1\r\nMore: yes\r\n\r\nx");
        let begin = Instant::now();
        let error = watching.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Lost { outcome: Outcome::Unknown, .. }), "{error}");
        assert!(begin.elapsed() < 11 * second, "{:?}", begin.elapsed());
    });
}
