//! Plays one stream on a pair, and holds what came of each move against the model.

use std::time::Duration;

use fastrand::Rng;
use pinwire_proto::code::Code;
use pinwire_proto::session::{Answer, Disconnect};
use pinwire_testkit::Pair;
use pinwire_testkit::pair::{Setup, config, list};

use super::model::{End, Input, Model, Told, Ways};
use super::stream::{Command, Entry, Move, Saying, Stream, canaries, code, codes};

/// # Errors
/// What must not be.
pub(super) fn play(setup: &Setup, stream: &Stream) -> Result<Ways, String> {
    let setup = setup.clone().limits(|limits| {
        (limits.body, limits.in_flight) = (stream.limit, stream.in_flight);
    });
    match stream.entry {
        Entry::Refused(code) | Entry::Judged(code) => refuse(setup, stream, code),
        Entry::Greeted | Entry::Pipelined => Player::new(&setup, stream).play(stream),
    }
}

fn pair(setup: &Setup, is_tls: bool) -> Pair {
    let mut pair = match is_tls {
        true => setup.rustls(config(setup.client.as_ref())),
        false => setup.clear(),
    };
    let script = &mut pair.server.script;
    (script.holds, script.panics, script.errs) = (vec!["HOLD"], vec!["PANIC"], vec!["FAIL"]);
    script.refuses_bodies = vec!["REFUSE"];
    script.code = Some(code);
    pair
}

/// A client that is not let in says everything at once, and is told nothing but why.
fn refuse(mut setup: Setup, stream: &Stream, code: Code) -> Result<Ways, String> {
    const YEARS: i64 = 200 * 366 * 86_400;
    let is_judged = matches!(stream.entry, Entry::Judged(_));
    match code {
        _ if !is_judged => {}
        Code::NoCertificate => setup.client = None,
        Code::CertificateNotYetValid => setup.now.unix -= YEARS,
        Code::CertificateExpired => setup.now.unix += YEARS,
        _ => setup.list = list(&[]),
    }
    let mut pair = pair(&setup, stream.is_tls);
    pair.server.script.refuses = (!is_judged).then_some((code, "so the story says"));
    for step in &stream.moves {
        if let Move::Say(saying) = step {
            pair.client.raw(saying.bytes());
        }
    }
    pair.drive();
    let greeting = pair.client.greeting().unwrap_or_default();
    check(greeting.starts_with(&format!("{code}: ")), || format!("{code}: the greeting was {greeting}"))?;
    check(pair.server.heard().is_empty() && pair.server.announced().is_empty(), || {
        format!("{:?} was heard before the greeting", pair.server.heard())
    })?;
    check(pair.client.answers().is_empty(), || format!("{:?} was told", pair.client.read()))?;
    check(pair.server.closed_with() == Some(code), || format!("{:?}", pair.server.ended()))?;
    Ok(Ways::from([(format!("greeting: {code}"), 1)]))
}

struct Player {
    pair: Pair,
    model: Model,
    /// What the client has said and not written.
    waiting: Vec<u8>,
    /// Bytes of it that may be held back.
    tail: usize,
    is_in: bool,
    /// Whether the client can still say something.
    is_open: bool,
    heard: usize,
    told: usize,
}

impl Player {
    fn new(setup: &Setup, stream: &Stream) -> Player {
        let mut pair = pair(setup, stream.is_tls);
        let is_in = stream.entry == Entry::Greeted;
        if is_in {
            pair.connect();
        }
        let model = Model::new(stream.limit, stream.in_flight);
        Player { pair, model, waiting: Vec::new(), tail: 0, is_in, is_open: true, heard: 0, told: 0 }
    }

    fn play(mut self, stream: &Stream) -> Result<Ways, String> {
        for step in &stream.moves {
            if !self.is_in && !matches!(step, Move::Say(_)) {
                self.enter()?;
            }
            self.step(step);
            self.compare().map_err(|why| format!("{step:?}: {why}"))?;
        }
        self.enter()?;
        self.settle()?;
        self.finish(stream.is_tls)?;
        Ok(self.model.ways)
    }

