//! A server that follows its files, as its clients see it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use pinwire_server::proto::session::ClientEvent;
use pinwire_server::proto::wire::Greeting;
use pinwire_server::{Identity, IdentityFiles, Pin, Server, ServerConfig, Sha1, TrustFile};
use pinwire_testkit::certificates;

use crate::common::{Client, HANG, Pair, Running, config, now, router, trusting, write};

/// A server that follows the trust file in `folder`, and the certificate and key that `write` puts there.
fn following(folder: &Path, config: ServerConfig) -> Running {
    let mut server = Server::bind(config, router()).unwrap();
    let identity = IdentityFiles::new(folder.join("client.crt"), folder.join("client.key"));
    server.follow(TrustFile::new(folder.join("trusted"), Sha1::Refuse), Some(identity)).unwrap();
    Running::of(server)
}

fn write_identity(folder: &Path, pair: &Pair) {
    let (_, key) = write(folder, pair);
    #[cfg(unix)]
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let _ = key;
}

fn line(pair: &Pair) -> String {
    let identity = Identity::from_pem(pair.0.as_bytes(), pair.1.as_bytes()).unwrap();
    format!("{}\n", Pin::Spki(identity.certificate().unwrap().digests.spki))
}

/// As `pinwire trust` does it.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("edit");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

/// What a newcomer is shown and told. Others are served meanwhile.
fn come(address: SocketAddr, pair: &Pair) -> (Vec<u8>, Greeting) {
    let mut client = Client::connect(address, Some(pair));
    let mut shown = Vec::new();
    loop {
        match client.session.next() {
            Some(ClientEvent::Handshaken { certificate }) => shown = certificate,
            Some(ClientEvent::Greeting(greeting)) => return (shown, greeting),
            Some(other) => panic!("{other:?}"),
            None => client.exchange(),
        }
    }
}

fn is_let_in(address: SocketAddr, pair: &Pair) -> bool {
    come(address, pair).1 == Greeting::Ok
}

/// Newcomers come until it is so.
fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < HANG);
    }
}

#[test]
fn newcomers_are_judged_by_the_file_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted");
    let (always, other) = (certificates::good(now()), certificates::good(now()));
    fs::write(&trusted, line(&always)).unwrap();
    write_identity(folder.path(), &certificates::good(now()));
    let server = following(folder.path(), config(trusting(&[&always])));
    let mut inside = Client::enter(server.address, &always);
    let in_now = |pair| is_let_in(server.address, pair);
    for _ in 0..3 {
        replace(&trusted, &(line(&always) + &line(&other)));
        until(|| in_now(&other));
        fs::write(&trusted, line(&always) + &line(&other)[..40]).unwrap();
        until(|| in_now(&always) && server.stats.snapshot().bad_trust_lists > 0);
        assert!(in_now(&other), "the old list stays");
        fs::write(&trusted, line(&always)).unwrap();
        until(|| in_now(&always) && !in_now(&other));
    }
    inside.send("PING", "1", None);
    assert_eq!(inside.answer().1, "OK");
}

#[test]
fn newcomers_are_shown_the_new_certificate_once_its_key_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let client = certificates::good(now());
    fs::write(folder.path().join("trusted"), line(&client)).unwrap();
    write_identity(folder.path(), &certificates::good(now()));
    let server = following(folder.path(), config(trusting(&[&client])));
    let shown = || {
        let (shown, greeting) = come(server.address, &client);
        assert_eq!(greeting, Greeting::Ok);
        certificates::pem(&shown)
    };
    // It was bound with another than the files hold.
    let before = fs::read_to_string(folder.path().join("client.crt")).unwrap();
    until(|| shown().trim() == before.trim());
    let mut inside = Client::enter(server.address, &client);
    let next = certificates::good(now());
    fs::write(folder.path().join("client.crt"), &next.0).unwrap();
    until(|| shown().trim() == before.trim() && server.stats.snapshot().bad_identities == 1);
    fs::write(folder.path().join("client.key"), &next.1).unwrap();
    until(|| shown().trim() == next.0.trim());
    inside.send("PING", "1", None);
    assert_eq!(inside.answer().1, "OK");
    assert_eq!(server.stats.snapshot().identities, 2);
}
