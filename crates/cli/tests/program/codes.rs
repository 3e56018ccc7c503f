//! Each code of trust: the program reads it and exits with its status, the server's log has it, and it is counted.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use pinwire_client::{Address, KnownServers, Pin};
use pinwire_server::proto::certificate::rfc3339;
use pinwire_server::proto::code::Code;
use pinwire_testkit::certificates::{self, Pair};

use crate::bench::{HANG, Place, Ran, now};

/// How a client comes to read a code before it is let in, or in an answer.
struct Story {
    code: Code,
    certificate: fn(i64) -> Pair,
    /// Options of its line in the trust file; none: it has no line.
    line: Option<&'static [&'static str]>,
    /// What the last log line calls those who read it.
    counted: &'static str,
}

const STORIES: &[Story] = &[
    refused(Code::CertificateNotYetValid, certificates::not_yet_valid, Some(&[])),
    refused(Code::CertificateExpired, certificates::expired, Some(&[])),
    refused(Code::UnfamiliarCertificate, certificates::good, None),
    refused(Code::TrustExpired, certificates::good, Some(&["--expires", "2020-01-31"])),
    refused(Code::SourceNotAllowed, certificates::good, Some(&["--from", "10.0.0.0/8,2001:db8::1"])),
    refused(Code::TooManyConnections, certificates::good, Some(&["--connections", "1"])),
    Story {
        code: Code::NotPermitted,
        certificate: certificates::good,
        line: Some(&["--commands", "PUT,LIST"]),
        counted: "errors",
    },
];

const fn refused(code: Code, certificate: fn(i64) -> Pair, line: Option<&'static [&'static str]>) -> Story {
    Story { code, certificate, line, counted: "refused" }
}

#[test]
fn every_code_is_read_logged_counted_and_an_exit_status() {
    STORIES.iter().for_each(|story| story.play("full"));
}

#[test]
fn with_codes_alone_log_and_counters_are_the_same() {
    STORIES.iter().for_each(|story| story.play("code"));
}

impl Story {
    fn play(&self, refusals: &str) {
        let Story { code, .. } = self;
        let place = Place::new();
        let server = place.serve_with(&["--listen", "127.0.0.1:0", "--refusals", refusals]);
        let visitor = visitor(&place, (self.certificate)(now()), self.line);
        if self.line.is_some() {
            server.wait_for("trust list replaced");
        }
        let is_alone = *code != Code::TooManyConnections;
        let first = (!is_alone).then(|| visitor.client(&server.address));
        let ran = visitor.run(&["call", "GET", "a", "-s", &server.address]);
        drop(first);

        assert_eq!((ran.status, ran.out().as_str()), (i32::from(code.exit_status()), ""), "{}", ran.err);
        let is_bare = refusals == "code" && code.is_refusal();
        let words = if is_bare { format!("ERR: {code}\n") } else { format!("ERR: {code}: ") };
        assert!(ran.err.starts_with(&words), "{}", ran.err);
        let log = server.terminate().1;
        assert_eq!(log.matches(&format!(" code={code} ")).count(), 1, "{log}");
        assert!(log.contains(&format!("; {}: {code} 1", self.counted)), "{log}");
    }
}

/// Else a client could fill the log.
#[test]
fn of_one_connection_one_forbidden_command_is_logged() {
    let place = Place::new();
    let server = place.serve();
    let visitor = visitor(&place, certificates::good(now()), Some(&["--commands", "PUT"]));
    server.wait_for("trust list replaced");
    let client = visitor.client(&server.address);
    for words in ["a", "b", "c"] {
        assert_eq!(client.get(words).unwrap_err().code(), Some("not-permitted"));
    }
    drop(client);
    let log = server.terminate().1;
    assert_eq!(log.matches("name=\"visitor\" code=not-permitted command=\"GET\"").count(), 1, "{log}");
    assert!(log.contains("; errors: not-permitted 3"), "{log}");
}

/// What happens to a client that is in, with a command on its way.
struct Change {
    code: Code,
    certificate: fn(i64) -> Pair,
    /// Of its line `name=visitor`; gives what the line says then, none: it goes.
    change: fn() -> Option<String>,
}

const CHANGES: &[Change] = &[
    Change { code: Code::NoLongerTrusted, certificate: certificates::good, change: || None },
    Change {
        code: Code::TrustExpired,
        certificate: certificates::good,
        change: || Some(format!("name=visitor  expires={}", rfc3339(now() + 2))),
    },
    Change {
        code: Code::SourceNotAllowed,
        certificate: certificates::good,
        change: || Some("name=visitor  from=10.0.0.0/8".to_owned()),
    },
    Change {
        code: Code::TooManyConnections,
        certificate: certificates::good,
        change: || Some("name=visitor  connections=1".to_owned()),
    },
    Change {
        code: Code::CertificateExpired,
        // The time in which it is let in, on a machine under load.
        certificate: |now| certificates::until(now + 4),
        change: || Some("name=visitor".to_owned()),
    },
];

#[test]
fn who_is_closed_reads_the_code_too() {
    CHANGES.iter().for_each(Change::play);
}

