//! A server's session, fed any plaintext in any pieces while answers come late, the client's socket is full,
//! time passes and the connection ends one way or the other; and any bytes at all where TLS is expected.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::session::{Buffers, Disconnect, Now, Room, ServerSession};
use pinwire_proto::tls::{ServerTls, TlsFailure};
use pinwire_testkit::pair::{LOCAL, Link, ServerEnd, Setup};

use crate::choices::{Choices, inflate};
use crate::grammar::{self, Reading};
use crate::talk::{self, Bounds, Said, Told};

/// See the module.
///
/// # Panics
/// At a finding.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let limits = choices.byte();
    let count = choices.below(64);
    let deeds = choices.bytes(count);
    let stream = inflate(choices.rest());
    if limits == b'T' {
        return shakes_no_hands(deeds, &stream);
    }
    let mut story = Story::new(&setup(limits));
    story.deeds(deeds, &stream);
    story.ends();
    if deeds.is_empty() {
        cuts_change_nothing(limits, &stream, &story);
    }
}

static SETUP: LazyLock<Setup> = LazyLock::new(Setup::default);

/// Mostly limits that a small input reaches.
fn setup(choice: u8) -> Setup {
    let choice = usize::from(choice);
    SETUP.clone().limits(|limits| {
        limits.body = [1024 * 1024, 1_000, 16, 0][choice % 4];
        limits.in_flight = [1_024, 4, 2, 1][choice / 4 % 4];
        limits.unsent = [1024 * 1024, 5_000, 200, 0][choice / 16 % 4];
        if choice / 64 > 0 {
            (limits.owed, limits.reply) = ([40_000, 10_000, 0][choice / 64 - 1], 0);
            limits.events_per_turn = [3, 2, 1][choice / 64 - 1];
        }
    })
}

/// One connection without TLS.
struct Story {
    server: ServerEnd,
    up: Link,
    down: Link,
    now: Now,
    /// What has been given to the server, to its end or to a FIN.
    fed: Vec<u8>,
    is_cut_off: bool,
    stops: bool,
    most_unsent: usize,
    bounds: Bounds,
    /// How often the handler has changed what it reserves.
    reserved: usize,
}

impl Story {
    fn new(setup: &Setup) -> Story {
        let mut server = setup.clear_server();
        server.script = talk::script();
        let most_unsent = setup.limits.unsent + (setup.limits.in_flight.min(64) + 2) * LONGEST_ANSWER;
        let (up, down) = (Link::default(), Link::default());
        Story {
            server,
            up,
            down,
            now: setup.now,
            fed: Vec::new(),
            is_cut_off: false,
            stops: false,
            most_unsent,
            bounds: Bounds::new(&setup.limits, true),
            reserved: 0,
        }
    }

    /// A piece of the stream for each deed, then the rest of it.
    fn deeds(&mut self, deeds: &[u8], stream: &[u8]) {
        let mut rest = stream;
        for deed in deeds {
            let length = [0, 1, 2, 7, 40, 300, 2_000, usize::MAX][usize::from(deed >> 5)];
            let (piece, left) = rest.split_at(length.min(rest.len()));
            rest = left;
            self.feed(piece);
            self.deed(deed & 31);
        }
        self.feed(rest);
        self.turns();
    }

    fn feed(&mut self, piece: &[u8]) {
        if !self.is_cut_off {
            self.up.inject(piece);
            self.fed.extend_from_slice(piece);
        }
    }

