//! The server over real sockets: panics, answers from elsewhere, crowds, the stop.

use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};

use crate::common;
use crate::common::{Client, Running, config, now, router, trusting};
use pinwire_server::proto::session::{ClientEnd, ClientEvent};
use pinwire_server::proto::wire::Greeting;
use pinwire_server::{
    Code, Command, Deferred, Disconnect, Handler, Limits, Peer, Refusal, Reply, Responder, Router,
};
use pinwire_testkit::certificates;

fn ok(sequence: &str, body: &str) -> (String, String, Vec<u8>) {
    (sequence.to_owned(), "OK".to_owned(), body.as_bytes().to_vec())
}

fn err(sequence: &str, code: &str) -> (String, String, Vec<u8>) {
    (sequence.to_owned(), code.to_owned(), Vec::new())
}

#[test]
fn two_connections_answer_side_by_side() {
    let client = certificates::good(now());
    let server = Running::start(config(trusting(&[&client])), router());
    let mut first = Client::enter(server.address, &client);
    let mut second = Client::enter(server.address, &client);
    first.send("GET employees/1-A", "1", None);
    second.send("echo", "2", Some(b"body"));
    assert_eq!(second.answer(), ok("2", "body"));
    assert_eq!(first.answer(), ok("1", "{\"Name\":\"Alice\"}"));
    first.send("LATER", "3", Some(b"later"));
    assert_eq!(first.answer(), ok("3", "later"));
    first.send("WHAT", "4", Some(b"a body that nobody wants"));
    assert_eq!(first.answer(), err("4", "unknown-command"));
    first.send("PING", "5", None);
    assert_eq!(first.answer(), ok("5", ""));
}

#[test]
fn help_and_whoami_are_built_in() {
    let client = certificates::good(now());
    let server = Running::start(config(trusting(&[&client])), router());
    let mut client = Client::enter(server.address, &client);
    client.send("help", "1", None);
    let help = String::from_utf8(client.answer().2).unwrap();
    assert_eq!(help, "CANCEL\nECHO\nGET\nHELP\nLATER\nNEVER\nPANIC\nPANIC-LATER\nPING\nWHOAMI\n");
    client.send("WHOAMI", "2", None);
    let who = String::from_utf8(client.answer().2).unwrap();
    let lines: Vec<_> = who.lines().collect();
    assert_eq!(lines[0], "name: client-0");
    assert!(lines[1].starts_with("pin: spki-sha256:"), "{who}");
    assert_eq!(lines[2], format!("address: {}", client.socket.local_addr().unwrap()));
}

#[test]
fn a_panic_closes_its_own_connection_and_no_other() {
    let client = certificates::good(now());
    let server = Running::start(config(trusting(&[&client])), router());
    let mut other = Client::enter(server.address, &client);
    for panic in ["PANIC", "PANIC-LATER"] {
        let mut one = Client::enter(server.address, &client);
        one.send("NEVER", "1", None);
        one.send(panic, "2", None);
        assert_eq!(one.answer(), err("2", "failed"), "{panic}");
        assert_eq!(one.answer(), err("1", "failed"), "{panic}: what was under way ends with it");
        assert_eq!(one.end(), ClientEnd::Closed);
        other.send("PING", panic, None);
        assert_eq!(other.answer(), ok(panic, ""));
    }
}

#[test]
fn commands_are_cancelled_and_time_out() {
    let client = certificates::good(now());
    let server = Running::start(config(trusting(&[&client])), router());
    let mut client = Client::enter(server.address, &client);
    client.send("NEVER", "1", None);
    client.send("CANCEL 1", "", None);
    assert_eq!(client.answer(), err("1", "cancelled"));

    let timeout = Some(std::time::Duration::from_millis(50));
    let request = pinwire_server::proto::wire::Request::new("NEVER");
    client.session.send(&request, pinwire_server::Sequence::new(b"2").as_ref(), timeout).unwrap();
    client.flush();
    assert_eq!(client.answer(), err("2", "timed-out"));
}

