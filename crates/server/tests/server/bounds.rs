//! What clients that never read, or never finish what they send, can cost: each its bound, all together the
//! server's; and what they are told is counted.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::common::{Client, HANG, Pair, Running, config, now, router, trusting};
use pinwire_server::proto::session::ClientEnd;
use pinwire_server::proto::wire::Request;
use pinwire_server::{Code, Command, Limits, Reply, Responder, Router, Sequence, Snapshot};
use pinwire_testkit::certificates;

const KIB: usize = 1024;

/// `BIG` and `LATER-BIG` answer with 64 KiB.
fn big() -> Router {
    router().command("BIG", |_: Command<'_>, to: Responder<'_>| to.ok(vec![b'x'; 64 * KIB])).command_async(
        "LATER-BIG",
        async |_| {
            tokio::task::yield_now().await;
            Reply::ok(vec![b'x'; 64 * KIB])
        },
    )
}

fn limits() -> Limits {
    let slow_reader = Duration::from_secs(3_600);
    Limits {
        unsent: 256 * KIB,
        owed: 1024 * KIB,
        reply: 70 * KIB,
        body: 60 * KIB as u64,
        slow_reader,
        ..Limits::default()
    }
}

/// A client whose kernel takes little, so that what it does not read is the server's to keep.
fn silent(server: &Running, identity: &Pair) -> Client {
    Client::enter_over(server.address, identity, |socket| socket.set_recv_buffer_size(16 * KIB))
}

/// Sends many commands that are answered at length, and reads nothing.
fn flood(client: &mut Client, line: &str, count: u64) {
    for number in 0..count {
        client.session.send(&Request::line(line), Some(&Sequence::from(number)), None).unwrap();
    }
    client.flush();
}

/// Plays ping until the server's numbers are as wished; its answers are the clock.
fn until(server: &Running, honest: &mut Client, wish: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let (start, mut round) = (Instant::now(), 0_u64);
    loop {
        let snapshot = server.stats.snapshot();
        if wish(&snapshot) {
            return snapshot;
        }
        assert!(start.elapsed() < HANG, "{snapshot:?}");
        round += 1;
        honest.send("PING", &format!("p{round}"), None);
        assert_eq!(honest.answer(), (format!("p{round}"), "OK".to_owned(), Vec::new()));
    }
}

#[test]
fn a_client_that_never_reads_costs_its_bound_and_loses_nothing_when_it_reads() {
    for line in ["BIG", "LATER-BIG"] {
        let client = certificates::good(now());
        let server = Running::start(config(trusting(&[&client])).workers(1).limits(limits()), big());
        let (mut mute, mut honest) = (silent(&server, &client), Client::enter(server.address, &client));
        // What the sockets of both sides take is not the server's.
        flood(&mut mute, line, 400);
        until(&server, &mut honest, |snapshot| snapshot.waiting.now > 256 * KIB);
        let before = server.stats.snapshot().commands;
        until(&server, &mut honest, |snapshot| snapshot.commands > before + 100);
        let most = server.stats.snapshot().waiting.most;
        assert!(most <= (1024 + 70) * KIB, "{line}: {most} bytes waited");

        let mut sequences: Vec<u64> = (0..400)
            .map(|_| {
                let (sequence, code, body) = mute.answer();
                assert_eq!((code.as_str(), body.len()), ("OK", 64 * KIB), "{line}");
                sequence.parse().unwrap()
            })
            .collect();
        sequences.sort_unstable();
        assert!(sequences.into_iter().eq(0..400), "{line}: each has one answer");
        let snapshot = until(&server, &mut honest, |snapshot| snapshot.waiting.now == 0);
        assert_eq!(snapshot.commands, snapshot.ok);
        assert!(snapshot.closed.is_empty() && snapshot.errors.is_empty(), "{snapshot:?}");
    }
}

