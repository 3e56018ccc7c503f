//! A program that carries bytes between its own standard streams and the other side's TLS. What is said over it is
//! the same, whoever's TLS it is; knows nothing of any of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::HANG;

pub(super) struct Talk {
    child: Arc<Mutex<Child>>,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    notes: Receiver<String>,
    noted: String,
    /// Dropped when the program has ended.
    watch: Option<Sender<()>>,
    sequence: u32,
}

impl Talk {
    /// `package`: what Debian calls it.
    pub(super) fn start(command: &mut Command, package: &str) -> Talk {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| {
            panic!("{:?} cannot be started, install {package}: {error}", command.get_program())
        });
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let notes = lines(child.stderr.take().unwrap());
        let child = Arc::new(Mutex::new(child));
        let watch = Some(watch(Arc::clone(&child)));
        Talk { child, stdin, stdout, notes, noted: String::new(), watch, sequence: 0 }
    }

    pub(super) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stdin.as_mut().expect("not closed").write_all(bytes.as_ref()).expect("it reads");
    }

    /// Ends its standard input.
    pub(super) fn close(&mut self) {
        self.stdin = None;
    }

    #[track_caller]
    pub(super) fn hear(&mut self, expected: &[u8]) {
        let mut heard = vec![0; expected.len()];
        if let Err(error) = self.stdout.read_exact(&mut heard) {
            panic!("{error} before {:?}; {}", text(expected), self.all_notes());
        }
        assert!(heard == expected, "{:?} and not {:?}", text(&heard), text(expected));
    }

    /// All up to these words.
    #[track_caller]
    pub(super) fn hear_until(&mut self, words: &str) -> String {
        let (mut heard, mut byte) = (Vec::new(), [0]);
        while !heard.ends_with(words.as_bytes()) {
            if self.stdout.read_exact(&mut byte).is_err() {
                panic!("the end before {words:?}: {}; {}", text(&heard), self.all_notes());
            }
            heard.push(byte[0]);
        }
        text(&heard)
    }

    /// Waits until it has noted these words on its standard error.
    #[track_caller]
    pub(super) fn note(&mut self, words: &str) {
        loop {
            let line = self.notes.recv().unwrap_or_else(|_| panic!("no {words:?} in {}", self.noted));
            self.noted += &line;
            if line.contains(words) {
                return;
            }
        }
    }

    /// Waits until it ends by itself: what it still said, and all its notes.
    pub(super) fn end(mut self) -> (String, String) {
        let mut heard = Vec::new();
        self.stdout.read_to_end(&mut heard).unwrap();
        let notes = self.all_notes();
        let status = self.child.lock().unwrap().wait().unwrap();
        assert!(status.success(), "{status}: {}; {notes}", text(&heard));
        (text(&heard), notes)
    }

    /// Those too that come until it ends.
    fn all_notes(&mut self) -> String {
        self.noted.extend(self.notes.iter());
        std::mem::take(&mut self.noted)
    }

    /// A command, and the answer that brings its body back.
    #[track_caller]
    pub(super) fn echo(&mut self, body: &[u8]) {
        self.sequence += 1;
        let head = format!("ECHO\r\nSequence: {}\r\nSize: {}\r\n\r\n", self.sequence, body.len());
        let answer = format!("OK\r\nSequence: {}\r\nSize: {}\r\n\r\n", self.sequence, body.len());
        self.say([head.as_bytes(), body].concat());
        self.hear(&[answer.as_bytes(), body].concat());
    }

    /// The same, with a word to the program itself in the middle of the command.
    #[track_caller]
    pub(super) fn echo_around(&mut self, word: impl FnOnce(&mut Talk)) {
        let body = body(2_000);
        let (first, rest) = body.split_at(16 * LINE);
        // Its answer says that the first half was read, which a pipe carries in one piece.
        let head = format!("{}ECHO\r\nSequence: e\r\nSize: {}\r\n\r\n", ping(0..1), body.len());
        self.say([head.as_bytes(), first].concat());
        self.hear(pong(0..1).as_bytes());
        word(self);
        self.say(rest);
        let answer = format!("OK\r\nSequence: e\r\nSize: {}\r\n\r\n", body.len());
        self.hear(&[answer.as_bytes(), &body].concat());
    }

    /// Commands with answers in one record and in several, a long row of small ones, and many at once.
    #[track_caller]
    pub(super) fn converse(&mut self) {
        for size in [0, 1, 100, 20_000, 100_000] {
            self.echo(&body(size));
        }
        for _ in 0..100 {
            self.echo(b"0123456789");
        }
        // Their answers fit into a pipe: nobody waits for a reader.
        let (commands, answers) = (ping(0..500), pong(0..500));
        self.say(commands);
        self.hear(answers.as_bytes());
    }
}

/// Nobody waits for a program whose story has failed.
impl Drop for Talk {
    fn drop(&mut self) {
        self.watch = None;
        // It may have ended.
        let _ = self.child.lock().unwrap().kill();
        let _ = self.child.lock().unwrap().wait();
    }
}

/// Ends a program that hangs, and with it the story that waits for its words.
fn watch(child: Arc<Mutex<Child>>) -> Sender<()> {
    let (watch, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        if ended.recv_timeout(HANG) == Err(RecvTimeoutError::Timeout) {
            child.lock().unwrap().kill().expect("a program of ours");
        }
    });
    watch
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (noted, notes) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            // The story may be over.
            let _ = noted.send(text(&line));
            line.clear();
        }
    });
    notes
}

fn ping(sequences: std::ops::Range<u32>) -> String {
    sequences.map(|sequence| format!("PING\r\nSequence: p{sequence}\r\n\r\n")).collect()
}

fn pong(sequences: std::ops::Range<u32>) -> String {
    sequences.map(|sequence| format!("OK\r\nSequence: p{sequence}\r\nSize: 0\r\n\r\n")).collect()
}

/// Digits, in lines: no program takes one for a word to itself, as s_client takes a `Q`; gnutls-cli
/// wants each word on a line of its own.
pub(super) fn body(size: usize) -> Vec<u8> {
    (0..size).map(|at| if at % LINE == LINE - 1 { b'\n' } else { b'0' + (at % 7) as u8 }).collect()
}

const LINE: usize = 61;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
