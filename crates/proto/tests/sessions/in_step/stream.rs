//! A stream of commands, and what is done to it on the way; made from a seed, made small when it fails.

use std::fmt::Write as _;

use fastrand::Rng;
use pinwire_proto::code::Code;
use pinwire_testkit::simulator::{BREACHES, breach};

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) is_tls: bool,
    /// The limit of a body.
    pub(super) limit: u64,
    pub(super) in_flight: usize,
    pub(super) entry: Entry,
    pub(super) moves: Vec<Move>,
}

/// How the client comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It waits for the greeting.
    Greeted,
    /// What it says first comes with its last handshake message.
    Pipelined,
    /// Likewise, and the handler refuses it with this code.
    Refused(Code),
    /// Likewise, and its certificate is judged so.
    Judged(Code),
}

#[derive(Clone, Debug)]
pub(super) enum Move {
    /// The client says it: it waits to be written.
    Say(Saying),
    /// All that waits is written but the last so many bytes, at cuts of this seed.
    Write(usize, u64),
    /// The handler answers one of the held commands, whichever it is: OK with a body of so many bytes.
    Answer(usize, usize),
    Err(usize, Code),
    Panic(usize),
    /// So many milliseconds pass, with the sweep and without.
    Pass(u64),
    Drift(u64),
    Close(Code),
    Stop,
    Notify,
    Fin,
}

#[derive(Clone, Debug)]
pub(super) enum Saying {
    Command(Command),
    Cancel(u32, Option<u64>),
    /// A breach of the simulator's table.
    Breach(&'static str),
    /// A head with this byte at this place, modulo its length.
    Spoilt(Command, usize, u8),
    /// A Size of twenty digits.
    Endless(u32),
}

#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) number: u32,
    /// What the handler says, if it fails.
    pub(super) code: Code,
    /// The number whose sequence it has; none: it is one-way.
    pub(super) sequence: Option<u32>,
    pub(super) size: Option<u64>,
    /// In milliseconds.
    pub(super) timeout: Option<u64>,
    /// How the head is written and how the body begins and ends.
    pub(super) style: usize,
}

/// A server's own code.
pub(super) const OWN: Code = Code::own("quota-used");

/// The code that a command's line names.
pub(super) fn code(line: &str) -> Code {
    line.split(' ').nth(2).and_then(Code::parse).unwrap_or(OWN)
}

/// Every code that a handler can say.
pub(super) fn codes() -> Vec<Code> {
    Code::all().chain([OWN]).collect()
}

impl Saying {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Saying::Command(command) => command.bytes(),
            Saying::Cancel(victim, size) => {
                let size_line = size.map(|size| format!("Size: {size}\r\n")).unwrap_or_default();
                let head = format!("CANCEL s{victim}\r\nSequence: s{victim}\r\n{size_line}\r\n");
                with_body(head, size.unwrap_or(0), *victim as usize)
            }
            Saying::Breach(name) => breach(name).0,
            Saying::Spoilt(command, at, byte) => {
                let mut head = command.head().into_bytes();
                let at = at % head.len();
                head[at] = if head[at] == *byte { 0 } else { *byte };
                head.extend(canaries(100, 0));
                head
            }
            Saying::Endless(number) => {
                let head = format!("ECHO {number}\r\nSequence: s{number}\r\nSize: {}\r\n\r\n", u64::MAX);
                with_body(head, 100, 0)
            }
        }
    }

    /// Whether it may arrive in part before time passes: of a breach the first offending byte would count.
    pub(super) fn may_be_cut(&self) -> bool {
        matches!(self, Saying::Command(_) | Saying::Cancel(..))
    }
}

impl Command {
    pub(super) fn line(&self) -> String {
        format!("{} {} {}", self.name, self.number, self.code)
    }

    fn head(&self) -> String {
        let mut headers = Vec::new();
        headers
            .extend(self.sequence.map(|number| {
                ["Sequence: s", "SEQUENCE:s"][self.style % 2].to_owned() + &number.to_string()
            }));
        headers.extend(
            self.size.map(|size| format!("{}{size}", ["Size: ", "size:   ", "SIZE:000"][self.style % 3])),
        );
        headers
            .extend(self.timeout.map(|millis| format!("Timeout: {}.{:03}", millis / 1_000, millis % 1_000)));
        if self.style.is_multiple_of(5) {
            headers.push("Note: Size: 7".to_owned());
        }
        if self.style % 2 == 1 {
            headers.reverse();
        }
        let mut head = self.line() + ["", "  "][self.style % 2] + "\r\n";
        headers.iter().for_each(|header| write!(head, "{header}\r\n").unwrap());
        if self.style.is_multiple_of(11) {
            let pad = HEAD - self.style % 3 - head.len() - "Pad: \r\n\r\n".len();
            write!(head, "Pad: {}\r\n", "x".repeat(pad)).unwrap();
        }
        head + "\r\n"
    }

