//! Sources that fail again and again, and what those who work or want to begin notice of it: nothing.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};

use crate::common::{Client, HANG, Pair, Running, config, now, router, trusting};
use pinwire_server::proto::session::ClientEvent;
use pinwire_server::proto::wire::Greeting;
use pinwire_server::{Code, Identity, Limits, Pin, Refusals};
use pinwire_testkit::certificates;

fn start(client: &Pair, limits: Limits) -> Running {
    Running::start(config(trusting(&[client])).limits(limits).workers(1), router())
}

fn refusal(client: &mut Client) -> (String, String) {
    match client.event() {
        ClientEvent::Greeting(Greeting::Refused { code, text }) => (code, text),
        other => panic!("{other:?}"),
    }
}

fn knock(address: SocketAddr, stranger: &Pair) -> Client {
    let mut client = Client::connect(address, Some(stranger));
    client.flush();
    client
}

/// So many strangers at once, from here.
fn storm(address: SocketAddr, stranger: &Pair, size: usize) {
    let mut storm: Vec<_> = (0..size).map(|_| knock(address, stranger)).collect();
    storm.iter_mut().for_each(|client| assert_eq!(refusal(client).0, "unfamiliar-certificate"));
}

/// All of 127.0.0.0/8 is this machine, on Linux.
#[cfg(target_os = "linux")]
fn enter_from_elsewhere(address: SocketAddr, client: &Pair) -> Client {
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], 0));
    Client::enter_over(address, client, |socket| socket.bind(&elsewhere.into()))
}

#[cfg(target_os = "linux")]
#[test]
fn a_source_that_fails_again_and_again_is_delayed_and_nobody_else_waits() {
    let (client, stranger) = (certificates::good(now()), certificates::stranger(now()));
    let server = start(&client, Limits::default());
    storm(server.address, &stranger, 30);
    let mut delayed = knock(server.address, &stranger);
    let mut elsewhere = enter_from_elsewhere(server.address, &client);
    elsewhere.send("ECHO", "1", Some(b"a"));
    assert_eq!(elsewhere.answer().2, b"a");
    assert_eq!(refusal(&mut delayed).0, "unfamiliar-certificate");
    assert!(server.stats.snapshot().delayed >= 1);
}

#[test]
fn beside_a_storm_from_their_own_address_clients_work_and_newcomers_get_in() {
    let (client, stranger) = (certificates::good(now()), certificates::stranger(now()));
    let server = start(&client, Limits::default());
    let mut established = Client::enter(server.address, &client);
    storm(server.address, &stranger, 30);
    let newcomer = std::thread::scope(|scope| {
        let newcomer = scope.spawn(|| Client::enter(server.address, &client));
        established.send("ECHO", "1", Some(b"a"));
        assert_eq!(established.answer().2, b"a");
        newcomer.join()
    });
    let mut newcomer = newcomer.unwrap();
    newcomer.send("ECHO", "2", Some(b"b"));
    assert_eq!(newcomer.answer().2, b"b");
    assert!(server.stats.snapshot().delayed >= 1);
}

#[cfg(target_os = "linux")]
#[test]
fn what_does_not_fit_is_closed_without_words_and_counted() {
    let (client, stranger) = (certificates::good(now()), certificates::stranger(now()));
    let server = start(&client, Limits { penalised: 2, failures: 1, ..Limits::default() });
    // Each is read before the next comes: none finds the two places taken.
    (0..2).for_each(|_| storm(server.address, &stranger, 1));
    let fitting = [(); 2].map(|()| knock(server.address, &stranger));
    for _ in 0..4 {
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(HANG)).unwrap();
        assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    }
    enter_from_elsewhere(server.address, &client);
    let snapshot = server.stats.snapshot();
    assert_eq!((snapshot.penalised, snapshot.refused(Code::SourcePenalised)), (4, 4), "{snapshot}");
    assert_eq!(snapshot.turned_away, 0);
    for mut client in fitting {
        assert_eq!(refusal(&mut client).0, "unfamiliar-certificate");
    }
}

