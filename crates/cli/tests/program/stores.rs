//! Where the documents are: kept over a restart and a kill, one server's at a time, and not in a wrong file.

use std::fs;

use crate::bench::{Place, Serving};

fn call(place: &Place, server: &Serving, args: &[&str]) -> String {
    place.ok(&[&["call", "-s", &server.address], args].concat())
}

#[cfg(target_os = "linux")]
#[test]
fn documents_survive_a_restart_and_a_kill() {
    let place = Place::new();
    let server = place.serve();
    assert!(server.said.contains("documents are in "), "{}", server.said);
    call(&place, &server, &["PUT", "a", "--body", "one"]);
    call(&place, &server, &["PUT", "b", "--body", "two"]);
    assert_eq!(server.terminate().0, Some(0));

    let server = place.serve();
    assert_eq!(call(&place, &server, &["GET", "a"]), "one");
    call(&place, &server, &["DELETE", "b"]);
    call(&place, &server, &["PUT", "c", "--body", "three"]);
    drop(server); // killed

    let server = place.serve();
    assert_eq!(call(&place, &server, &["LIST"]), "a\nc\n");
    let ran = place.run(&["call", "-s", &server.address, "PUT", "d", "--body", ""]);
    assert!(ran.err.contains("Version: 5"), "{}", ran.err);
}

#[test]
fn a_store_has_one_server() {
    let place = Place::new();
    let server = place.serve();
    let ran = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.status, 6, "{}", ran.err);
    let words = format!("documents.redb is used by process {}", server.process());
    assert!(ran.err.contains(&words), "{}", ran.err);
}

#[test]
fn documents_in_memory_are_gone_with_the_server() {
    let place = Place::new();
    let server = place.serve_with(&["--listen", "127.0.0.1:0", "--store", "memory"]);
    assert!(server.said.contains("documents are in memory"), "{}", server.said);
    call(&place, &server, &["PUT", "a", "--body", "one"]);
    drop(server);
    assert!(!place.home("documents.redb").exists());
    let server = place.serve_with(&["--listen", "127.0.0.1:0", "--store", "other.redb", "--cache", "1"]);
    assert_eq!(place.run(&["call", "-s", &server.address, "GET", "a"]).status, 1);
    assert!(place.path("other.redb").exists());
}

#[test]
fn a_wrong_file_is_said_and_left_alone() {
    let place = Place::new();
    drop(place.serve());
    fs::write(place.path("notes.txt"), "not documents\n").unwrap();
    let serve = |store: &str| place.run(&["serve", "--listen", "127.0.0.1:0", "--store", store]);
    let ran = serve("notes.txt");
    assert_eq!(ran.status, 6);
    assert!(ran.err.contains("notes.txt is not a store of documents: "), "{}", ran.err);
    assert_eq!(fs::read_to_string(place.path("notes.txt")).unwrap(), "not documents\n");
    let ran = serve("no/folder/documents.redb");
    assert_eq!(ran.status, 6);
    assert!(ran.err.contains("no/folder: it is not there; make the folder first"), "{}", ran.err);
}

#[test]
fn what_cannot_be_said_of_a_store() {
    let place = Place::new();
    let usage = |args: &[&str], words: &str| {
        let ran = place.run(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
        assert_eq!(ran.status, 2, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
    };
    usage(&["--history", "0"], "0");
    usage(&["--cache", "0"], "0");
    usage(&["--store", "memory", "--history", "5"], "for a store in a file");
}
