//! Servers that are not known, and servers that are not the known ones.

use std::fs;

use crate::bench::{Place, at_terminal, has_script};

#[test]
fn nobody_to_ask_is_a_refusal_that_says_the_line() {
    let place = Place::new();
    let server = place.serve();
    let line = place.read("known_servers");
    fs::remove_file(place.home("known_servers")).unwrap();
    let ran = place.run(&["call", "PING", "-s", &server.address]);
    assert_eq!(ran.status, 5);
    assert!(ran.err.ends_with(&format!("{}:\n{line}", place.home("known_servers").display())), "{}", ran.err);
    assert!(!place.home("known_servers").exists());

    fs::write(place.home("known_servers"), ran.err.lines().last().unwrap()).unwrap();
    place.ok(&["call", "PING", "-s", &server.address]);
}

#[test]
fn another_pin_is_never_asked_about() {
    let place = Place::new();
    let server = place.serve();
    let wrong = format!("{} spki-sha256:{}\n", server.address, "ab".repeat(32));
    fs::write(place.home("known_servers"), &wrong).unwrap();
    let ran = place.run(&["call", "PING", "-s", &server.address]);
    assert_eq!(ran.status, 5);
    assert!(ran.err.contains("\n@   WARNING: ") && ran.err.contains("nothing was sent"), "{}", ran.err);
    let file = place.home("known_servers").display().to_string();
    assert!(ran.err.contains(&format!("take out of {file}:\n  line 1: {wrong}and put in:\n")), "{}", ran.err);
    assert_eq!(place.read("known_servers"), wrong);

    // What it says is what helps.
    let line = ran.err.lines().last().unwrap().trim().to_owned() + "\n";
    fs::write(place.home("known_servers"), wrong + &line).unwrap();
    place.ok(&["call", "PING", "-s", &server.address]);
}

#[test]
fn a_broken_file_of_known_servers_is_6() {
    let place = Place::new();
    let server = place.serve();
    fs::write(place.home("known_servers"), "here\n").unwrap();
    let ran = place.run(&["call", "PING", "-s", &server.address]);
    assert_eq!(ran.status, 6);
    assert!(ran.err.contains("known_servers: line 1: \"here\" is not HOST:PORT"), "{}", ran.err);
}

#[test]
fn at_a_terminal_the_user_is_asked_once() {
    if !has_script() {
        return;
    }
    let place = Place::new();
    let server = place.serve();
    let known = place.read("known_servers");
    fs::remove_file(place.home("known_servers")).unwrap();
    let ping = format!("call PING -s {}", server.address);

    let no = at_terminal(&place, &ping, "what?\nno\n");
    assert_eq!(no.status, 5, "{}", no.out());
    assert!(no.out().contains("Type yes, no, or the pin:"), "{}", no.out());
    assert!(!place.home("known_servers").exists());

    let yes = at_terminal(&place, &ping, "yes\n");
    assert_eq!(yes.status, 0, "{}", yes.out());
    assert_eq!(place.read("known_servers"), known);

    let known_now = at_terminal(&place, &ping, "");
    assert_eq!(known_now.status, 0);
    assert!(!known_now.out().contains("not known"), "{}", known_now.out());
}

#[cfg(unix)]
#[test]
fn a_first_call_makes_the_home_folder_for_what_it_learns() {
    use std::os::unix::fs::PermissionsExt as _;
    if !has_script() {
        return;
    }
    let server = Place::new();
    let serving = server.serve();
    let place = Place::new();
    let ran = at_terminal(&place, &format!("get q -s {}", serving.address), "yes\n");
    assert_eq!(ran.status, 3, "{}", ran.out());
    assert!(ran.out().contains("ERR: no-certificate: "), "{}", ran.out());
    assert!(ran.out().contains("`pinwire keygen --client` makes"), "{}", ran.out());
    assert_eq!(place.read("known_servers"), server.read("known_servers"));
    let mode = fs::metadata(place.home("")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
}