#[test]
fn a_stop_does_not_wait_for_those_who_are_delayed() {
    let (client, stranger) = (certificates::good(now()), certificates::stranger(now()));
    let server = start(&client, Limits { failures: 1, ..Limits::default() });
    (0..3).for_each(|_| storm(server.address, &stranger, 1));
    let mut delayed = knock(server.address, &stranger);
    while server.stats.snapshot().delayed < 3 {
        std::thread::yield_now();
    }
    server.stopper.stop();
    let _ = delayed.socket.read(&mut [0]); // closed, or reset: its hello was not read
    let stats = server.stats.clone();
    server.join();
    assert_eq!(stats.snapshot().turned_away, 1);
}

/// Behind a NAT several wait for approval, and their tries together cost more than comes back: whoever is approved is
/// not to sit out the delay that its neighbours' tries earned it.
#[test]
fn whoever_is_approved_while_it_is_delayed_is_in_at_once() {
    let (client, stranger) = (certificates::good(now()), certificates::stranger(now()));
    let server = start(&client, Limits::default());
    storm(server.address, &stranger, 30);
    let mut delayed = knock(server.address, &stranger);
    while server.stats.snapshot().delayed == 0 {
        std::thread::yield_now();
    }
    let begin = std::time::Instant::now();
    server.trust.replace(trusting(&[&client, &stranger]));
    assert_eq!(delayed.event(), ClientEvent::Greeting(Greeting::Ok));
    // Its delay is the longest, 5 s, of which hardly any has passed.
    assert!(begin.elapsed() < std::time::Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[test]
fn a_stranger_waits_for_approval_and_gets_in_by_it() {
    let (client, stranger) = (certificates::good(now()), certificates::stranger(now()));
    let server = start(&client, Limits { failures: 3, ..Limits::default() });
    let unannounced = refusal(&mut knock(server.address, &stranger)).1;
    assert!(unannounced.contains("add it with `pinwire trust add "), "{unannounced}");
    server.approvals.announce();
    let (code, text) = refusal(&mut knock(server.address, &stranger));
    let identity = Identity::from_pem(stranger.0.as_bytes(), stranger.1.as_bytes()).unwrap();
    let pin = Pin::Spki(identity.certificate().unwrap().digests.spki).to_string();
    let beginning = &pin["spki-sha256:".len()..][..16];
    let line = format!("`pinwire trust approve {beginning} --name NAME` at the server");
    assert_eq!(text, format!("{pin} is not on the list; it waits for approval: {line}"));
    assert_eq!(code, "unfamiliar-certificate");
    let waiting = server.approvals.take_changed().unwrap();
    assert_eq!((waiting.len(), waiting[0].times, waiting[0].subject.as_str()), (1, 2, "CN=stranger"));
    assert_eq!(
        (waiting[0].pin.to_string(), waiting[0].sources[0].to_string()),
        (pin, "127.0.0.1".to_owned())
    );
    storm(server.address, &stranger, 3); // all that its source had
    assert_eq!(server.stats.snapshot().strangers, 1);
    let list = trusting(&[&client, &stranger]);
    server.trust.replace(list.clone());
    server.approvals.forget_listed(&list);
    assert_eq!(server.stats.snapshot().strangers, 0);
    let delayed = server.stats.snapshot().delayed;
    Client::enter(server.address, &stranger);
    assert_eq!(server.stats.snapshot().delayed, delayed, "its source is forgiven");
}

#[test]
fn an_operator_may_keep_the_words_to_the_log() {
    let (client, stranger) = (certificates::good(now()), certificates::stranger(now()));
    let limits = Limits { connections: 0, ..Limits::default() };
    let settings = config(trusting(&[&client])).limits(limits).refusals(Refusals::Code);
    let server = Running::start(settings, router());
    let words = |pair| refusal(&mut Client::connect(server.address, pair));
    assert_eq!(words(Some(&stranger)), ("unfamiliar-certificate".to_owned(), String::new()));
    assert_eq!(words(None), ("no-certificate".to_owned(), String::new()));
    assert_eq!(words(Some(&client)), ("too-many-connections".to_owned(), String::new()));
}