#[test]
fn a_thousand_that_never_read_cost_the_servers_bound_and_are_told_and_counted() {
    const HALF: usize = 64 * 1024 * KIB;
    let client = certificates::good(now());
    let soon = Duration::from_millis(100);
    let limits = Limits { total: 2 * HALF, owed: 320 * KIB, pressed: soon, linger: soon, ..limits() };
    let server = Running::start(config(trusting(&[&client])).workers(1).limits(limits), big());
    let mut honest = Client::enter(server.address, &client);
    let mut silent: Vec<_> = (0..1_000).map(|_| silent(&server, &client)).collect();
    for (number, client) in silent.iter_mut().enumerate() {
        flood(client, if number % 2 == 0 { "BIG" } else { "LATER-BIG" }, 200);
    }
    // Whoever reads is answered all the while. Those that have room may stay: they are not pressed.
    let slow = |snapshot: &Snapshot| snapshot.closed(Code::SlowReader);
    let snapshot = until(&server, &mut honest, |snapshot| slow(snapshot) >= 700);
    assert!(snapshot.waiting.most >= HALF / 4 * 3, "{snapshot:?}");
    assert!(snapshot.waiting.most <= HALF + 70 * KIB, "one reply more at most: {snapshot:?}");
    drop(silent);
    until(&server, &mut honest, |snapshot| snapshot.waiting.now == 0 && snapshot.clients == 1);
}

#[test]
fn bodies_that_never_complete_cost_the_servers_bound_and_are_told() {
    const HALF: usize = 1024 * KIB;
    let client = certificates::good(now());
    let limits = Limits { total: 2 * HALF, pressed: Duration::from_secs(3_600), ..limits() };
    let server = Running::start(config(trusting(&[&client])).workers(1).limits(limits), big());
    let mut honest = Client::enter(server.address, &client);
    let mut stuck: Vec<_> = (0..40).map(|_| Stuck::new(&server, &client)).collect();
    let refused = 40 - HALF / Stuck::KEPT;
    let told = |snapshot: &Snapshot| snapshot.errors(Code::Overloaded);
    let snapshot = until(&server, &mut honest, |snapshot| told(snapshot) as usize >= refused);
    assert!(snapshot.incomplete.most <= HALF, "{snapshot:?}");
    honest.send("ECHO", "1", Some(b"whole"));
    assert_eq!(honest.answer(), ("1".to_owned(), "OK".to_owned(), b"whole".to_vec()));
    // Refused or not, all of them go on: a body that was refused is read over.
    let codes: Vec<_> = stuck.iter_mut().map(Stuck::finish).collect();
    assert_eq!(codes.iter().filter(|code| *code == "overloaded").count(), refused, "{codes:?}");
    for Stuck { client, .. } in &mut stuck {
        client.send("PING", "2", None);
        assert_eq!(client.answer(), ("2".to_owned(), "OK".to_owned(), Vec::new()));
    }
}

#[test]
fn what_is_slow_to_complete_makes_room_where_there_is_none() {
    let client = certificates::good(now());
    let limits = Limits { total: 2 * 256 * KIB, pressed: Duration::from_millis(100), ..limits() };
    let server = Running::start(config(trusting(&[&client])).workers(1).limits(limits), big());
    let mut honest = Client::enter(server.address, &client);
    let _stuck: Vec<_> = (0..10).map(|_| Stuck::new(&server, &client)).collect();
    // The first five find room and fill it; then they have to give some of it back.
    let told = |snapshot: &Snapshot| snapshot.errors(Code::Overloaded);
    until(&server, &mut honest, |snapshot| told(snapshot) > 5 && snapshot.incomplete.now < 256 * KIB / 8 * 7);
}

/// Waits for the server's numbers without a word to it: whoever has a turn is one more who wakes others.
fn watch(server: &Running, wish: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let start = Instant::now();
    loop {
        let snapshot = server.stats.snapshot();
        if wish(&snapshot) {
            return snapshot;
        }
        assert!(start.elapsed() < HANG, "{snapshot:?}");
        std::thread::yield_now();
    }
}

#[test]
fn whoever_waits_for_room_is_woken_though_one_before_it_has_gone() {
    let client = certificates::good(now());
    let limits = Limits { total: 2 * 64 * KIB, ..limits() };
    let server = Running::start(config(trusting(&[&client])).workers(1).limits(limits), big());
    let [mut full, mut gone, mut waits] = [(); 3].map(|()| Client::enter(server.address, &client));
    full.send("NEVER", "1", None); // what it may owe is more than there is
    watch(&server, |snapshot| snapshot.waiting.now > 64 * KIB);
    gone.send("PING", "1", None);
    watch(&server, |snapshot| snapshot.starved == 1);
    waits.send("PING", "1", None);
    let snapshot = watch(&server, |snapshot| snapshot.starved == 2);
    assert_eq!(snapshot.incomplete.most, 0, "what may not begin is not read");
    socket2::SockRef::from(&gone.socket).set_linger(Some(Duration::ZERO)).unwrap();
    drop(gone);
    watch(&server, |snapshot| snapshot.connections == 2);
    drop(full);
    assert_eq!(waits.answer().1, "OK");
}

