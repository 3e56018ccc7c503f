//! Handshakes under pressure: crowds behind one address, peers that stall, garbage, a stop while many wait.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::common::{Client, HANG, Pair, Running, config, now, router, session, trusting};
use pinwire_server::Limits;
use pinwire_server::proto::session::ClientEvent;
use pinwire_server::proto::wire::Greeting;
use pinwire_testkit::certificates;

fn start(client: &Pair, limits: Limits) -> Running {
    Running::start(config(trusting(&[client])).limits(limits).workers(1), router())
}

fn silent(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket
}

/// A whole ClientHello, and not a word more.
fn stalling(address: SocketAddr) -> TcpStream {
    let mut client = Client::connect(address, None);
    client.flush();
    client.socket
}

/// All connect at once, and all get in.
fn crowd(address: SocketAddr, client: &Pair, size: usize) {
    let ready = Barrier::new(size);
    thread::scope(|scope| {
        for _ in 0..size {
            let enter = || {
                let mut session = session(Some(client));
                let hello = session.take_output(); // on a busy machine it may take its time
                ready.wait();
                let mut client = Client::over(TcpStream::connect(address).unwrap(), session);
                client.socket.write_all(&hello).unwrap();
                assert_eq!(client.event(), ClientEvent::Greeting(Greeting::Ok));
            };
            thread::Builder::new().stack_size(512 * 1024).spawn_scoped(scope, enter).unwrap();
        }
    });
}

/// Elsewhere the kernel's own queue is shorter.
#[cfg(target_os = "linux")]
#[test]
fn a_thousand_clients_at_once_from_one_address_get_in() {
    allow_descriptors(2_200);
    let client = certificates::good(now());
    let server = start(&client, Limits::default());
    crowd(server.address, &client, 1_000);
}

/// Both ends are in this process.
#[cfg(target_os = "linux")]
fn allow_descriptors(needed: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).unwrap();
    }
}

#[test]
fn a_hundred_clients_get_in_through_one_place() {
    let client = certificates::good(now());
    let server = start(&client, Limits { handshakes: 8, ..Limits::default() });
    crowd(server.address, &client, 100);
}

#[test]
fn each_connection_ends_in_one_count() {
    let client = certificates::good(now());
    let server = start(&client, Limits { handshakes: 8, lobby: 8, ..Limits::default() });
    // One place and two to wait for it are a source's share: the others are closed at once.
    let mut silent: Vec<_> = (0..6).map(|_| silent(server.address)).collect();
    assert_eq!(silent[5].read(&mut [0]).unwrap(), 0);
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0, "it lost its place");
    let stats = server.stats.clone();
    server.stopper.stop_now();
    server.join();
    let end = stats.snapshot();
    let ends = end.turned_away + end.handshakes_dropped + end.handshakes_timed_out + end.vanished;
    assert_eq!(
        (end.accepted, ends + end.refused.iter().map(|(_, count)| count).sum::<u64>()),
        (6, 6),
        "{end:?}"
    );
    assert!(end.handshakes_dropped >= 1 && end.vanished == 0, "{end:?}");
    assert_eq!((end.connections, end.waiting.now, end.incomplete.now), (0, 0, 0));
}

#[test]
fn whoever_says_nothing_makes_way_and_whoever_waits_gets_in() {
    let client = certificates::good(now());
    let server = start(&client, Limits { handshakes: 8, ..Limits::default() });
    let mut silent = silent(server.address);
    Client::enter(server.address, &client);
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_source_that_stalls_behind_its_hello_keeps_no_other_out() {
    let client = certificates::good(now());
    let server = start(&client, Limits { handshakes: 16, ..Limits::default() });
    // Two places are a source's share; the others wait, and as many more are never read.
    let stalling: Vec<_> = (0..50).map(|_| stalling(server.address)).collect();
    let mut first = [0; 1];
    (&stalling[1]).read_exact(&mut first).unwrap();
    enter_from_elsewhere(server.address, &client);
}

/// All of 127.0.0.0/8 is this machine, on Linux. Behind a crowd in the kernel's queue, it is in once they have
/// been accepted.
#[cfg(target_os = "linux")]
fn enter_from_elsewhere(address: SocketAddr, client: &Pair) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut client = Client::over(socket.into(), session(Some(client)));
    assert_eq!(client.event(), ClientEvent::Greeting(Greeting::Ok));
    client
}

