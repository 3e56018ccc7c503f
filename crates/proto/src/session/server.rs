//! The server's side of one connection: handshake, judgement, greeting, commands, replies, goodbye.
//!
//! A turn is `open` (wire → plain), `next` until it has no more events, answers as they come, `seal`
//! (replies → sealed). What the peer does wrong ends in words on the wire and a [`Disconnect`], never in an
//! error that the driver must handle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::buffers::Leftovers;
use super::flights::{Flights, ReplyTo};
use super::{Buffers, Now, Plain};
use crate::code::Code;
use crate::limits::Limits;
use crate::tls::{Layer, ServerTls, TlsFailure};
use crate::trust::{self, Judged, Presented, TrustList};
use crate::wire::{
    BodyReader, Discard, Encoder, Head, Misuse, OwnedHead, Scan, Sequence, greeting_error, greeting_ok,
};

/// One connection as the server sees it.
#[derive(Debug)]
pub struct ServerSession {
    layer: Layer,
    limits: Arc<Limits>,
    phase: Phase,
    input: Input,
    scan: Scan,
    /// What the peer sent and no turn could finish.
    left: Option<Box<Leftovers>>,
    /// Commands begun and not answered, or answered and not yet taken by the socket.
    flights: Option<Box<Flights>>,
    flown: u32,
    /// Replies that came between turns.
    waiting: Vec<u8>,
    judged: Option<Box<Judged>>,
    /// Whether the peer was let in.
    is_known: bool,
    /// Whether a command waits because too much is unsent.
    is_held: bool,
    /// Whether the driver was not to read in this turn.
    is_paused: bool,
    /// Bytes of the stream to the peer, sealed since the beginning.
    sealed: u64,
    /// Bytes of that which the socket has taken.
    sent: u64,
    began: Instant,
    active: Instant,
    /// When the head that is still incomplete began.
    head_began: Option<Instant>,
    ended: Option<Box<Disconnect>>,
}

/// Something for the driver to do. Borrows the worker's buffers, never the session.
#[derive(Debug)]
pub enum Event<'p> {
    /// The peer's certificate is on the list: say [`admit`](ServerSession::admit) or
    /// [`refuse`](ServerSession::refuse).
    Connect,
    /// A body is announced: unless [`refuse_body`](ServerSession::refuse_body) is said, it is taken.
    Body(Head<'p>),
    /// A whole command.
    Command {
        /// Its head.
        head: Head<'p>,
        /// Its body; empty if there is none.
        body: &'p [u8],
        /// Where the answer goes.
        to: ReplyTo,
    },
    /// The client took this flight back and was told so: stop working on it.
    Cancelled(u32),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The server closed it, and said this.
    Closed {
        /// The reason.
        code: Code,
        /// The reason's text, as the peer was told.
        text: String,
    },
    /// The peer said close_notify, and all it had asked for was answered.
    Peer,
    /// The peer was gone without a close_notify.
    Vanished,
    /// TLS could not go on.
    Tls(TlsFailure),
    /// No complete handshake in time.
    HandshakeTimeout,
}

#[derive(Debug)]
enum Phase {
    Handshake,
    /// The certificate is trusted; the handler has the last word.
    Connecting,
    /// The greeting is out: heads come next.
    Ready,
    Receiving(Box<Coming>),
    Discarding(Box<Skipped>),
    /// All is said but close_notify.
    Closing,
    Closed,
}

/// What still comes from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// The server stops: what has not begun will not.
    Stopped,
    /// The peer said close_notify.
    Finished,
    /// The peer was gone without it.
    Cut,
}

/// A command whose body is on its way.
#[derive(Debug)]
pub(super) struct Coming {
    head: OwnedHead,
    body: Body,
    to: ReplyTo,
    pace: Pace,
}

/// A body that is read over.
#[derive(Debug)]
struct Skipped {
    body: Discard,
    pace: Pace,
}

/// How fast a body comes: it is activity while it brings [`PROGRESS`] bytes in each span.
#[derive(Clone, Copy, Debug)]
struct Pace {
    since: Instant,
    progress: u64,
}

#[derive(Debug)]
enum Body {
    Reader(BodyReader),
    Whole(Vec<u8>),
}