#[test]
fn whoever_has_been_answered_while_it_waited_is_one_for_whom_nothing_waits() {
    let client = certificates::good(now());
    let limits = Limits { total: 2 * 400 * KIB, ..limits() };
    let (held, answers) = std::sync::mpsc::channel();
    let handler = big().command("HOLD", move |_: Command<'_>, to: Responder<'_>| {
        let (answered, deferred) = to.defer();
        held.send(deferred).unwrap();
        answered
    });
    let server = Running::start(config(trusting(&[&client])).workers(1).limits(limits), handler);
    let [mut full, mut reads] = [(); 2].map(|()| Client::enter(server.address, &client));
    for number in 0..5 {
        full.send("NEVER", &number.to_string(), None); // 350 KiB, and the last quarter begins at 300
    }
    watch(&server, |snapshot| snapshot.commands == 5);
    reads.send("HOLD", "1", None);
    let deferred = answers.recv_timeout(HANG).unwrap();
    reads.send("PING", "2", None);
    watch(&server, |snapshot| snapshot.starved == 1);
    deferred.ok("");
    assert_eq!(reads.answer().0, "1");
    assert_eq!(reads.answer().0, "2");
}

/// A client that has sent the first three records of a body of 60 KiB.
struct Stuck {
    client: Client,
    rest: Vec<u8>,
}

impl Stuck {
    /// Bytes of its body that the server has.
    const KEPT: usize = 3 * 16 * KIB - "ECHO\r\nSequence: 1\r\nSize: 61440\r\n\r\n".len();

    fn new(server: &Running, identity: &Pair) -> Stuck {
        let mut client = Client::enter(server.address, identity);
        let request = Request::new("ECHO").body(vec![b'x'; 60 * KIB]);
        client.session.send(&request, Some(&Sequence::from(1)), None).unwrap();
        let mut rest = client.session.take_output();
        let length =
            |at: usize, bytes: &[u8]| 5 + usize::from(u16::from_be_bytes([bytes[at + 3], bytes[at + 4]]));
        let begun = (0..3).fold(0, |at, _| at + length(at, &rest));
        client.socket.write_all(&rest[..begun]).unwrap();
        rest.drain(..begun);
        Stuck { client, rest }
    }

    fn finish(&mut self) -> String {
        self.client.socket.write_all(&self.rest).unwrap();
        self.client.answer().1
    }
}

#[test]
fn ends_and_answers_are_counted_by_their_codes() {
    let (client, stranger): (Pair, Pair) = (certificates::good(now()), certificates::good(now()));
    let server = Running::start(config(trusting(&[&client])), router());
    let mut honest = Client::enter(server.address, &client);
    let mut known = Client::enter(server.address, &client);
    known.send("NOBODY", "1", None);
    known.answer();
    known.session.send(&Request::new("PING"), None, None).unwrap();
    known.send("PING", "2", None);
    known.answer();
    known.send("PANIC", "3", None);
    known.answer();
    assert!(matches!(known.end(), ClientEnd::Closed));
    let mut unknown = Client::connect(server.address, Some(&stranger));
    unknown.event();
    drop(Client::connect(server.address, None));
    let snapshot =
        until(&server, &mut honest, |snapshot| snapshot.accepted == 4 && snapshot.connections == 1);
    assert_eq!(snapshot.refused, [(Code::UnfamiliarCertificate, 1)]);
    assert_eq!(snapshot.closed, [(Code::Failed, 1)]);
    assert_eq!(snapshot.errors, [(Code::UnknownCommand, 1), (Code::Failed, 1)]);
    assert_eq!((snapshot.dropped, snapshot.admitted, snapshot.clients), (1, 2, 1));
    assert_eq!(snapshot.vanished + snapshot.tls_failed, 1, "{snapshot:?}");
}
