//! `call`: what goes where, and every way in which it ends.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use pinwire_server::{
    Identity, OwnedCommand, Reply, Router, Server, ServerConfig, ServerTls, Sha1, Tickets, TrustList,
};

use crate::bench::Place;

#[test]
fn a_body_comes_back_byte_for_byte() {
    let place = Place::new();
    let server = place.serve();
    let every: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    fs::write(place.path("every"), &every).unwrap();
    let s = server.address.as_str();
    let put = place.run(&["call", "-s", s, "PUT", "a/1", "--body", "@every"]);
    assert_eq!((put.status, put.out.as_slice()), (0, &b""[..]));
    assert_eq!(put.err, "OK\nId: a/1\nVersion: 1\n");
    let get = place.run(&["call", "-s", s, "GET", "a/1"]);
    assert!(get.out == every && get.err == put.err, "{}", get.err);
    let put = place.run_with_input(&["call", "-s", s, "put", "a/1", "--body", "-"], b"from a pipe");
    assert_eq!(put.err, "OK\nId: a/1\nVersion: 2\n");
    assert_eq!(place.ok(&["call", "-s", s, "GET", "a/1", "-H", "Unknown: header"]), "from a pipe");
    assert_eq!(place.ok(&["call", "-s", s, "GET", "a/1", "--timeout", "0.5"]), "from a pipe");
}

#[test]
fn an_error_reply_is_1() {
    let place = Place::new();
    let server = place.serve();
    let errors: [(&[&str], &str); 6] = [
        (&["GET", "a/1"], "ERR: not-found: there is no document a/1\n"),
        (&["GET"], "ERR: bad-arguments: GET takes one argument, the document's id\n"),
        (&["GET", "a", "b"], "ERR: bad-arguments: GET takes one argument, the document's id, not 2\n"),
        (&["PUT", "a"], "ERR: bad-arguments: PUT takes the document as its body"),
        (&["GET", &"x".repeat(513)], "ERR: bad-arguments: the id has 513 bytes; an id has at most 512\n"),
        (&["FROB"], "ERR: unknown-command: "),
    ];
    for (command, line) in errors {
        let ran = place.run(&[&["call", "-s", &server.address], command].concat());
        assert_eq!(ran.status, 1, "{}", ran.err);
        assert!(ran.err.starts_with(line) && ran.out.is_empty(), "{}", ran.err);
    }
}

#[test]
fn what_cannot_be_said_is_2() {
    let place = Place::new();
    let wrong: [&[&str]; 9] = [
        &["call"],
        &["call", "GET", "a b"],
        &["call", ""],
        &["call", "GET", "a", "-H", "no colon"],
        &["call", "GET", "a", "-H", "Size: 3"],
        &["call", "GET", "a", "-s", "localhost"],
        &["call", "GET", "a", "--timeout", "0"],
        &["serve", "--cert", "only.crt"],
        &["frob"],
    ];
    for args in wrong {
        let ran = place.run(args);
        assert_eq!(ran.status, 2, "{args:?}: {}", ran.err);
        assert!(!ran.err.is_empty());
    }
    assert!(!place.path("home").exists(), "nothing was made on the way");
}

#[test]
fn nobody_there_is_4() {
    let place = Place::new();
    // Bound and dropped: nobody listens there now.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ran = place.run(&["call", "PING", "-s", &address]);
    assert_eq!(ran.status, 4);
    assert!(ran.err.contains(&address) && ran.err.contains("`pinwire serve` starts one"), "{}", ran.err);
}

#[test]
fn something_else_there_is_4() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let other = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let ran = place.run(&["call", "PING", "-s", &address]);
    other.join().unwrap();
    assert_eq!(ran.status, 4);
    assert!(ran.err.contains("no server that this client can talk to"), "{}", ran.err);
}

#[test]
fn somebody_silent_is_4_when_the_time_is_over() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let ran = place.run(&["call", "PING", "-s", &address, "--timeout", "0.05"]);
    assert_eq!(ran.status, 4);
    assert!(ran.err.contains("no connection from") && ran.err.contains("--timeout"), "{}", ran.err);
}

/// A server that lets everybody of the home in, and never answers.
#[test]
fn an_answer_that_does_not_come_is_4_when_the_time_is_over() {
    let place = Place::new();
    drop(place.serve());
    let read = |file: &str| place.read(file);
    let identity = Identity::from_pem(read("server.crt").as_bytes(), read("server.key").as_bytes()).unwrap();
    let trust = TrustList::parse(read("trusted").as_bytes(), Sha1::Refuse).unwrap();
    let tls = ServerTls::new(&identity, Tickets::new().unwrap()).unwrap();
    let config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), tls, trust);
    let never = async |_: OwnedCommand| -> Reply { std::future::pending().await };
    let server = Server::bind(config, Router::new().command_async("GET", never)).unwrap();
    let (address, stopper) = (server.local_addr().to_string(), server.stopper());
    let running = std::thread::spawn(move || server.run());
    let pin = place.ok(&["pin", "--server", "--form", "spki-sha256"]);
    fs::write(place.home("known_servers"), format!("{address} {pin}")).unwrap();

    // Enough for a handshake on a machine that is busy.
    let ran = place.run(&["call", "GET", "a", "-s", &address, "--timeout", "2"]);
    assert_eq!((ran.status, ran.out().as_str()), (4, ""), "{}", ran.err);
    assert!(ran.err.starts_with(&format!("pinwire: no answer from {address} ")), "{}", ran.err);
    assert!(ran.err.contains("--timeout waits longer") && ran.err.contains("unknown"), "{}", ran.err);
    stopper.stop_now();
    running.join().unwrap().unwrap();
}

#[test]
fn a_missing_file_is_6() {
    let place = Place::new();
    let ran = place.run(&["call", "PUT", "a", "--body", "@nowhere"]);
    assert_eq!(ran.status, 6);
    assert!(ran.err.contains("nowhere: "), "{}", ran.err);
}

#[test]
fn help_tells_the_exit_statuses_and_shows_examples() {
    let place = Place::new();
    for command in ["call", "get", "put", "delete", "list"] {
        let help = place.ok(&[command, "--help"]);
        for status in 0..=6 {
            assert!(help.contains(&format!("\n  {status}  ")), "{help}");
        }
    }
    for command in ["call", "get", "put", "delete", "list", "serve", "keygen", "pin", "trust"] {
        assert!(place.ok(&[command, "-h"]).contains("\nExamples:\n  pinwire "), "{command}");
    }
}

#[test]
fn help_of_json_says_what_is_printed_and_what_is_not() {
    let place = Place::new();
    for command in ["call", "get", "put", "delete", "list"] {
        let help = place.ok(&[command, "--help"]).split_whitespace().collect::<Vec<_>>().join(" ");
        let words = "What fails before the server answers prints nothing on standard output: the exit status and \
                     standard error tell";
        assert!(help.contains(words), "{help}");
        let follows = "The document follows the line; -o FILE keeps the two apart";
        assert_eq!(help.contains(follows), command == "get", "{help}");
    }
}