/// Answers come from a thread of the test's own.
struct Elsewhere(Mutex<mpsc::Sender<Deferred>>);

impl Elsewhere {
    fn router(self) -> Router {
        Router::new().command("WAIT", move |_: Command<'_>, to: Responder<'_>| {
            let (answered, deferred) = to.defer();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).send(deferred).expect("the test listens");
            answered
        })
    }
}

#[test]
fn answers_come_from_any_thread_in_any_order_and_a_dropped_one_fails() {
    let client = certificates::good(now());
    let (sender, deferred) = mpsc::channel();
    let server = Running::start(config(trusting(&[&client])), Elsewhere(Mutex::new(sender)).router());
    let mut client = Client::enter(server.address, &client);
    for sequence in ["1", "2", "3"] {
        client.send("WAIT", sequence, None);
    }
    let mut owed: Vec<Deferred> = (0..3).map(|_| deferred.recv_timeout(common::HANG).unwrap()).collect();
    owed.pop().unwrap().ok("third");
    assert_eq!(client.answer(), ok("3", "third"));
    drop(owed.pop());
    assert_eq!(client.answer(), err("2", "failed"));
    owed.pop().unwrap().error(Code::NotFound, "nowhere");
    assert_eq!(client.answer(), err("1", "not-found"));
}

#[test]
fn an_error_carries_headers_now_and_later() {
    let client = certificates::good(now());
    let router = Router::new()
        .command("NOW", |_: Command<'_>, to: Responder<'_>| {
            to.reply(&Reply::error(Code::Conflict, "not 6").header("Version", "7").unwrap())
        })
        .command("NEVER", |_, to| {
            let headers = vec![("Size".to_owned(), "7".to_owned())];
            to.reply(&Reply { headers, ..Reply::error(Code::Conflict, "") })
        })
        .command_async("LATER", async |_| -> Reply {
            Reply::error(Code::Conflict, "not 6").header("Version", "7").unwrap()
        });
    let server = Running::start(config(trusting(&[&client])), router);
    let mut client = Client::enter(server.address, &client);
    for name in ["NOW", "LATER"] {
        client.send(name, "1", None);
        let ClientEvent::Answer(answer) = client.event() else { panic!("an answer was expected") };
        assert_eq!(answer.status, Err(("conflict".to_owned(), "not 6".to_owned())), "{name}");
        assert_eq!(answer.headers, [("Version".to_owned(), "7".to_owned())], "{name}");
    }
    client.send("NEVER", "1", None);
    assert_eq!(client.answer(), err("1", "failed"));
}

#[test]
fn a_stop_answers_what_is_under_way_and_says_so() {
    let client = certificates::good(now());
    let (sender, deferred) = mpsc::channel();
    let server = Running::start(config(trusting(&[&client])), Elsewhere(Mutex::new(sender)).router());
    let mut busy = Client::enter(server.address, &client);
    let mut quiet = Client::enter(server.address, &client);
    busy.send("WAIT", "1", None);
    let owed = deferred.recv_timeout(common::HANG).unwrap();
    server.stopper.stop();
    assert_eq!(quiet.answer(), err("", "shutting-down"));
    assert_eq!(quiet.end(), ClientEnd::Closed);
    busy.send("WAIT", "2", None); // not begun: the connection ends without an answer to it
    owed.ok("just in time");
    assert_eq!(busy.answer(), ok("1", "just in time"));
    assert_eq!(busy.answer(), err("", "shutting-down"));
    assert_eq!(busy.end(), ClientEnd::Closed);
    drop((busy, quiet));
    server.join();
}

