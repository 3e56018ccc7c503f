//! How a turn ends, and how a connection does.

use super::holding::Held;
use super::{Disconnect, Event, Input, Phase, ServerSession};
use crate::code::Code;
use crate::session::buffers::Leftovers;
use crate::session::{Buffers, Now, ReplyTo};
use crate::tls::TlsFailure;
use crate::wire::{Encoder, Scan, greeting_error};

impl ServerSession {
    /// Says `code` to everything that is owed, then to the connection, and closes.
    pub fn close_with(&mut self, code: Code, text: &str, replies: &mut Vec<u8>) {
        match self.phase {
            Phase::Closing | Phase::Closed => return,
            Phase::Handshake if self.layer.is_handshaking() => {
                return self.end(Disconnect::Closed { code, text: text.to_owned() });
            }
            Phase::Handshake | Phase::Connecting | Phase::Refusing(_) => greeting_error(replies, code, text),
            _ => {
                self.abandon(code, replies);
                Encoder::error(replies, None, code, text).finish();
            }
        }
        self.closing(code, text);
    }

    /// Says `code` to `to`, as its own final answer, and closes. Where it has no answer, for it is one-way or
    /// answered already, the connection is told.
    pub fn close_after(&mut self, to: &ReplyTo, code: Code, text: &str, replies: &mut Vec<u8>) {
        if to.sequence.is_none() || !self.is_owed(to) {
            return self.close_with(code, text, replies);
        }
        self.error(to, replies, code, text);
        self.abandon(code, replies);
        self.closing(code, text);
    }

    /// The peer may hear no more than what is sealed: says `code` to all whose answer is not, then to the connection,
    /// and closes. Between turns; the driver sees to it that one follows.
    pub fn cut(&mut self, code: Code, text: &str) {
        if matches!(self.phase, Phase::Closing | Phase::Closed) {
            return;
        }
        let mut replies = Vec::new();
        let unheard = self.flights.as_ref().map(|flights| flights.unsealed(self.sealed)).unwrap_or_default();
        for sequence in unheard {
            Encoder::error(&mut replies, Some(&sequence), code, "").finish();
            self.count(|tally| tally.errors.one(code));
        }
        self.close_with(code, text, &mut replies);
        self.left.get_or_insert_default().replies = replies;
    }

    /// Every begun command with a sequence gets its final answer: the closing code, its outcome unknown.
    pub(super) fn abandon(&mut self, code: Code, replies: &mut Vec<u8>) {
        let begun = self.flights.take().map(|mut flights| flights.abandon()).unwrap_or_default();
        for sequence in begun {
            Encoder::error(replies, Some(&sequence), code, "").finish();
            self.count(|tally| tally.errors.one(code));
        }
    }

    pub(super) fn closing(&mut self, code: Code, text: &str) {
        self.phase = Phase::Closing;
        self.ended = Some(Box::new(Disconnect::Closed { code, text: text.to_owned() }));
    }

    pub(super) fn end(&mut self, why: Disconnect) {
        self.phase = Phase::Closed;
        self.flights = None;
        self.left = None;
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

    /// The driver broke down over this connection: nothing more can be said.
    pub fn fail(&mut self) {
        self.ended = None;
        self.end(Disconnect::Closed { code: Code::Failed, text: String::new() });
    }

    /// Others need its place: a handshake ends without words.
    pub fn drop_handshake(&mut self) {
        if self.is_handshaking() {
            self.end(Disconnect::HandshakeDropped);
        }
    }

    /// The server stops: no further command is begun, and the connection closes once the last is answered.
    pub fn stop(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Stopped;
        }
    }

    /// A stream lives as long as both sides go on; what is answered once is waited for.
    pub(super) fn end_stream<'p>(&mut self, replies: &mut Vec<u8>) -> Option<Event<'p>> {
        let code = match self.input {
            Input::Open | Input::Cut => return None,
            Input::Stopped => Code::ShuttingDown,
            Input::Finished => Code::Cancelled,
        };
        let to = self.flights.as_ref()?.first_stream()?;
        self.error(&to, replies, code, "");
        Some(Event::Cancelled(to.flight))
    }

    /// Replies → sealed: one record for the whole batch; then keeps what is unfinished.
    pub fn seal(&mut self, now: Now, io: &mut Buffers) {
        self.settle(&mut io.replies);
        if !matches!(self.phase, Phase::Closed)
            && let Err(failure) = self.seal_replies(io)
        {
            self.layer.alert(io.contexts.slot(io.place), &mut io.sealed);
            self.end(Disconnect::Tls(failure));
        }
        self.sealed += io.sealed.len() as u64;
        io.replies.clear();
        self.keep(now, io);
    }

    pub(super) fn seal_replies(&mut self, io: &mut Buffers) -> Result<(), TlsFailure> {
        let slot = io.contexts.slot(io.place);
        // An answer to a KeyUpdate alone waits until the one before it has left: RFC 8446 4.6.3 wants it before the
        // next application data.
        let is_behind = io.replies.is_empty() && io.unsent > 0;
        if !self.layer.is_handshaking() && !is_behind {
            self.layer.seal(slot, &io.replies, &mut io.sealed)?;
        }
        if matches!(self.phase, Phase::Closing) {
            self.layer.close(slot, &mut io.sealed)?;
            self.phase = Phase::Closed;
        }
        Ok(())
    }

    /// Ends the connection if its last command is answered and no other will begin.
    pub(super) fn settle(&mut self, replies: &mut Vec<u8>) {
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
            Input::Finished if !busy && self.held == Held::No => self.finish(),
            _ => {}
        }
    }

    pub(super) fn finish(&mut self) {
        if !matches!(self.phase, Phase::Closing | Phase::Closed) {
            self.phase = Phase::Closing;
            self.flights = None;
            self.ended = Some(Box::new(Disconnect::Peer));
        }
    }

    /// What a turn leaves to the next one: what is unfinished, and nothing else.
    pub(super) fn keep(&mut self, now: Now, io: &mut Buffers) {
        if self.held == Held::No && self.is_shut_out(io.room) {
            self.held = Held::Room;
        }
        // While the server itself does not read, or nothing comes, no head is late.
        let is_begun = matches!(self.phase, Phase::Ready) && self.scan != Scan::default();
        let is_read = self.input == Input::Open && self.held == Held::No && !self.is_saturated(0);
        let head_began = io.plain.turn.left.head_began.unwrap_or(now.instant);
        io.plain.turn.left.head_began = (is_begun && is_read).then_some(head_began);
        self.left = match self.phase {
            Phase::Closed => {
                io.contexts.clear(io.place); // nothing more is opened or sealed
                None
            }
            _ => Leftovers::save(io, now.instant),
        };
        let receiving = self.receiving();
        // Whoever waited for an answer until now was not idle.
        if let Some(flights) = &mut self.flights
            && (flights.take_ended() || flights.in_flight() > receiving)
        {
            self.active = now.instant;
        }
        io.wire.clear();
        io.plain.clear();
    }

    /// The socket has taken all but `unsent` of what was sealed: flights that are over are forgotten.
    pub fn taken(&mut self, unsent: usize, io: &mut Buffers) {
        self.sent = self.sealed - unsent as u64;
        if let Some(flights) = &mut self.flights {
            flights.forget_sent(self.sent);
        }
        if let Some(landed) = self.flights.take_if(|flights| flights.is_empty()) {
            io.plain.spares.give_flights(landed);
        }
    }
}