    fn deed(&mut self, deed: u8) {
        match deed {
            0..=3 => {}
            4 => self.down.room = 0,
            5 => self.down.room = 100,
            6 => self.down.room = usize::MAX,
            7 => _ = self.down.take(50),
            8 => _ = self.down.take(usize::MAX),
            9..=11 => self.answer(usize::from(deed - 9)),
            12 => self.wait(Duration::from_millis(500)),
            13 => self.wait(Duration::from_secs(5)),
            14 => self.wait(Duration::from_secs(31)),
            15 => self.wait(Duration::from_secs(601)),
            16 => self.up.cut = 1,
            17 => self.up.cut = usize::MAX,
            // Without a turn: the next piece comes in the same one.
            18 | 19 => return,
            20 => self.press(),
            21 => self.reserve(),
            22..=27 => self.server.give(talk::ROOMS[usize::from(deed - 22)]),
            28 => self.stop(),
            29 => self.server.close_with(Code::Removed, "by a fuzzer"),
            30 => self.cut_off(),
            _ => self.answer(usize::MAX),
        }
        self.turns();
    }

    fn answer(&mut self, which: usize) {
        let held = self.server.all_held();
        let is_owed = |(_, to): &&(String, _)| self.server.session.is_owed(to);
        let owed: Vec<_> = held.iter().filter(is_owed).cloned().collect();
        if let Some((line, to)) = owed.get(which.min(owed.len().saturating_sub(1))) {
            self.server.answer_or_fail(*to, line);
        }
    }

    /// The next ones that are held owe something else.
    fn reserve(&mut self) {
        self.reserved += 1;
        self.server.script.reserves = talk::RESERVES[self.reserved % talk::RESERVES.len()];
    }

    fn stop(&mut self) {
        self.stops = true;
        self.server.stop();
        if !self.is_cut_off {
            self.bounds.stop(&self.server);
        }
    }

    fn press(&mut self) {
        self.server.press(self.now);
        assert!(!self.server.press(self.now), "it would be pressed for ever");
    }

    fn cut_off(&mut self) {
        self.up.end();
        self.is_cut_off = true;
    }

    fn wait(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix += i64::try_from(time.as_secs()).expect("stories are short");
        // Once for a body that is late, once for a connection that is: then there is patience again.
        self.server.expire(self.now);
        self.server.expire(self.now);
        let deadline = self.server.session.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now.instant), "it would be asked for ever");
    }

    fn turns(&mut self) {
        for _ in 0..MOST_TURNS {
            let moved = self.server.turn(self.now, &mut self.up, &mut self.down);
            self.bounds.check(&self.server);
            assert!(self.server.unsent() <= self.most_unsent, "{} bytes are unsent", self.server.unsent());
            if !moved {
                return;
            }
        }
        panic!("the server never comes to rest");
    }

    fn rest(&mut self) {
        self.turns();
        if !self.stops && !self.is_cut_off {
            self.bounds.check_rest(&self.server);
        }
    }

    /// The client reads all, there is room, every handler answers: now everything is decided.
    fn ends(&mut self) {
        self.up.cut = usize::MAX;
        self.down.room = usize::MAX;
        self.server.give(Room::default());
        self.rest();
        while talk::answer_all(&mut self.server) {
            self.rest();
        }
        assert!(!self.is_cut_off || self.server.ended().is_some(), "a FIN, and no end");
        assert!(!self.stops || self.server.ended().is_some(), "told to stop, and no end");
        assert!(!matches!(self.server.ended(), Some(Disconnect::Tls(_))));
        let (said, is_all) = said(&self.fed);
        let told = told(self.down.log());
        talk::check(&said, &self.server, &told, self.is_cut_off);
        let is_at_rest = is_all && self.server.ended().is_none();
        assert!(!is_at_rest || self.server.session.owns_nothing(), "idle, and something is kept");
    }
}

/// The commands of a stream by the plain grammar, up to the first fault; whether nothing is left behind them.
fn said(stream: &[u8]) -> (Vec<Said>, bool) {
    let mut said = Vec::new();
    let mut rest = stream;
    while let Reading::Head(lines) = grammar::command(rest) {
        let size = lines.header("Size").map_or(0, |size| size.parse::<u64>().expect("19 digits fit"));
        let after = &rest[lines.length..];
        let is_whole = size <= after.len() as u64;
        let (body, left) = after.split_at(if is_whole { size as usize } else { after.len() });
        let sequence = lines.header("Sequence").map(str::to_owned);
        let line = lines.first.trim_end_matches(' ').to_owned();
        said.push(Said { line, sequence, body: body.to_owned(), is_whole });
        rest = left;
        if !is_whole {
            return (said, false);
        }
    }
    (said, rest.is_empty())
}

