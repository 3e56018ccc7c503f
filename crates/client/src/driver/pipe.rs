//! One connection: a socket and the session over it. Reads while it writes, and reads to the end when a write
//! fails: the reason may be on its way.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pinwire_proto::session::{ClientEnd, ClientEvent, ClientSession};
use pinwire_proto::wire::Greeting;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::Limits;
use crate::calls::{Calls, Heard};

/// A socket, the session over it, and how far they are.
#[derive(Debug)]
pub(super) struct Pipe<S> {
    socket: S,
    session: ClientSession,
    stage: Stage,
    certificate: Vec<u8>,
    linger: Duration,
    silence: Duration,
    /// Since when the server has given no sign of life although it owes something.
    owed_since: Option<Instant>,
    /// Whether the socket took nothing at the last try.
    is_full: bool,
    /// Why nothing more can be written.
    broken: Option<io::Error>,
    /// Whether a command was answered.
    was_good: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Until the greeting, which has its time.
    Connecting {
        deadline: Instant,
    },
    Open,
    /// A write failed: what still comes is read, for a while.
    Listening {
        until: Instant,
    },
    /// Goodbye is said and on its way, for a while.
    Leaving {
        until: Instant,
    },
}

/// What a turn came to.
#[derive(Debug)]
pub(super) enum Turn {
    /// Nothing can be done before the socket, the clock or a caller says more.
    Waits,
    Moved,
    /// The server is to be judged; nothing leaves before [`Pipe::trust`].
    Handshaken,
    Greeted,
    Over(Over),
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Over {
    NotReachable(io::Error),
    /// No pinwire server, or TLS could not go on.
    NoHandshake(String),
    /// Ended without a word before the greeting.
    BeforeGreeting(String),
    /// Not the right server.
    Wrong(crate::Error),
    Refused {
        code: String,
        text: String,
    },
    /// Ended without a word.
    Lost(String),
    /// The server said why; the calls have heard it.
    LastWord,
    /// This client left.
    Goodbye,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pipe<S> {
    pub(super) fn new(socket: S, session: ClientSession, deadline: Instant, limits: &Limits) -> Pipe<S> {
        Pipe {
            socket,
            session: session.at_most(limits.answer as u64),
            stage: Stage::Connecting { deadline },
            certificate: Vec::new(),
            linger: limits.linger,
            silence: limits.silence,
            owed_since: None,
            is_full: false,
            broken: None,
            was_good: false,
        }
    }

    /// What the server showed and proved, DER.
    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// It is the right server; whether the session was resumed.
    pub(super) fn trust(&mut self) -> bool {
        self.session.trust_server();
        self.session.is_resumed()
    }

    pub(super) fn was_good(&self) -> bool {
        self.was_good
    }

    pub(super) fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Open => self.owed_since.map(|since| since + self.silence),
            Stage::Connecting { deadline: due }
            | Stage::Listening { until: due }
            | Stage::Leaving { until: due } => Some(due),
        }
    }

    /// What came is looked at before anything leaves: a server that is not judged yet is told nothing, and one
    /// that has said its last word nothing more.
    pub(super) fn turn<K>(
        &mut self,
        now: Instant,
        calls: &mut Calls<K>,
        is_leaving: bool,
        cx: &mut Context<'_>,
    ) -> Turn {
        let is_all_said = self.session.unsent() == 0;
        let has_read = self.read(now, cx);
        while let Some(event) = self.session.next() {
            match self.event(event, calls) {
                // What waits for the socket stays unsaid: its calls are told so.
                Some(Turn::Over(over)) if is_all_said => return self.say_last(over, cx),
                Some(turn) => return turn,
                None => {}
            }
        }
        calls.expire(now.into_std());
        if self.broken.is_none() {
            calls.send(now.into_std(), &mut self.session);
        }
        if is_leaving && calls.is_empty() {
            self.leave(now);
        }
        let was_full = self.is_full;
        let has_written = self.write(now, cx);
        self.listen_for_silence(now, calls.is_owed(), has_read || was_full && has_written);
        match self.is_over(now) {
            Some(over) => Turn::Over(over),
            None if has_read || has_written => Turn::Moved,
            None => Turn::Waits,
        }
    }

    /// A server answers a command when its time is over, and at once when it is taken back. One that does not,
    /// and gives no sign of life either, is not there any more, whatever the system thinks of the connection.
    /// That a full socket has room again is a sign: the other side took something. That one with room takes
    /// more is none.
    fn listen_for_silence(&mut self, now: Instant, is_owed: bool, is_alive: bool) {
        match self.owed_since.filter(|_| is_owed && !is_alive) {
            Some(_) => {}
            None => self.owed_since = is_owed.then_some(now),
        }
    }

