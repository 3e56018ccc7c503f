//! What must be heard and told, computed from the bytes that the client wrote: `docs/PROTOCOL.md` 3 to 7 in one
//! place and in order. Knows nothing of sessions, of cuts or of records.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reader::{Head, Reading, read};

/// How often each code was provoked in which way.
pub(super) type Ways = BTreeMap<String, u64>;

/// A reply: to whom, OK or its code, its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) sequence: Option<String>,
    pub(super) word: String,
    pub(super) body: Vec<u8>,
}

/// A connection as it must be.
pub(super) struct Model {
    pub(super) heard: Vec<(String, Vec<u8>)>,
    pub(super) told: Vec<Told>,
    pub(super) end: Option<End>,
    pub(super) ways: Ways,
    limit: u64,
    in_flight: usize,
    stream: Vec<u8>,
    at: usize,
    phase: Phase,
    /// Begun and not answered, the oldest first; one whose body comes is the last.
    running: Vec<Running>,
    clock: Duration,
    head_since: Option<Duration>,
    input: Input,
    is_stalled: bool,
    /// The `Timeout` of the one that waits.
    stalled_until: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server closed it, with this code.
    Closed(&'static str),
    /// The client said close_notify.
    Peer,
    /// The client ended it without.
    Vanished,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Open,
    Stopped,
    Notified,
    Cut,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Ready,
    Body(u64),
    Skipping(u64),
}

#[derive(Clone)]
struct Running {
    line: String,
    sequence: Option<String>,
    deadline: Option<Duration>,
}

impl Model {
    pub(super) fn new(limit: u64, in_flight: usize) -> Model {
        Model {
            heard: Vec::new(),
            told: Vec::new(),
            end: None,
            ways: Ways::new(),
            limit,
            in_flight,
            stream: Vec::new(),
            at: 0,
            phase: Phase::Ready,
            running: Vec::new(),
            clock: Duration::ZERO,
            head_since: None,
            input: Input::Open,
            is_stalled: false,
            stalled_until: None,
        }
    }

    /// The client wrote these bytes, and all of them have arrived.
    pub(super) fn arrive(&mut self, bytes: &[u8]) {
        self.stream.extend_from_slice(bytes);
        // While one waits nothing is read, and only an answer or the sweep looks whether it still has to.
        if !self.is_stalled {
            self.settle();
        }
    }

    /// Whether a one-way command waits because too much is in flight, and all that stands behind it.
    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// Whether the stream ends where a command does.
    pub(super) fn is_between_commands(&self) -> bool {
        self.phase == Phase::Ready && self.at == self.stream.len()
    }

    /// The lines of the commands whose answer the handler owes.
    pub(super) fn held(&self) -> Vec<String> {
        self.working().map(|running| running.line.clone()).collect()
    }

    fn working(&self) -> impl Iterator<Item = &Running> {
        let coming = usize::from(matches!(self.phase, Phase::Body(_)));
        self.running.iter().take(self.running.len().saturating_sub(coming))
    }

    /// The handler answers a command that it held.
    pub(super) fn answer(&mut self, line: &str, word: &str, body: &[u8]) {
        let held = self.working().position(|running| running.line == line);
        if let Some(at) = held.filter(|_| self.end.is_none()) {
            let running = self.running.remove(at);
            self.tell("later", &running, word, body);
            self.settle();
        }
    }

    /// What works on a held command panics.
    pub(super) fn panic(&mut self, line: &str) {
        let held = self.working().position(|running| running.line == line);
        if let Some(at) = held.filter(|_| self.end.is_none()) {
            let running = self.running.remove(at);
            self.close_after("later panic", &running, "failed");
        }
    }