impl Change {
    fn play(&self) {
        let Change { code, .. } = self;
        let place = Place::new();
        let server = place.serve_with(&["--listen", "127.0.0.1:0", "--refusals", "code"]);
        let visitor = visitor(&place, (self.certificate)(now()), Some(&[]));
        server.wait_for("trust list replaced");
        // When there is one connection too many, the newest goes.
        let _elder = (*code == Code::TooManyConnections).then(|| visitor.client(&server.address));
        let ran = held(&visitor, &server.address, || self.make(&place));

        assert_eq!((ran.status, ran.out().as_str()), (i32::from(code.exit_status()), ""), "{}", ran.err);
        assert!(ran.err.starts_with(&format!("ERR: {code}: ")), "the words stay: {}", ran.err);
        assert!(ran.err.contains("closed the connection; the command was not begun"), "{}", ran.err);
        let log = server.terminate().1;
        assert_eq!(log.matches(&format!(" code={code} ")).count(), 1, "{log}");
        assert!(log.contains(&format!("; closed: {code} 1")), "{log}");
    }

    fn make(&self, place: &Place) {
        match (self.change)() {
            None => _ = place.ok(&["trust", "remove", "visitor"]),
            Some(line) => {
                let after = place.read("trusted").replace("name=visitor", &line);
                fs::write(place.home("trusted"), after).unwrap();
            }
        }
    }
}

/// A home with this certificate, and its line in the trust file.
fn visitor(place: &Place, client: Pair, line: Option<&[&str]>) -> Place {
    let visitor = place.visitor(Some(client));
    if let Some(options) = line {
        let file = visitor.home("client.crt");
        place.ok(&[&["trust", "add", file.to_str().unwrap(), "--name", "visitor"], options].concat());
    }
    visitor
}

/// A call of `visitor` whose command does not reach the server; `then` happens once it is on its way.
fn held(visitor: &Place, server: &str, then: impl FnOnce()) -> Ran {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let known = KnownServers::parse(&visitor.read("known_servers")).unwrap();
    let pin: Pin = *known.pins(&server.parse().unwrap()).next().unwrap().1;
    fs::write(visitor.home("known_servers"), KnownServers::line(&address, &pin)).unwrap();
    let (say, is_held) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || relay(&listener, server, &say));
        let call = scope.spawn(|| visitor.run(&["call", "GET", "a", "-s", &address.to_string()]));
        is_held.recv_timeout(HANG).unwrap();
        then();
        call.join().unwrap()
    })
}

/// Carries what the two say to each other, but not what the client says after the server's second flight, its
/// greeting.
fn relay(listener: &TcpListener, server: &str, held: &mpsc::Sender<()>) {
    let (mut client, mut server) = (listener.accept().unwrap().0, TcpStream::connect(server).unwrap());
    let flights = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let flights = &flights;
        scope.spawn(move || {
            let mut bytes = [0; 65_536];
            while let Ok(length @ 1..) = from.read(&mut bytes) {
                flights.fetch_add(1, Ordering::SeqCst);
                to.write_all(&bytes[..length]).unwrap();
            }
            let _ = to.shutdown(Shutdown::Write); // the client may be gone
        });
        let mut bytes = [0; 65_536];
        while let Ok(length @ 1..) = client.read(&mut bytes) {
            match flights.load(Ordering::SeqCst) {
                0 | 1 => server.write_all(&bytes[..length]).unwrap(),
                _ => _ = held.send(()), // its goodbye is held too, and nobody waits for that
            }
        }
        let _ = server.shutdown(Shutdown::Both); // it may have ended
    });
}

/// The one code that is never on the wire.
#[cfg(target_os = "linux")]
#[test]
fn a_penalised_source_is_closed_without_words_logged_once_and_counted() {
    use crate::peer::{Peer, connect};
    const HERE: [u8; 4] = [127, 0, 0, 1];
    let place = Place::new();
    let server = place.serve_with_one_worker(&["--listen", "127.0.0.1:0", "--failures", "1"]);
    let stranger = certificates::stranger(now());
    // All are past the door before the first fails.
    let mut strangers = [(); 12].map(|()| Peer::knock(HERE, &server.address, &stranger));
    strangers.iter_mut().for_each(Peer::hear);
    for stranger in &mut strangers {
        assert_eq!(stranger.refusal().as_deref(), Some("unfamiliar-certificate"));
    }
    let _delayed: Vec<_> = (0..300).map(|_| connect(HERE, &server.address)).collect();
    let line = server.wait_for("code=source-penalised");
    assert!(line.contains("closed at accept") && line.contains("peer=127.0.0.1:"), "{line}");
    let ran = place.run(&["call", "PING", "-s", &server.address]);
    let status = i32::from(Code::SourcePenalised.exit_status());
    assert_eq!((ran.status, ran.err.contains("ERR: ")), (status, false), "{}", ran.err);
    let log = server.terminate().1;
    assert_eq!(log.matches("source-penalised").count(), 2, "one line, and the last one: {log}");
    let (_, counted) = log.split_once(", source-penalised ").unwrap();
    let counted: u64 = counted.split(';').next().unwrap().parse().unwrap();
    // 256 of 300 have their places; the call tries five times.
    assert_eq!(counted, 300 - 256 + 5, "{log}");
}