impl ServerSession {
    /// A connection that was accepted just now.
    pub fn new(tls: &ServerTls, limits: Arc<Limits>, now: Now) -> Result<Self, TlsFailure> {
        Ok(ServerSession::over(Layer::server(tls, now.unix)?, limits, now))
    }

    /// A connection over any record layer.
    pub fn over(layer: Layer, limits: Arc<Limits>, now: Now) -> Self {
        ServerSession {
            layer,
            limits,
            phase: Phase::Handshake,
            input: Input::Open,
            scan: Scan::default(),
            left: None,
            flights: None,
            flown: 0,
            waiting: Vec::new(),
            judged: None,
            is_known: false,
            is_held: false,
            is_paused: false,
            sealed: 0,
            sent: 0,
            began: now.instant,
            active: now.instant,
            head_began: None,
            ended: None,
        }
    }

    /// Wire → plain: takes records apart, and judges the peer between the handshake and its first record.
    pub fn open(&mut self, now: Now, list: &TrustList, io: &mut Buffers) {
        self.sent = self.sealed.saturating_sub(io.unsent as u64);
        self.is_paused = !self.wants_read(io.unsent);
        // Taken whole: an idle connection owns no buffer.
        io.replies.append(&mut std::mem::take(&mut self.waiting));
        if let Some(left) = self.left.take() {
            io.wire.put_back(&left.wire);
            io.plain.bytes.extend_from_slice(&left.plain);
        }
        let opened = match self.phase {
            Phase::Closed => {
                io.wire.clear();
                Ok(())
            }
            Phase::Handshake => self.shake_hands(now, list, io),
            _ => self.open_records(now, io),
        };
        if let Err(failure) = opened {
            self.layer.alert(&mut io.sealed);
            self.end(Disconnect::Tls(failure));
        }
    }

    fn shake_hands(&mut self, now: Now, list: &TrustList, io: &mut Buffers) -> Result<(), TlsFailure> {
        let limit = self.limits.handshake_bytes.min(MOST_HANDSHAKE_BYTES);
        let used = self.layer.handshake(io.wire.unread(), limit, &mut io.sealed)?;
        io.wire.consume(used);
        if self.layer.is_handshaking() {
            return Ok(());
        }
        self.judge(now, list, &mut io.replies);
        self.open_records(now, io)
    }

    /// Whom TLS has let through may still not be on the list; then nothing of what it sent is opened.
    fn judge(&mut self, now: Now, list: &TrustList, replies: &mut Vec<u8>) {
        let presented = self.layer.peer_certificate().map_or(Presented::Nothing, Presented::Certificate);
        match trust::judge(list, presented, now.unix) {
            Ok(judged) => {
                self.judged = Some(Box::new(judged));
                self.phase = Phase::Connecting;
            }
            Err(refusal) => self.close_with(refusal.code, &refusal.text, replies),
        }
    }

    fn open_records(&mut self, now: Now, io: &mut Buffers) -> Result<(), TlsFailure> {
        if matches!(self.phase, Phase::Closing | Phase::Closed) {
            io.wire.clear();
            return Ok(());
        }
        let before = io.plain.bytes.len();
        let used = self.layer.open(io.wire.unread(), &mut io.plain.bytes)?;
        io.wire.consume(used);
        // A body has its own measure of activity.
        let is_body = matches!(self.phase, Phase::Receiving(_) | Phase::Discarding(_));
        if io.plain.bytes.len() > before && !is_body {
            self.active = now.instant;
        }
        if self.layer.peer_closed() && self.input == Input::Open {
            self.input = Input::Finished;
        }
        Ok(())
    }