#[test]
fn a_stop_is_bounded() {
    let client = certificates::good(now());
    let limits = Limits { drain: std::time::Duration::from_millis(100), ..Limits::default() };
    let server = Running::start(config(trusting(&[&client])).limits(limits), router());
    let mut busy = Client::enter(server.address, &client);
    busy.send("NEVER", "1", None);
    busy.send("PING", "2", None);
    assert_eq!(busy.answer(), ok("2", ""));
    server.stopper.stop();
    assert_eq!(busy.answer(), err("1", "shutting-down"));
    assert_eq!(busy.answer(), err("", "shutting-down"));
    drop(busy);
    server.join();
}

#[test]
fn a_handler_has_the_last_word_and_keeps_state() {
    struct Counting(mpsc::Sender<(u64, Disconnect)>);
    impl Handler for Counting {
        type State = u64;
        fn connect(&self, peer: &Peer) -> Result<u64, Refusal> {
            match peer.name() {
                Some("client-0") => Ok(0),
                _ => Err(Refusal { code: Code::own("on-holiday"), text: "come back\r\nlater".to_owned() }),
            }
        }
        fn command(&self, count: &mut u64, _: Command<'_>, to: Responder<'_>) -> pinwire_server::Answered {
            *count += 1;
            to.ok(count.to_string())
        }
        fn disconnect(&self, count: u64, why: &Disconnect) {
            self.0.send((count, why.clone())).expect("the test listens");
        }
    }
    let (first, second) = (certificates::good(now()), certificates::stranger(now()));
    let (sender, left) = mpsc::channel();
    let server = Running::start(config(trusting(&[&first, &second])), Counting(sender));
    let mut client = Client::enter(server.address, &first);
    for count in ["1", "2", "3"] {
        client.send("COUNT", count, None);
        assert_eq!(client.answer(), ok(count, count));
    }
    client.session.close();
    client.flush();
    assert_eq!(client.end(), ClientEnd::Closed);
    assert_eq!(left.recv_timeout(common::HANG).unwrap(), (3, Disconnect::Peer));

    let mut refused = Client::connect(server.address, Some(&second));
    let text = "come back\u{fffd}\u{fffd}later".to_owned();
    let greeting = Greeting::Refused { code: "on-holiday".to_owned(), text };
    assert_eq!(refused.event(), ClientEvent::Greeting(greeting));
    assert_eq!(refused.end(), ClientEnd::Closed);
}

#[test]
fn one_listener_can_serve_all_workers() {
    let client = certificates::good(now());
    let server = Running::start(config(trusting(&[&client])).workers(3).reuse_port(false), router());
    let mut clients: Vec<_> = (0..7).map(|_| Client::enter(server.address, &client)).collect();
    for client in &mut clients {
        client.send("PING", "1", None);
        assert_eq!(client.answer(), ok("1", ""));
    }
}

#[test]
fn connections_above_the_limit_are_told() {
    let client = certificates::good(now());
    let limits = Limits { connections: 2, ..Limits::default() };
    let server = Running::start(config(trusting(&[&client])).limits(limits), router());
    let kept = [Client::enter(server.address, &client), Client::enter(server.address, &client)];
    let mut third = Client::connect(server.address, Some(&client));
    match third.event() {
        ClientEvent::Greeting(Greeting::Refused { code, text }) => {
            assert_eq!(code, "too-many-connections");
            assert!(text.contains('2'), "{text}");
        }
        other => panic!("{other:?}"),
    }
    drop(kept);
}

#[test]
fn a_client_that_does_not_read_is_not_served_beyond_the_bound_and_loses_nothing() {
    let client = certificates::good(now());
    let server = Running::start(config(trusting(&[&client])), router());
    let mut client = Client::enter(server.address, &client);
    let body = vec![b'x'; 256 * 1024];
    let commands = 64; // 16 MiB of answers: far above what the sockets and the bound hold
    let writing = {
        let request = pinwire_server::proto::wire::Request::new("ECHO").body(body.clone());
        for number in 0..commands {
            let sequence = pinwire_server::Sequence::from(number);
            client.session.send(&request, Some(&sequence), None).unwrap();
        }
        let output = client.session.take_output();
        let mut socket = client.socket.try_clone().unwrap();
        std::thread::spawn(move || std::io::Write::write_all(&mut socket, &output))
    };
    for number in 0..commands {
        let (sequence, status, answer) = client.answer();
        assert_eq!((sequence, status.as_str()), (number.to_string(), "OK"));
        assert!(answer == body, "answer {number} is whole");
    }
    writing.join().unwrap().unwrap();
}

