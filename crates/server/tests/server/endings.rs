//! How connections end, over real sockets: everyone's handler learns of it, nothing outlives it.

use std::sync::mpsc;
use std::time::Duration;

use crate::common::{Client, HANG, Running, config, now, trusting};
use pinwire_server::proto::session::ClientEvent;
use pinwire_server::proto::wire::{Greeting, Request, Sequence};
use pinwire_server::{
    Answered, Body, Code, Command, Disconnect, Handler, Head, Limits, Peer, Refusal, Reply, Responder,
};
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

#[test]
fn a_reset_after_close_notify_is_noticed_while_commands_are_under_way() {
    let (_server, mut client, heard) = busy(Limits::default());
    let sequence = Sequence::new(b"2");
    client.session.send(&Request::new("WORK"), sequence.as_ref(), None).unwrap();
    client.session.close();
    client.flush();
    assert_eq!(heard(), Heard::Begun, "the close_notify behind it was read with it");
    // Closed with answers unread, or with no time to linger, a socket is reset.
    socket2::SockRef::from(&client.socket).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let both = [heard(), heard(), heard()];
    assert!(both.contains(&Heard::Dropped) && both.contains(&Heard::Left(Disconnect::Vanished)), "{both:?}");
}

#[test]
fn a_handler_that_panics_wherever_it_can_hurts_its_own_connection_only() {
    struct Fragile;
    struct Glass;
    impl Drop for Glass {
        fn drop(&mut self) {
            panic!("as the test wishes: a state that is dropped");
        }
    }
    impl Handler for Fragile {
        type State = Option<Glass>;
        fn connect(&self, peer: &Peer) -> Result<Self::State, Refusal> {
            assert_ne!(peer.name(), Some("client-0"), "as the test wishes: connect");
            Ok(Some(Glass))
        }
        fn body(&self, _: &mut Self::State, head: &Head<'_>) -> Body {
            assert_ne!(head.name(), "BODY", "as the test wishes: body");
            Body::Whole
        }
        fn command(&self, state: &mut Self::State, command: Command<'_>, to: Responder<'_>) -> Answered {
            match command.name() {
                "WRITE" => to.write(|_| panic!("as the test wishes: write")),
                "SAFE" => {
                    std::mem::forget(state.take());
                    to.ok("")
                }
                _ => to.ok(""),
            }
        }
        fn disconnect(&self, state: Self::State, _: &Disconnect) {
            drop(state);
            panic!("as the test wishes: disconnect");
        }
    }
    let (refused, good) = (certificates::good(now()), certificates::stranger(now()));
    let server = Running::start(config(trusting(&[&refused, &good])).workers(1), Fragile);
    let mut other = Client::enter(server.address, &good);
    other.send("SAFE", "1", None);
    assert_eq!(other.answer().1, "OK");

    let mut connect = Client::connect(server.address, Some(&refused));
    match connect.event() {
        ClientEvent::Greeting(Greeting::Refused { code, .. }) => assert_eq!(code, "failed"),
        event => panic!("{event:?}"),
    }
    for (command, body) in [("BODY", Some(&b"body"[..])), ("WRITE", None)] {
        let mut client = Client::enter(server.address, &good);
        client.send(command, "1", body);
        assert_eq!(client.answer().1, "failed", "{command}");
        drop(client);
        other.send("PING", command, None);
        assert_eq!(other.answer().1, "OK");
    }
}