    /// Plain → event: what is to be done next, until nothing can be.
    pub fn next<'p>(&mut self, now: Now, plain: &'p mut Plain, replies: &mut Vec<u8>) -> Option<Event<'p>> {
        let Plain { bytes, at, whole } = plain;
        let bytes: &'p [u8] = bytes;
        loop {
            match &mut self.phase {
                Phase::Connecting if self.input == Input::Stopped => return None,
                Phase::Connecting => return Some(Event::Connect),
                Phase::Discarding(skipped) => {
                    *at += skipped.take(&bytes[*at..], now, &mut self.active, self.limits.slow_reader);
                    if !skipped.body.is_done() {
                        return None;
                    }
                    self.phase = Phase::Ready;
                }
                Phase::Receiving(coming) => {
                    *at += coming.take(&bytes[*at..], now, &mut self.active, self.limits.slow_reader);
                    if !coming.is_complete() {
                        return None;
                    }
                    let Phase::Receiving(coming) = std::mem::replace(&mut self.phase, Phase::Ready) else {
                        return None;
                    };
                    if coming.to.deadline.is_some_and(|deadline| deadline <= now.instant) {
                        self.time_out(&coming.to, replies);
                        continue;
                    }
                    return Some(whole.insert(Coming::completed(coming)).event());
                }
                Phase::Ready => match self.head(now, &bytes[*at..], replies) {
                    Found::Nothing => return None,
                    Found::Passed(length) => *at += length,
                    Found::Event(length, event) => {
                        *at += length;
                        return Some(event);
                    }
                },
                Phase::Handshake | Phase::Closing | Phase::Closed => return None,
            }
        }
    }

    /// One head at the beginning of `rest`, and what becomes of it.
    fn head<'p>(&mut self, now: Now, rest: &'p [u8], replies: &mut Vec<u8>) -> Found<'p> {
        if rest.is_empty() || self.input == Input::Stopped {
            return Found::Nothing;
        }
        self.is_held = self.is_saturated(replies.len());
        if self.is_held {
            return Found::Nothing;
        }
        let (head, length) = match self.scan.decode(rest) {
            Ok(None) => return Found::Nothing,
            Ok(Some(found)) => found,
            Err(violation) => {
                self.close_with(violation.code, &violation.text, replies);
                return Found::Nothing;
            }
        };
        self.head_began = None;
        if head.name().eq_ignore_ascii_case("CANCEL") {
            return self.cancel(now, &head, length, replies);
        }
        self.begin(now, head, length, replies)
    }

    fn begin<'p>(&mut self, now: Now, head: Head<'p>, length: usize, replies: &mut Vec<u8>) -> Found<'p> {
        let (sequence, size) = (head.sequence(), head.size().unwrap_or(0));
        let sent = self.sent;
        let flights = self.flights.get_or_insert_default();
        if sequence.is_some_and(|sequence| flights.holds(&sequence, sent)) {
            let text = "a sequence may be used again once its last answer has been sent";
            self.close_with(Code::DuplicateSequence, text, replies);
            return Found::Nothing;
        }
        let full = flights.running() >= self.limits.in_flight;
        if full && sequence.is_none() {
            return Found::Nothing; // it waits, and so does the reading of what follows it
        }
        let to = ReplyTo { sequence, flight: self.flown, deadline: deadline(&head, now, &self.limits) };
        self.flown = self.flown.wrapping_add(1);
        flights.begin(&to);
        if size > self.limits.body {
            self.body_too_large(&to, size, replies);
            return Found::Passed(length);
        }
        if full {
            let text = format!("{} commands are in flight already", self.limits.in_flight);
            self.error(&to, replies, Code::Overloaded, &text);
            return self.pass(now, length, size);
        }
        if size == 0 {
            return Found::Event(length, Event::Command { head, body: &[], to });
        }
        self.phase = Phase::Receiving(Box::new(Coming::new(head, size, to, now)));
        Found::Event(length, Event::Body(head))
    }

    /// Goes on behind a head of `length` bytes, whose body of `size` nobody wants.
    fn pass<'p>(&mut self, now: Now, length: usize, size: u64) -> Found<'p> {
        if size > 0 {
            self.phase = Phase::Discarding(Box::new(Skipped::new(size, Pace::new(now.instant))));
        }
        Found::Passed(length)
    }

    fn cancel<'p>(&mut self, now: Now, head: &Head<'p>, length: usize, replies: &mut Vec<u8>) -> Found<'p> {
        let size = head.size().unwrap_or(0);
        if size > self.limits.body {
            let to = ReplyTo { sequence: None, flight: self.flown, deadline: None };
            self.body_too_large(&to, size, replies);
            return Found::Passed(length);
        }
        let passed = self.pass(now, length, size);
        let Some(sequence) = head.arg(0).and_then(|word| Sequence::new(word.as_bytes())) else {
            return passed;
        };
        let flight = self.flights.as_ref().and_then(|flights| flights.running_flight(&sequence));
        let Some(flight) = flight else { return passed };
        let to = ReplyTo { sequence: Some(sequence), flight, deadline: None };
        self.error(&to, replies, Code::Cancelled, "");
        Found::Event(length, Event::Cancelled(flight))
    }

    /// Answers, and closes: the body is too long to be read and thrown away.
    fn body_too_large(&mut self, to: &ReplyTo, size: u64, replies: &mut Vec<u8>) {
        let text = format!("a body may have {} bytes, this one was announced with {size}", self.limits.body);
        self.close_after(to, Code::BodyTooLarge, &text, replies);
    }

    /// Above the bound no further command is begun, not even one already read.
    fn is_saturated(&self, unsealed: usize) -> bool {
        (self.sealed - self.sent) as usize + unsealed > self.limits.unsent
    }

    /// The handler takes the peer: it is greeted.
    pub fn admit(&mut self, replies: &mut Vec<u8>) {
        if matches!(self.phase, Phase::Connecting) {
            greeting_ok(replies);
            self.is_known = true;
            self.phase = Phase::Ready;
        }
    }

    /// The handler does not take the peer, and says why.
    pub fn refuse(&mut self, code: Code, text: &str, replies: &mut Vec<u8>) {
        if matches!(self.phase, Phase::Connecting) {
            self.close_with(code, text, replies);
        }
    }

    /// The body of the last [`Event::Body`] is not wanted: answers at once, reads the body and throws it away.
    pub fn refuse_body(&mut self, code: Code, text: &str, replies: &mut Vec<u8>) {
        if let Phase::Receiving(coming) = &self.phase {
            let (to, skipped) = (coming.to, Skipped::new(coming.left(), coming.pace));
            self.phase = Phase::Discarding(Box::new(skipped));
            self.error(&to, replies, code, text);
        }
    }

    /// Whether `to` still waits for its answer: not cancelled, not timed out, not closed.
    pub fn is_owed(&self, to: &ReplyTo) -> bool {
        self.flights.as_ref().is_some_and(|flights| flights.runs(to))
    }

    /// Answers `to` with OK and what `write` adds. Nothing is sent for a one-way command, or when the answer
    /// is no longer owed.
    ///
    /// # Errors
    /// [`Misuse`] from `write`: nothing was written, and the answer is still owed.
    pub fn ok(
        &mut self,
        to: &ReplyTo,
        replies: &mut Vec<u8>,
        write: impl FnOnce(&mut Encoder<'_>) -> Result<(), Misuse>,
    ) -> Result<(), Misuse> {
        if !self.is_owed(to) {
            return Ok(());
        }
        let mut encoder = Encoder::ok(replies, to.sequence.as_ref());
        write(&mut encoder)?;
        match to.sequence {
            Some(_) => encoder.finish(),
            None => drop(encoder),
        }
        self.answered(to, replies.len());
        Ok(())
    }

    /// Answers `to` with an error. Nothing is sent for a one-way command, or when it is no longer owed.
    pub fn error(&mut self, to: &ReplyTo, replies: &mut Vec<u8>, code: Code, text: &str) {
        if !self.is_owed(to) {
            return;
        }
        if to.sequence.is_some() {
            Encoder::error(replies, to.sequence.as_ref(), code, text).finish();
        }
        self.answered(to, replies.len());
    }

    fn answered(&mut self, to: &ReplyTo, unsealed: usize) {
        let end = self.sealed + unsealed as u64;
        if let Some(flights) = &mut self.flights {
            flights.answered(to, end);
        }
    }

    /// `to`'s time is up: says so, if the answer is still owed, and whether it was.
    pub fn time_out(&mut self, to: &ReplyTo, replies: &mut Vec<u8>) -> bool {
        let owed = self.is_owed(to);
        self.error(to, replies, Code::TimedOut, "");
        owed
    }

    /// An answer that comes between turns; the driver sees to it that a turn follows.
    pub fn between_turns<R>(&mut self, answer: impl FnOnce(&mut Self, &mut Vec<u8>) -> R) -> R {
        let mut waiting = std::mem::take(&mut self.waiting);
        let result = answer(self, &mut waiting);
        if !self.is_closed() {
            self.waiting = waiting;
        }
        result
    }

    /// Says `code` to everything that is owed, then to the connection, and closes.
    pub fn close_with(&mut self, code: Code, text: &str, replies: &mut Vec<u8>) {
        match self.phase {
            Phase::Closing | Phase::Closed => return,
            Phase::Handshake if self.layer.is_handshaking() => {
                return self.end(Disconnect::Closed { code, text: text.to_owned() });
            }
            Phase::Handshake | Phase::Connecting => greeting_error(replies, code, text),
            _ => {
                self.abandon(code, replies);
                Encoder::error(replies, None, code, text).finish();
            }
        }
        self.closing(code, text);
    }

    /// Says `code` to `to`, as its own final answer, and closes. A one-way command has no answer: the
    /// connection is told.
    pub fn close_after(&mut self, to: &ReplyTo, code: Code, text: &str, replies: &mut Vec<u8>) {
        if to.sequence.is_none() {
            return self.close_with(code, text, replies);
        }
        self.error(to, replies, code, text);
        self.abandon(code, replies);
        self.closing(code, text);
    }

    /// Every begun command with a sequence gets its final answer: the closing code, its outcome unknown.
    fn abandon(&mut self, code: Code, replies: &mut Vec<u8>) {
        let begun = self.flights.take().map(|mut flights| flights.abandon()).unwrap_or_default();
        for sequence in begun {
            Encoder::error(replies, Some(&sequence), code, "").finish();
        }
    }

    fn closing(&mut self, code: Code, text: &str) {
        self.phase = Phase::Closing;
        self.ended = Some(Box::new(Disconnect::Closed { code, text: text.to_owned() }));
    }

    fn end(&mut self, why: Disconnect) {
        self.phase = Phase::Closed;
        self.flights = None;
        self.left = None;
        self.waiting = Vec::new();
        self.ended.get_or_insert(Box::new(why));
    }

    /// The socket has no more bytes. Without a close_notify before it, the peer is gone.
    pub fn end_of_input(&mut self) {
        if self.input != Input::Finished {
            self.input = Input::Cut;
        }
    }

    /// The socket is broken in both directions: nothing more can be said.
    pub fn broken(&mut self) {
        self.end(Disconnect::Vanished);
    }

    /// The server stops: no further command is begun, and the connection closes once the last is answered.
    pub fn stop(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Stopped;
        }
    }

    /// Replies → sealed: one record for the whole batch; then keeps what is unfinished.
    pub fn seal(&mut self, now: Now, io: &mut Buffers) {
        self.settle(&mut io.replies);
        if !matches!(self.phase, Phase::Closed)
            && let Err(failure) = self.seal_replies(io)
        {
            self.end(Disconnect::Tls(failure));
        }
        self.sealed += io.sealed.len() as u64;
        io.replies.clear();
        self.keep(now, io);
    }

    fn seal_replies(&mut self, io: &mut Buffers) -> Result<(), TlsFailure> {
        if !self.layer.is_handshaking() {
            self.layer.seal(&io.replies, &mut io.sealed)?;
        }
        if matches!(self.phase, Phase::Closing) {
            self.layer.close(&mut io.sealed)?;
            self.phase = Phase::Closed;
        }
        Ok(())
    }

    /// Ends the connection if its last command is answered and no other will begin.
    fn settle(&mut self, replies: &mut Vec<u8>) {
        // A command whose body has not come will not run, and is not waited for.
        let running = self.flights.as_ref().map_or(0, |flights| flights.running());
        let busy = running > self.receiving();
        match self.input {
            Input::Cut => {
                self.end(Disconnect::Vanished);
                replies.clear();
            }
            // Before its greeting a peer is told in the greeting, once it can be.
            Input::Stopped if !busy && !self.layer.is_handshaking() => {
                self.close_with(Code::ShuttingDown, "", replies);
            }
            Input::Finished if !busy && !self.is_held => self.finish(),
            _ => {}
        }
    }

    fn finish(&mut self) {
        if !matches!(self.phase, Phase::Closing | Phase::Closed) {
            self.phase = Phase::Closing;
            self.flights = None;
            self.ended = Some(Box::new(Disconnect::Peer));
        }
    }

    /// What a turn leaves to the next one: what is unfinished, and nothing else.
    fn keep(&mut self, now: Now, io: &mut Buffers) {
        self.left = match self.phase {
            Phase::Closed => None,
            _ => Leftovers::save(io),
        };
        // While the server itself does not read, no head is late.
        let is_begun = matches!(self.phase, Phase::Ready) && self.scan != Scan::default();
        match is_begun && !self.is_saturated(0) {
            true => _ = self.head_began.get_or_insert(now.instant),
            false => self.head_began = None,
        }
        // Whoever waited for an answer until now was not idle. (None in flight: a one-way command just ended.)
        let in_flight = self.flights.as_ref().map(|flights| flights.in_flight());
        if in_flight.is_some_and(|count| count == 0 || count > self.receiving()) {
            self.active = now.instant;
        }
        io.wire.clear();
        io.plain.clear();
    }

    /// The socket has taken all but `unsent` of what was sealed: flights that are over are forgotten.
    pub fn taken(&mut self, unsent: usize) {
        self.sent = self.sealed - unsent as u64;
        if let Some(flights) = &mut self.flights {
            flights.forget_sent(self.sent);
            if flights.is_empty() {
                self.flights = None;
            }
        }
    }

    /// Whether the driver should read: something may come, and there is room for what it asks for.
    pub fn wants_read(&self, unsent: usize) -> bool {
        let closed = matches!(self.phase, Phase::Closing | Phase::Closed);
        let full = self.flights.as_ref().is_some_and(|flights| flights.running() >= self.limits.in_flight)
            && self.left.as_ref().is_some_and(|left| !left.plain.is_empty());
        let open = match self.input {
            Input::Open => true,
            // A peer in its handshake is told in its greeting.
            Input::Stopped => self.is_handshaking(),
            Input::Finished | Input::Cut => false,
        };
        open && !closed && !full && !self.is_held && unsent <= self.limits.unsent
    }

    /// Whether another turn should follow at once, although nothing came: what waited for the socket may begin
    /// now, or the driver, which was not to read in this turn, should.
    pub fn wants_turn(&self, unsent: usize) -> bool {
        if self.is_closed() || self.input == Input::Stopped || unsent > self.limits.unsent {
            return false;
        }
        self.is_held || (self.is_paused && self.wants_read(unsent))
    }

    /// Whether everything was said: the driver sends what is sealed, then closes as section 7 says.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether nothing of the peer's is kept: no bytes, no flights, no replies. So it is while idle.
    pub fn owns_nothing(&self) -> bool {
        self.left.is_none() && self.flights.is_none() && self.waiting.capacity() == 0
    }

    /// Whether replies came between turns.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a session of an earlier connection was resumed.
    pub fn is_resumed(&self) -> bool {
        self.layer.is_resumed()
    }

    /// Whether the greeting is still to come.
    pub fn is_handshaking(&self) -> bool {
        matches!(self.phase, Phase::Handshake | Phase::Connecting)
    }

    /// Whom the list let in, at [`Event::Connect`]; the driver keeps it.
    pub fn take_judged(&mut self) -> Option<Box<Judged>> {
        self.judged.take()
    }

    /// How it ended, once it has.
    pub fn ended(&self) -> Option<&Disconnect> {
        self.ended.as_deref()
    }

    /// How many bytes are read and thrown away while the last words travel.
    pub fn discard_limit(&self) -> u64 {
        match self.is_known {
            true => self.limits.discard,
            false => self.limits.discard_refused,
        }
    }

    /// The moment at which patience ends, if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        [self.patience(), self.body_deadline()].into_iter().flatten().min()
    }

    /// The `Timeout` of the command whose body is on its way: no handler knows of it yet.
    fn body_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Receiving(coming) if self.is_owed(&coming.to) => coming.to.deadline,
            _ => None,
        }
    }

    fn patience(&self) -> Option<Instant> {
        let in_flight = self.flights.as_ref().map_or(0, |flights| flights.in_flight());
        match (&self.phase, self.head_began) {
            (Phase::Handshake | Phase::Connecting, _) => Some(self.began + self.limits.handshake),
            (Phase::Closing | Phase::Closed, _) => None,
            // A saturated connection is a slow reader's, and the driver's to judge.
            (_, Some(began)) if !self.is_saturated(0) => Some(began + self.limits.head),
            _ if in_flight > self.receiving() => None,
            _ => Some(self.active + self.limits.idle),
        }
    }

    /// Flights whose command is still on its way: one at most.
    fn receiving(&self) -> usize {
        match &self.phase {
            Phase::Receiving(coming) => usize::from(self.is_owed(&coming.to)),
            _ => 0,
        }
    }

    /// Patience has ended, if [`deadline`](ServerSession::deadline) is not after `now`: answers a command whose
    /// time is up before its body is there, or closes, with words where there can be any. The driver sees to it that a turn follows.
    pub fn expire(&mut self, now: Now) -> bool {
        if self.deadline().is_none_or(|deadline| deadline > now.instant) {
            return false;
        }
        if self.body_deadline().is_some_and(|deadline| deadline <= now.instant) {
            self.between_turns(|session, replies| session.refuse_body(Code::TimedOut, "", replies));
            return true;
        }
        let limits = Arc::clone(&self.limits);
        self.between_turns(|session, replies| match (&session.phase, session.head_began) {
            (Phase::Handshake | Phase::Connecting, _) => session.end(Disconnect::HandshakeTimeout),
            (Phase::Ready, Some(_)) => {
                let text = format!("a head must be complete {:?} after its first byte", limits.head);
                session.close_with(Code::BadCommand, &text, replies);
            }
            _ => session.close_with(Code::Idle, &format!("nothing came for {:?}", limits.idle), replies),
        });
        true
    }
}

