//! Readers that have gone: of standard output, of standard error, of a connection. Nobody's going ends the
//! server, and a program that nobody reads ends without a panic's words.
//!
//! Whoever starts it here leaves it SIGPIPE's default, which ends a process: std's `Command` sees to that, as
//! shells and Python's `subprocess` do.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use pinwire_client::{Identity, Request};
use pinwire_server::Sequence;
use pinwire_server::proto::session::{ClientEvent, ClientSession};
use pinwire_server::proto::tls::ClientTls;
use pinwire_testkit::certificates;

use crate::bench::{Place, Ran, now};

/// A server whose standard output and standard error nobody reads; killed when dropped.
struct Unheard {
    child: Child,
    address: String,
}

impl Unheard {
    fn serve(place: &Place) -> Unheard {
        let mut program = place.program();
        program.args(["serve", "--listen", "127.0.0.1:0", "--log", "debug"]);
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = said.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        Unheard { child, address: address.expect("it listens") }
    }

    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_that_nobody_hears_serves_on() {
    let place = Place::new();
    let server = Unheard::serve(&place);
    let stranger = place.visitor(Some(certificates::stranger(now())));
    for body in ["one", "two"] {
        // Each of these has something to say to the log.
        assert_eq!(stranger.run(&["get", "a", "-s", &server.address]).status, 3);
        place.ok(&["put", "a", "--body", body, "-s", &server.address]);
        assert_eq!(place.ok(&["get", "a", "-s", &server.address]), body);
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_peer_that_resets_in_the_middle_of_a_reply_ends_nothing() {
    let place = Place::new();
    let server = Unheard::serve(&place);
    fs::write(place.path("large"), vec![b'x'; 1_000_000]).unwrap();
    place.ok(&["put", "large", "large", "-s", &server.address]);
    for _ in 0..10 {
        ask_and_reset(&place, &server.address);
        assert_eq!(place.ok(&["get", "large", "-s", &server.address]).len(), 1_000_000);
    }
    assert_eq!(server.terminate(), Some(0));
}

/// Asks for ten megabytes, reads the first of them, and closes: what is unread makes the kernel reset.
fn ask_and_reset(place: &Place, address: &str) {
    let (certificate, key) = (place.read("client.crt"), place.read("client.key"));
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let mut session = ClientSession::new(&ClientTls::new(Some(&identity)).unwrap()).unwrap();
    session.trust_server();
    for number in 0..10 {
        session.send(&Request::line("GET large"), Some(&Sequence::from(number)), None).unwrap();
    }
    let mut socket = TcpStream::connect(address).unwrap();
    let mut bytes = [0; 4_096];
    loop {
        match session.next() {
            Some(ClientEvent::Answer(answer)) => return assert_eq!(answer.body.len(), 1_000_000),
            Some(_) => {}
            None => {
                socket.write_all(&session.take_output()).unwrap();
                let length = socket.read(&mut bytes).unwrap();
                assert!(length > 0, "the server closed");
                session.receive(&bytes[..length]);
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_default_of_sigpipe_is_not_kept() {
    const SIGPIPE: u32 = 13;
    let place = Place::new();
    let server = Unheard::serve(&place);
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    assert_ne!(ignored & 1 << (SIGPIPE - 1), 0, "{status}");
}

#[test]
fn a_program_that_nobody_reads_ends_without_a_panic() {
    let place = Place::new();
    let server = place.serve();
    let s = server.address.as_str();
    place.ok(&["put", "a", "--body", "document", "-s", s]);
    let certificate = place.home("client.crt").to_str().unwrap().to_owned();
    let all: &[(&[&str], i32)] = &[
        (&["list", "-s", s], 0),
        (&["list", "--json", "-s", s], 0),
        (&["get", "a", "-s", s], 0),
        (&["get", "a", "--json", "-s", s], 0),
        (&["put", "a", "--body", "again", "-s", s], 0),
        (&["call", "HELP", "-s", s], 0),
        (&["get", "none", "-s", s], 1),
        (&["pin", &certificate], 0),
        (&["trust", "list"], 0),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["no-such-command"], 2),
    ];
    for (args, status) in all {
        let unread = unread(&place, args);
        assert_eq!(unread.status, *status, "{args:?}: {}", unread.err);
        assert!(!unread.err.contains("panicked"), "{args:?}: {}", unread.err);
        assert_eq!(unheard(&place, args), Some(*status), "{args:?}, nobody reads standard error either");
        for closed in [">&-", "2>&-", ">&- 2>&-"] {
            let ran = closed_by_shell(&place, args, closed);
            assert_eq!(ran.status, *status, "{args:?} {closed}: {}", ran.err);
            assert!(!ran.err.contains("panicked"), "{args:?} {closed}: {}", ran.err);
        }
    }
}

/// Nobody reads its standard output.
fn unread(place: &Place, args: &[&str]) -> Ran {
    let mut program = place.program();
    let mut child = program.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.wait_with_output().unwrap().into()
}

/// Nobody reads its standard error either; the exit status.
fn unheard(place: &Place, args: &[&str]) -> Option<i32> {
    let mut program = place.program();
    let mut child = program.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap().code()
}

/// A shell closes its standard streams before it begins.
fn closed_by_shell(place: &Place, args: &[&str], closed: &str) -> Ran {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec \"$@\" {closed}"), "sh", env!("CARGO_BIN_EXE_pinwire")]).args(args);
    shell.current_dir(place.path("")).env("PINWIRE_HOME", place.path("home")).env("USER", "ada");
    shell.env_remove("PINWIRE_LOG").env_remove("PINWIRE_SERVER").stdin(Stdio::null());
    shell.output().unwrap().into()
}
