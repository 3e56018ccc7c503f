//! The network between a pair, and the patience that a server's driver has with it: pieces of any size in
//! either direction, ends, losses; slow readers and the linger at the end.

use std::time::{Duration, Instant};

use pinwire_proto::code::Code;
use pinwire_proto::limits::Limits;

use super::model::check;
use crate::pair::Pair;

/// A pair whose bytes and whose clock move when told to.
pub(super) struct Network {
    pub(super) pair: Pair,
    limits: Limits,
    is_clear: bool,
    start: Instant,
    /// For each command that was heard, the stream at the beginning of its turn.
    began: Vec<Stream>,
    /// Behind so many of them nothing is the client's own.
    honest: usize,
    /// How many bytes of commands the client had written when so many bytes of records were on the wire.
    marks: Vec<(usize, usize)>,
    written: usize,
    /// What the client wrote before its side of the handshake was done: follows it at once.
    early: Vec<u8>,
    /// Since when the socket has taken no fair part of what waits for it, and what it had taken then.
    stuck: Option<(Instant, usize)>,
    /// When the server had said all, and how many bytes that was.
    closed: Option<(Instant, usize)>,
    /// Whether the server's socket is closed.
    is_gone: bool,
    /// Whether words of the server were lost.
    pub(super) has_lost: bool,
    /// Whether the client can still say something.
    pub(super) is_open: bool,
    /// When the server's sweep last came by.
    pub(super) swept: Duration,
}

/// The stream of sealed bytes to the client.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    /// Bytes that the socket has taken.
    pub(super) handed: usize,
    /// Bytes that wait for it.
    pub(super) unsent: usize,
}

impl Network {
    pub(super) fn new(mut pair: Pair, limits: Limits, is_clear: bool) -> Network {
        pair.client_turn(0);
        let (start, read) = (pair.now().instant, pair.server.read());
        Network {
            pair,
            limits,
            is_clear,
            start,
            began: Vec::new(),
            honest: usize::MAX,
            marks: vec![(read, 0)],
            written: 0,
            early: Vec::new(),
            stuck: None,
            closed: None,
            is_gone: false,
            has_lost: false,
            is_open: true,
            swept: Duration::ZERO,
        }
    }

    /// Whether there is no TLS.
    pub(super) fn is_clear(&self) -> bool {
        self.is_clear
    }

    /// Time since the story began.
    pub(super) fn now(&self) -> Duration {
        self.pair.now().instant - self.start
    }

    /// Bytes of commands in the records that the server has read whole.
    pub(super) fn delivered(&self) -> usize {
        let read = self.pair.server.read().min(self.honest);
        if self.is_clear {
            return read - self.marks[0].0;
        }
        let mark = self.marks.iter().rev().find(|(wire, _)| *wire <= read);
        mark.map_or(0, |(_, plain)| *plain)
    }

