//! A server whose last descriptor is taken: those who are in work on, newcomers get in once there is room, and
//! nobody waits for ever.

use std::io::Read as _;
use std::net::TcpStream;

use pinwire_client::{Builder, Client};
use tokio::task::{JoinSet, spawn_blocking};

use crate::bench::{HANG, Place, Serving};

/// Twice as many as the server may have files open.
const CLIENTS: usize = 400;
/// Fewer than fit beside the server's own files: its store, its listeners, its event queues.
const SURELY_IN: usize = 120;

#[tokio::test]
async fn without_descriptors_who_is_in_works_on_and_newcomers_come_when_there_is_room() {
    let place = Place::new();
    let server = serve(&place);
    let mut entering = JoinSet::new();
    for _ in 0..CLIENTS {
        entering.spawn(enter(place.async_builder(&server.address).timeout(HANG).reconnect(false)));
    }
    let server = waits_for(server, "ulimit -n").await;
    let mut inside = Vec::new();
    while inside.len() < SURELY_IN {
        inside.push(entering.join_next().await.unwrap().unwrap());
        works(inside.last().unwrap()).await;
    }
    // It knocks behind all the others, and nobody makes room.
    let mut hopeless = TcpStream::connect(&server.address).unwrap();
    hopeless.set_read_timeout(Some(HANG)).unwrap();
    assert_eq!(spawn_blocking(move || hopeless.read(&mut [0]).unwrap()).await.unwrap(), 0);
    for client in &inside {
        works(client).await;
    }

    inside.clear();
    while let Some(client) = entering.join_next().await {
        works(&client.unwrap()).await;
    }
    works(&enter(place.async_builder(&server.address)).await).await;
    let server = waits_for(server, "accepting goes on again").await;
    let (status, said) = spawn_blocking(|| server.terminate()).await.unwrap();
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(said.matches("cannot accept").count(), 1, "it is said once: {said}");
    assert_eq!(said.matches("accepting goes on again").count(), 1, "{said}");
}

fn serve(place: &Place) -> Serving {
    Serving::start(place.shell("ulimit -n 200; exec \"$0\" serve --listen 127.0.0.1:0"))
}

/// Whoever is closed before its greeting tries again.
async fn enter(builder: Builder) -> Client {
    loop {
        if let Ok(client) = builder.clone().connect().await {
            return client;
        }
    }
}

async fn works(client: &Client) {
    assert!(client.get("none").await.unwrap().is_none());
}

async fn waits_for(server: Serving, words: &'static str) -> Serving {
    let waiting = spawn_blocking(move || {
        server.wait_for(words);
        server
    });
    waiting.await.unwrap()
}
