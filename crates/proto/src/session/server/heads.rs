//! Plain → event, for a head: begins its command, or says why not.

use std::time::Instant;

use super::coming::{Coming, Pace, Skipped};
use super::holding::Held;
use super::{Event, Input, Phase, ServerSession, is_past};
use crate::code::Code;
use crate::limits::Limits;
use crate::session::buffers::TurnBounds;
use crate::session::spares::Spares;
use crate::session::{Now, ReplyTo};
use crate::wire::{Head, Sequence};

impl ServerSession {
    /// One head at the beginning of `rest`, and what becomes of it.
    pub(super) fn head<'p>(
        &mut self,
        now: Now,
        rest: &'p [u8],
        (turn, spares): (&mut TurnBounds, &mut Spares),
        replies: &mut Vec<u8>,
    ) -> Found<'p> {
        if rest.is_empty() || self.input == Input::Stopped {
            return Found::Nothing;
        }
        self.held = self.hold_head(turn, replies.len());
        if self.held != Held::No {
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
        turn.left.head_began = None;
        turn.begun += 1;
        // It owes nothing, and takes back what is owed: only what cannot be sent keeps it waiting.
        if head.name().eq_ignore_ascii_case("CANCEL") {
            return self.cancel(now, &head, length, replies);
        }
        let waited = turn.left.deadline.take();
        if std::mem::take(&mut turn.left.is_overdue) || is_past(waited, now) {
            return self.begin(now, (head, length, Some(now.instant)), spares, replies); // only to be told so
        }
        let deadline = waited.or_else(|| deadline(&head, now, &self.limits));
        self.held = self.hold_command(turn, replies.len(), &head);
        if self.held != Held::No {
            turn.left.deadline = deadline;
            return Found::Nothing; // it waits, and so does the reading of what follows it
        }
        self.begin(now, (head, length, deadline), spares, replies)
    }

    fn begin<'p>(
        &mut self,
        now: Now,
        (head, length, deadline): (Head<'p>, usize, Option<Instant>),
        spares: &mut Spares,
        replies: &mut Vec<u8>,
    ) -> Found<'p> {
        let (sequence, size) = (head.sequence(), head.size().unwrap_or(0));
        let sent = self.sent;
        let flights = self.flights.get_or_insert_with(|| spares.take_flights());
        if sequence.is_some_and(|sequence| flights.holds(&sequence, sent)) {
            let text = "a sequence may be used again once its last answer has been sent";
            self.close_with(Code::DuplicateSequence, text, replies);
            return Found::Nothing;
        }
        let full = flights.running() >= self.limits.in_flight;
        let to = ReplyTo { sequence, flight: self.flown, deadline };
        self.flown = self.flown.wrapping_add(1);
        flights.begin(&to);
        self.count(|tally| tally.commands.one());
        if size > self.limits.body {
            self.body_too_large(&to, size, replies);
            return Found::Passed(length);
        }
        if is_past(deadline, now) {
            self.time_out(&to, replies);
            return self.pass(now, length, size);
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
}

/// What stands at the beginning of the plain bytes.
pub(super) enum Found<'p> {
    /// Nothing that can begin now.
    Nothing,
    /// A head of this length, which is dealt with.
    Passed(usize),
    /// A head of this length, for the driver.
    Event(usize, Event<'p>),
}

fn deadline(head: &Head<'_>, now: Now, limits: &Limits) -> Option<Instant> {
    head.timeout().map(|timeout| now.instant + timeout.min(limits.timeout))
}
