//! Calls over one connection.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use pinwire_client::{Answer, Client, Error, KnownServers, Outcome, Request};
use pinwire_server::{Command, Reply, Responder, Router};

use crate::play;
use crate::running::{Running, Setup, documents};

type Calling<'c> = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'c>>;

/// Waits for all of them at once, in one task.
async fn together(mut futures: Vec<Calling<'_>>) -> Vec<Result<Answer, Error>> {
    let mut results: Vec<Option<_>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *result = Some(value);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

fn serve(router: Router) -> Running {
    Setup::new().serve("127.0.0.1:0".parse().unwrap(), router)
}

#[test]
fn ten_thousand_calls_from_a_hundred_tasks_each_get_their_own_answer() {
    let peers: Arc<Mutex<HashSet<_>>> = Arc::default();
    let seen = Arc::clone(&peers);
    let server = serve(
        documents()
            .command("SEEN", move |command, to| {
                seen.lock().unwrap().insert(command.peer().address());
                to.ok(command.body())
            })
            .command_async("LATER", async |command| -> Reply {
                tokio::task::yield_now().await;
                Reply::ok(command.into_body())
            }),
    );
    play(async {
        let client = server.client().connect().await.unwrap();
        let tasks: Vec<_> = (0..100)
            .map(|task| {
                let client = client.clone();
                tokio::spawn(async move { hundred(&client, task).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(peers.lock().unwrap().len(), 1, "one connection");
}

async fn hundred(client: &Client, task: usize) {
    let bodies: Vec<String> =
        (0..100).map(|call| format!("{task}/{call} ").repeat(1 + call % 7 * 40)).collect();
    let calls = bodies.iter().enumerate().map(|(call, body)| {
        let name = ["SEEN", "LATER", "ECHO"][call % 3];
        let request = Request::new(name).body(body.as_str());
        Box::pin(client.call(request)) as Calling<'_>
    });
    for (answer, body) in together(calls.collect()).await.into_iter().zip(&bodies) {
        assert_eq!(answer.unwrap().body, body.as_bytes());
    }
}

#[test]
fn both_directions_are_full_at_once_and_nothing_locks_up() {
    let server = Running::start();
    play(async {
        let client = server.client().connect().await.unwrap();
        let bodies: Vec<Vec<u8>> = (0..64_u8).map(|n| vec![n; 500_000]).collect();
        let calls = bodies.iter().map(|body| {
            let request = Request::new("ECHO").body(body.as_slice());
            Box::pin(client.call(request)) as Calling<'_>
        });
        for (answer, body) in together(calls.collect()).await.into_iter().zip(&bodies) {
            assert!(answer.unwrap().body == *body);
        }
    });
}

/// Says when the server has thrown the command's work away.
struct Guard(mpsc::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn what_the_caller_gives_up_the_server_gives_up() {
    let (begun, has_begun) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let never = move |_: Command<'_>, to: Responder<'_>| {
        let guard = Guard(ended.clone());
        begun.send(()).unwrap();
        to.later(async move {
            let _guard = guard;
            std::future::pending::<Reply>().await
        })
    };
    let (never, begun) = (Mutex::new(never), has_begun);
    let server = serve(documents().command("NEVER", move |command, to| (never.lock().unwrap())(command, to)));
    play(async {
        let client = server.client().connect().await.unwrap();
        let calling = {
            let client = client.clone();
            tokio::spawn(async move { client.call(Request::new("NEVER")).await })
        };
        begun.recv_timeout(HANG).unwrap();
        calling.abort();
        has_ended.recv_timeout(HANG).unwrap();

        let error = client.call(Request::new("NEVER").timeout(Duration::from_millis(50))).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        has_ended.recv_timeout(HANG).unwrap();
        assert_eq!(client.call(Request::new("ECHO").body("x")).await.unwrap().body, b"x");
    });
}

#[test]
fn documents_come_and_go() {
    let server = Running::start();
    play(async {
        let client = server.client().connect().await.unwrap();
        assert_eq!(client.get("a").await.unwrap(), None);
        let version = client.put("a", "one").await.unwrap();
        let document = client.get("a").await.unwrap().unwrap();
        assert_eq!((document.version, document.body.as_slice()), (version, &b"one"[..]));
        let version = client.put_if("a", "two", version).await.unwrap();
        let error = client.put_if("a", "three", 0).await.unwrap_err();
        assert_eq!((error.code(), error.outcome()), (Some("conflict"), Outcome::Answered));
        assert!(client.delete_if("a", version).await.unwrap() > version);
        assert_eq!(client.delete("a").await.unwrap(), None);

        for id in ["p/1", "p/2", "p/3", "q/1"] {
            client.put(id, "").await.unwrap();
        }
        let first = client.list("p/", None).await.unwrap();
        assert_eq!(
            (first.ids, first.next.as_deref()),
            (vec!["p/1".to_owned(), "p/2".to_owned()], Some("p/2"))
        );
        let second = client.list("p/", first.next.as_deref()).await.unwrap();
        assert_eq!((second.ids, second.next), (vec!["p/3".to_owned()], None));
        assert_eq!(client.list("", Some("p/3")).await.unwrap().ids, ["q/1"]);

        let error = client.get("a b").await.unwrap_err();
        assert!(matches!(error, Error::Misuse(_)), "{error}");
        client.close().await;
    });
}

#[test]
fn only_the_right_server_is_told_anything() {
    let server = Running::start();
    play(async {
        let builder = || Client::builder(server.address.clone()).identity(server.identity.clone());
        let error = builder().connect().await.unwrap_err();
        assert!(matches!(error, Error::UnknownServer { .. }), "{error}");

        let line = KnownServers::line(&server.address, &server.pin);
        let known = KnownServers::parse(&line).unwrap();
        let client = builder().known_servers(known).connect().await.unwrap();
        client.call(Request::new("PING")).await.unwrap();
        assert_eq!(pinwire_client::Pin::Spki(client.certificate().unwrap().digests.spki), server.pin);

        let line = line.replace("spki-sha256:", "spki-sha256:ab")[..line.len()].to_owned();
        let error = builder().known_servers(KnownServers::parse(&line).unwrap()).connect().await.unwrap_err();
        assert!(matches!(&error, Error::WrongServer { lines, .. } if *lines == [1]), "{error}");

        let error = Client::builder(server.address.clone()).server_pin(server.pin).connect().await;
        assert_eq!(error.unwrap_err().code(), Some("no-certificate"));
    });
}

/// Only catches a hang.
const HANG: Duration = Duration::from_secs(60);
