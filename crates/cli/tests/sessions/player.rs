//! Plays a page's steps: a terminal a line, a home folder a person.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::fits::Digits;
use crate::page::{Step, Then};
use crate::server::{Lines, Server};

pub(crate) struct Player {
    page: String,
    folder: TempDir,
    server: Server,
    /// As pages write addresses, and as they are.
    addresses: [(&'static str, String); 2],
    digits: Digits,
    running: Vec<Terminal>,
    /// The server's log, and how far the page has told it.
    heard: Vec<String>,
    told: usize,
}

/// A line that was typed, and what is shown for it.
struct Terminal {
    child: Child,
    shown: Lines,
    /// Closed to end what runs.
    stdin: Option<ChildStdin>,
}

impl Player {
    pub(crate) fn new(page: String) -> Player {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join(OPERATOR), "127.0.0.1:0");
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let addresses = [("127.0.0.1:4433", server.address.clone()), ("127.0.0.1:4434", free)];
        let (digits, running, heard) = (Digits::default(), Vec::new(), Vec::new());
        Player { page, folder, server, addresses, digits, running, heard, told: 0 }
    }

    pub(crate) fn play(&mut self, step: &Step) {
        match step {
            Step::Type { who, line, says, then } => self.type_line(who, line, says, *then),
            Step::GoesOn { says, then } => {
                let terminal = self.running.pop().expect("a block before it runs");
                let shown = self.show(terminal, says, *then);
                self.check("what goes on", says, &shown);
            }
            Step::Log(says) => says.iter().for_each(|says| self.check_log(says)),
            Step::Restart => self.restart(),
        }
    }

    fn type_line(&mut self, who: &str, line: &str, says: &[String], then: Then) {
        let before = self.followed();
        let since = Instant::now();
        loop {
            let terminal = self.terminal(who, &self.typed(line));
            let shown = self.show(terminal, says, then);
            // A server writes beside its file once a second: who looks there looks again.
            let is_again = only_looks(line) && since.elapsed() < HANG;
            if self.digits.fit(says, &shown) {
                break;
            } else if !is_again {
                return self.check(line, says, &shown);
            }
        }
        self.wait_until_followed(&before);
    }

    fn terminal(&self, who: &str, line: &str) -> Terminal {
        let who = if who.is_empty() { OPERATOR } else { who };
        let mut child = Command::new("python3")
            .arg("-IS")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions/terminal.py"))
            .args([env!("CARGO_BIN_EXE_pinwire"), &self.server.address, line])
            .env("PINWIRE_HOME", self.folder.path().join(who))
            .env("USER", who)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (shown, stdin) = (Lines::of(child.stdout.take().unwrap()), child.stdin.take());
        Terminal { child, shown, stdin }
    }

    /// What is shown: all of it, or of what still runs so much as the page says.
    fn show(&mut self, mut terminal: Terminal, says: &[String], then: Then) -> Vec<String> {
        let mut shown = Vec::new();
        while let Some(line) = terminal.shown.next() {
            shown.push(self.as_page(&line));
            if then == Then::Runs && self.digits.fit(says, &shown) {
                break;
            }
        }
        match then {
            Then::Runs => self.running.push(terminal),
            Then::Ends => assert!(terminal.child.wait().unwrap().success()),
        }
        shown
    }

    fn check(&mut self, what: &str, says: &[String], shown: &[String]) {
        let (page, text) = (&self.page, |lines: &[String]| lines.join("\n"));
        let is_fit = self.digits.fit(says, shown);
        assert!(
            is_fit,
            "{page}: {what}\nthe page says:\n{}\nand this was shown:\n{}",
            text(says),
            text(shown)
        );
    }

    fn check_log(&mut self, says: &str) {
        let mut fits = |line: &str| self.digits.fits(says, line);
        let told = self.heard[self.told..].iter().position(|line| fits(line));
        self.told = match told {
            Some(at) => self.told + at + 1,
            None => {
                let is_heard = self.server.hear(&mut self.heard, fits);
                assert!(
                    is_heard,
                    "{}: the log does not say:\n{says}\nbut:\n{}",
                    self.page,
                    self.heard.join("\n")
                );
                self.heard.len()
            }
        };
    }

    fn restart(&mut self) {
        self.server.stop();
        self.server = Server::start(&self.folder.path().join(OPERATOR), &self.addresses[0].1);
    }

    /// What the server follows: the trust file, and its certificate and key.
    fn followed(&self) -> [Option<Vec<u8>>; 3] {
        ["trusted", "server.crt", "server.key"].map(|file| fs::read(self.home().join(file)).ok())
    }

    /// A page goes on when the server has said that it saw the change.
    fn wait_until_followed(&mut self, before: &[Option<Vec<u8>>; 3]) {
        let now = self.followed();
        if now[0] != before[0] {
            self.hear(&["trust list replaced", "trust file is not in order", "trust file is in order again"]);
        }
        if now[1..] != before[1..] {
            self.hear(&["shows another certificate"]);
        }
    }

    fn hear(&mut self, words: &[&str]) {
        let is_meant = |line: &str| words.iter().any(|words| line.contains(words));
        assert!(self.server.hear(&mut self.heard, is_meant), "{}: {words:?} not in the log", self.page);
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join(OPERATOR)
    }

    fn typed(&self, line: &str) -> String {
        let typed = self.digits.typed(line);
        self.addresses.iter().fold(typed, |line, (page, real)| line.replace(page, real))
    }

    fn as_page(&self, line: &str) -> String {
        self.addresses.iter().fold(line.to_owned(), |line, (page, real)| line.replace(real, page))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

fn only_looks(line: &str) -> bool {
    ["pinwire trust pending", "pinwire trust status"].iter().any(|looks| line.starts_with(looks))
}

/// Whose home folder is the server's.
const OPERATOR: &str = "operator";

/// Ten times the second in which a server follows its files, and more.
const HANG: Duration = Duration::from_secs(15);