#[test]
fn those_that_stall_end_in_time_and_whoever_waits_gets_in() {
    let client = certificates::good(now());
    // Long enough for a handshake on a busy machine, in what is left of it once a place is free.
    let limits = Limits { handshakes: 8, handshake: Duration::from_secs(5), ..Limits::default() };
    let server = start(&client, limits);
    let mut stalling = stalling(server.address);
    let mut first = [0; 1];
    stalling.read_exact(&mut first).unwrap();
    let mut late = silent(server.address);
    assert_eq!(late.read(&mut first).unwrap(), 0, "no place in time, or silent in it");
    stalling.read_to_end(&mut Vec::new()).unwrap();
    Client::enter(server.address, &client);
}

#[test]
fn garbage_frees_its_place_at_once() {
    let client = certificates::good(now());
    let handshake = Duration::MAX; // nothing but the garbage's end makes room
    let server = start(&client, Limits { handshakes: 8, handshake, ..Limits::default() });
    let broken: Vec<_> = (0..20)
        .map(|_| {
            let mut socket = silent(server.address);
            socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            socket
        })
        .collect();
    Client::enter(server.address, &client);
    for mut socket in broken {
        let mut alert = [0; 1];
        socket.read_exact(&mut alert).unwrap();
        assert_eq!(alert, [21]);
    }
}

#[test]
fn what_the_lobby_cannot_hold_is_closed_at_once() {
    let client = certificates::good(now());
    let server = start(&client, Limits { handshakes: 8, lobby: 8, ..Limits::default() });
    let mut stalling: Vec<_> = (0..4).map(|_| stalling(server.address)).collect();
    // One is in its handshake, a quarter of eight wait.
    let mut last = stalling.pop().unwrap();
    assert!(matches!(last.read(&mut [0]), Ok(0) | Err(_)), "closed, or reset: its hello was not read");
}

#[cfg(target_os = "linux")]
#[test]
fn a_stop_tells_those_who_wait() {
    let client = certificates::good(now());
    let server = start(&client, Limits { handshakes: 16, ..Limits::default() });
    let stalling: Vec<_> = (0..2).map(|_| stalling(server.address)).collect();
    let mut waiting: Vec<_> = (0..20).map(|_| Client::connect(server.address, Some(&client))).collect();
    waiting.iter_mut().for_each(Client::flush);
    let mut inside = enter_from_elsewhere(server.address, &client);
    server.stopper.stop();
    assert_eq!(inside.answer().1, "shutting-down");
    drop((stalling, inside));
    for mut client in waiting {
        match client.event() {
            ClientEvent::Greeting(Greeting::Refused { code, .. }) => assert_eq!(code, "shutting-down"),
            other => panic!("{other:?}"),
        }
    }
    server.join();
}

#[cfg(target_os = "linux")]
#[test]
fn a_stop_at_once_ends_with_a_full_lobby() {
    let client = certificates::good(now());
    let handshake = Duration::MAX;
    let server = start(&client, Limits { handshakes: 16, lobby: 64, handshake, ..Limits::default() });
    let stalling: Vec<_> = (0..100).map(|_| stalling(server.address)).collect();
    let inside = enter_from_elsewhere(server.address, &client);
    server.stopper.stop_now();
    drop(inside);
    server.join();
    for mut socket in stalling {
        let _ = socket.read_to_end(&mut Vec::new()); // closed, or reset
    }
}