    fn bytes(&self) -> Vec<u8> {
        with_body(self.head(), self.size.unwrap_or(0), self.style)
    }
}

/// Of a huge body only the beginning is ever said.
fn with_body(head: String, size: u64, style: usize) -> Vec<u8> {
    let mut bytes = head.into_bytes();
    bytes.extend(canaries(size.min(100_000) as usize, style));
    bytes
}

/// A body in which every line would be a command: whoever slips by a byte hears one, or breaks off.
pub(super) fn canaries(size: usize, style: usize) -> Vec<u8> {
    let (first, last) = (FIRST[style % FIRST.len()], LAST[style / 3 % LAST.len()]);
    let mut bytes: Vec<u8> = first.bytes().chain(CANARY.bytes().cycle()).take(size).collect();
    if let Some(at) = size.checked_sub(last.len()) {
        bytes[at..].copy_from_slice(last.as_bytes());
    }
    bytes
}

const CANARY: &str = "CANARY c\r\nSequence: canary\r\n\r\nOK\r\nSequence: s1\r\nSize: 0\r\n\r\n";
/// A whole command, the rest of one at each of its turns, an announcement of more.
const FIRST: [&str; 7] =
    ["", "\r\n\r\n", "\n\r\n", "\r\n", "\n", "ence: canary\r\n\r\n", "CANARY c\r\nSize: 90\r\n\r\n"];
/// The first half of a command at each of its turns, an announcement of more.
const LAST: [&str; 9] = [
    "",
    "\r",
    "\r\n",
    "\r\n\r",
    "\r\n\r\n",
    "\r\n\r\nCANARY c\r\nSequ",
    "\r\n\r\nCANARY c\r\nPad: ",
    "\r\n\r\nCANARY c\r\nSize: 100\r\n\r\n",
    "CANARY ",
];

const HEAD: usize = 8_064;

impl Stream {
    /// The stream of this seed; the same one for ever.
    pub(super) fn from_seed(seed: u64) -> Stream {
        let mut rng = Rng::with_seed(seed);
        let limit = [100, 16_384, 20_000, 70_000][rng.usize(0..4)];
        let (is_tls, in_flight) = (rng.u8(0..5) == 0, [1, 3, 8][rng.usize(0..3)]);
        let entry = entry(&mut rng, seed);
        let length = rng.usize(4..30);
        let mut maker =
            Maker { is_tls, limit, number: 0, turn: seed as usize * 7, spare: rng.u8(0..3) > 0, rng };
        let mut moves: Vec<Move> = (0..length).map(|_| maker.next()).collect();
        if !maker.spare {
            moves.extend(maker.end_in_a_body());
            moves.extend(maker.rng.bool().then_some(Move::Pass(30_000)));
            moves.extend((0..5).map(|_| maker.next()));
        }
        Stream { is_tls, limit, in_flight, entry, moves }
    }
}

fn entry(rng: &mut Rng, seed: u64) -> Entry {
    let at = seed as usize / 16;
    match rng.u8(0..16) {
        0..9 => Entry::Greeted,
        9..14 => Entry::Pipelined,
        14 => Entry::Refused(Code::all().filter(|code| code.is_refusal()).nth(at % 9).unwrap()),
        _ => Entry::Judged(JUDGED[at % JUDGED.len()]),
    }
}

/// What a list says of a certificate without help from the handler.
const JUDGED: [Code; 4] = [
    Code::NoCertificate,
    Code::CertificateNotYetValid,
    Code::CertificateExpired,
    Code::UnfamiliarCertificate,
];

struct Maker {
    rng: Rng,
    is_tls: bool,
    limit: u64,
    number: u32,
    /// Codes and breaches take turns, so that none is left out.
    turn: usize,
    /// Whether nothing ends the connection on purpose.
    spare: bool,
}

