//! What keeps a command waiting that is there, and what is reserved for those that began.

use super::{Input, Phase, ServerSession};
use crate::limits::HEAD;
use crate::session::buffers::{Leftovers, TurnBounds};
use crate::session::{ReplyTo, Room};
use crate::tally::Tally;
use crate::wire::Head;

/// Why a command that is there does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    No,
    /// This turn has run as many as it may: the others' turns come first.
    Turn,
    /// Too much is unsent.
    Unsent,
    /// Too much is unsent or owed.
    Owed,
    /// So much is unsent or owed at the whole server that there is no room.
    Room,
    /// It is one-way, and too much is in flight.
    Crowded,
}

impl ServerSession {
    /// What keeps any head waiting.
    pub(super) fn hold_head(&self, turn: &TurnBounds, unsealed: usize) -> Held {
        if self.is_saturated(unsealed) {
            Held::Unsent
        } else if turn.begun >= self.limits.events_per_turn.max(1) {
            Held::Turn
        } else {
            Held::No
        }
    }

    /// What keeps a command waiting of which only its head is looked at yet.
    pub(super) fn hold_command(&self, turn: &TurnBounds, unsealed: usize, head: &Head<'_>) -> Held {
        let running = self.flights.as_ref().map_or(0, |flights| flights.running());
        match head.sequence() {
            None if running >= self.limits.in_flight => Held::Crowded,
            _ => self.hold_answer(turn, unsealed),
        }
    }

    /// Whether a part of an answer may be written now, the `pushed`-th of this turn: the peer takes what it is sent,
    /// and the server has room. If not, the driver sees to it that a turn follows as for a command that waits.
    pub fn may_push(&mut self, room: Room, unsealed: usize, pushed: usize) -> bool {
        self.held_parts = self.hold_part(room, unsealed, pushed);
        self.held_parts == Held::No && self.is_serving()
    }

    fn hold_part(&self, room: Room, unsealed: usize, pushed: usize) -> Held {
        if self.is_saturated(unsealed) {
            Held::Unsent
        } else if self.unsent() + unsealed + self.owed() >= room.out {
            Held::Room
        } else if pushed >= self.limits.events_per_turn.max(1) {
            Held::Turn
        } else {
            Held::No
        }
    }

    /// Whether the peer is in, and nothing has ended the connection.
    pub(super) fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Receiving(_) | Phase::Discarding(_))
    }

    /// What keeps a command from its handler, which may answer it at any length.
    pub(super) fn hold_answer(&self, turn: &TurnBounds, unsealed: usize) -> Held {
        let waiting = self.unsent() + unsealed + self.owed();
        if self.is_saturated(unsealed) {
            Held::Unsent
        } else if waiting > self.limits.owed {
            Held::Owed
        } else if waiting >= turn.room.out {
            Held::Room
        } else {
            Held::No
        }
    }

    /// Whether what waits may begin now that all but `unsent` bytes have left, without anything from outside.
    pub(super) fn may_go_on(&self, unsent: usize) -> bool {
        self.input != Input::Stopped
            && unsent <= self.limits.unsent
            && (matches!(self.held_parts, Held::Turn | Held::Unsent)
                || match self.held {
                    Held::Turn | Held::Unsent => true,
                    Held::Owed => unsent + self.owed() <= self.limits.owed,
                    Held::No | Held::Room | Held::Crowded => false,
                })
    }

    /// Above the bound no further command is begun, not even one already read.
    pub(super) fn is_saturated(&self, unsealed: usize) -> bool {
        self.unsent() + unsealed > self.limits.unsent
    }

    /// Whether the turn ended because it had run as many commands as it may, and more are there.
    pub fn yields(&self) -> bool {
        self.held == Held::Turn || self.held_parts == Held::Turn
    }

    /// Whether nothing that comes could begin, since there is no room: the driver does not read it.
    pub fn is_shut_out(&self, room: Room) -> bool {
        matches!(self.phase, Phase::Ready) && self.input == Input::Open && room.out == 0
    }

    /// Whether a command, or a part of an answer, waits for [`Room`]: the driver sees to it that a turn follows
    /// once there is some.
    pub fn is_starved(&self) -> bool {
        (self.held == Held::Room || self.held_parts == Held::Room) && !self.is_closed()
    }

    /// Reserves `bytes` for the answer to `to`, which will not come at once: at least a head, at most
    /// `Limits::reply`. An OK beyond it is a [`Misuse`](crate::wire::Misuse).
    pub fn reserve(&mut self, to: &ReplyTo, bytes: usize) {
        let bytes = bytes.clamp(HEAD, self.limits.longest_reply());
        if let Some(flights) = &mut self.flights {
            flights.reserve(to, bytes);
        }
    }

    /// Bytes of replies that wait between turns, or are reserved. What is sealed is the driver's.
    pub fn kept_out(&self) -> usize {
        self.replies().len() + self.owed()
    }

    /// Bytes that have come and are not complete, or may not begin yet.
    pub fn kept_come(&self) -> usize {
        let body = match &self.phase {
            Phase::Receiving(coming) => coming.kept(),
            _ => 0,
        };
        body + self.left.as_deref().map_or(0, Leftovers::came)
    }

    /// The most that the answer to `to` may have.
    pub(super) fn most(&mut self, to: &ReplyTo) -> usize {
        // Answers that come at once have none reserved: they are not looked up.
        let flights = self.flights.as_mut().filter(|flights| flights.owed() > 0);
        match flights.map_or(0, |flights| flights.reserved(to)) {
            0 => self.limits.longest_reply(),
            reserved => reserved,
        }
    }

    pub(super) fn count(&self, count: impl FnOnce(&Tally)) {
        if let Some(tally) = &self.tally {
            count(tally);
        }
    }

    fn unsent(&self) -> usize {
        (self.sealed - self.sent) as usize
    }

    /// What is reserved, and what is remembered until it is sent.
    fn owed(&self) -> usize {
        self.flights.as_ref().map_or(0, |flights| flights.owed() + flights.remembered())
    }
}
