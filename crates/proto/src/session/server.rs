//! The server's side of one connection: handshake, judgement, greeting, commands, replies, goodbye.
//!
//! A turn is `open` (wire → plain), `next` until it has no more events, answers as they come, `seal`
//! (replies → sealed). What the peer does wrong ends in words on the wire and a [`Disconnect`], never in an
//! error that the driver must handle.

mod answers;
mod coming;
mod ending;
mod heads;
mod holding;
mod patience;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

pub(super) use coming::Coming;
use coming::Skipped;
use heads::Found;
use holding::Held;

use super::buffers::{Leftovers, TurnBounds};
use super::flights::{Flights, ReplyTo};
use super::{Buffers, Now, Plain};
use crate::code::Code;
use crate::limits::Limits;
use crate::tally::Tally;
use crate::tls::{Layer, ServerTls, TlsFailure};
use crate::trust::{self, Judged, Presented, Refusal, TrustList};
use crate::wire::{Head, Scan};

/// One connection as the server sees it.
#[derive(Debug)]
pub struct ServerSession {
    layer: Layer,
    limits: Arc<Limits>,
    tally: Option<Arc<Tally>>,
    phase: Phase,
    input: Input,
    scan: Scan,
    /// What no turn could finish yet.
    left: Option<Box<Leftovers>>,
    /// Commands begun and not answered, or answered and not yet taken by the socket.
    flights: Option<Box<Flights>>,
    flown: u32,
    judged: Option<Box<Judged>>,
    /// Whether the peer was let in.
    is_known: bool,
    /// Why the command that is there did not begin.
    held: Held,
    /// Why a part of an answer may not be written.
    held_parts: Held,
    /// Whether the driver was not to read in this turn.
    is_paused: bool,
    /// Bytes of the stream to the peer, sealed since the beginning.
    sealed: u64,
    /// Bytes of that which the socket has taken.
    sent: u64,
    /// When the peer was last not idle. Until its greeting: when it came.
    active: Instant,
    ended: Option<Box<Disconnect>>,
}

/// Something for the driver to do. Borrows the worker's buffers, never the session.
#[derive(Debug)]
pub enum Event<'p> {
    /// The peer's certificate is on the list: say [`admit`](ServerSession::admit) or
    /// [`refuse`](ServerSession::refuse).
    Connect,
    /// The peer is not let in: say [`refuse`](ServerSession::refuse), with this code and what text it is to read.
    Refused(Refusal),
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
    /// This flight was ended, and the client told so: it took it back, or it is a stream and one side says goodbye.
    /// Stop working on it.
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
    /// Its handshake lost its place to others: nothing of it had come.
    HandshakeDropped,
}

