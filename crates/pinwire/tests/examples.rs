//! The examples, as a reader runs them: the programs themselves, a folder with keys, calls over mutual TLS.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use pinwire::client::Request;
use pinwire::server::proto::identity::{KeyKind, generate};
use pinwire::server::proto::session::{ClientEvent, ClientSession};
use pinwire::server::proto::tls::ClientTls;
use pinwire::server::proto::wire::Sequence;
use pinwire::server::{Identity, Pin};
use tempfile::TempDir;

#[test]
fn echo() {
    let example = Example::start("echo");
    let mut client = example.client();
    let body: Vec<u8> = (0..=255).collect();
    client.send(Request::new("ECHO").body(body.clone()), "1");
    assert_eq!(client.answer(), ("1".to_owned(), "OK".to_owned(), body));
    client.send(Request::new("WHOAMI"), "2");
    let (.., who) = client.answer();
    assert!(who.starts_with(b"name: ada\npin: spki-sha256:"), "{}", String::from_utf8_lossy(&who));
}

#[test]
fn query_answers_what_is_ready_first() {
    let example = Example::start("query");
    let mut client = example.client();
    // The product of the two largest primes below 2^32: a minute's work, or more.
    client.send(Request::line("FACTOR 18446743979220271189"), "long");
    client.send(Request::line("FACTOR 1001"), "short");
    client.send(Request::line("FACTOR"), "wrong");
    let mut answers = [client.text(), client.text()];
    answers.sort();
    assert_eq!(answers, ["short OK 7\n11\n13\n", "wrong bad-arguments "]);
    client.send(Request::line("CANCEL long"), "any");
    assert_eq!(client.text(), "long cancelled ");
}

#[test]
fn state_belongs_to_one_connection() {
    let example = Example::start("state");
    let mut clients = [example.client(), example.client()];
    for (at, line, answer) in [
        (0, "CD employees", "1 OK /ada/employees\n"),
        (1, "PWD", "1 OK /ada\n"),
        (0, "cd 1-A", "1 OK /ada/employees/1-A\n"),
        (0, "PWD", "1 OK /ada/employees/1-A\n"),
        (1, "CD", "1 bad-arguments "),
        (1, "ls", "1 unknown-command "),
    ] {
        clients[at].send(Request::line(line), "1");
        assert_eq!(clients[at].text(), answer);
    }
    let [mut one, _] = clients;
    one.send(Request::new("CD").arg("x".repeat(200)), "2");
    assert_eq!(one.text(), "2 bad-arguments ");
}

#[test]
fn a_folder_without_keys_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["echo", "query", "state"] {
        let ran = Command::new(program(name)).arg(folder.path()).output().unwrap();
        let err = String::from_utf8(ran.stderr).unwrap();
        assert!(!ran.status.success() && err.contains("server.crt in "), "{name}: {err}");
    }
}

/// An example that runs, killed when it goes.
struct Example {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Example {
    fn start(name: &str) -> Example {
        let folder = folder();
        let mut child = Command::new(program(name))
            .arg(folder.path())
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.trim_end().strip_prefix("listening on ").expect("it listens").to_owned();
        Example { child, address, folder }
    }

    fn client(&self) -> Client {
        let read = |name: &str| fs::read(self.folder.path().join(name)).unwrap();
        let identity = Identity::from_pem(&read("client.crt"), &read("client.key")).unwrap();
        let mut session = ClientSession::new(&ClientTls::new(Some(&identity)).unwrap()).unwrap();
        session.trust_server();
        let mut client = Client { socket: TcpStream::connect(&self.address).unwrap(), session };
        while !matches!(client.event(), ClientEvent::Greeting(_)) {}
        client
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What cargo made of the example when it made this test.
fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let profile = here.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "`cargo test -p pinwire` builds the examples, `--test examples` alone does not"
    );
    program
}

/// What `pinwire keygen` and `pinwire trust add` make.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap();
    for (name, kind) in [("server", KeyKind::P256), ("client", KeyKind::Ed25519)] {
        let made = generate(kind, name, now, 1).unwrap();
        let file = |ending: &str| folder.path().join(format!("{name}.{ending}"));
        fs::write(file("crt"), &made.certificate_pem).unwrap();
        fs::write(file("key"), made.key_pem.as_bytes()).unwrap();
        let identity = Identity::from_pem(made.certificate_pem.as_bytes(), made.key_pem.as_bytes()).unwrap();
        let pin = Pin::Spki(identity.certificate().unwrap().digests.spki);
        // The last one, the client's, stays.
        fs::write(folder.path().join("trusted"), format!("{pin} name=ada\n")).unwrap();
    }
    folder
}

/// A connection with several commands in flight.
struct Client {
    socket: TcpStream,
    session: ClientSession,
}

impl Client {
    #[expect(clippy::needless_pass_by_value, reason = "made for this call")]
    fn send(&mut self, request: Request, sequence: &str) {
        let sequence = Sequence::new(sequence.as_bytes()).unwrap();
        self.session.send(&request, Some(&sequence), None).unwrap();
    }

    /// The next answer: its sequence, OK or its code, its body.
    fn answer(&mut self) -> (String, String, Vec<u8>) {
        let ClientEvent::Answer(answer) = self.event() else { panic!("no answer") };
        let status = answer.status.map_or_else(|(code, _)| code, |()| "OK".to_owned());
        (answer.sequence.unwrap().to_string(), status, answer.body)
    }

    fn text(&mut self) -> String {
        let (sequence, status, body) = self.answer();
        format!("{sequence} {status} {}", String::from_utf8(body).unwrap())
    }

    fn event(&mut self) -> ClientEvent {
        let mut bytes = [0; 4096];
        loop {
            match self.session.next() {
                Some(ClientEvent::End(end)) => panic!("{end:?}"),
                Some(event) => return event,
                None => {}
            }
            let output = std::mem::take(self.session.output());
            self.socket.write_all(&output).unwrap();
            match self.socket.read(&mut bytes).unwrap() {
                0 => self.session.end_of_input(),
                length => self.session.receive(&bytes[..length]),
            }
        }
    }
}
