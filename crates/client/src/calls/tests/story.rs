//! Calls over a session in the clear, and a server whose every word is written down in the story.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pinwire_proto::session::{ClientEvent, ClientSession};
use pinwire_proto::tls::Layer;
use pinwire_proto::wire::{Greeting, Request};

use super::super::{Calls, Deadline, Fed, Heard, Wanted, feed};
use crate::{Answer, Error, Limits};

/// A client, as its driver would have it.
pub(super) struct Story {
    pub(super) calls: Calls<u64>,
    session: ClientSession,
    pub(super) now: Instant,
    ended: Vec<(u64, Result<Answer, Error>)>,
    /// What is wrong with what the server said.
    pub(super) fault: Option<&'static str>,
}

/// How long a call of a story waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl Story {
    /// Nothing is connected.
    pub(super) fn new(limits: Limits, reconnects: bool) -> Story {
        Story {
            calls: Calls::new(limits, reconnects),
            session: session(),
            now: Instant::now(),
            ended: Vec::new(),
            fault: None,
        }
    }

    /// The server has let the client in.
    pub(super) fn connected() -> Story {
        let mut story = Story::new(Limits::default(), true);
        story.connect();
        story
    }

    /// A new connection, and the greeting.
    pub(super) fn connect(&mut self) {
        self.reach();
        self.hears("OK\r\n");
    }

    /// A new connection to the right server, which says nothing yet.
    pub(super) fn reach(&mut self) {
        self.session = session();
        self.hears("");
    }

    pub(super) fn call(&mut self, number: u64, line: &str) {
        self.request(number, Request::line(line));
    }

    /// A call that may be repeated.
    pub(super) fn ask(&mut self, number: u64, line: &str) {
        self.request(number, Request::line(line).repeatable());
    }

    pub(super) fn request(&mut self, number: u64, request: Request) {
        let limit = request.time_limit().unwrap_or(PATIENCE);
        let deadline = Some(Deadline { at: self.now + limit, limit, is_for_first_part: false });
        self.calls.add(number, Wanted { caller: number, request, deadline, feed: None });
        self.collect();
    }

    /// A call whose parts are taken one by one, and which waits for as long as it takes.
    pub(super) fn stream(&mut self, number: u64, request: Request) -> Taken {
        self.add_stream(number, request, None)
    }

    /// The same, which waits so long for its first part.
    pub(super) fn impatient_stream(&mut self, number: u64, request: Request, limit: Duration) -> Taken {
        self.add_stream(
            number,
            request,
            Some(Deadline { at: self.now + limit, limit, is_for_first_part: true }),
        )
    }

    /// The same with a deadline.
    pub(super) fn timed_stream(&mut self, number: u64, request: Request, limit: Duration) -> Taken {
        self.add_stream(
            number,
            request,
            Some(Deadline { at: self.now + limit, limit, is_for_first_part: false }),
        )
    }

    fn add_stream(&mut self, number: u64, request: Request, deadline: Option<Deadline>) -> Taken {
        let (feed, fed) = feed();
        self.calls.add(number, Wanted { caller: number, request, deadline, feed: Some(feed) });
        self.collect();
        Taken(fed)
    }

    /// What the client says now; nothing of it stays.
    pub(super) fn says(&mut self) -> String {
        self.calls.send(self.now, &mut self.session);
        self.collect();
        String::from_utf8(self.session.take_output()).unwrap()
    }

    /// The first lines of what it says now, each with its sequence.
    pub(super) fn lines(&mut self) -> Vec<String> {
        let said = self.says();
        let heads = said.split("\r\n\r\n").filter(|head| !head.is_empty());
        heads
            .map(|head| {
                let mut lines = head.split("\r\n");
                let line = lines.next().unwrap_or_default();
                let sequence = lines.find_map(|line| line.strip_prefix("Sequence: "));
                sequence.map_or(line.to_owned(), |sequence| format!("{line} #{sequence}"))
            })
            .collect()
    }

    /// What the server says.
    pub(super) fn hears(&mut self, bytes: impl AsRef<[u8]>) {
        self.session.receive(bytes.as_ref());
        while let Some(event) = self.session.next() {
            let heard = match event {
                ClientEvent::Handshaken { .. } => {
                    self.session.trust_server();
                    self.calls.trust();
                    continue;
                }
                ClientEvent::Greeting(Greeting::Ok) => {
                    self.calls.greeted();
                    continue;
                }
                ClientEvent::Greeting(Greeting::Refused { code, text }) => {
                    self.calls.refused(&code, &text);
                    continue;
                }
                ClientEvent::Answer(answer) => self.calls.hear(answer),
                ClientEvent::TooLarge(head) => self.calls.hear_too_large(head),
                ClientEvent::End(end) => panic!("{end}"),
            };
            match heard {
                Ok(Heard::Answer) => {}
                Ok(Heard::LastWord) => break,
                Err(fault) => self.fault = Some(fault),
            }
        }
        self.collect();
    }

    /// The connection ends without a word.
    pub(super) fn breaks(&mut self) {
        self.calls.lost("it broke");
        self.collect();
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.calls.expire(self.now);
        self.collect();
    }

    /// How calls ended since the last time, by their numbers, in words.
    pub(super) fn ended(&mut self) -> Vec<String> {
        self.collect();
        self.ended.sort_by_key(|(number, _)| *number);
        self.ended.drain(..).map(|(number, result)| format!("{number}: {}", words(&result))).collect()
    }

    /// The one answer that came since the last time.
    pub(super) fn answer(&mut self) -> Answer {
        self.collect();
        assert_eq!(self.ended.len(), 1);
        self.ended.remove(0).1.unwrap()
    }

    fn collect(&mut self) {
        self.ended.extend(self.calls.ended());
    }
}