    fn read(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let mut room = [const { MaybeUninit::uninit() }; READ];
        let mut bytes = ReadBuf::uninit(&mut room);
        match Pin::new(&mut self.socket).poll_read(cx, &mut bytes) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) if bytes.filled().is_empty() => self.session.end_of_input(),
            Poll::Ready(Ok(())) => self.session.receive(bytes.filled()),
            Poll::Ready(Err(error)) => {
                self.fail(error, now);
                self.session.end_of_input();
            }
        }
        true
    }

    /// Once: the other direction has its turn before more is written.
    fn write(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        if self.broken.is_some() || self.session.output().is_empty() {
            return false;
        }
        let written = Pin::new(&mut self.socket).poll_write(cx, self.session.output());
        self.is_full = false;
        match written {
            Poll::Pending => {
                self.is_full = true;
                return false;
            }
            Poll::Ready(Ok(0)) => self.fail(io::ErrorKind::WriteZero.into(), now),
            Poll::Ready(Ok(length)) => self.session.sent(length),
            Poll::Ready(Err(error)) => self.fail(error, now),
        }
        true
    }

    /// An alert or a goodbye, if the socket takes it at once.
    fn say_last(&mut self, over: Over, cx: &mut Context<'_>) -> Turn {
        self.session.close();
        if self.broken.is_none() && !self.session.output().is_empty() {
            let _ = Pin::new(&mut self.socket).poll_write(cx, self.session.output());
        }
        Turn::Over(over)
    }

    fn fail(&mut self, error: io::Error, now: Instant) {
        self.broken.get_or_insert(error);
        let until = now + self.linger;
        match &mut self.stage {
            Stage::Connecting { deadline } => *deadline = until.min(*deadline),
            Stage::Open => self.stage = Stage::Listening { until },
            Stage::Listening { .. } | Stage::Leaving { .. } => {}
        }
    }

    fn event<K>(&mut self, event: ClientEvent, calls: &mut Calls<K>) -> Option<Turn> {
        match event {
            ClientEvent::Handshaken { certificate } => {
                self.certificate = certificate;
                Some(Turn::Handshaken)
            }
            ClientEvent::Greeting(Greeting::Ok) => {
                self.owed_since = None;
                self.stage = match (self.stage, &self.broken) {
                    (Stage::Connecting { deadline }, Some(_)) => Stage::Listening { until: deadline },
                    _ => Stage::Open,
                };
                Some(Turn::Greeted)
            }
            ClientEvent::Greeting(Greeting::Refused { code, text }) => {
                Some(Turn::Over(Over::Refused { code, text }))
            }
            ClientEvent::Answer(answer) => self.heard(calls.hear(answer)),
            ClientEvent::TooLarge(head) => self.heard(calls.hear_too_large(head)),
            ClientEvent::End(end) => Some(Turn::Over(self.end(&end))),
        }
    }

    fn heard(&mut self, heard: Result<Heard, &'static str>) -> Option<Turn> {
        match heard {
            Ok(Heard::Answer) => {
                self.was_good = true;
                None
            }
            Ok(Heard::LastWord) => Some(Turn::Over(Over::LastWord)),
            Err(why) => Some(Turn::Over(Over::Lost(format!("the server broke the protocol: {why}")))),
        }
    }

    fn end(&self, end: &ClientEnd) -> Over {
        let why = match (&self.broken, end) {
            (Some(error), ClientEnd::Vanished) => format!("the connection broke: {error}"),
            _ => end.to_string(),
        };
        match (self.stage, end) {
            (Stage::Connecting { .. }, ClientEnd::Tls(_) | ClientEnd::Violation(_)) => Over::NoHandshake(why),
            (Stage::Connecting { .. }, _) => Over::BeforeGreeting(why),
            _ => Over::Lost(why),
        }
    }

    /// Says goodbye, once.
    fn leave(&mut self, now: Instant) {
        if !matches!(self.stage, Stage::Leaving { .. }) {
            self.session.close();
            self.stage = Stage::Leaving { until: now + self.linger };
        }
    }

    fn is_over(&mut self, now: Instant) -> Option<Over> {
        match self.stage {
            Stage::Open => self.due().filter(|due| *due <= now).map(|_| Over::Lost(SILENT.to_owned())),
            Stage::Connecting { deadline } if deadline > now => None,
            Stage::Connecting { .. } if self.broken.is_some() => Some(self.end(&ClientEnd::Vanished)),
            Stage::Connecting { .. } => Some(Over::BeforeGreeting(SLOW.to_owned())),
            Stage::Listening { until } => (until <= now).then(|| self.end(&ClientEnd::Vanished)),
            Stage::Leaving { until } => {
                let is_said = self.broken.is_some() || self.session.output().is_empty();
                (is_said || until <= now).then_some(Over::Goodbye)
            }
        }
    }
}

/// Two full TLS records a read, on the stack.
const READ: usize = 32 * 1024;

const SLOW: &str = "the server took too long to let this client in";
const SILENT: &str = "the server owes an answer and gives no sign of life";