#[test]
fn a_handshake_that_stops_is_closed_in_time() {
    use std::io::{Read, Write};
    let client = certificates::good(now());
    let limits = Limits { handshake: std::time::Duration::from_millis(100), ..Limits::default() };
    let server = Running::start(config(trusting(&[&client])).limits(limits), router());
    let mut socket = std::net::TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(common::HANG)).unwrap();
    socket.write_all(b"\x16\x03\x01").unwrap();
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_is_not_tls_gets_an_alert_and_the_end() {
    use std::io::{Read, Write};
    let client = certificates::good(now());
    let server = Running::start(config(trusting(&[&client])), router());
    let mut socket = std::net::TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(common::HANG)).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut said = Vec::new();
    socket.read_to_end(&mut said).unwrap();
    assert_eq!(said.first(), Some(&21), "an alert record: {said:?}");
}

#[test]
fn an_idle_client_is_told() {
    let client = certificates::good(now());
    let limits = Limits { idle: std::time::Duration::from_millis(200), ..Limits::default() };
    let server = Running::start(config(trusting(&[&client])).limits(limits), router());
    let mut client = Client::enter(server.address, &client);
    assert_eq!(client.answer(), err("", "idle"));
    assert_eq!(client.end(), ClientEnd::Closed);
}

#[test]
fn what_is_debugged_shows_no_body() {
    struct Printing;
    impl Handler for Printing {
        type State = ();
        fn connect(&self, _: &Peer) -> Result<(), Refusal> {
            Ok(())
        }
        fn command(&self, (): &mut (), command: Command<'_>, to: Responder<'_>) -> pinwire_server::Answered {
            let (answered, deferred) = to.defer();
            let owned = command.to_owned();
            deferred.ok(format!("{command:?} {owned:?}"));
            answered
        }
    }
    let client = certificates::good(now());
    let server = Running::start(config(trusting(&[&client])), Printing);
    let mut client = Client::enter(server.address, &client);
    client.send("TELL", "1", Some(b"SECRET"));
    let (_, _, body) = client.answer();
    let printed = String::from_utf8(body).unwrap();
    assert!(printed.contains("TELL") && printed.contains("6 bytes"), "{printed}");
    let bytes = format!("{:?}", b"SECRET");
    let bytes = bytes.trim_matches(['[', ']']);
    assert!(!printed.contains("SECRET") && !printed.contains(bytes), "{printed}");
}

#[test]
fn a_limit_in_time_may_be_lifted() {
    let client = certificates::good(now());
    let never = std::time::Duration::MAX;
    let limits = Limits {
        handshake: never,
        head: never,
        idle: never,
        slow_reader: never,
        linger: never,
        timeout: never,
        drain: never,
        ..Limits::default()
    };
    let server = Running::start(config(trusting(&[&client])).limits(limits), router());
    let mut client = Client::enter(server.address, &client);
    client.send("LATER", "1", Some(b"body"));
    assert_eq!(client.answer(), ok("1", "body"));
    server.stopper.stop();
    assert_eq!(client.answer(), err("", "shutting-down"));
    assert_eq!(client.end(), ClientEnd::Closed);
    drop(client);
    server.join();
}

#[test]
fn strangers_at_the_door_take_nobodys_place() {
    let client = certificates::good(now());
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = Running::start(config(trusting(&[&client])).limits(limits).workers(1), router());
    let silent: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(server.address).unwrap()).collect();
    let mut inside = Client::enter(server.address, &client);
    inside.send("PING", "1", None);
    assert_eq!(inside.answer(), ok("1", ""));
    drop(silent);
}