/// Whoever takes the parts of a stream.
pub(super) struct Taken(Fed);

impl Taken {
    pub(super) fn new(fed: Fed) -> Taken {
        Taken(fed)
    }

    /// The body of the next part that is there; none if there is none, now or ever.
    pub(super) fn take(&mut self) -> Option<String> {
        match self.0.poll_take(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(part) => part.map(|part| String::from_utf8(part.body).unwrap()),
            Poll::Pending => None,
        }
    }

    /// All that are there.
    pub(super) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.take()).collect()
    }
}

pub(super) fn session() -> ClientSession {
    ClientSession::over(Layer::clear(None)).at_most(Limits::default().answer as u64)
}

/// The kind of the end, its code and its outcome.
pub(super) fn words(result: &Result<Answer, Error>) -> String {
    let error = match result {
        Ok(answer) => return format!("OK {}", String::from_utf8_lossy(&answer.body)),
        Err(error) => error,
    };
    let kind = match error {
        Error::Reply { .. } => "reply ",
        Error::Closed { .. } => "closed ",
        Error::Refused { .. } => "refused ",
        Error::Lost { .. } => "lost ",
        Error::TimedOut { .. } => "timed out ",
        Error::TooLarge { .. } => "too large ",
        Error::Behind { .. } => "behind ",
        _ => "other ",
    };
    let code = error.code().map(|code| format!("{code} ")).unwrap_or_default();
    format!("{kind}{code}{:?}", error.outcome())
}

/// A reply of a server.
pub(super) fn reply(sequence: u64, body: &str) -> String {
    format!("OK\r\nSequence: {sequence}\r\nSize: {}\r\n\r\n{body}", body.len())
}

/// A part of one.
pub(super) fn part(sequence: u64, body: &str) -> String {
    format!("OK\r\nSequence: {sequence}\r\nSize: {}\r\nMore: yes\r\n\r\n{body}", body.len())
}

pub(super) fn error(sequence: u64, code: &str) -> String {
    format!("ERR: {code}: why\r\nSequence: {sequence}\r\nSize: 0\r\n\r\n")
}

/// What a server says to the whole connection.
pub(super) fn last_word(code: &str) -> String {
    format!("ERR: {code}: why\r\nSize: 0\r\n\r\n")
}