    /// The handshake, and all that was said so far with its last message.
    fn enter(&mut self) -> Result<(), String> {
        if !std::mem::replace(&mut self.is_in, true) {
            self.write(0, self.waiting.len() as u64);
            self.pair.drive();
            check(self.pair.client.greeting() == Some("OK"), || "the client is not in".to_owned())?;
            self.compare()?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Move) {
        let server = &mut self.pair.server;
        match step {
            Move::Say(saying) => return self.say(saying),
            Move::Write(short, seed) => return self.write(*short, *seed),
            Move::Answer(which, size) => self.answer(*which, Ok(*size)),
            Move::Err(which, code) => self.answer(*which, Err(*code)),
            Move::Panic(which) => self.panic(*which),
            Move::Pass(millis) => {
                self.pair.pass(Duration::from_millis(*millis));
                self.model.pass(Duration::from_millis(*millis));
            }
            Move::Drift(millis) => {
                self.pair.drift(Duration::from_millis(*millis));
                self.model.drift(Duration::from_millis(*millis));
            }
            Move::Close(code) => {
                server.close_with(*code, "so the story says");
                self.model.close("closed", code.as_str());
            }
            Move::Stop if self.is_open => {
                server.stop();
                self.model.input(Input::Stopped);
            }
            Move::Notify if self.is_open => {
                self.is_open = false;
                self.pair.client.close();
                self.model.input(Input::Notified);
            }
            Move::Fin if self.is_open => {
                self.is_open = false;
                self.pair.up.end();
                self.model.input(Input::Cut);
            }
            Move::Stop | Move::Notify | Move::Fin => {}
        }
        self.pair.drive();
    }

    fn say(&mut self, saying: &Saying) {
        let is_again = |command: &Command| command.sequence.is_some_and(|number| number != command.number);
        let bytes = match saying {
            Saying::Command(command) if is_again(command) && self.is_in => {
                // What was said before is answered by then, and the answer has left: only what runs holds it.
                self.write(0, 0);
                let sequence = if self.model.is_stalled() { Some(command.number) } else { command.sequence };
                Saying::Command(Command { sequence, ..command.clone() }).bytes()
            }
            Saying::Command(command) if is_again(command) => {
                Saying::Command(Command { sequence: Some(command.number), ..command.clone() }).bytes()
            }
            saying => saying.bytes(),
        };
        self.tail = if saying.may_be_cut() { bytes.len() - 1 } else { 0 };
        self.waiting.extend(bytes);
    }

    /// Writes what waits but the last `short` bytes, in pieces, some of which are delivered at once.
    fn write(&mut self, short: usize, seed: u64) {
        if !self.is_open {
            return;
        }
        let mut rng = Rng::with_seed(seed);
        let length = self.waiting.len() - short.min(self.tail).min(self.waiting.len());
        let bytes: Vec<u8> = self.waiting.drain(..length).collect();
        let is_small = bytes.len() < 2_000;
        self.pair.up.cut = cut(&mut rng, is_small);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cut(&mut rng, is_small).min(rest.len()));
            self.pair.client.raw(piece);
            if rng.bool() {
                self.pair.step();
            }
            rest = behind;
        }
        self.pair.drive();
        self.model.arrive(&bytes);
    }

    /// One of those that are owed an answer; if there is none, one that was held and is owed no more.
    fn held(&self, which: usize) -> Option<String> {
        let (owed, all) = (self.model.held(), self.pair.server.all_held());
        let any = |lines: &[String]| lines.get(which % lines.len().max(1)).cloned();
        any(&owed).or_else(|| any(&all.iter().map(|(line, _)| line.clone()).collect::<Vec<_>>()))
    }

    fn answer(&mut self, which: usize, said: Result<usize, Code>) {
        let Some(line) = self.held(which) else { return };
        match said {
            Ok(size) => {
                let body = canaries(size, size);
                self.pair.server.answer(&line, &body);
                self.model.answer(&line, "OK", &body);
            }
            Err(code) => {
                self.pair.server.answer_error(&line, code);
                self.model.answer(&line, code.as_str(), b"");
            }
        }
    }

    fn panic(&mut self, which: usize) {
        if let Some(line) = self.held(which) {
            self.pair.server.panic(&line);
            self.model.panic(&line);
        }
    }

    /// What was held back arrives, and everything that is held is answered.
    fn settle(&mut self) -> Result<(), String> {
        self.write(0, 1);
        self.compare()?;
        let mut codes = codes().into_iter().cycle().skip(self.heard % 29);
        while self.model.end.is_none() && !self.model.held().is_empty() {
            let said =
                if self.told.is_multiple_of(2) { codes.next().ok_or(self.told) } else { Err(self.told) };
            self.answer(self.told, said.map_or_else(Ok, Err));
            self.pair.drive();
            self.compare()?;
        }
        Ok(())
    }

    /// A connection that lives hears one command more; one that does not hears nothing.
    fn finish(&mut self, is_tls: bool) -> Result<(), String> {
        if self.model.end.is_none() {
            check(self.model.is_between_commands(), || "the stream is cut off".to_owned())?;
            check(self.pair.server.session.owns_nothing(), || "an idle connection owns bytes".to_owned())?;
            self.waiting.extend(b"ECHO last\r\nSequence: last\r\n\r\n");
            self.write(0, 2);
            self.compare()?;
            self.model.count("end", "alive");
            self.step(&Move::Pass(600_000));
            self.compare()?;
        }
        let end = match self.pair.server.ended() {
            Some(Disconnect::Closed { code, .. }) => Some(End::Closed(code.as_str())),
            Some(Disconnect::Peer) => Some(End::Peer),
            Some(Disconnect::Vanished) => Some(End::Vanished),
            _ => None,
        };
        check(end == self.model.end, || format!("it ended with {end:?}, not {:?}", self.model.end))?;
        let client = self.pair.client.end().cloned();
        let is_told = !is_tls || end == Some(End::Vanished) || self.pair.client.heard_close_notify();
        check(client.is_some() && is_told, || format!("the client was left with {client:?}"))?;
        if self.is_open {
            self.pair.client.raw(canaries(1_000, 0));
            self.pair.drive();
        }
        self.compare()
    }

    /// Everything that was heard and told so far is what must have been, and no more.
    fn compare(&mut self) -> Result<(), String> {
        let server = &self.pair.server;
        let heard: Vec<_> = server.heard().iter().cloned().zip(server.bodies().iter().cloned()).collect();
        if heard[self.heard..] != self.model.heard[self.heard..] {
            let lines = |heard: &[(String, Vec<u8>)]| -> Vec<String> {
                heard.iter().map(|(line, body)| format!("{line} and {} bytes", body.len())).collect()
            };
            let (found, wanted) = (lines(&heard[self.heard..]), lines(&self.model.heard[self.heard..]));
            return Err(format!("heard {found:?}, not {wanted:?}; ended {:?}", server.ended()));
        }
        self.heard = heard.len();
        let told: Vec<Told> = self.pair.client.answers()[self.told..].iter().map(told).collect();
        if told != self.model.told[self.told..] {
            return Err(format!("told {told:?}, not {:?}", &self.model.told[self.told..]));
        }
        self.told += told.len();
        Ok(())
    }
}

fn told(answer: &Answer) -> Told {
    Told {
        sequence: answer.sequence.map(|sequence| sequence.to_string()),
        word: answer.status.as_ref().map_or_else(|(code, _)| code.clone(), |()| "OK".to_owned()),
        body: answer.body.clone(),
    }
}

/// Lengths of pieces: bytes, records, the server's buffer, and one less and one more of each.
fn cut(rng: &mut Rng, is_small: bool) -> usize {
    const EDGES: [usize; 6] = [16_383, 16_384, 16_385, 65_535, 65_536, 65_537];
    match rng.u8(0..8) {
        0 if is_small => 1,
        1..3 if is_small => rng.usize(1..60),
        0..4 => rng.usize(400..9_000),
        4..6 => EDGES[rng.usize(0..EDGES.len())],
        _ => usize::MAX,
    }
}

fn check(is_so: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(why()) }
}
