//! Servers that go away and come back.

use std::net::SocketAddr;
use std::time::Duration;

use pinwire_client::{Client, Error, Outcome, Request};
use pinwire_server::Reply;

use crate::play;
use crate::running::{Running, Setup, documents};

fn place(server: &Running) -> SocketAddr {
    server.address.to_string().parse().unwrap()
}

#[test]
fn calls_outlive_a_server_that_is_restarted() {
    let server = Running::start();
    let at = place(&server);
    play(async {
        let client = server.client().connect().await.unwrap();
        client.call(Request::new("PING")).await.unwrap();
        let setup = tokio::task::spawn_blocking(move || server.stop()).await.unwrap();
        let waiting: Vec<_> = (0..50)
            .map(|n| {
                let client = client.clone();
                tokio::spawn(async move { client.call(Request::new("ECHO").body(n.to_string())).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let _server = setup.serve(at, documents());
        for (n, calling) in waiting.into_iter().enumerate() {
            assert_eq!(calling.await.unwrap().unwrap().body, n.to_string().as_bytes());
        }
        assert!(client.is_resumed(), "the same tickets open there");
    });
}

#[test]
fn what_a_server_broke_off_is_repeated_only_if_that_does_no_harm() {
    let router = || documents().command_async("NEVER", async |_| -> Reply { std::future::pending().await });
    let server = Setup::new().serve("127.0.0.1:0".parse().unwrap(), router());
    let at = place(&server);
    play(async {
        let client = server.client().connect().await.unwrap();
        let call = |request: Request| {
            let client = client.clone();
            tokio::spawn(async move { client.call(request).await })
        };
        let once = call(Request::new("NEVER"));
        let again = call(Request::new("NEVER").repeatable());
        // Both have arrived once a later one is answered.
        client.call(Request::new("PING")).await.unwrap();
        let setup = tokio::task::spawn_blocking(move || server.stop_now()).await.unwrap();
        let error = once.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.outcome()), (Some("shutting-down"), Outcome::Unknown), "{error}");

        let _server = setup.serve(at, documents().command("NEVER", |_, to| to.ok("now")));
        assert_eq!(again.await.unwrap().unwrap().body, b"now");
    });
}

#[test]
fn a_handler_that_breaks_closes_the_connection_and_the_next_resumes_its_session() {
    let router = documents().command("PANIC", |_, _| panic!("as the test wishes"));
    let server = Setup::new().serve("127.0.0.1:0".parse().unwrap(), router);
    play(async {
        let client = server.client().connect().await.unwrap();
        assert!(!client.is_resumed());
        for _ in 0..3 {
            let error = client.call(Request::new("PANIC")).await.unwrap_err();
            assert_eq!((error.code(), error.outcome()), (Some("failed"), Outcome::Unknown), "{error}");
            // It may reach the connection that is being closed.
            client.call(Request::new("PING").repeatable()).await.unwrap();
            assert!(client.is_resumed());
        }
    });
}

#[test]
fn a_server_with_another_key_is_told_nothing_even_by_a_client_that_resumes() {
    let server = Running::start();
    let at = place(&server);
    play(async {
        let client = server.client().connect().await.unwrap();
        client.call(Request::new("PING")).await.unwrap();
        tokio::task::spawn_blocking(move || server.stop()).await.unwrap();
        let _impostor = Setup::new().serve(at, documents());
        let error = client.call(Request::new("PUT").arg("a").body("secret")).await.unwrap_err();
        assert!(matches!(error, Error::WrongServer { .. }), "{error}");
    });
}

#[test]
fn nobody_there_is_an_error_at_first_and_a_wait_later() {
    let server = Running::start();
    play(async {
        let builder = server.client().timeout(Duration::from_millis(300));
        let client: Client = builder.clone().connect().await.unwrap();
        tokio::task::spawn_blocking(move || server.stop()).await.unwrap();
        assert!(matches!(builder.connect().await, Err(Error::NotReachable { .. })));
        let error = client.call(Request::new("PING")).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { outcome: Outcome::NotBegun, .. }), "{error}");
        assert!(error.to_string().contains("cannot be reached"), "{error}");
    });
}
