//! Peers that are not ours: OpenSSL's `s_client` and Python's `ssl`, over real sockets.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::common;
use crate::common::{Pair, Running, config, now, router, trusting};
use pinwire_server::{Identity, Limits, Pin, ServerConfig, ServerTls, Tickets};
use pinwire_testkit::certificates;

/// protocol.md's exchange, byte for byte.
const EXCHANGE: &str = "OK\r\nOK\r\nSequence: 32\r\nSize: 16\r\n\r\n{\"Name\":\"Alice\"}";

const TRIES: usize = 100;

/// Nobody here is on its list, and of so many tries in a row none is to be delayed.
fn refusing() -> Running {
    let limits = Limits { failures: u32::MAX, ..Limits::default() };
    Running::start(config(trusting(&[&certificates::good(now())])).limits(limits), router())
}

/// Every fate that a certificate can have at the door, with the line that its owner reads.
fn refusals() -> Vec<(&'static str, Option<Pair>, String)> {
    let now = now();
    let stranger = certificates::stranger(now);
    let pin = pin_of(&stranger);
    let words = |text: &str| text.to_owned();
    vec![
        ("no certificate", None, words("ERR: no-certificate: ")),
        ("expired", Some(certificates::expired(now)), words("ERR: certificate-expired: ")),
        ("not yet valid", Some(certificates::not_yet_valid(now)), words("ERR: certificate-not-yet-valid: ")),
        ("stranger", Some(stranger), format!("ERR: unfamiliar-certificate: {pin} is not on the list")),
        ("unreadable", Some(certificates::unreadable(now)), words("ERR: certificate-unreadable: ")),
    ]
}

fn pin_of(pair: &Pair) -> String {
    let identity = Identity::from_pem(pair.0.as_bytes(), pair.1.as_bytes()).unwrap();
    Pin::Spki(identity.certificate().unwrap().digests.spki).to_string()
}

fn peer(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/peers").join(name)
}

/// Runs a peer to its end; what it prints.
fn run(command: &mut Command, input: &[u8]) -> String {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the peer is installed");
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // A refused peer may end before it has read all.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    drop(writer.join().unwrap());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.stdout.is_empty(), "it printed nothing, but complained: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asks what protocol.md asks through `s_client`, which ends with its input: that stays open until the answer
/// is there.
fn exchange_by_openssl(server: &Running, files: &(std::path::PathBuf, std::path::PathBuf)) -> String {
    use std::io::{Read, Write};
    let mut child = s_client(server, Some(files))
        .arg("-no_ign_eof")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    stdin.write_all(b"GET employees/1-A\r\nSequence: 32\r\n\r\n").unwrap();
    let mut said = vec![0; EXCHANGE.len()];
    stdout.read_exact(&mut said).expect("the whole exchange");
    drop(stdin);
    stdout.read_to_end(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    String::from_utf8(said).unwrap()
}

fn s_client(server: &Running, identity: Option<&(std::path::PathBuf, std::path::PathBuf)>) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-connect", &server.address.to_string()]);
    if let Some((certificate, key)) = identity {
        command.arg("-cert").arg(certificate).arg("-key").arg(key);
    }
    command
}

#[test]
fn openssl_and_python_get_the_exact_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let client = certificates::good(now());
    let files = common::write(folder.path(), &client);
    let server_identity = certificates::good(now());
    let identity = Identity::from_pem(server_identity.0.as_bytes(), server_identity.1.as_bytes()).unwrap();
    let pin = Pin::Certificate(identity.certificate().unwrap().digests.certificate).to_string();
    let tls = ServerTls::new(&identity, Tickets::new().unwrap())
        .unwrap()
        .record_layer(pinwire_testkit::record_layer());
    let config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), tls, trusting(&[&client]));
    let server = Running::start(config, router());

    assert_eq!(exchange_by_openssl(&server, &files), EXCHANGE, "openssl s_client");

    let said = run(
        Command::new("python3")
            .arg(peer("client.py"))
            .arg(server.address.port().to_string())
            .args([&files.0, &files.1])
            .args([&pin, "GET employees/1-A", "Sequence: 32"]),
        b"",
    );
    assert_eq!(said, EXCHANGE, "Python");
}

#[test]
fn every_trusted_kind_of_certificate_gets_in() {
    let made = certificates::by_openssl().expect("openssl is installed");
    for (kind, client) in [("X.509 version 1", certificates::version_1(now())), ("openssl req -x509", made)] {
        let folder = tempfile::tempdir().unwrap();
        let files = common::write(folder.path(), &client);
        let server = Running::start(config(trusting(&[&client])), router());
        assert_eq!(exchange_by_openssl(&server, &files), EXCHANGE, "{kind}");
    }
}

#[test]
fn python_always_reads_why_it_is_refused() {
    let server = refusing();
    for (fate, client, line) in refusals() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("python3");
        command.arg(peer("refused.py")).args([server.address.port().to_string(), TRIES.to_string()]);
        if let Some(client) = client {
            let (certificate, key) = common::write(folder.path(), &client);
            command.args([certificate, key]);
        }
        let told = run(&mut command, b"");
        assert!(told.starts_with(&format!("{TRIES} b")), "{fate}: not always the same: {told}");
        assert!(
            told.contains(&line) && told.ends_with("\\r\\n'\n") && !told.contains("then"),
            "{fate}: {told}"
        );
    }
}

#[test]
fn openssl_always_reads_why_it_is_refused() {
    let server = refusing();
    let commands = b"GET employees/1-A\r\nSequence: 32\r\n\r\n".repeat(3_000);
    for (fate, client, line) in refusals() {
        let folder = tempfile::tempdir().unwrap();
        let files = client.map(|client| common::write(folder.path(), &client));
        for attempt in 0..TRIES {
            let said = run(&mut s_client(&server, files.as_ref()), &commands);
            let is_one_line = said.matches('\n').count() == 1 && said.ends_with("\r\n");
            assert!(said.starts_with(&line) && is_one_line, "{fate}, try {attempt}: {said:?}");
        }
    }
}

#[test]
fn a_resumed_session_is_judged_by_the_list_of_today() {
    let folder = tempfile::tempdir().unwrap();
    let client = certificates::good(now());
    let (certificate, key) = common::write(folder.path(), &client);
    // The same server before and after: its identity and its tickets live on, its list does not.
    let tls = common::tls();
    let serve = |trust| {
        let address = "127.0.0.1:0".parse().unwrap();
        Running::start(ServerConfig::new(address, tls.clone(), trust), router())
    };
    let (before, after) = (serve(trusting(&[&client])), serve(trusting(&[&certificates::stranger(now())])));
    let told = run(
        Command::new("python3")
            .arg(peer("resumed.py"))
            .args([before.address.port().to_string(), after.address.port().to_string()])
            .args([&certificate, &key]),
        b"",
    );
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], r"b'OK\r\n' False");
    let refused = format!("b'ERR: unfamiliar-certificate: {} is not on the list", pin_of(&client));
    assert!(lines[1].starts_with(&refused) && lines[1].ends_with(" True"), "{told}");
}