impl Maker {
    fn next(&mut self) -> Move {
        match self.rng.u8(0..100) {
            0..44 => Move::Say(Saying::Command(self.command())),
            44..68 => Move::Write(self.short(), self.rng.u64(..)),
            68..74 => Move::Answer(self.rng.usize(..), self.rng.usize(0..2_000)),
            74..80 => Move::Err(self.rng.usize(..), self.code()),
            80..85 => Move::Pass(self.time()),
            85..88 => Move::Drift(self.rng.u64(500..3_000)),
            88..93 => Move::Say(Saying::Cancel(self.some_number(), self.rng.bool().then(|| self.size()))),
            _ => Move::Write(self.short(), self.rng.u64(..)),
        }
    }

    /// Something that ends the connection, mostly while a body is under way, now and then a head.
    fn end_in_a_body(&mut self) -> [Move; 3] {
        let mut command = self.command();
        let size = command.size.get_or_insert(50);
        let short = self.rng.u64(0..=*size + 20).min(100_000) as usize;
        [Move::Say(Saying::Command(command)), Move::Write(short, self.rng.u64(..)), self.end()]
    }

    fn end(&mut self) -> Move {
        match self.rng.u8(0..16) {
            0..3 => Move::Say(Saying::Breach(BREACHES[self.turn() % BREACHES.len()].0)),
            3..5 => {
                let byte = [0, b'\n', b'\r', 0xff, 0x80, 0x7f][self.rng.usize(0..6)];
                let mut command = self.command();
                command.style += usize::from(command.style.is_multiple_of(11));
                Move::Say(Saying::Spoilt(command, self.rng.usize(0..1_000), byte))
            }
            5 => Move::Say(Saying::Endless(self.number + 1)),
            6..12 => Move::Close(self.connection_code()),
            12 => Move::Panic(self.rng.usize(..)),
            13 => Move::Stop,
            14 if self.is_tls => Move::Notify,
            14 => Move::Fin,
            _ => Move::Pass(600_000),
        }
    }

    fn command(&mut self) -> Command {
        self.number += 1;
        let name = match self.rng.u8(0..64) {
            0..16 => "ECHO",
            16..32 => "HOLD",
            32..48 => "FAIL",
            48..63 => "REFUSE",
            _ if self.spare => "ECHO",
            _ => "PANIC",
        };
        let sequence = match self.rng.u8(0..40) {
            0..6 => None,
            6..9 if !self.spare => Some(self.some_number()),
            _ => Some(self.number),
        };
        let size = (self.rng.u8(0..3) > 0).then(|| self.size());
        let timeout = (self.rng.u8(0..5) == 0).then(|| self.rng.u64(1..3_000));
        let (code, style) = (self.code(), self.rng.usize(0..10_000));
        Command { name, number: self.number, code, sequence, size, timeout, style }
    }

    /// Around each limit; above this one only if the connection may end.
    fn size(&mut self) -> u64 {
        let limit = self.limit;
        let edges = [0, 1, limit - 1, limit, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537];
        let over = [limit + 1, limit * 2, 1 << 32, 1 << 63, 9_999_999_999_999_999_999];
        match self.rng.u8(0..40) {
            0 if !self.spare => over[self.rng.usize(0..over.len())],
            0..8 => edges[self.rng.usize(0..edges.len())].min(limit),
            _ => self.rng.u64(0..200).min(limit),
        }
    }

    /// How much of the last command is held back.
    fn short(&mut self) -> usize {
        [0, 0, 1, 2, 3, 5, self.rng.usize(0..60), self.rng.usize(0..300), self.rng.usize(0..70_000)]
            [self.rng.usize(0..9)]
    }

    fn time(&mut self) -> u64 {
        if self.rng.u8(0..8) == 0 { 30_000 } else { self.rng.u64(500..3_000) }
    }

    fn some_number(&mut self) -> u32 {
        self.number.saturating_sub(self.rng.u32(0..5)).max(1)
    }

    fn turn(&mut self) -> usize {
        self.turn += 1;
        self.turn
    }

    fn code(&mut self) -> Code {
        let codes = codes();
        codes[self.turn() % codes.len()]
    }

    fn connection_code(&mut self) -> Code {
        let codes: Vec<Code> = Code::all().filter(|code| code.is_of_connection()).collect();
        codes[self.turn() % codes.len()]
    }
}

/// Takes moves out as long as it still fails.
pub(super) fn shrink(mut stream: Stream, fails: impl Fn(&Stream) -> bool) -> Stream {
    let mut at = 0;
    while at < stream.moves.len() {
        let mut shorter = stream.clone();
        shorter.moves.remove(at);
        match fails(&shorter) {
            true => (stream, at) = (shorter, 0),
            false => at += 1,
        }
    }
    stream
}