/// What stands at the beginning of the plain bytes.
enum Found<'p> {
    /// Nothing that can begin now.
    Nothing,
    /// A head of this length, which is dealt with.
    Passed(usize),
    /// A head of this length, for the driver.
    Event(usize, Event<'p>),
}

impl Coming {
    fn new(head: Head<'_>, size: u64, to: ReplyTo, now: Now) -> Self {
        let body = Body::Reader(BodyReader::new(size));
        Coming { head: head.into_owned(), body, to, pace: Pace::new(now.instant) }
    }

    fn take(&mut self, bytes: &[u8], now: Now, active: &mut Instant, span: Duration) -> usize {
        let Body::Reader(reader) = &mut self.body else { return 0 };
        let taken = reader.take(bytes);
        if self.pace.brought(taken, now.instant, span) || reader.is_complete() {
            *active = now.instant;
        }
        taken
    }

    fn is_complete(&self) -> bool {
        self.left() == 0
    }

    fn left(&self) -> u64 {
        match &self.body {
            Body::Reader(reader) => reader.left(),
            Body::Whole(_) => 0,
        }
    }

    fn completed(mut coming: Box<Coming>) -> Box<Coming> {
        if let Body::Reader(reader) = std::mem::replace(&mut coming.body, Body::Whole(Vec::new())) {
            coming.body = Body::Whole(reader.into_vec());
        }
        coming
    }

