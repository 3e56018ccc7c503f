//! Streams and watches over connections that come and go, against a server whose every word is the story's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::net::{Net, Server, play};
use crate::{Change, Client, Error, Limits, Outcome, Request, Watch, client};

/// A part with these headers, each with its CRLF.
fn part(sequence: u64, headers: &str, body: &str) -> String {
    format!("OK\r\nSequence: {sequence}\r\nSize: {}\r\nMore: yes\r\n{headers}\r\n{body}", body.len())
}

fn stands(sequence: u64, version: u64) -> String {
    part(sequence, &format!("Version: {version}\r\n"), "")
}

fn put(sequence: u64, version: u64) -> String {
    let headers = format!("Id: d/{version}\r\nVersion: {version}\r\nChange: put\r\n");
    part(sequence, &headers, &format!("body {version}"))
}

fn delete(sequence: u64, version: u64) -> String {
    part(sequence, &format!("Id: d/{version}\r\nVersion: {version}\r\nChange: delete\r\n"), "")
}

fn error(sequence: u64, code: &str) -> String {
    format!("ERR: {code}: why\r\nSequence: {sequence}\r\nSize: 0\r\n\r\n")
}

fn change(version: u64) -> Change {
    let body = Some(format!("body {version}").into_bytes());
    Change { version, id: format!("d/{version}"), body }
}

fn watch(client: &Client, prefix: &'static str, from: Option<u64>) -> JoinHandle<Result<Watch, Error>> {
    let client = client.clone();
    tokio::spawn(async move { client.watch(prefix, from).await })
}

/// A watch of everything that stands behind version 7, and its server.
async fn standing(net: &Net, limits: Limits) -> (Watch, Server) {
    let mut settings = net.settings();
    settings.limits = limits;
    let (client, mut server) = net.connect(settings).await;
    let watching = watch(&client.unwrap(), "", None);
    server.hears("WATCH\r\nSequence: 1\r\n\r\n").await;
    server.says(stands(1, 7));
    let watch = watching.await.unwrap().unwrap();
    assert_eq!(watch.version(), 7);
    (watch, server)
}

#[test]
fn parts_come_one_by_one_and_an_empty_last_one_is_the_end() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let mut parts = client.stream(Request::line("FOLLOW log")).await.unwrap();
        server.hears("FOLLOW log\r\nSequence: 1\r\n\r\n").await;
        server.says(part(1, "", "a") + &part(1, "", ""));
        assert_eq!(parts.next().await.unwrap().unwrap().body, b"a");
        assert_eq!(parts.next().await.unwrap().unwrap().body, b"", "an empty part is one");
        server.says("OK\r\nSequence: 1\r\nSize: 0\r\n\r\n");
        assert_eq!(parts.next().await.unwrap(), None);
        assert_eq!(parts.next().await.unwrap(), None);

        let mut whole = client.stream(Request::line("GET a")).await.unwrap();
        server.hears("GET a\r\nSequence: 2").await;
        server.says("OK\r\nSequence: 2\r\nSize: 1\r\n\r\nx");
        assert_eq!(whole.next().await.unwrap().unwrap().body, b"x");
        assert_eq!(whole.next().await.unwrap(), None);
    });
}

#[test]
fn a_stream_that_is_dropped_is_taken_back_and_keeps_the_connection_until_then() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let mut parts = client.stream(Request::line("FOLLOW")).await.unwrap();
        drop(client);
        server.hears("FOLLOW").await;
        server.says(part(1, "", "a"));
        assert_eq!(parts.next().await.unwrap().unwrap().body, b"a");
        drop(parts);
        server.hears("CANCEL 1").await;
        server.gone().await;
    });
}

#[test]
fn whoever_does_not_take_holds_up_no_other_call() {
    play(async {
        let net = Net::new();
        let mut settings = net.settings();
        settings.limits.untaken = 1_000;
        let (client, mut server) = net.connect(settings).await;
        let client = client.unwrap();
        let mut parts = client.stream(Request::line("FOLLOW")).await.unwrap();
        server.hears("FOLLOW").await;
        (0..100).for_each(|_| server.says(part(1, "", &"x".repeat(100))));
        let asking = tokio::spawn({
            let client = client.clone();
            async move { client.call(Request::line("PING")).await }
        });
        server.hears("PING").await;
        server.says("OK\r\nSequence: 2\r\nSize: 0\r\n\r\n");
        asking.await.unwrap().unwrap();
        server.hears("CANCEL 1").await;
        server.says(error(1, "cancelled"));
        let mut kept = 0;
        let end = loop {
            match parts.next().await {
                Ok(part) => kept += part.unwrap().body.len(),
                Err(error) => break error,
            }
        };
        assert!(matches!(end, Error::Behind { limit: 1_000 }), "{end}");
        assert!((1..=1_000).contains(&kept), "{kept}");
        assert_eq!(parts.next().await.unwrap(), None, "it is said once");
    });
}

