//! The examples, as a reader runs them: the programs themselves, a folder with keys, calls over mutual TLS.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pinwire::client::blocking::Client;
use pinwire::client::{Error, Identity, Outcome, Pin, Request};
use pinwire::documents::{Memory, commands};
use pinwire::server::proto::identity::{KeyKind, generate};
use pinwire::server::{Router, Server, ServerConfig, ServerTls, Sha1, Tickets, TrustList};
use tempfile::TempDir;

#[test]
fn echo() {
    let example = Example::start("echo");
    let client = example.client();
    let body: Vec<u8> = (0..=255).collect();
    assert_eq!(client.call(Request::new("ECHO").body(body.clone())).unwrap().body, body);
    assert!(said(&client, "WHOAMI").starts_with("name: ada\npin: spki-sha256:"));
}

#[test]
fn query_answers_what_is_ready_first() {
    let example = Example::start("query");
    let client = example.client();
    assert_eq!(said(&client, "FACTOR"), "bad-arguments");
    // The product of the two largest primes below 2^32: a minute's work, or more.
    let long = Request::line("FACTOR 18446743979220271189");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = example.builder_async().connect().await.unwrap();
        let short = client.call(Request::line("FACTOR 1001"));
        let first = tokio::select! {
            biased;
            long = client.call(long.clone()) => long,
            short = short => short,
        };
        assert_eq!(first.unwrap().body, b"7\n11\n13\n");
    });
    let late = client.call(long.timeout(Duration::from_millis(20))).unwrap_err();
    assert_eq!(late.outcome(), Outcome::Unknown, "{late}");
}

#[test]
fn state_belongs_to_one_connection() {
    let example = Example::start("state");
    let clients = [example.client(), example.client()];
    for (at, line, answer) in [
        (0, "CD employees", "/ada/employees\n"),
        (1, "PWD", "/ada\n"),
        (0, "cd 1-A", "/ada/employees/1-A\n"),
        (0, "PWD", "/ada/employees/1-A\n"),
        (1, "CD", "bad-arguments"),
        (1, "ls", "unknown-command"),
    ] {
        assert_eq!(said(&clients[at], line), answer);
    }
    assert_eq!(said(&clients[0], &format!("CD {}", "x".repeat(200))), "bad-arguments");
}

#[test]
fn blocking() {
    let folder = folder();
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let identity = Identity::from_pem(&read("server.crt"), &read("server.key")).unwrap();
    let trust = TrustList::parse(&read("trusted"), Sha1::Refuse).unwrap();
    let tls = ServerTls::new(&identity, Tickets::new().unwrap()).unwrap();
    let config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), tls, trust);
    let server = Server::bind(config, commands(Router::new(), Memory::new())).unwrap();
    let (address, stopper) = (server.local_addr(), server.stopper());
    let server = std::thread::spawn(move || server.run());

    let pin = Pin::Spki(identity.certificate().unwrap().digests.spki);
    fs::write(folder.path().join("known_servers"), format!("{address} {pin}\n")).unwrap();
    let run = || Command::new(program("blocking")).arg(folder.path()).arg(address.to_string()).output();
    let ran = run().unwrap();
    assert!(ran.status.success() && ran.stdout == b"employees/1-A\n", "{ran:?}");

    stopper.stop_now();
    server.join().unwrap().unwrap();
    let ran = run().unwrap();
    assert!(String::from_utf8(ran.stderr).unwrap().contains("cannot be reached"), "nobody is there now");
}

#[test]
fn a_folder_without_keys_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, file) in [
        ("echo", "server.crt in "),
        ("query", "server.crt in "),
        ("state", "server.crt in "),
        ("blocking", "client.crt in "),
    ] {
        let ran = Command::new(program(name)).arg(folder.path()).output().unwrap();
        let err = String::from_utf8(ran.stderr).unwrap();
        assert!(!ran.status.success() && err.contains(file), "{name}: {err}");
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
        let (identity, pin) = self.keys();
        Client::builder(self.address.parse().unwrap()).identity(identity).server_pin(pin).connect().unwrap()
    }

    /// For several calls at once.
    fn builder_async(&self) -> pinwire::client::Builder {
        let (identity, pin) = self.keys();
        pinwire::client::Client::builder(self.address.parse().unwrap()).identity(identity).server_pin(pin)
    }

    /// Who the client is, and the pin of the right server.
    fn keys(&self) -> (Identity, Pin) {
        let read = |name: &str| fs::read(self.folder.path().join(name)).unwrap();
        let server = Identity::from_pem(&read("server.crt"), &read("server.key")).unwrap();
        let client = Identity::from_pem(&read("client.crt"), &read("client.key")).unwrap();
        (client, Pin::Spki(server.certificate().unwrap().digests.spki))
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

/// What a server says to this line: the body of its answer, or the error's code.
fn said(client: &Client, line: &str) -> String {
    match client.call(Request::line(line)) {
        Ok(answer) => String::from_utf8(answer.body).unwrap(),
        Err(Error::Reply { code, .. }) => code,
        Err(error) => panic!("{error}"),
    }
}
