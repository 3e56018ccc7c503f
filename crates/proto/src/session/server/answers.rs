//! What the driver says to a peer and to its commands.

use std::mem;

use super::coming::Skipped;
use super::{Phase, ServerSession};
use crate::code::Code;
use crate::session::ReplyTo;
use crate::wire::{Encoder, Misuse, greeting_ok};

impl ServerSession {
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
        if matches!(self.phase, Phase::Connecting | Phase::Refusing(_)) {
            self.close_with(code, text, replies);
        }
    }

    /// The body of the last [`Event::Body`](super::Event::Body) is not wanted: answers at once, reads it over.
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
    /// [`Misuse`] from `write`, or if the reply is longer than `Limits::reply` or than was
    /// [reserved](ServerSession::reserve): nothing was written, and the answer is still owed.
    pub fn ok(
        &mut self,
        to: &ReplyTo,
        replies: &mut Vec<u8>,
        write: impl FnOnce(&mut Encoder<'_>) -> Result<(), Misuse>,
    ) -> Result<(), Misuse> {
        if !self.is_owed(to) {
            return Ok(());
        }
        let most = self.most(to);
        let mut encoder = Encoder::ok(replies, to.sequence.as_ref());
        write(&mut encoder)?;
        encoder.at_most(most)?;
        match to.sequence {
            Some(_) => encoder.finish(),
            None => drop(encoder),
        }
        self.count(|tally| if to.sequence.is_some() { tally.ok.one() } else { tally.dropped.one() });
        self.answered(to, replies.len());
        Ok(())
    }

    /// `to` is answered in parts, for as long as it lives: by [`part`](ServerSession::part), when
    /// [`may_push`](ServerSession::may_push) says so, and at the end by [`ok`](ServerSession::ok) or
    /// [`error`](ServerSession::error). Nothing is reserved for it: each part waits for room of its own, and what
    /// streams that live for days had reserved, others could never have. The peer's goodbye and the server's end it:
    /// the driver hears [`Event::Cancelled`](super::Event::Cancelled).
    pub fn begin_stream(&mut self, to: &ReplyTo) {
        if let Some(flights) = &mut self.flights {
            flights.begin_stream(to);
        }
    }

    /// A part of the answer to `to`, whole in itself, with what `write` adds; further ones follow. Nothing is sent
    /// when the answer is no longer owed.
    ///
    /// # Errors
    /// [`Misuse`] if `write` fails, or if the part is longer than `Limits::reply`: nothing of it was written.
    pub fn part(
        &mut self,
        to: &ReplyTo,
        replies: &mut Vec<u8>,
        write: impl FnOnce(&mut Encoder<'_>) -> Result<(), Misuse>,
    ) -> Result<(), Misuse> {
        let Some(sequence) = to.sequence.as_ref().filter(|_| self.is_owed(to)) else { return Ok(()) };
        let mut encoder = Encoder::part(replies, sequence);
        write(&mut encoder)?;
        encoder.at_most(self.limits.longest_reply())?;
        encoder.finish();
        self.count(|tally| tally.parts.one());
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
        self.count_error(to, code);
        self.answered(to, replies.len());
    }

    /// Answers `to` with an error that carries headers; like [`ServerSession::error`] otherwise.
    ///
    /// # Errors
    /// [`Misuse`] if a header is one that [`Encoder::header`] refuses: nothing was written, and the answer is
    /// still owed.
    pub fn error_with<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        to: &ReplyTo,
        replies: &mut Vec<u8>,
        (code, text): (Code, &str),
        headers: &[(N, V)],
    ) -> Result<(), Misuse> {
        if !self.is_owed(to) {
            return Ok(());
        }
        let encoder = Encoder::error_with(replies, to.sequence.as_ref(), code, text, headers)?;
        match to.sequence {
            Some(_) => encoder.finish(),
            None => drop(encoder),
        }
        self.count_error(to, code);
        self.answered(to, replies.len());
        Ok(())
    }

    fn count_error(&self, to: &ReplyTo, code: Code) {
        self.count(|tally| if to.sequence.is_some() { tally.errors.one(code) } else { tally.dropped.one() });
    }

    pub(super) fn answered(&mut self, to: &ReplyTo, unsealed: usize) {
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
        let mut replies = self.left.as_mut().map(|left| mem::take(&mut left.replies)).unwrap_or_default();
        let result = answer(self, &mut replies);
        if !replies.is_empty() && !self.is_closed() {
            self.left.get_or_insert_default().replies = replies;
        }
        result
    }
}
