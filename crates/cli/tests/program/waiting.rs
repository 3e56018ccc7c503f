//! A client that its server does not know says its pin, and with --wait waits until it is let in.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;

use crate::bench::{HANG, Place, until};

/// A client that waits, and what it says from then on.
struct Waiting {
    child: Child,
    err: BufReader<ChildStderr>,
    pin: String,
}

/// Starts a command of a new client, and reads until it waits.
fn wait(visitor: &Place, args: &[&str]) -> Waiting {
    let pin = visitor.ok(&["pin", "--form", "spki-sha256"]).trim().to_owned();
    let mut program = visitor.interruptible();
    program.args(args).arg("--wait").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        line
    };
    assert!(line().starts_with("ERR: unfamiliar-certificate"));
    assert!(line().contains("lets this client in; Ctrl-C ends it"));
    assert!(line().starts_with(&format!("your pin is {pin}; compare it with what its operator sees")));
    let beginning = &pin["spki-sha256:".len()..][..16];
    assert_eq!(
        line(),
        format!("whoever runs it lets this client in with `pinwire trust approve {beginning} --name NAME`\n")
    );
    Waiting { child, err, pin }
}

impl Waiting {
    /// Its exit status, if it ended by itself; what it said since it waited; its standard output.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (say, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut err, mut out) = (String::new(), String::new());
            self.err.read_to_string(&mut err).unwrap();
            self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
            let _ = say.send((self.child.wait().unwrap().code(), err, out)); // nobody waits so long
        });
        ended.recv_timeout(HANG).unwrap()
    }
}

fn visitor(place: &Place) -> Place {
    let visitor = place.visitor(None);
    visitor.ok(&["keygen"]);
    visitor
}

#[test]
fn whoever_is_not_known_says_its_own_pin() {
    let place = Place::new();
    let server = place.serve();
    let visitor = visitor(&place);
    let pin = visitor.ok(&["pin", "--form", "spki-sha256"]);
    let ran = visitor.run(&["call", "PING", "-s", &server.address]);
    assert_eq!(ran.status, 3);
    let last = format!(
        "{} does not let this client in\nyour pin is {}; compare it with what its operator sees in \
         `pinwire trust pending`\n--wait keeps trying until it is let in\n",
        server.address,
        pin.trim()
    );
    assert!(ran.err.ends_with(&last), "{}", ran.err);
}

#[test]
fn every_command_waits_until_it_is_let_in() {
    let place = Place::new();
    let server = place.serve();
    place.ok(&["put", "a", "--body", "x", "-s", &server.address]);
    let s = server.address.as_str();
    let commands: [(&[&str], &str); 5] = [
        (&["call", "GET", "a", "-s", s], "x"),
        (&["get", "a", "-s", s], "x"),
        (&["list", "-s", s], "a\n"),
        (&["put", "b", "--body", "y", "-s", s], "2\n"),
        (&["delete", "c", "-s", s], ""),
    ];
    for (args, out) in commands {
        let visitor = visitor(&place);
        let waiting = wait(&visitor, args);
        place.ok(&["trust", "add", &waiting.pin]);
        let (status, err, shown) = waiting.end();
        assert_eq!((status, shown.as_str()), (Some(i32::from(args[0] == "delete")), out), "{args:?}: {err}");
        assert!(!err.contains("waiting until"), "it said so once: {err}");
        place.ok(&["trust", "remove", &visitor.ok(&["pin", "--form", "spki-sha256"])[..40]]);
    }
}

/// From two terminals, as users would: one waits, the other sees it and approves it.
#[test]
fn whoever_waits_is_seen_approved_and_let_in() {
    let place = Place::new();
    let server = place.serve_with(&["--listen", "127.0.0.1:0", "--refusals", "code"]);
    let visitor = visitor(&place);
    let waiting = wait(&visitor, &["call", "WHOAMI", "-s", &server.address]);
    until(|| place.ok(&["trust", "pending"]).starts_with(&waiting.pin));
    let beginning = &waiting.pin["spki-sha256:".len()..][..16];
    place.ok(&["trust", "approve", beginning, "--name", "bob", "--commands", "GET"]);
    let (status, err, shown) = waiting.end();
    assert_eq!(status, Some(0), "{err}");
    assert!(shown.starts_with("name: bob\n"), "{shown}");
    assert_eq!(place.ok(&["trust", "pending"]), "");
}

#[test]
fn an_operator_may_keep_the_words_to_himself() {
    let place = Place::new();
    let server = place.serve_with(&["--listen", "127.0.0.1:0", "--refusals", "code"]);
    let ran = visitor(&place).run(&["call", "PING", "-s", &server.address]);
    assert_eq!(ran.status, 3);
    assert!(ran.err.starts_with("ERR: unfamiliar-certificate\npinwire: "), "{}", ran.err);
    assert!(ran.err.contains("\nyour pin is spki-sha256:"), "{}", ran.err);
}

#[test]
fn another_refusal_ends_the_waiting_and_a_server_that_is_away_does_not() {
    let place = Place::new();
    let server = place.serve();
    let address = server.address.clone();
    let visitor = visitor(&place);
    let waiting = wait(&visitor, &["call", "PING", "-s", &address]);
    drop(server);
    place.ok(&["trust", "add", &waiting.pin, "--expires", "2020-01-31"]);
    let _server = place.serve_with(&["--listen", &address]);
    let (status, err, _) = waiting.end();
    assert_eq!(status, Some(3), "{err}");
    assert!(err.starts_with("ERR: trust-expired: "), "{err}");

    // It waits for approval alone, not for a server that never was there.
    let nobody = visitor.run(&["call", "PING", "-s", "127.0.0.1:1", "--wait"]);
    assert_eq!(nobody.status, 4, "{}", nobody.err);
    fs::remove_file(visitor.home("client.crt")).unwrap();
    fs::remove_file(visitor.home("client.key")).unwrap();
    let nameless = visitor.run(&["call", "PING", "-s", &address, "--wait"]);
    assert!(nameless.status == 3 && nameless.err.contains("ERR: no-certificate: "), "{}", nameless.err);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_waiting() {
    let place = Place::new();
    let server = place.serve();
    let visitor = visitor(&place);
    let waiting = wait(&visitor, &["call", "PING", "-s", &server.address]);
    let pid = waiting.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(waiting.end().0, None, "ended by the signal");
}
