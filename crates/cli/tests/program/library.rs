//! The client library against the real server: many calls at once, and a server that goes and comes back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pinwire_client::{Client, Error, Limits, Outcome, Request};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

use crate::bench::{Place, Serving};

/// What a caller knows of the document that it wanted to be kept.
#[derive(Debug)]
enum Put {
    Done(u64),
    NotBegun,
    Unknown,
}

#[test]
fn ten_thousand_calls_at_once_outlive_a_server_that_is_restarted() {
    let (place, put) = ten_thousand_calls(|server| {
        server.terminate();
    });
    let done = put.values().filter(|put| matches!(put, Put::Done(_))).count();
    assert_eq!(done, put.len(), "what had begun was answered, what had not was sent again");
    compare(&place, &put);
}

#[test]
fn ten_thousand_calls_at_once_end_as_they_must_when_the_server_is_killed() {
    let (place, put) = ten_thousand_calls(drop);
    let unknown = put.values().filter(|put| matches!(put, Put::Unknown)).count();
    assert!(unknown > 0 && unknown <= Limits::default().in_flight, "{unknown} were under way");
    compare(&place, &put);
}

/// 100 tasks with 100 calls each, over one client; the server is ended in the middle, and started again.
#[tokio::main(flavor = "current_thread")]
async fn ten_thousand_calls(end: fn(Serving)) -> (Place, BTreeMap<String, Put>) {
    let place = Place::new();
    let server = place.serve();
    let address = server.address.clone();
    let client = place.async_builder(&address).connect().await.unwrap();
    client.put("known", "by all").await.unwrap();
    let (answered, mut answers) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for task in 0..100 {
        tasks.spawn(hundred_calls(client.clone(), task, answered.clone()));
    }
    for _ in 0..2_000 {
        answers.recv().await.unwrap();
    }
    let server = spawn_blocking(move || {
        end(server);
        let server = place.serve_with(&["--listen", &address]);
        (place, server)
    });
    let put = tasks.join_all().await.into_iter().flatten().collect();
    let (place, _server) = server.await.unwrap();
    (place, put)
}

/// Most put a document of their own, some read; of both some give up, at once or soon.
async fn hundred_calls(
    client: Client,
    task: usize,
    answered: mpsc::UnboundedSender<()>,
) -> Vec<(String, Put)> {
    let mut calls = JoinSet::new();
    for call in 0..100 {
        let (client, answered) = (client.clone(), answered.clone());
        calls.spawn(async move {
            let id = format!("t/{task:02}/{call:02}");
            let put = match call % 10 {
                0 => read(&client).await,
                1 => give_up(&client).await,
                _ => Some(put(&client, &id).await),
            };
            let _ = answered.send(());
            put.map(|put| (id, put))
        });
    }
    calls.join_all().await.into_iter().flatten().collect()
}

async fn put(client: &Client, id: &str) -> Put {
    match client.put(id, id).await {
        Ok(version) => Put::Done(version),
        Err(error) => match error.outcome() {
            Outcome::NotBegun => Put::NotBegun,
            Outcome::Unknown => Put::Unknown,
            Outcome::Answered => panic!("{id}: {error}"),
        },
    }
}

/// It does no harm twice: no server that goes and comes back shows.
async fn read(client: &Client) -> Option<Put> {
    assert_eq!(client.get("known").await.unwrap().unwrap().body, b"by all");
    None
}

async fn give_up(client: &Client) -> Option<Put> {
    let soon = Request::new("GET").arg("known").timeout(Duration::from_millis(1));
    if let Err(error) = client.call(soon).await {
        assert!(matches!(error, Error::TimedOut { .. } | Error::Reply { .. }), "{error}");
        assert!(error.code().is_none_or(|code| code == "timed-out"), "{error}");
    }
    // Dropped after its first step: it stands in line, or is under way.
    tokio::select! {
        biased;
        put = client.put("given-up", "") => drop(put),
        () = tokio::task::yield_now() => {}
    }
    None
}

/// What is there is what was said.
fn compare(place: &Place, put: &BTreeMap<String, Put>) {
    let server = place.serve();
    let client = place.client(&server.address);
    for (id, put) in put {
        let found = client.get(id).unwrap();
        let (version, body) = found.map_or((None, None), |found| (Some(found.version), Some(found.body)));
        let is_whole = body.is_none_or(|body| body == id.as_bytes());
        let is_true = match put {
            Put::Done(done) => version == Some(*done),
            Put::NotBegun => version.is_none(),
            Put::Unknown => true,
        };
        assert!(is_whole && is_true, "{id}: {put:?}, and there is {version:?}");
    }
}

/// Nobody who calls notices: what was not begun is sent again, and so is what does no harm twice.
#[cfg(target_os = "linux")]
#[test]
fn a_server_that_comes_back_is_called_again() {
    let place = Place::new();
    let mut server = place.serve();
    let address = server.address.clone();
    let client = place.client(&address);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calling: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        assert_eq!(client.get("none").unwrap(), None);
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            client.get("none").unwrap();
            assert_eq!(server.terminate().0, Some(0));
            server = place.serve_with(&["--listen", &address]);
        }
        client.get("none").unwrap();
        is_over.store(true, Ordering::Relaxed);
        calling.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn without_reconnecting_a_lost_server_stays_lost() {
    let place = Place::new();
    let server = place.serve();
    let client = place.builder(&server.address).reconnect(false).connect().unwrap();
    client.put("a", "1").unwrap();
    server.terminate();
    // The first may still hear the server's last word.
    let _ = client.get("a");
    let error = client.get("a").unwrap_err();
    assert!(matches!(error, Error::Lost { .. } | Error::Closed { .. }), "{error:?}");
}