    fn event(&self) -> Event<'_> {
        let body = match &self.body {
            Body::Whole(body) => body,
            Body::Reader(_) => &[][..],
        };
        Event::Command { head: self.head.head(), body, to: self.to }
    }
}

impl Skipped {
    fn new(size: u64, pace: Pace) -> Self {
        Skipped { body: Discard::new(size), pace }
    }

    fn take(&mut self, bytes: &[u8], now: Now, active: &mut Instant, span: Duration) -> usize {
        let taken = self.body.take(bytes);
        if self.pace.brought(taken, now.instant, span) || self.body.is_done() {
            *active = now.instant;
        }
        taken
    }
}

impl Pace {
    fn new(now: Instant) -> Self {
        Pace { since: now, progress: 0 }
    }

    /// `bytes` more have come; whether this span has its progress.
    fn brought(&mut self, bytes: usize, now: Instant, span: Duration) -> bool {
        if now > self.since + span {
            *self = Pace::new(now);
        }
        self.progress += bytes as u64;
        self.progress >= PROGRESS
    }
}

fn deadline(head: &Head<'_>, now: Now, limits: &Limits) -> Option<Instant> {
    head.timeout().map(|timeout| now.instant + timeout.min(limits.timeout))
}

/// Bytes of a body that count as activity within `Limits::slow_reader`.
const PROGRESS: u64 = 1_024;

/// `Limits::handshake_bytes` can ask for no more: the wire's headroom must hold it.
const MOST_HANDSHAKE_BYTES: usize = 64 * 1024;