    /// The server closes the connection.
    pub(super) fn close(&mut self, way: &str, code: &'static str) {
        if self.end.is_some() {
            return;
        }
        if matches!(self.phase, Phase::Body(_) | Phase::Skipping(_)) {
            self.count("in a body", code);
        }
        self.count(way, code);
        self.abandon(code);
        self.told.push(Told { sequence: None, word: code.to_owned(), body: Vec::new() });
        self.end = Some(End::Closed(code));
    }

    pub(super) fn input(&mut self, input: Input) {
        if self.input == Input::Open {
            (self.input, self.head_since) = (input, None);
            self.settle();
        }
    }

    /// Time passes, and the sweep does not come by.
    pub(super) fn drift(&mut self, time: Duration) {
        self.clock += time;
    }

    /// Time passes, and the sweep comes by.
    pub(super) fn pass(&mut self, time: Duration) {
        self.clock += time;
        if self.end.is_some() {
            return;
        }
        let due = |running: &Running| running.deadline.is_some_and(|deadline| deadline <= self.clock);
        let late: Vec<Running> = self.working().filter(|running| due(running)).cloned().collect();
        self.running.retain(|running| !late.iter().any(|late| late.line == running.line));
        let is_leaving = late.iter().any(|running| running.sequence.is_some());
        late.iter().for_each(|running| self.tell("later", running, "timed-out", b""));
        let body_is_late = self.running.last().is_some_and(|running| {
            matches!(self.phase, Phase::Body(_)) && running.deadline.is_some_and(|due| due <= self.clock)
        });
        let head_is_late = self.head_since.is_some_and(|since| since + HEAD <= self.clock);
        let is_idle = time >= IDLE && self.working().next().is_none() && !is_leaving;
        if body_is_late {
            self.skip_late();
        } else if head_is_late {
            self.close("half a head", "bad-command");
        } else if is_idle {
            self.close("nothing came", "idle");
        }
        self.settle();
    }

    fn skip_late(&mut self) {
        if let (Phase::Body(size), Some(running)) = (self.phase, self.running.pop()) {
            self.phase = Phase::Skipping(size);
            self.tell("in a body", &running, "timed-out", b"");
        }
    }

    fn settle(&mut self) {
        while self.end.is_none() && self.input != Input::Stopped && self.advance() {}
        let is_busy = self.working().next().is_some();
        if self.end.is_some() || self.is_stalled && self.input != Input::Stopped {
            return;
        }
        match self.input {
            Input::Stopped if !is_busy => self.close("stop", "shutting-down"),
            Input::Notified if !is_busy => self.end = Some(End::Peer),
            Input::Cut => self.end = Some(End::Vanished),
            _ => {}
        }
    }

    /// One thing more of the stream; whether there was one.
    fn advance(&mut self) -> bool {
        let rest = &self.stream[self.at..];
        match self.phase {
            Phase::Skipping(left) => {
                let part = left.min(rest.len() as u64);
                self.at += part as usize;
                self.phase = if part == left { Phase::Ready } else { Phase::Skipping(left - part) };
                part == left
            }
            Phase::Body(size) if size <= rest.len() as u64 => {
                let body = rest[..size as usize].to_vec();
                self.at += body.len();
                self.phase = Phase::Ready;
                let running = self.running.pop().unwrap();
                match running.deadline.is_some_and(|deadline| deadline <= self.clock) {
                    true => self.tell("behind a body", &running, "timed-out", b""),
                    false => self.hear(running, &body),
                }
                true
            }
            Phase::Ready if !rest.is_empty() => self.head(),
            _ => false,
        }
    }

    fn head(&mut self) -> bool {
        match read(&self.stream[self.at..]) {
            Reading::Whole(head) => {
                self.head_since = None;
                self.command(head)
            }
            Reading::Broken(code) => {
                self.close("head", code);
                false
            }
            Reading::Incomplete => {
                if self.input == Input::Open {
                    self.head_since.get_or_insert(self.clock);
                }
                false
            }
        }
    }