#[derive(Debug)]
enum Phase {
    Handshake,
    /// The certificate is trusted; the handler has the last word.
    Connecting,
    /// The certificate is not trusted; the driver says it.
    Refusing(Box<Refusal>),
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
            tally: None,
            phase: Phase::Handshake,
            input: Input::Open,
            scan: Scan::default(),
            left: None,
            flights: None,
            flown: 0,
            judged: None,
            is_known: false,
            held: Held::No,
            held_parts: Held::No,
            is_paused: false,
            sealed: 0,
            sent: 0,
            active: now.instant,
            ended: None,
        }
    }

    /// From now on `tally` counts what it hears and says.
    pub fn count_in(&mut self, tally: Arc<Tally>) {
        self.tally = Some(tally);
    }

    /// Wire → plain: takes records apart, and judges the peer, which comes from that address, between the
    /// handshake and its first record.
    pub fn open(&mut self, now: Now, (list, from): (&TrustList, IpAddr), io: &mut Buffers) {
        self.sent = self.sealed.saturating_sub(io.unsent as u64);
        self.is_paused = !self.wants_read(io.unsent);
        (self.held, self.held_parts) = (Held::No, Held::No);
        // A command whose body is on its way is of the turn in which it may end.
        let begun = usize::from(matches!(self.phase, Phase::Receiving(_)));
        io.plain.turn = TurnBounds { room: io.room, begun, ..TurnBounds::default() };
        // Taken whole: an idle connection owns no buffer.
        if let Some(left) = self.left.take() {
            left.put_back(io);
            io.plain.spares.give_leftovers(left);
        }
        let opened = match self.phase {
            Phase::Closed => {
                io.wire.clear();
                Ok(())
            }
            Phase::Handshake => self.shake_hands(now, (list, from), io),
            _ => self.open_records(now, io),
        };
        if let Err(failure) = opened {
            self.layer.alert(io.contexts.slot(io.place), &mut io.sealed);
            self.end(Disconnect::Tls(failure));
        }
    }

    fn shake_hands(
        &mut self,
        now: Now,
        by: (&TrustList, IpAddr),
        io: &mut Buffers,
    ) -> Result<(), TlsFailure> {
        let limit = self.limits.handshake_bytes.min(MOST_HANDSHAKE_BYTES);
        let used = self.layer.handshake(io.wire.unread(), limit, &mut io.sealed)?;
        io.wire.consume(used);
        if self.layer.is_handshaking() {
            return Ok(());
        }
        self.judge(now, by);
        self.layer.reduce()?; // its certificate was looked at
        self.open_records(now, io)
    }

    /// Whom TLS has let through may still not be on the list; then nothing of what it sent is opened.
    fn judge(&mut self, now: Now, (list, from): (&TrustList, IpAddr)) {
        let presented = self.layer.peer_certificate().map_or(Presented::Nothing, Presented::Certificate);
        match trust::judge(list, presented, from, now.unix) {
            Ok(judged) => {
                self.judged = Some(Box::new(judged));
                self.phase = Phase::Connecting;
            }
            Err(refusal) => self.phase = Phase::Refusing(Box::new(refusal)),
        }
    }

    fn open_records(&mut self, now: Now, io: &mut Buffers) -> Result<(), TlsFailure> {
        if matches!(self.phase, Phase::Refusing(_) | Phase::Closing | Phase::Closed) {
            io.wire.clear();
            return Ok(());
        }
        let before = io.plain.bytes.len();
        let slot = io.contexts.slot(io.place);
        let used = self.layer.open(slot, io.wire.unread(), &mut io.plain.bytes)?;
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
        self.heard(now, plain, replies).or_else(|| self.end_stream(replies))
    }

    /// What the peer said.
    fn heard<'p>(&mut self, now: Now, plain: &'p mut Plain, replies: &mut Vec<u8>) -> Option<Event<'p>> {
        let Plain { bytes, at, whole, turn, spares } = plain;
        let bytes: &'p [u8] = bytes;
        loop {
            match &mut self.phase {
                Phase::Connecting | Phase::Refusing(_) if self.input == Input::Stopped => return None,
                Phase::Refusing(refusal) => return Some(Event::Refused(Refusal::clone(refusal))),
                Phase::Connecting => {
                    self.active = now.instant; // nobody is idle before the greeting
                    return Some(Event::Connect);
                }
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
                        if coming.kept() <= turn.room.come {
                            return None;
                        }
                        self.refuse_body(Code::Overloaded, NO_ROOM, replies);
                        continue;
                    }
                    if self.input == Input::Stopped {
                        return None; // it had waited, and will not begin
                    }
                    self.held = self.hold_answer(turn, replies.len());
                    if self.held != Held::No {
                        return None;
                    }
                    let Phase::Receiving(coming) = std::mem::replace(&mut self.phase, Phase::Ready) else {
                        return None;
                    };
                    if is_past(coming.to.deadline, now) {
                        self.time_out(&coming.to, replies);
                        continue;
                    }
                    return Some(whole.insert(Coming::completed(coming)).event());
                }
                Phase::Ready => match self.head(now, &bytes[*at..], (turn, spares), replies) {
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
}

fn is_past(deadline: Option<Instant>, now: Now) -> bool {
    deadline.is_some_and(|deadline| deadline <= now.instant)
}

const NO_ROOM: &str = "the server has no room for this body now; send it again later";

/// `Limits::handshake_bytes` can ask for no more: the wire's headroom must hold it.
const MOST_HANDSHAKE_BYTES: usize = 64 * 1024;

#[cfg(test)]
#[path = "server/size_tests.rs"]
mod size_tests;
