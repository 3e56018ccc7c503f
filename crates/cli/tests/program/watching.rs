//! `pinwire watch`: in one terminal it stands, in others documents change, and servers come and go.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::bench::{HANG, Place, Serving};

/// A program that goes on until it is ended; killed when dropped.
struct Watching {
    child: Child,
    lines: Receiver<String>,
    errs: Receiver<String>,
}

impl Watching {
    /// Stands once this returns.
    fn start(place: &Place, server: &Serving, args: &[&str]) -> Watching {
        let watching = Watching::run(place, server, args);
        watching.complains("watching from version");
        watching
    }

    fn run(place: &Place, server: &Serving, args: &[&str]) -> Watching {
        let mut program = place.interruptible();
        program.arg("watch").args(args).args(["-s", &server.address]);
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, errs) = (listen(child.stdout.take().unwrap()), listen(child.stderr.take().unwrap()));
        Watching { child, lines, errs }
    }

    #[track_caller]
    fn says(&self, line: &str) {
        assert_eq!(self.lines.recv_timeout(HANG).unwrap(), line);
    }

    /// Waits for a line on standard error that has these words.
    #[track_caller]
    fn complains(&self, words: &str) {
        while !self.errs.recv_timeout(HANG).unwrap().contains(words) {}
    }

    /// Its exit status, once it has ended by itself. Nothing more was printed.
    #[track_caller]
    fn ends(mut self) -> Option<i32> {
        assert_eq!(self.lines.recv_timeout(HANG).ok(), None);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (say, lines) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.take_while(|line| say.send(line.clone()).is_ok()).count()
    });
    lines
}

fn put(place: &Place, server: &Serving, id: &str, body: &str) {
    place.ok(&["put", id, "--body", body, "-s", &server.address]);
}

