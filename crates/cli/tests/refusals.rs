//! `pinwire call` and a real server: whoever is refused always reads why.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use pinwire_testkit::certificates;

const TRIES: usize = 100;

/// `pinwire serve` in a home of its own.
struct Server {
    child: Child,
    address: String,
    _said: BufReader<ChildStdout>,
}

impl Server {
    fn start(home: &Path) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pinwire"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("PINWIRE_HOME", home)
            .env("USER", "me")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("listening on ") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the server says where it listens");
        }
        let address = line["listening on ".len()..].trim().to_owned();
        Server { child, address, _said: said }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn write(folder: &Path, (certificate, key): &certificates::Pair) {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::write(folder.join("client.crt"), certificate).unwrap();
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .mode(0o600)
        .open(folder.join("client.key"))
        .unwrap();
    file.write_all(key.as_bytes()).unwrap();
}

#[test]
fn call_always_reads_why_it_is_refused() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path());
    let fates = [
        (None, "ERR: no-certificate: "),
        (Some(certificates::expired(now)), "ERR: certificate-expired: "),
        (Some(certificates::not_yet_valid(now)), "ERR: certificate-not-yet-valid: "),
        (Some(certificates::stranger(now)), "ERR: unfamiliar-certificate: spki-sha256:"),
        (Some(certificates::unreadable(now)), "ERR: certificate-unreadable: "),
    ];
    std::thread::scope(|scope| {
        for (client, line) in &fates {
            scope.spawn(|| refused(&server, home.path(), client.as_ref(), line));
        }
    });
}

fn refused(server: &Server, home: &Path, client: Option<&certificates::Pair>, line: &str) {
    let stranger = tempfile::tempdir().unwrap();
    std::fs::copy(home.join("known_servers"), stranger.path().join("known_servers")).unwrap();
    if let Some(client) = client {
        write(stranger.path(), client);
    }
    for attempt in 0..TRIES {
        let call = Command::new(env!("CARGO_BIN_EXE_pinwire"))
            .args(["call", "-s", &server.address, "GET", "employees/1-A"])
            .env("PINWIRE_HOME", stranger.path())
            .output()
            .unwrap();
        let said = String::from_utf8(call.stderr).unwrap();
        assert!(said.starts_with(line), "try {attempt}: {line} expected, not {said}");
        assert_eq!((call.status.code(), call.stdout.len()), (Some(3), 0), "{said}");
    }
}

#[test]
fn a_ticket_of_before_the_restart_opens_nothing() {
    let home = tempfile::tempdir().unwrap();
    let ask = |server: &Server, session: &[&str]| {
        let said = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &server.address])
            .args(["-cert", "client.crt", "-key", "client.key"])
            .args(session)
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(|mut child| {
                // It stays until the server's goodbye, or until its one line was read.
                let mut line = String::new();
                BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
                drop(child.stdin.take());
                line + match child.kill().and_then(|()| child.wait()) {
                    Ok(_) => "",
                    Err(_) => "and would not end",
                }
            });
        said.unwrap()
    };
    let server = Server::start(home.path());
    // s_client writes the ticket's file when it arrives: before the greeting, in one flight with it.
    assert_eq!(ask(&server, &["-sess_out", "ticket"]), "OK\r\n");
    drop(server);
    assert!(home.path().join("ticket").exists(), "a session ticket was given");
    let removed = Command::new(env!("CARGO_BIN_EXE_pinwire"))
        .args(["trust", "remove", "me"])
        .env("PINWIRE_HOME", home.path())
        .output()
        .unwrap();
    let user = std::fs::read_to_string(home.path().join("trusted")).unwrap();
    assert!(removed.status.success() && !user.contains("name=me"), "{removed:?} {user}");

    let server = Server::start(home.path());
    let said = ask(&server, &["-sess_in", "ticket"]);
    assert!(said.starts_with("ERR: unfamiliar-certificate: spki-sha256:"), "{said}");
}