    /// The client writes these bytes of commands: a record, or as many as they need.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.pair.client.is_handshaking() {
            return self.early.extend_from_slice(bytes);
        }
        for record in bytes.chunks(RECORD) {
            self.pair.client.raw(record);
            self.pair.client_turn(0);
            self.written += record.len();
            self.marks.push((self.pair.up.log().len(), self.written));
        }
    }

    /// The client says close_notify.
    pub(super) fn close_notify(&mut self) {
        self.is_open = false;
        self.pair.client.close();
        self.pair.client_turn(0);
    }

    /// The server has a turn, and at most so many bytes for it.
    pub(super) fn up(&mut self, most: usize) -> Result<bool, String> {
        if self.is_gone {
            return Ok(false);
        }
        let server = &self.pair.server;
        let before = Stream { handed: self.pair.down.log().len(), unsent: server.unsent() };
        let coming = server.announced().last().cloned();
        let was_closed = server.session.is_closed();
        let moved = self.pair.server_turn(most);
        check(!was_closed || self.begun().is_empty(), || "a command began behind the end".to_owned())?;
        self.check_bounds(before, coming.as_ref())?;
        self.began.resize(self.pair.server.heard().len(), before);
        self.look()?;
        Ok(moved)
    }

    /// The bodies of the commands that this turn began.
    fn begun(&self) -> &[Vec<u8>] {
        &self.pair.server.bodies()[self.began.len()..]
    }

    /// Above the bound no further command begins, not even one already read: all that is unsent but the last
    /// answer is below it. (A command begins with its head: one whose body was still `coming` runs in any case.)
    fn check_bounds(&self, before: Stream, coming: Option<&String>) -> Result<(), String> {
        let server = &self.pair.server;
        let owed = server.owed();
        check(owed <= self.limits.in_flight, || format!("{owed} commands are in flight"))?;
        let Some(last) = self.begun().last().filter(|_| server.heard().last() != coming) else {
            return Ok(());
        };
        let said = self.pair.down.log().len() + server.unsent() - before.handed;
        let is_below = said <= self.limits.unsent + last.len() + SMALL;
        check(is_below, || format!("a command began above the bound: {said} bytes are unsent"))
    }

    /// How the stream to the client stood at the beginning of the turn in which this command was heard.
    pub(super) fn stood(&self, heard: usize) -> Stream {
        self.began[heard]
    }

    /// The client gets at most so many bytes.
    pub(super) fn down(&mut self, most: usize) -> bool {
        let moved = self.pair.client_turn(most);
        let client = &self.pair.client;
        self.is_open &= client.end().is_none() && client.failure().is_none();
        if !self.pair.client.is_handshaking() && self.is_open {
            let early = std::mem::take(&mut self.early);
            self.write(&early);
        }
        moved
    }

    /// Both talk until neither has anything more to say.
    pub(super) fn drive(&mut self) -> Result<(), String> {
        for _ in 0..MOST_TURNS {
            let moved = self.up(usize::MAX)?;
            if !self.down(usize::MAX) && !moved {
                return Ok(());
            }
        }
        Err("the pair never comes to rest".to_owned())
    }

    /// The client's side ends; the last so many bytes on their way never arrive.
    pub(super) fn fin(&mut self, lost: usize) {
        let way = self.pair.up.lose();
        self.pair.up.inject(&way[..way.len().saturating_sub(lost)]);
        self.pair.up.end();
        self.is_open = false;
    }

    /// Both sides lose what is on its way, and learn of it.
    pub(super) fn reset(&mut self) {
        self.pair.up.lose();
        self.pair.down.lose();
        (self.has_lost, self.is_open) = (true, false);
        self.pair.server.broken();
        self.pair.up.end();
        self.pair.down.end();
    }

    /// Bytes on the way to the server that are nobody's.
    pub(super) fn corrupt(&mut self) {
        self.honest = self.honest.min(self.pair.server.read() + self.pair.up.waiting());
        self.pair.up.inject(&[0; 100]);
    }

    /// Time passes, and then the server's sweep comes by.
    pub(super) fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.pair.pass(time);
        self.swept = self.now();
        let now = self.pair.now().instant;
        let is_over = self.closed.is_some_and(|(closed, _)| now >= closed + self.limits.linger);
        if is_over && !self.is_gone {
            self.leave();
        }
        if self.stuck.is_some_and(|(since, _)| now > since + self.limits.slow_reader) && self.closed.is_none()
        {
            self.pair.server.close_with(Code::SlowReader, "");
        }
        self.look()
    }

    /// The linger is over: the server's socket is closed, whatever is unsent or unread.
    fn leave(&mut self) {
        self.is_gone = true;
        self.has_lost |= self.pair.server.unsent() > 0;
        if self.pair.up.waiting() > 0 {
            // Unread bytes: the kernel resets the connection.
            self.has_lost |= !self.pair.down.lose().is_empty();
        }
        self.pair.down.end();
    }

    /// What holds after every turn of the server, and what its driver measures.
    fn look(&mut self) -> Result<(), String> {
        let (now, sent) = (self.pair.now().instant, self.pair.down.log().len());
        let unsent = self.pair.server.unsent();
        self.stuck = match self.stuck {
            _ if unsent == 0 => None,
            Some((since, then)) if sent - then < FAIR => Some((since, then)),
            _ => Some((now, sent)),
        };
        if !self.pair.server.session.is_closed() {
            return Ok(());
        }
        let (_, said) = *self.closed.get_or_insert((now, sent + unsent));
        check(self.pair.server.session.owns_nothing(), || "a closed session owns something".to_owned())?;
        check(sent + unsent <= said, || "the server goes on behind its last word".to_owned())
    }
}

/// Heads of answers, the last words and the records' own bytes, of one turn.
const SMALL: usize = 3_000;

/// What fits one record, so that the bytes of commands in it are known.
const RECORD: usize = 16_000;

/// Bytes that a reader must take within `Limits::slow_reader`, unless it takes everything; as the server has it.
const FAIR: usize = 16 * 1024;

/// More turns than any schedule needs.
const MOST_TURNS: usize = 20_000;
