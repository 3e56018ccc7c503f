//! `trust remove` while its clients are busy: all of them read why and are closed, and nobody else loses a reply.

use std::fs;

use pinwire_client::{Client, Error};
use pinwire_server::Identity;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

use crate::bench::Place;

#[test]
fn a_removal_cuts_a_hundred_busy_clients_and_a_hundred_others_lose_nothing() {
    let place = Place::new();
    drop(place.serve());
    place.ok(&["keygen", "alice"]);
    place.ok(&["trust", "add", "alice.crt", "--name", "alice"]);
    let server = place.serve();
    removed_while_busy(place, &server.address);
}

#[tokio::main(flavor = "current_thread")]
async fn removed_while_busy(place: Place, address: &str) {
    let identity = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    let alice =
        Identity::from_pem(identity("alice.crt").as_bytes(), identity("alice.key").as_bytes()).unwrap();
    let (mut alices, mut others) = (JoinSet::new(), JoinSet::new());
    let (is_over, over) = watch::channel(false);
    for _ in 0..100 {
        let client = place.async_builder(address).reconnect(false).identity(alice.clone()).connect().await;
        alices.spawn(ask_until_closed(client.unwrap()));
        let client = place.async_builder(address).reconnect(false).connect().await;
        others.spawn(ask_until(client.unwrap(), over.clone()));
    }
    let place = spawn_blocking(move || {
        place.ok(&["trust", "remove", "alice"]);
        place
    });
    let place = place.await.unwrap();
    for why in alices.join_all().await {
        assert!(matches!(&why, Error::Closed { code, .. } if code == "no-longer-trusted"), "{why}");
    }
    is_over.send(true).unwrap();
    let replies = others.join_all().await;
    assert!(replies.iter().all(|replies| *replies > 0), "{replies:?}");
    let client = place.async_builder(address).identity(alice).connect().await;
    assert!(matches!(client, Err(Error::Refused { code, .. }) if code == "unfamiliar-certificate"));
}

/// Asks again and again, until that ends. An answer of `no-longer-trusted` to a command is followed by the
/// connection's own.
async fn ask_until_closed(client: Client) -> Error {
    loop {
        match client.get("employees/1-A").await {
            Ok(_) => {}
            Err(Error::Reply { code, .. }) if code == "no-longer-trusted" => {}
            Err(error) => return error,
        }
    }
}

/// Asks again and again, and is always answered; how often.
async fn ask_until(client: Client, over: watch::Receiver<bool>) -> usize {
    let mut replies = 0;
    while !*over.borrow() {
        client.get("employees/1-A").await.unwrap();
        replies += 1;
    }
    replies
}
