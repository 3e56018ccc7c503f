//! The client library against the real server: many calls at once, and a server that goes and comes back.

use std::sync::atomic::{AtomicBool, Ordering};

use pinwire_client::Error;

use crate::bench::Place;

#[test]
fn ten_thousand_calls_of_a_hundred_threads_get_their_own_answers() {
    let place = Place::new();
    let server = place.serve();
    let client = place.client(&server.address);
    std::thread::scope(|scope| {
        for thread in 0..100 {
            let client = client.clone();
            scope.spawn(move || {
                let id = format!("t/{thread}");
                client.put(&id, id.clone()).unwrap();
                for call in 0..99 {
                    let answer = client.get(&id).unwrap().unwrap();
                    assert_eq!(answer.body, id.as_bytes(), "call {call}");
                }
            });
        }
    });
    assert_eq!(client.list("t/", None).unwrap().ids.len(), 100);
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
