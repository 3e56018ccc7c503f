//! A schedule: what a client, a handler, a network and a clock do, step by step; made from a seed.
//!
//! It prints as the Rust that makes it again. Steps name commands by their numbers, so that one can be taken
//! out without changing what the others mean.

use std::fmt;

use fastrand::Rng;
use pinwire_proto::code::Code;
use pinwire_proto::limits::HEAD;

use super::text::BREACHES;

/// What happens, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Over TLS, or in the clear: there is no close_notify there.
    pub is_tls: bool,
    /// Whether the steps begin with the connection, or with the client let in.
    pub is_early: bool,
    /// The steps. When they are over, what was held back arrives and everything is answered.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The client says a command: it waits to be written.
    Say(Command),
    /// The client takes the command of this sequence back, with a body of so many bytes if any.
    Cancel(u32, Option<usize>),
    /// The client says what no grammar allows: a name of [`BREACHES`].
    Break(&'static str),
    /// The client writes at most so many bytes of what waits, as one record or a few.
    Write(usize),
    /// The network brings the server at most so many bytes, and it has a turn.
    Up(usize),
    /// The network brings the client at most so many bytes.
    Down(usize),
    /// So many bytes may wait on the way to the client from now on.
    Room(usize),
    /// The server's other connections leave it so many bytes from now on: for replies, and for what comes.
    Give(usize, usize),
    /// From now on so many bytes are reserved for the answer of each command that is held.
    Reserve(usize),
    /// The server is short of room, and looks who is slow.
    Press,
    /// So many milliseconds pass, and the server's sweep comes by.
    Wait(u64),
    /// So many milliseconds pass, and the sweep does not come by yet.
    Drift(u64),
    /// Somebody sets the clock on the wall, by so many seconds.
    Clock(i64),
    /// The handler answers the held command of this number, with a body of so many bytes.
    Answer(u32, usize),
    /// The handler answers the held command of this number with an error.
    Refuse(u32),
    /// What works on the held command of this number panics.
    Panic(u32),
    /// The server wants to stop.
    Stop,
    /// The server closes the connection.
    Close(Code),
    /// The client says close_notify.
    CloseNotify,
    /// The client's side ends, and the last so many bytes on their way never arrive.
    Fin(usize),
    /// Both sides lose what is on its way.
    Reset,
    /// Bytes on the way to the server that nobody sent.
    Corrupt,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its argument, which no other command has.
    pub number: u32,
    /// What the handler does with it.
    pub name: Name,
    /// Its sequence, unless it is one-way.
    pub sequence: Option<u32>,
    /// Bytes of body that its head announces.
    pub size: Option<u64>,
    /// Its Timeout in milliseconds.
    pub timeout: Option<u64>,
    /// Bytes of its head, if it is padded to a length.
    pub head: Option<usize>,
}

/// What the handler does with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Answers at once: the body, or else the line.
    Echo,
    /// Answers when the schedule says so, or at its end.
    Hold,
    /// Refuses its body; echoes if there is none.
    NoBody,
    /// Panics.
    Panic,
}

impl Schedule {
    /// The schedule of this seed; the same one for ever.
    pub fn from_seed(seed: u64) -> Schedule {
        let mut rng = Rng::with_seed(seed);
        let is_tls = rng.u8(0..4) == 0;
        let length = rng.usize(4..60);
        let (spare, is_slow, is_short) = (rng.bool(), rng.u8(0..4) == 0, rng.u8(0..3) == 0);
        let mut maker = Maker { is_tls, is_early: false, number: 0, spare, is_slow, is_short, rng };
        maker.is_early = is_tls && maker.rng.bool();
        let mut steps: Vec<Step> = if maker.rng.bool() { vec![maker.reservation()] } else { Vec::new() };
        if maker.is_slow {
            steps.push(Step::Room(maker.rng.usize(0..2_000)));
        }
        if maker.is_early {
            steps.extend(maker.opening());
        }
        steps.extend((0..length).map(|at| maker.step(at * 3 > length * 2)));
        Schedule { is_tls, is_early: maker.is_early, steps }
    }
}

