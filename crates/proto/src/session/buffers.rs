//! The buffers that a worker lends to one connection's turn, and what a connection keeps between turns.

use std::time::Instant;

use super::server::Coming;
use super::spares::Spares;
use crate::limits;
use crate::tls::Contexts;

/// What a turn works in: wire → plain → replies → sealed. Empty between turns, but for the contexts.
#[derive(Debug, Default)]
pub struct Buffers {
    /// Bytes from the socket.
    pub wire: Wire,
    /// Opened bytes: commands.
    pub plain: Plain,
    /// Replies, not yet sealed.
    pub replies: Vec<u8>,
    /// Records for the socket.
    pub sealed: Vec<u8>,
    /// Bytes that an earlier turn sealed and the socket has not taken; the driver says so before the turn.
    pub unsent: usize,
    /// How much may be kept for this connection; the driver says so before the turn.
    pub room: Room,
    /// Expanded keys, kept from turn to turn.
    pub contexts: Contexts,
    /// Which connection of the worker's it is, by a small number of its own; the driver says so before the turn.
    pub place: usize,
}

/// Bytes that may be kept for one connection, as far as the server's other connections leave it room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of replies: unsent, or still owed. Once that is reached, no command begins.
    pub out: usize,
    /// Of what has come and is not complete. A body beyond it is answered `overloaded`.
    pub come: usize,
}

/// Where nothing is short.
impl Default for Room {
    fn default() -> Self {
        Room { out: usize::MAX, come: usize::MAX }
    }
}

impl Buffers {
    /// Gives back what one large reply or batch needed beyond the usual. Between turns.
    pub fn trim(&mut self) {
        for buffer in [&mut self.plain.bytes, &mut self.replies, &mut self.sealed] {
            if buffer.capacity() > USUAL {
                buffer.shrink_to(USUAL);
            }
        }
    }
}

/// Bytes from the socket, with room before them for what an earlier turn left.
#[derive(Debug)]
pub struct Wire {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Default for Wire {
    fn default() -> Self {
        Wire { bytes: vec![0; HEADROOM + READ], start: HEADROOM, end: HEADROOM }
    }
}

impl Wire {
    /// Where the socket's bytes go.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// The first `length` bytes of [`space`](Wire::space) are filled now.
    pub fn filled(&mut self, length: usize) {
        self.end += length;
        debug_assert!(self.end <= self.bytes.len());
    }

    /// What has not been opened yet.
    pub fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// The first `length` bytes of [`unread`](Wire::unread) are done with.
    pub fn consume(&mut self, length: usize) {
        self.start += length;
        debug_assert!(self.start <= self.end);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        (self.start, self.end) = (HEADROOM, HEADROOM);
    }

    /// Puts what an earlier turn left before what came since. A session never leaves more than the headroom.
    pub(super) fn put_back(&mut self, left: &[u8]) {
        debug_assert!(left.len() <= self.start);
        self.start -= left.len();
        self.bytes[self.start..self.start + left.len()].copy_from_slice(left);
    }
}

/// Opened bytes, and how far they are decoded.
#[derive(Debug, Default)]
pub struct Plain {
    pub(super) bytes: Vec<u8>,
    pub(super) at: usize,
    /// A command whose body took several records, lent to its event.
    pub(super) whole: Option<Box<Coming>>,
    pub(super) turn: TurnBounds,
    pub(super) spares: Spares,
}

/// What bounds one turn besides the connection's own limits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TurnBounds {
    pub(super) room: Room,
    /// Of what an earlier turn left.
    pub(super) left: Times,
    /// Commands that this turn has begun.
    pub(super) begun: usize,
}

impl Plain {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.at = 0;
        self.whole = None;
        self.turn = TurnBounds::default();
    }
}

/// What is unfinished between turns: an incomplete record, an incomplete head or commands that may not begin yet,
/// and replies that came since.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    pub(super) wire: Vec<u8>,
    pub(super) plain: Vec<u8>,
    pub(super) replies: Vec<u8>,
    pub(super) times: Times,
}

/// When patience with what is unfinished began, or ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// Since when nothing more of it could be opened.
    pub(super) since: Option<Instant>,
    /// When the head that is still incomplete began.
    pub(super) head_began: Option<Instant>,
    /// The `Timeout` of the command that may not begin, which runs while it waits.
    pub(super) deadline: Option<Instant>,
    /// Whether that has passed: the next turn that may say so does.
    pub(super) is_overdue: bool,
}

impl Leftovers {
    /// Takes over what `io` still holds; none if that is nothing.
    pub(super) fn save(io: &mut Buffers, now: Instant) -> Option<Box<Leftovers>> {
        let times = io.plain.turn.left;
        let since = times.since.filter(|_| io.plain.bytes.is_empty()).or(Some(now));
        let plain = &io.plain.bytes[io.plain.at..];
        let wire = &io.wire.bytes[io.wire.start..io.wire.end];
        if plain.is_empty() && wire.is_empty() {
            return None;
        }
        // A few bytes of a client that is slow get a box of their size: nobody counts what a spare has room for.
        let is_little = plain.len() + wire.len() < LITTLE;
        let mut left = if is_little { Box::default() } else { io.plain.spares.take_leftovers() };
        left.wire.extend_from_slice(wire);
        left.plain.extend_from_slice(plain);
        left.times = Times { since, ..times };
        Some(left)
    }

    /// Puts it before what came since.
    pub(super) fn put_back(&self, io: &mut Buffers) {
        io.wire.put_back(&self.wire);
        io.plain.bytes.extend_from_slice(&self.plain);
        io.plain.turn.left = self.times;
        io.replies.extend_from_slice(&self.replies);
    }

    pub(super) fn clear(&mut self) {
        self.wire.clear();
        self.plain.clear();
        self.replies.clear();
        self.times = Times::default();
    }

    /// Bytes of the peer's.
    pub(super) fn came(&self) -> usize {
        self.wire.len() + self.plain.len()
    }

    /// Whether it has no more room than what is unfinished of one record and of one head, and a reply, twice for how a
    /// `Vec` grows.
    pub(super) fn is_usual(&self) -> bool {
        let rooms =
            [(&self.wire, limits::RECORD), (&self.plain, limits::HEAD), (&self.replies, limits::HEAD)];
        rooms.iter().all(|(bytes, usual)| bytes.capacity() <= 2 * usual)
    }
}

/// Bytes that a worker's buffer keeps from one turn to the next: several times what a full read makes of it.
const USUAL: usize = 512 * 1024;

/// Bytes of leftovers that are not worth a spare with room for a record.
const LITTLE: usize = 1_024;

/// Four full TLS records a read.
const READ: usize = 64 * 1024;

/// The most that a turn can leave on the wire: in the handshake, what rustls still needs
/// (`Limits::handshake_bytes`) and one incomplete record.
const HEADROOM: usize = 64 * 1024 + limits::RECORD;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_large_batch_is_given_back_and_the_usual_is_kept() {
        let mut io =
            Buffers { replies: Vec::with_capacity(64 * USUAL), sealed: vec![0; 1_000], ..Buffers::default() };
        io.sealed.clear();
        io.trim();
        assert!(io.replies.capacity() < 2 * USUAL);
        assert!(io.sealed.capacity() >= 1_000);
    }
}
