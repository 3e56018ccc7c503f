//! Two users at two terminals: one waits with its pin on the screen, the other compares, approves, and it is in.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{HANG, Place, Ran, at_terminal, has_script, until};

/// `PINWIRE_TRIES=20 cargo test -p pinwire-cli --test program approval -- --nocapture` tells how long each takes.
#[test]
fn whoever_is_approved_at_one_terminal_is_in_at_the_other() {
    if !has_script() {
        return;
    }
    let place = Place::new();
    let server = place.serve();
    let tries = std::env::var("PINWIRE_TRIES").map_or(1, |tries| tries.parse().unwrap());
    for number in 0..tries {
        let name = format!("carol-{number}");
        let carol = place.visitor(None);
        let pin = carol.ok(&["keygen"]).trim().to_owned();
        let mut waiting = Terminal::open(&carol, &format!("call WHOAMI -s {} --wait", server.address));
        waiting.read_until(&format!("your pin is {pin}; compare it"));
        let line = waiting.read_until("lets this client in with `pinwire trust approve ");
        let beginning = line.split("approve ").nth(1).unwrap().split(' ').next().unwrap();

        let shown = || at_terminal(&place, "trust pending", "").out();
        until(|| shown().contains(&pin));
        let begin = Instant::now();
        let approved = at_terminal(&place, &format!("trust approve {beginning} --name {name}"), "");
        let is_approved = Instant::now();
        assert_eq!(approved.status, 0, "{}", approved.out());
        let ran = waiting.end();
        println!(
            "let in {:?} after approve ended, {:?} after it began",
            is_approved.elapsed(),
            begin.elapsed()
        );
        assert_eq!(ran.status, 0, "{}", ran.out());
        assert!(ran.out().contains(&format!("name: {name}\r\n")), "{}", ran.out());
        // The promise is 2 s.
        assert!(is_approved.elapsed() < Duration::from_secs(20));
        assert!(!shown().contains(&pin));
    }
}

/// The program, at a terminal of its own.
struct Terminal {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Terminal {
    fn open(place: &Place, words: &str) -> Terminal {
        let line = format!("'{}' {words}", env!("CARGO_BIN_EXE_pinwire"));
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", &line, "/dev/null"]).env("PINWIRE_HOME", place.path("home"));
        // Open, as a keyboard is: at its end `script` would type Ctrl-D.
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Terminal { child, lines }
    }

    fn read_until(&mut self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "it ended without: {words}");
        }
        line
    }

    fn end(mut self) -> Ran {
        let (say, ended) = mpsc::channel();
        thread::spawn(move || {
            let mut out = Vec::new();
            self.lines.read_to_end(&mut out).unwrap();
            let status = self.child.wait().unwrap().code().unwrap();
            let _ = say.send(Ran { status, out, err: String::new() }); // nobody waits so long
        });
        ended.recv_timeout(HANG).unwrap()
    }
}
