//! A session ticket is no way around the trust file.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::bench::{Place, Serving};

#[test]
fn a_ticket_of_before_the_restart_opens_nothing() {
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    let place = Place::new();
    let server = place.serve();
    // s_client writes the ticket's file when it arrives: before the greeting, in one flight with it.
    assert_eq!(greeting(&place, &server, &["-sess_out", "ticket"]), "OK\r\n");
    drop(server);
    assert!(place.home("ticket").exists(), "a session ticket was given");
    place.ok(&["trust", "remove", "ada"]);

    let server = place.serve();
    let said = greeting(&place, &server, &["-sess_in", "ticket"]);
    assert!(said.starts_with("ERR: unfamiliar-certificate: spki-sha256:"), "{said}");
}

/// The first line that a server says to OpenSSL's client.
fn greeting(place: &Place, server: &Serving, session: &[&str]) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &server.address])
        .args(["-cert", "client.crt", "-key", "client.key"])
        .args(session)
        .current_dir(place.home(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
    client.kill().and_then(|()| client.wait()).unwrap();
    line
}
