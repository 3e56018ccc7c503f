//! What the driver asks between turns: whether to read, whether to go on, and until when to wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::holding::Held;
use super::{Disconnect, Input, NO_ROOM, Phase, ServerSession};
use crate::code::Code;
use crate::session::Now;
use crate::session::buffers::Times;
use crate::trust::Judged;

impl ServerSession {
    /// Whether the driver should read: something may come, and there is room for what it asks for.
    pub fn wants_read(&self, unsent: usize) -> bool {
        let closed = matches!(self.phase, Phase::Closing | Phase::Closed);
        let open = match self.input {
            Input::Open => true,
            // A peer in its handshake is told in its greeting.
            Input::Stopped => self.is_handshaking(),
            Input::Finished | Input::Cut => false,
        };
        // What waits begins first: a FIN that is read before it would leave it undone.
        open && !closed && self.held == Held::No && unsent <= self.limits.unsent
    }

    /// Whether another turn should follow at once, although nothing came: what waited for the socket may begin
    /// now, or the driver, which was not to read in this turn, should.
    pub fn wants_turn(&self, unsent: usize) -> bool {
        if self.is_closed() || unsent > self.limits.unsent {
            return false;
        }
        // Stopped, nothing that waits will begin; but a handshake is read on to its greeting.
        self.may_go_on(unsent) || (self.is_paused && self.wants_read(unsent))
    }

    /// Whether everything was said: the driver sends what is sealed, then closes as section 7 says.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether nothing of the peer's is kept: no bytes, no flights, no replies. So it is while idle.
    pub fn owns_nothing(&self) -> bool {
        self.left.is_none() && self.flights.is_none()
    }

    /// Whether replies came between turns.
    pub fn has_waiting(&self) -> bool {
        !self.replies().is_empty()
    }

    pub(super) fn replies(&self) -> &[u8] {
        self.left.as_ref().map_or(&[], |left| &left.replies)
    }

    /// Of what no turn could finish.
    fn times(&self) -> Times {
        self.left.as_ref().map_or(Times::default(), |left| left.times)
    }

    /// Whether a session of an earlier connection was resumed.
    pub fn is_resumed(&self) -> bool {
        self.layer.is_resumed()
    }

    /// Whether the greeting is still to come.
    pub fn is_handshaking(&self) -> bool {
        matches!(self.phase, Phase::Handshake | Phase::Connecting | Phase::Refusing(_))
    }

    /// Whether the peer's ClientHello is complete: until then it has shown nothing but that it can connect.
    pub fn has_hello(&self) -> bool {
        self.layer.has_spoken()
    }

    /// Whom the list let in, at [`Event::Connect`](super::Event::Connect); the driver keeps it.
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
        [self.patience(), self.body_deadline(), self.held_deadline()].into_iter().flatten().min()
    }

    /// The `Timeout` of the command that may not begin yet.
    fn held_deadline(&self) -> Option<Instant> {
        self.times().deadline.filter(|_| self.is_serving())
    }

    /// The `Timeout` of the command whose body is on its way: no handler knows of it yet.
    pub(super) fn body_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Receiving(coming) if self.is_owed(&coming.to) => coming.to.deadline,
            _ => None,
        }
    }

    pub(super) fn patience(&self) -> Option<Instant> {
        let in_flight = self.flights.as_ref().map_or(0, |flights| flights.in_flight());
        match (&self.phase, self.times().head_began) {
            (Phase::Handshake | Phase::Connecting | Phase::Refusing(_), _) => {
                Some(self.active + self.limits.handshake)
            }
            (Phase::Closing | Phase::Closed, _) => None,
            // A saturated connection is a slow reader's, and the driver's to judge.
            (_, Some(began)) if !self.is_saturated(0) => Some(began + self.limits.head),
            _ if in_flight > self.receiving() || self.held != Held::No => None,
            _ => Some(self.active + self.limits.idle),
        }
    }

    /// Flights whose command is still on its way: one at most.
    pub(super) fn receiving(&self) -> usize {
        match &self.phase {
            Phase::Receiving(coming) => usize::from(self.is_owed(&coming.to)),
            _ => 0,
        }
    }

    /// There is no room for what comes: answers a command whose body brings less than 1 KiB in
    /// `Limits::pressed`, and closes with words if a head takes longer. The driver sees to it that a turn
    /// follows, if anything was said.
    pub fn press(&mut self, now: Now) -> bool {
        let limits = Arc::clone(&self.limits);
        let times = self.times();
        let is_slow = match (&self.phase, times.head_began) {
            (Phase::Receiving(coming), _) => {
                !coming.is_complete() && coming.pace.is_slow(now.instant, limits.pressed)
            }
            (Phase::Ready, Some(began)) => now.instant > began + limits.pressed.min(limits.head),
            // A record that is not complete.
            (Phase::Ready, None) if self.held == Held::No && self.input == Input::Open => {
                times.since.is_some_and(|since| now.instant > since + limits.pressed)
            }
            _ => false,
        };
        if is_slow {
            self.between_turns(|session, replies| match session.phase {
                Phase::Receiving(_) => session.refuse_body(Code::Overloaded, NO_ROOM, replies),
                _ => session.close_with(Code::BadCommand, &late(limits.pressed), replies),
            });
        }
        is_slow
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
        if self.held_deadline().is_some_and(|deadline| deadline <= now.instant) {
            if let Some(left) = &mut self.left {
                (left.times.deadline, left.times.is_overdue) = (None, true);
            }
            return true;
        }
        let limits = Arc::clone(&self.limits);
        let head_began = self.times().head_began;
        self.between_turns(|session, replies| match (&session.phase, head_began) {
            (Phase::Handshake | Phase::Connecting | Phase::Refusing(_), _) => {
                session.end(Disconnect::HandshakeTimeout);
            }
            (Phase::Ready, Some(_)) => {
                session.close_with(Code::BadCommand, &late(limits.head), replies);
            }
            _ => session.close_with(Code::Idle, &format!("nothing came for {:?}", limits.idle), replies),
        });
        true
    }
}

fn late(patience: Duration) -> String {
    format!("a head must be complete {patience:?} after its first byte")
}