/// What a schedule is drawn with.
struct Maker {
    rng: Rng,
    is_tls: bool,
    is_early: bool,
    /// Commands so far.
    number: u32,
    /// Whether what ends the connection comes late, if at all.
    spare: bool,
    /// Whether the client reads little.
    is_slow: bool,
    /// Whether other connections take the room.
    is_short: bool,
}

impl Maker {
    /// The first round trips in pieces, so that what comes next may meet each part of the handshake.
    fn opening(&mut self) -> Vec<Step> {
        let (length, mut steps) = (self.rng.usize(0..8), Vec::new());
        for _ in 0..length {
            steps.push(match self.rng.u8(0..16) {
                0..6 => Step::Up(self.amount()),
                6..12 => Step::Down(self.amount()),
                12 => Step::Clock(self.seconds()),
                13 => Step::Say(self.command()),
                14 if self.spare => Step::Write(usize::MAX),
                14 => self.end(),
                _ => Step::Wait([1, 1_000, 9_999, 10_000][self.rng.usize(0..4)]),
            });
        }
        steps
    }

    /// Around nothing, and around what a certificate or a ticket lives.
    fn seconds(&mut self) -> i64 {
        const FAR: [i64; 8] =
            [1, 3_600, 86_400, 400 * 86_400, 100 * 365 * 86_400, 10_000 * 365 * 86_400, i64::MAX, 0];
        let seconds = FAR[self.rng.usize(0..FAR.len())];
        if self.rng.bool() { -seconds } else { seconds }
    }

    fn step(&mut self, is_late: bool) -> Step {
        if self.is_short && self.rng.u8(0..4) == 0 {
            return self.shortage();
        }
        match self.rng.u8(0..100) {
            0..30 => Step::Say(self.command()),
            30..46 => Step::Write(self.amount()),
            46..66 => Step::Up(self.amount()),
            66..68 if self.is_slow => Step::Room(usize::MAX),
            66..73 if self.is_slow => Step::Room(self.rng.usize(0..2_000)),
            73 if self.is_slow => Step::Wait(self.rng.u64(1_000..40_000)),
            66..76 => Step::Down(self.amount()),
            76 if self.rng.bool() => Step::Clock(self.seconds()),
            76 => Step::Drift(self.time()),
            77..80 => Step::Wait(self.time()),
            80..88 => Step::Answer(self.some_number(), self.size() as usize % 40_000),
            88..91 => Step::Refuse(self.some_number()),
            91..95 => Step::Cancel(self.some_number(), self.cancel_body()),
            _ if self.spare && !is_late => Step::Up(usize::MAX),
            _ => self.end(),
        }
    }

    /// Around nothing, and around what the server's limits are and bodies have.
    fn shortage(&mut self) -> Step {
        const OUT: [usize; 8] = [0, 0, 1, 1_000, 9_000, 30_000, usize::MAX, usize::MAX];
        const COME: [usize; 8] = [0, 1, 100, 1_023, 8_064, 19_999, usize::MAX, usize::MAX];
        match self.rng.u8(0..10) {
            0..4 => Step::Give(OUT[self.rng.usize(0..OUT.len())], COME[self.rng.usize(0..COME.len())]),
            4..6 => self.reservation(),
            6 => Step::Drift([999, 1_000, 1_001, 3_000][self.rng.usize(0..4)]),
            7 => Step::Wait([1_001, 600_001][self.rng.usize(0..2)]),
            _ => Step::Press,
        }
    }

    fn reservation(&mut self) -> Step {
        const BYTES: [usize; 5] = [0, HEAD + 1, 10_000, 20_000, usize::MAX];
        Step::Reserve(BYTES[self.rng.usize(0..BYTES.len())])
    }

    fn end(&mut self) -> Step {
        match self.rng.u8(0..10) {
            0 => Step::Break(BREACHES[self.rng.usize(0..BREACHES.len())].0),
            1 => Step::Stop,
            2 => {
                Step::Close([Code::Removed, Code::NoLongerTrusted, Code::ShuttingDown][self.rng.usize(0..3)])
            }
            3 => Step::Reset,
            4 | 5 => Step::Fin([0, 0, 1, self.rng.usize(0..3_000)][self.rng.usize(0..4)]),
            6 => Step::Panic(self.some_number()),
            7 if self.is_tls => Step::Corrupt,
            _ if self.is_tls => Step::CloseNotify,
            _ => Step::Wait(self.time()),
        }
    }