#[test]
fn each_change_is_a_line_as_soon_as_it_is_made() {
    let (place, server) = served();
    put(&place, &server, "employees/0", "before");
    let all = Watching::start(&place, &server, &[]);
    let some = Watching::start(&place, &server, &["employees/"]);
    put(&place, &server, "employees/1-A", r#"{"name":"Ann"}"#);
    all.says(r#"2 put employees/1-A {"name":"Ann"}"#);
    some.says(r#"2 put employees/1-A {"name":"Ann"}"#);
    put(&place, &server, "other", "x");
    all.says("3 put other x");
    place.ok(&["delete", "employees/1-A", "-s", &server.address]);
    all.says("4 delete employees/1-A");
    some.says("4 delete employees/1-A");
    // An old one, and then those that are made.
    let from = Watching::start(&place, &server, &["--from", "3"]);
    from.says("3 put other x");
    from.says("4 delete employees/1-A");
    put(&place, &server, "other", "y");
    from.says("5 put other y");
}

#[test]
fn nothing_reaches_the_terminal_raw_and_a_change_is_one_line() {
    let (place, server) = served();
    let watching = Watching::start(&place, &server, &[]);
    std::fs::write(place.path("body"), b"a\nb\\\x1b]0;title\x07\x9b\xff\xc2\x85\xe2\x80\xaeend").unwrap();
    put(&place, &server, "a", "@body");
    put(&place, &server, "a", "");
    watching.says(r"1 put a a\nb\\\x1b]0;title\x07\x9b\xff\xc2\x85\xe2\x80\xaeend");
    watching.says("2 put a ");
}

#[cfg(unix)]
#[test]
fn no_change_is_lost_or_told_twice_when_the_server_restarts() {
    let (place, mut server) = served();
    let watching = Watching::start(&place, &server, &["a/"]);
    let mut version = 0;
    for round in 0..6 {
        for _ in 0..3 {
            version += 1;
            put(&place, &server, "a/1", &version.to_string());
        }
        // Some of them may be on their way when it goes: told to stop, or killed.
        let listen = server.address.clone();
        match round % 2 {
            0 => _ = server.terminate(),
            _ => drop(server),
        }
        watching.complains("trying again");
        server = place.serve_with(&["--listen", &listen]);
    }
    version += 1;
    put(&place, &server, "a/1", &version.to_string());
    for version in 1..=version {
        watching.says(&format!("{version} put a/1 {version}"));
    }
}

/// Whoever watches while others change documents without pause has each change once, though the server is killed
/// again and again.
#[test]
fn kills_in_the_middle_of_changes_lose_none_and_repeat_none() {
    let (place, mut server) = served();
    let watching = Watching::start(&place, &server, &[]);
    let mut made = 0;
    for round in 0..8 {
        let client = place.builder(&server.address).reconnect(false).connect().unwrap();
        let putting = thread::spawn(move || while client.put(&format!("a/{round}"), "x").is_ok() {});
        // Some of this round's changes are printed, others are on their way.
        let mut printed = 0;
        while printed < 20 {
            let line = watching.lines.recv_timeout(HANG).unwrap();
            made += 1;
            assert!(line.starts_with(&format!("{made} put a/")), "{made}: {line}");
            printed += usize::from(line.contains(&format!(" put a/{round} ")));
        }
        let listen = server.address.clone();
        drop(server);
        server = place.serve_with(&["--listen", &listen]);
        putting.join().unwrap();
    }
    put(&place, &server, "last", "x");
    loop {
        let line = watching.lines.recv_timeout(HANG).unwrap();
        made += 1;
        assert!(line.starts_with(&format!("{made} put ")), "{made}: {line}");
        if line.contains(" put last ") {
            break;
        }
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_as_it_ends_every_program() {
    use std::os::unix::process::ExitStatusExt as _;
    let (place, server) = served();
    let mut watching = Watching::start(&place, &server, &[]);
    put(&place, &server, "a", "x");
    watching.says("1 put a x");
    signal(&watching, "-INT");
    let status = watching.child.wait().unwrap();
    assert_eq!(status.signal(), Some(2), "a shell says 130");
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let (place, server) = served();
    let mut program = place.program();
    program.args(["watch", "-s", &server.address]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    drop(child.stdout.take());
    let errs = listen(child.stderr.take().unwrap());
    assert!(errs.recv_timeout(HANG).unwrap().starts_with("watching from version 1"));
    put(&place, &server, "a", "x");
    assert_eq!(errs.recv_timeout(HANG).ok(), None);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn history_that_is_gone_is_said_with_what_to_do() {
    let place = Place::new();
    let server = place.serve_with(&["--listen", "127.0.0.1:0", "--history", "2"]);
    for _ in 0..50 {
        put(&place, &server, "a", "x");
    }
    let ran = place.run(&["watch", "--from", "1", "-s", &server.address]);
    assert_eq!((ran.status, ran.out().as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.starts_with("ERR: history-gone: "), "{}", ran.err);
    assert!(ran.err.contains("--from") && ran.err.contains("pinwire list"), "{}", ran.err);
}

#[test]
fn what_cannot_be_watched_is_said() {
    let (place, server) = served();
    let ran = place.run(&["watch", "--from", "5", "-s", &server.address]);
    assert_eq!((ran.status, ran.out().as_str()), (1, ""));
    assert!(ran.err.starts_with("ERR: bad-arguments: "), "{}", ran.err);
    let ran = place.run(&["watch", "a b", "-s", &server.address]);
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert_eq!(place.run(&["watch", "--from", "x"]).status, 2);
    assert_eq!(place.run(&["watch", "-s", "127.0.0.1:1"]).status, 4);

    place.ok(&["keygen", "alice"]);
    place.ok(&["trust", "add", "alice.crt", "--name", "alice", "--commands", "GET,PUT"]);
    let alice = alice(&place);
    server_knows(&place, &server);
    let ran = alice.run(&["watch", "-s", &server.address]);
    assert_eq!((ran.status, ran.out().as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.starts_with("ERR: not-permitted"), "{}", ran.err);
}

#[test]
fn whoever_is_removed_while_it_watches_is_told_so() {
    let (place, server) = served();
    place.ok(&["keygen", "alice"]);
    place.ok(&["trust", "add", "alice.crt", "--name", "alice"]);
    server_knows(&place, &server);
    let watching = Watching::start(&alice(&place), &server, &[]);
    put(&place, &server, "a", "x");
    watching.says("1 put a x");
    place.ok(&["trust", "remove", "alice"]);
    watching.complains("ERR: no-longer-trusted");
    assert_eq!(watching.ends(), Some(3));
}

/// What an administrator takes away of its commands ends the watch, and the connection goes on.
#[test]
fn a_permission_that_is_taken_away_ends_it() {
    let (place, server) = served();
    place.ok(&["keygen", "alice"]);
    place.ok(&["trust", "add", "alice.crt", "--name", "alice"]);
    server_knows(&place, &server);
    let watching = Watching::start(&alice(&place), &server, &[]);
    let list = place.read("trusted");
    let narrowed: String =
        list.lines()
            .map(|line| {
                if line.contains("name=alice") {
                    format!("{line} commands=GET\n")
                } else {
                    format!("{line}\n")
                }
            })
            .collect();
    std::fs::write(place.home("trusted"), narrowed).unwrap();
    watching.complains("ERR: not-permitted");
    assert_eq!(watching.ends(), Some(1));
}

/// `call` does not wait for the end either.
#[test]
fn call_prints_each_part_as_it_comes() {
    let (place, server) = served();
    let mut program = place.program();
    program.args(["call", "WATCH", "-s", &server.address]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let (lines, errs) = (listen(child.stdout.take().unwrap()), listen(child.stderr.take().unwrap()));
    for expected in ["OK", "Version: 0"] {
        assert_eq!(errs.recv_timeout(HANG).unwrap(), expected);
    }
    put(&place, &server, "a", "first\n");
    assert_eq!(lines.recv_timeout(HANG).unwrap(), "first");
    put(&place, &server, "a", "second\n");
    assert_eq!(lines.recv_timeout(HANG).unwrap(), "second");
    assert!(errs.recv_timeout(HANG).unwrap().starts_with("Id: a"));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn served() -> (Place, Serving) {
    let place = Place::new();
    let server = place.serve();
    (place, server)
}

/// Alice's own home.
fn alice(place: &Place) -> Place {
    let read = |file: &str| std::fs::read_to_string(place.path(file)).unwrap();
    place.visitor(Some((read("alice.crt"), read("alice.key"))))
}

/// Waits until alice is let in.
fn server_knows(place: &Place, server: &Serving) {
    let alice = alice(place);
    crate::bench::until(|| alice.run(&["call", "PING", "-s", &server.address]).status == 0);
}

#[cfg(unix)]
fn signal(watching: &Watching, signal: &str) {
    let pid = watching.child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}