#[test]
fn a_watch_stands_before_it_is_given_and_brings_changes_in_order() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let watching = watch(&client, "d/", Some(5));
        server.hears("WATCH d/\r\nSequence: 1\r\nFrom: 5\r\n\r\n").await;
        assert!(!watching.is_finished());
        server.says(stands(1, 4));
        let mut watch = watching.await.unwrap().unwrap();
        assert_eq!(watch.version(), 4);
        server.says(put(1, 5) + &delete(1, 9));
        assert_eq!(watch.next().await.unwrap(), change(5));
        let gone = watch.next().await.unwrap();
        assert_eq!(gone, Change { version: 9, id: "d/9".to_owned(), body: None });
        assert_eq!(watch.version(), 9);
    });
}

#[test]
fn a_watch_comes_back_behind_the_last_change_that_was_taken() {
    play(async {
        let net = Net::new();
        let told = Arc::<Mutex<Vec<String>>>::default();
        let (watch, server) = standing(&net, Limits::default()).await;
        let mut watch = watch.on_lost({
            let told = Arc::clone(&told);
            move |error| told.lock().unwrap().push(error.to_string())
        });
        server.says(put(1, 8) + &put(1, 9));
        assert_eq!(watch.next().await.unwrap(), change(8));
        // Another part came, and the connection is lost before it is taken.
        server.says(&put(1, 10)[..40]);
        server.ends();
        assert_eq!(watch.next().await.unwrap(), change(9));
        let going = tokio::spawn(async move { (watch.next().await, watch) });
        let mut server = net.greet().await;
        server.hears("WATCH\r\nSequence: 2\r\nFrom: 10\r\n\r\n").await;
        // It is lost once more, before it stands.
        server.ends();
        let mut server = net.greet().await;
        server.hears("WATCH\r\nSequence: 3\r\nFrom: 10\r\n\r\n").await;
        server.says(stands(3, 9) + &put(3, 10));
        let (next, watch) = going.await.unwrap();
        assert_eq!((next.unwrap(), watch.version()), (change(10), 10));
        assert_eq!(told.lock().unwrap().len(), 1, "{told:?}");
    });
}

#[test]
fn a_watch_comes_back_from_all_that_passes() {
    for code in ["shutting-down", "idle", "timed-out"] {
        play(async {
            let net = Net::new();
            let (mut watch, mut server) = standing(&net, Limits::default()).await;
            let going = tokio::spawn(async move { (watch.next().await, watch) });
            server.says(error(1, code));
            if code != "timed-out" {
                server.says(format!("ERR: {code}\r\nSize: 0\r\n\r\n"));
                server.ends();
                server = net.greet().await;
            }
            server.hears("WATCH\r\nSequence: 2\r\nFrom: 8\r\n\r\n").await;
            server.says(stands(2, 7) + &put(2, 8));
            assert_eq!(going.await.unwrap().0.unwrap(), change(8));
        });
    }
}

#[test]
fn a_watch_waits_for_a_server_as_long_as_it_takes() {
    play(async {
        let net = Net::new();
        let (mut watch, server) = standing(&net, Limits::default()).await;
        net.refuse(Some(std::io::ErrorKind::ConnectionRefused));
        server.ends();
        let going = tokio::spawn(async move { (watch.next().await, watch) });
        let day = tokio::time::Instant::now() + Duration::from_secs(86_400);
        tokio::time::timeout_at(day, std::future::pending::<()>()).await.unwrap_err();
        assert!(!going.is_finished());
        // Five seconds are the longest pause, and half of it the usual one.
        assert!(net.dials().len() < 86_400, "{}", net.dials().len());
        net.refuse(None);
        for code in ["too-many-connections", "shutting-down"].into_iter().cycle().take(20) {
            let server = net.accept().await;
            server.says(format!("ERR: {code}\r\n"));
            server.ends();
        }
        let mut server = net.greet().await;
        server.hears("From: 8").await;
        let sequence = server.heard().split("Sequence: ").last().unwrap().split("\r\n").next().unwrap();
        let sequence = sequence.parse().unwrap();
        server.says(stands(sequence, 7) + &put(sequence, 8));
        assert_eq!(going.await.unwrap().0.unwrap(), change(8));
    });
}

#[test]
fn a_watch_that_fell_behind_goes_on_where_it_was() {
    play(async {
        let net = Net::new();
        let (mut watch, mut server) = standing(&net, Limits { untaken: 2_000, ..Limits::default() }).await;
        let (taken, mut takes) = tokio::sync::mpsc::unbounded_channel();
        let going = tokio::spawn(async move { while taken.send(watch.next().await.unwrap()).is_ok() {} });
        let (mut from, mut sequence) = (8, 1);
        for _ in 0..10 {
            // Twice as much as there is room for, at once.
            (from..from + 20).for_each(|version| server.says(put(sequence, version)));
            server.hears(&format!("CANCEL {sequence}")).await;
            server.says(error(sequence, "cancelled"));
            sequence += 1;
            let asked = format!("WATCH\r\nSequence: {sequence}\r\nFrom: ");
            server.hears(&asked).await;
            let again = server.heard().split(&asked).last().unwrap().split("\r\n").next().unwrap();
            let again = again.parse().unwrap();
            assert!(again > from && again < from + 20, "{again} after {from}");
            server.says(stands(sequence, again - 1));
            from = again;
        }
        server.says(put(sequence, from));
        for version in 8..=from {
            assert_eq!(takes.recv().await.unwrap(), change(version));
        }
        going.abort();
    });
}