    fn command(&mut self) -> Command {
        self.number += 1;
        let name = match self.rng.u8(0..40) {
            0..19 => Name::Echo,
            19..35 => Name::Hold,
            35..39 => Name::NoBody,
            _ if self.spare => Name::Hold,
            _ => Name::Panic,
        };
        let sequence = match self.rng.u8(0..20) {
            0..4 => None,
            4 if !self.spare => Some(self.some_number()),
            _ => Some(self.number),
        };
        let size = self.rng.bool().then(|| self.body());
        let timeout = (self.rng.u8(0..5) == 0).then(|| self.time());
        let around = [HEAD - 1, HEAD, 200, 4_000];
        let head = (self.rng.u8(0..12) == 0).then(|| around[self.rng.usize(0..around.len())]);
        Command { number: self.number, name, sequence, size, timeout, head }
    }

    /// A body's size; a schedule that spares the connection has none above the limit, and one whose client
    /// reads little has large ones to echo.
    fn body(&mut self) -> u64 {
        let is_large = self.is_slow && self.rng.u8(0..3) == 0;
        let size = if is_large { self.rng.u64(8_000..=super::BODY) } else { self.size() };
        if self.spare { size.min(super::BODY) } else { size }
    }

    fn size(&mut self) -> u64 {
        const EDGES: [u64; 12] =
            [0, 1, 2, 1_023, 1_024, 1_025, 8_064, 16_383, 16_384, 16_385, 19_999, 20_000];
        const OVER: [u64; 4] = [20_001, 40_000, 1 << 32, 9_999_999_999_999_999_999];
        match self.rng.u8(0..40) {
            0 => OVER[self.rng.usize(0..OVER.len())],
            1..15 => EDGES[self.rng.usize(0..EDGES.len())],
            _ => self.rng.u64(0..300),
        }
    }

    fn cancel_body(&mut self) -> Option<usize> {
        (self.rng.u8(0..4) == 0).then(|| self.body().min(30_000) as usize)
    }

    /// Of a command that was said, more often of a late one; now and then of one that never was.
    fn some_number(&mut self) -> u32 {
        let back = if self.rng.bool() { 4 } else { 60 };
        (self.number + 1).saturating_sub(self.rng.u32(0..back)).max(1)
    }

    fn amount(&mut self) -> usize {
        match self.rng.u8(0..10) {
            0 => self.rng.usize(1..5),
            1..3 => self.rng.usize(1..100),
            3..6 => self.rng.usize(100..5_000),
            6 => self.rng.usize(5_000..30_000),
            _ => usize::MAX,
        }
    }

    /// Milliseconds around every patience of the server.
    fn time(&mut self) -> u64 {
        const EDGES: [u64; 11] = [1, 500, 999, 1_000, 1_999, 2_000, 10_000, 29_999, 30_000, 30_001, 100_000];
        match self.rng.u8(0..30) {
            0 => 600_000,
            1 => 599_999,
            _ => EDGES[self.rng.usize(0..EDGES.len())],
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Schedule {{ is_tls: {}, is_early: {}, steps: vec![", self.is_tls, self.is_early)?;
        for step in &self.steps {
            let line = match step {
                Step::Close(code) => format!("Close(Code::{code:?})"),
                Step::Say(command) => format!("Say({command})"),
                step => format!("{step:?}"),
            };
            writeln!(f, "    Step::{},", line.replace(&usize::MAX.to_string(), "usize::MAX"))?;
        }
        writeln!(f, "] }}")
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Command { number, name, sequence, size, timeout, head } = self;
        write!(f, "Command {{ number: {number}, name: Name::{name:?}, sequence: {sequence:?}, ")?;
        write!(f, "size: {size:?}, timeout: {timeout:?}, head: {head:?} }}")
    }
}