    fn command(&mut self, head: Head) -> bool {
        if word(&head.line, 0) == "CANCEL" {
            self.at += head.length;
            self.cancel(&head);
            return true;
        }
        let Head { line, sequence, size, timeout, length } = head;
        if sequence.is_some() && self.running.iter().any(|running| running.sequence == sequence) {
            self.close("head", "duplicate-sequence");
            return false;
        }
        let is_full = self.running.len() >= self.in_flight;
        let waited = self.stalled_until.take();
        let is_late = waited.is_some_and(|until| until <= self.clock);
        let deadline = waited.or(timeout.map(|timeout| self.clock + timeout));
        self.is_stalled = is_full && sequence.is_none() && !is_late;
        if self.is_stalled {
            self.stalled_until = deadline;
            return false;
        }
        self.at += length;
        let running = Running { line, sequence, deadline };
        if size > self.limit {
            self.close_after("head", &running, "body-too-large");
        } else if is_late {
            self.tell("head", &running, "timed-out", b"");
            self.phase = Phase::Skipping(size);
        } else if is_full {
            self.tell("head", &running, "overloaded", b"");
            self.phase = Phase::Skipping(size);
        } else if size == 0 {
            self.hear(running, b"");
        } else if word(&running.line, 0) == "REFUSE" {
            self.tell("refused body", &running, word(&running.line, 2), b"");
            self.phase = Phase::Skipping(size);
        } else {
            self.running.push(running);
            self.phase = Phase::Body(size);
        }
        true
    }

    fn cancel(&mut self, head: &Head) {
        if head.size > self.limit {
            return self.close("head", "body-too-large");
        }
        self.phase = Phase::Skipping(head.size);
        let victim = Some(word(&head.line, 1).to_owned());
        if let Some(at) = self.running.iter().position(|running| running.sequence == victim) {
            let running = self.running.remove(at);
            self.tell("CANCEL", &running, "cancelled", b"");
        }
    }

    fn hear(&mut self, running: Running, body: &[u8]) {
        let name = word(&running.line, 0);
        assert!(NAMES.contains(&name), "the stream itself has a canary where a command should be: {name}");
        self.heard.push((running.line.clone(), body.to_vec()));
        match name {
            "HOLD" => self.running.push(running),
            "PANIC" => self.close_after("panic", &running, "failed"),
            "FAIL" => self.tell("handler", &running, word(&running.line, 2), b""),
            _ if body.is_empty() => self.tell("handler", &running, "OK", running.line.as_bytes()),
            _ => self.tell("handler", &running, "OK", body),
        }
    }

    fn close_after(&mut self, way: &str, running: &Running, code: &'static str) {
        if running.sequence.is_none() {
            return self.close(way, code);
        }
        self.tell(way, running, code, b"");
        self.abandon(code);
        self.end = Some(End::Closed(code));
    }

    fn abandon(&mut self, code: &str) {
        for running in std::mem::take(&mut self.running) {
            self.tell("begun", &running, code, b"");
        }
    }

    fn tell(&mut self, way: &str, running: &Running, word: &str, body: &[u8]) {
        self.count(way, word);
        if running.sequence.is_some() {
            let (sequence, word, body) = (running.sequence.clone(), word.to_owned(), body.to_vec());
            self.told.push(Told { sequence, word, body });
        }
    }

    pub(super) fn count(&mut self, way: &str, word: &str) {
        *self.ways.entry(format!("{way}: {word}")).or_default() += 1;
    }
}

fn word(line: &str, at: usize) -> &str {
    line.split(' ').filter(|word| !word.is_empty()).nth(at).unwrap_or_default()
}

/// What a stream says; a canary is none of them.
const NAMES: [&str; 5] = ["ECHO", "HOLD", "FAIL", "REFUSE", "PANIC"];

/// "A head must be complete within 30 s of its first byte."
const HEAD: Duration = Duration::from_secs(30);
/// "idle 10 min with nothing in flight"
const IDLE: Duration = Duration::from_secs(600);