#[test]
fn what_does_not_pass_is_the_end_and_is_said_again() {
    for code in
        ["history-gone", "not-permitted", "bad-arguments", "cancelled", "overloaded", "no-longer-trusted"]
    {
        play(async {
            let net = Net::new();
            let (mut watch, server) = standing(&net, Limits::default()).await;
            server.says(put(1, 8) + &error(1, code));
            assert_eq!(watch.next().await.unwrap(), change(8));
            for _ in 0..2 {
                assert_eq!(watch.next().await.unwrap_err().code(), Some(code));
            }
            assert_eq!(watch.version(), 8);
        });
    }
}

#[test]
fn whoever_is_not_let_in_any_more_is_told_so() {
    play(async {
        let net = Net::new();
        let (mut watch, server) = standing(&net, Limits::default()).await;
        server.ends();
        let going = tokio::spawn(async move { watch.next().await });
        let server = net.accept().await;
        server.says("ERR: unfamiliar-certificate: why\r\n");
        server.ends();
        let error = going.await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::Refused { code, .. } if code == "unfamiliar-certificate"), "{error}");
    });
}

#[test]
fn a_client_that_does_not_reconnect_has_watches_that_do_not() {
    play(async {
        let net = Net::new();
        let mut settings = net.settings();
        settings.reconnects = false;
        let (client, mut server) = net.connect(settings).await;
        let watching = watch(client.as_ref().unwrap(), "", None);
        server.hears("WATCH").await;
        server.says(stands(1, 7));
        let mut watch = watching.await.unwrap().unwrap();
        server.ends();
        let error = watch.next().await.unwrap_err();
        assert!(matches!(error, Error::Lost { .. }), "{error}");
        assert_eq!(net.dials().len(), 1);
    });
}

#[test]
fn a_client_that_is_closed_ends_its_watches() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let watching = watch(&client, "", None);
        server.hears("WATCH").await;
        server.says(stands(1, 7));
        let mut watch = watching.await.unwrap().unwrap();
        let going = tokio::spawn(async move { watch.next().await });
        client.close().await;
        let error = going.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Lost { .. }), "{error}");
        assert!(server.gone().await.contains("CANCEL 1"));
    });
}

#[test]
fn a_watch_that_does_not_stand_in_time_is_an_error_and_taken_back() {
    play(async {
        let net = Net::new();
        let (client, mut server) = net.connected().await;
        let watching = watch(&client, "", None);
        server.hears("WATCH").await;
        let error = watching.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::TimedOut { outcome: Outcome::Unknown, .. }), "{error}");
        server.hears("CANCEL 1").await;
    });
}

#[test]
fn what_is_no_watch_is_said() {
    for (said, why) in [
        (part(1, "", ""), "no header Version"),
        ("OK\r\nSequence: 1\r\nSize: 0\r\n\r\n".to_owned(), "without a reason"),
        (stands(1, 7), "it gives those behind 7"),
        (stands(1, 4) + &put(1, 4), "version 4 came behind version 4"),
        (stands(1, 4) + &put(1, 6) + &put(1, 5), "version 5 came behind version 6"),
        (stands(1, 4) + &part(1, "Id: a\r\nVersion: 5\r\nChange: move\r\n", ""), "put or delete"),
    ] {
        play(async {
            let net = Net::new();
            let (client, mut server) = net.connected().await;
            let watching = watch(&client, "", Some(5));
            server.hears("WATCH").await;
            server.says(said);
            let error = match watching.await.unwrap() {
                Err(error) => error,
                Ok(mut watch) => loop {
                    if let Err(error) = watch.next().await {
                        break error;
                    }
                },
            };
            assert!(error.to_string().contains(why), "{error}");
        });
    }
}

/// With a prefix nothing may come for long: a server may say how far it is, so that it can be gone on from there.
#[test]
fn a_part_without_a_change_says_how_far_it_is() {
    play(async {
        let net = Net::new();
        let (mut watch, server) = standing(&net, Limits::default()).await;
        server.says(part(1, "Version: 50\r\n", "") + &put(1, 51));
        assert_eq!(watch.next().await.unwrap(), change(51));
    });
}

#[test]
fn a_watch_of_a_lazy_client_connects() {
    play(async {
        let net = Net::new();
        let client = client::start(net.clone(), net.settings(), None);
        let watching = watch(&client, "", Some(0));
        let mut server = net.greet().await;
        server.hears("WATCH\r\nSequence: 1\r\nFrom: 0\r\n\r\n").await;
        server.says(stands(1, 0));
        assert_eq!(watching.await.unwrap().unwrap().version(), 0);
    });
}