/// The replies behind the greeting. All of them are whole: nothing is cut by our own hand.
fn told(log: &[u8]) -> Vec<Told> {
    let Some(mut rest) = log.strip_prefix(b"OK\r\n") else {
        // Closed before the peer was let in: a greeting that says why, or nothing.
        assert!(
            log.is_empty() || matches!(grammar::greeting(log), Ok(Some(line)) if line.len() + 2 == log.len())
        );
        return Vec::new();
    };
    let mut told = Vec::new();
    while !rest.is_empty() {
        let Reading::Head(lines) = grammar::reply(rest) else {
            panic!("no reply: {:?}", String::from_utf8_lossy(rest));
        };
        let size = lines.header("Size").and_then(|size| size.parse::<usize>().ok()).expect("a size");
        let (body, left) = rest[lines.length..].split_at(size);
        let status = grammar::status(&lines.first).expect("a status");
        let sequence = lines.header("Sequence").map(str::to_owned);
        let code = status.err().map(|(code, _)| code.to_owned());
        told.push(Told { sequence, code, body: body.to_owned() });
        rest = left;
    }
    told
}

/// The same stream byte by byte gives the same bytes back, unless a sequence came again too early: what is
/// too early depends on what has been sent.
fn cuts_change_nothing(limits: u8, stream: &[u8], whole: &Story) {
    if limits != 0 || whole.server.closed_with() == Some(Code::DuplicateSequence) {
        return;
    }
    let mut story = Story::new(&setup(limits));
    let step = 1 + stream.len() / 1_024;
    for piece in stream.chunks(step) {
        story.feed(piece);
        story.turns();
    }
    story.ends();
    assert_eq!(story.server.heard(), whole.server.heard());
    let (found, expected) = (story.down.log(), whole.down.log());
    assert!(found == expected, "{:?}", String::from_utf8_lossy(found));
}

/// Bytes that nobody with a key made: nothing is heard and nobody is judged, and TLS ends it once.
fn shakes_no_hands(deeds: &[u8], stream: &[u8]) {
    static TLS: LazyLock<Result<ServerTls, TlsFailure>> =
        LazyLock::new(|| ServerTls::new(&SETUP.server, SETUP.tickets.clone()));
    let tls = TLS.as_ref().expect("a configuration of ours");
    let mut session =
        ServerSession::new(tls, Arc::new(SETUP.limits.clone()), SETUP.now).expect("a configuration");
    let mut io = Buffers::default();
    let mut ended = None;
    for piece in stream.chunks(1 + deeds.iter().map(|deed| usize::from(*deed)).sum::<usize>()) {
        io.wire.space()[..piece.len()].copy_from_slice(piece);
        io.wire.filled(piece.len());
        session.open(SETUP.now, (&SETUP.list, LOCAL), &mut io);
        let event = session.next(SETUP.now, &mut io.plain, &mut io.replies);
        assert!(event.is_none(), "{event:?}");
        session.seal(SETUP.now, &mut io);
        io.sealed.clear();
        assert!(session.is_handshaking() || session.is_closed());
        assert!(ended.is_none() || ended.as_ref() == session.ended(), "it ended twice");
        ended = session.ended().cloned();
    }
    assert!(matches!(ended, None | Some(Disconnect::Tls(_))), "{ended:?}");
}

/// The longest body that an input can bring to be echoed, and the head before it.
const LONGEST_ANSWER: usize = 17 * 1024;
/// More than any input has bytes.
const MOST_TURNS: usize = 100_000;
