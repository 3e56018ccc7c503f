//! The network between a pair, and the patience that a server's driver has with it: pieces of any size in
//! either direction, ends, losses; slow readers and the linger at the end.

use std::time::{Duration, Instant};

use pinwire_proto::code::Code;
use pinwire_proto::limits::{self, HEAD, Limits};

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
    /// Since when each turn has left the server reading on.
    reads: Option<Duration>,
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
            reads: None,
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
        let was_closed = server.session.is_closed();
        let moved = self.pair.server_turn(most);
        check(!was_closed || self.begun().is_empty(), || "a command began behind the end".to_owned())?;
        self.check_begun(before)?;
        if moved {
            self.check_come()?;
            self.reads = self.is_reading().then(|| self.reads.unwrap_or(self.now()));
        }
        self.began.resize(self.pair.server.heard().len(), before);
        self.look()?;
        Ok(moved)
    }

    /// The bodies of the commands that this turn began.
    fn begun(&self) -> &[Vec<u8>] {
        &self.pair.server.bodies()[self.began.len()..]
    }

    /// Above the bounds no further command begins, not even one already read: all that is unsent or owed but
    /// the last answer is below them.
    fn check_begun(&self, before: Stream) -> Result<(), String> {
        let (server, limits) = (&self.pair.server, &self.limits);
        let owed = server.owed();
        check(owed <= limits.in_flight, || format!("{owed} commands are in flight"))?;
        let count = self.begun().len();
        check(count <= limits.events_per_turn, || format!("a turn ran {count} commands"))?;
        let Some(last) = self.begun().last() else { return Ok(()) };
        check(server.room.out > 0, || "a command began without room".to_owned())?;
        let said = self.pair.down.log().len() + server.unsent() - before.handed;
        check(said <= limits.unsent + last.len() + SMALL, || {
            format!("a command began above the bound: {said} bytes are unsent")
        })?;
        let is_held = server.all_held().last().is_some_and(|(line, _)| Some(line) == server.heard().last());
        let of_last = if is_held { self.reserved() } else { last.len() } + SMALL;
        let waits = said + server.session.kept_out();
        check(waits <= limits.owed.min(server.room.out).saturating_add(of_last), || {
            format!("a command began above the bound: {waits} bytes are unsent or owed")
        })
    }

    fn is_reading(&self) -> bool {
        let server = &self.pair.server;
        server.session.wants_read(server.unsent()) && !server.session.is_handshaking()
    }

    /// Since when the server has read whatever comes, if it does.
    pub(super) fn reads_since(&self) -> Option<Duration> {
        self.reads.filter(|_| self.is_reading())
    }

    /// Whether a command waits although nothing is short and nothing else is to come.
    pub(super) fn may_go_on(&self) -> bool {
        let (server, limits) = (&self.pair.server, &self.limits);
        let is_free = server.owed() < limits.in_flight
            && server.unsent() <= limits.unsent
            && server.unsent() + server.session.kept_out() <= limits.owed;
        is_free && server.ended().is_none() && !self.is_reading() && !server.session.is_handshaking()
    }

    /// What keeps a command waiting, if one does.
    pub(super) fn waits(&self) -> Option<&'static str> {
        let server = &self.pair.server;
        let (unsent, session) = (server.unsent(), &server.session);
        match session.ended() {
            Some(_) => None,
            _ if session.yields() => Some("its turn is over"),
            _ if session.is_starved() => Some("there is no room"),
            _ if unsent > self.limits.unsent => Some("too much is unsent"),
            _ if unsent + session.kept_out() > self.limits.owed && session.kept_come() > 0 => {
                Some("too much is owed")
            }
            _ => None,
        }
    }

    /// Bytes that are reserved for a command that is held now.
    pub(super) fn reserved(&self) -> usize {
        let asked = self.pair.server.script.reserves.unwrap_or(usize::MAX);
        asked.clamp(HEAD, self.limits.longest_reply())
    }

    /// What a client that never reads may cost.
    pub(super) fn check_out(&self) -> Result<(), String> {
        let waits = self.pair.server.unsent() + self.pair.server.session.kept_out();
        let most = self.limits.owed + self.limits.longest_reply() + SMALL;
        check(waits <= most, || format!("{waits} bytes are unsent or owed"))
    }

    /// What a turn keeps of what has come: of a head and its body as much as there is room for, else an incomplete head, and
    /// an incomplete record; where the session does not read on, what it had read by then too.
    fn check_come(&self) -> Result<(), String> {
        let server = &self.pair.server;
        let kept = server.session.kept_come();
        let most = match self.is_reading() {
            true => server.room.come.min(self.limits.body as usize + HEAD).max(HEAD),
            false => self.limits.body as usize + HEAD + READ,
        };
        let record = if self.is_clear { 0 } else { limits::RECORD };
        check(kept <= most + record, || format!("{kept} bytes of what came are kept, of at most {most}"))
    }

    /// The server is short of room, and looks who is slow; whether the session says that the client is.
    pub(super) fn press(&mut self) -> bool {
        let now = self.pair.now();
        if self.is_stuck(self.limits.pressed) {
            self.pair.server.close_with(Code::SlowReader, "");
        }
        self.pair.server.press(now)
    }

    /// Whether the client has read too little for so long.
    fn is_stuck(&self, patience: Duration) -> bool {
        let now = self.pair.now().instant;
        self.stuck.is_some_and(|(since, _)| now > since + patience) && self.closed.is_none()
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
        if self.is_stuck(self.limits.slow_reader) {
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

/// The most that a turn reads.
const READ: usize = 64 * 1024;
