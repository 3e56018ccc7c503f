//! How connections end, over real sockets: everyone's handler learns of it, nothing outlives it.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{Client, HANG, Running, config, now, trusting};
use pinwire_server::{Answered, Code, Command, Disconnect, Handler, Limits, Peer, Refusal, Reply, Responder};
use pinwire_testkit::certificates;

/// Answers nothing: its futures never end.
struct Endless(mpsc::Sender<Heard>);

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Begun,
    /// The command's future is dropped.
    Dropped,
    Left(Disconnect),
}

impl Handler for Endless {
    type State = ();

    fn connect(&self, _: &Peer) -> Result<(), Refusal> {
        Ok(())
    }

    fn command(&self, (): &mut (), _: Command<'_>, to: Responder<'_>) -> Answered {
        self.0.send(Heard::Begun).expect("the test listens");
        let dropped = Says(self.0.clone());
        to.later(async move {
            let _dropped = dropped;
            std::future::pending::<Reply>().await
        })
    }

    fn disconnect(&self, (): (), why: &Disconnect) {
        self.0.send(Heard::Left(why.clone())).expect("the test listens");
    }
}

/// Says when it is dropped.
struct Says(mpsc::Sender<Heard>);

impl Drop for Says {
    fn drop(&mut self) {
        let _ = self.0.send(Heard::Dropped); // the test may have ended
    }
}

/// A server whose only client has a command under way.
fn busy(limits: Limits) -> (Running, Client, impl Fn() -> Heard) {
    let client = certificates::good(now());
    let (sender, heard) = mpsc::channel();
    let server = Running::start(config(trusting(&[&client])).limits(limits), Endless(sender));
    let mut client = Client::enter(server.address, &client);
    client.send("WORK", "1", None);
    let heard = move || heard.recv_timeout(HANG).expect("the server says");
    assert_eq!(heard(), Heard::Begun);
    (server, client, heard)
}

#[test]
fn a_stop_that_runs_out_of_time_still_tells_the_handler() {
    let (drain, linger) = (Duration::from_millis(50), Duration::from_millis(100));
    let (server, client, heard) = busy(Limits { drain, linger, ..Limits::default() });
    server.stopper.stop();
    server.join();
    // The client neither reads nor closes: it is there when the last moment comes.
    assert_eq!(heard(), Heard::Dropped);
    assert_eq!(heard(), Heard::Left(Disconnect::Closed { code: Code::ShuttingDown, text: String::new() }));
    drop(client);
}

#[test]
fn a_client_that_vanishes_takes_its_futures_along() {
    let (_server, client, heard) = busy(Limits::default());
    drop(client);
    let both = [heard(), heard()]; // the future may be dropped a moment later, by the runtime
    assert!(both.contains(&Heard::Dropped) && both.contains(&Heard::Left(Disconnect::Vanished)), "{both:?}");
}
