//! Plays schedules: a client, a server with a scripted handler, a network that splits, delays, cuts and ends,
//! and a clock, all moved by the steps of a [`Schedule`]; after each the [`model`] is asked whether the
//! protocol allows what came of it.
//!
//! [`run_many`] is for tests: a schedule that fails is made small and printed as the Rust that plays it again.

mod model;
mod network;
mod schedule;
mod shrink;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

pub use schedule::{Command, Name, Schedule, Step};
pub use shrink::shrink;
pub use text::BREACHES;

use crate::pair::Setup;
use model::{End, Heard, Model, Said, Told, What, check};
use network::Network;
use pinwire_proto::code::Code;
use pinwire_proto::limits::Limits;
use pinwire_proto::session::Disconnect;
use text::{Text, evil};

/// How often each final answer and each end came about.
pub type Seen = BTreeMap<String, u64>;

/// Plays the schedules of these seeds.
///
/// # Panics
/// With the first schedule that fails, made small.
pub fn run_many(seeds: Range<u64>) -> Seen {
    let (stage, mut seen) = (Stage::new(), Seen::new());
    for seed in seeds {
        let schedule = Schedule::from_seed(seed);
        match stage.play(&schedule) {
            Ok(found) => found.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count),
            Err(_) => panic!("{}", stage.report(seed, schedule)),
        }
    }
    seen
}

/// Where schedules are played: what they share, made once.
#[derive(Debug)]
pub struct Stage {
    setup: Setup,
}

impl Default for Stage {
    fn default() -> Self {
        Stage::new()
    }
}

impl Stage {
    /// A server with small limits, so that schedules reach them.
    pub fn new() -> Stage {
        Stage { setup: Setup::default().limits(limit) }
    }

    /// Plays one schedule.
    ///
    /// # Errors
    /// What the protocol does not allow; a panic counts as such.
    pub fn play(&self, schedule: &Schedule) -> Result<Seen, String> {
        let played = catch_unwind(AssertUnwindSafe(|| World::new(&self.setup, schedule).play(schedule)));
        played.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Err(format!("panicked: {}", text.unwrap_or_default()))
        })
    }

    fn report(&self, seed: u64, schedule: Schedule) -> String {
        let small = shrink(schedule, |schedule| self.play(schedule).is_err());
        let why = self.play(&small).err().unwrap_or_default();
        format!("seed {seed}: {why}\nThe least that fails so:\n{small}")
    }
}

fn limit(limits: &mut Limits) {
    (limits.body, limits.in_flight, limits.unsent, limits.timeout) = (BODY, IN_FLIGHT, UNSENT, TIMEOUT);
}

/// Bytes of a body: more than one record holds.
const BODY: u64 = 20_000;
const IN_FLIGHT: usize = 4;
/// Bytes of unsent replies: one body, and a little.
const UNSENT: usize = 25_000;
/// The longest `Timeout`.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One connection, and what was said and heard on it.
struct World {
    network: Network,
    model: Model,
    /// What the client has said and not written.
    waiting: Vec<u8>,
    /// Bytes of commands that the client has said.
    said: usize,
    heard: usize,
    read: usize,
    has_stopped: bool,
    has_notified: bool,
    has_ended: bool,
}

impl World {
    fn new(setup: &Setup, schedule: &Schedule) -> World {
        let mut pair = match schedule.is_tls {
            true => setup.rustls(crate::pair::config(setup.client.as_ref())),
            false => setup.clear(),
        };
        pair.server.script.holds = vec![Name::Hold.word()];
        pair.server.script.panics = vec![Name::Panic.word()];
        pair.server.script.refuses_bodies = vec![Name::NoBody.word()];
        pair.connect();
        World {
            network: Network::new(pair, setup.limits.clone(), !schedule.is_tls),
            model: Model::default(),
            waiting: Vec::new(),
            said: 0,
            heard: 0,
            read: 0,
            has_stopped: false,
            has_notified: false,
            has_ended: false,
        }
    }

    fn play(mut self, schedule: &Schedule) -> Result<Seen, String> {
        for step in &schedule.steps {
            self.step(step, schedule.is_tls)?;
            self.observe()?;
        }
        self.settle()?;
        self.finish()
    }

    fn step(&mut self, step: &Step, is_tls: bool) -> Result<(), String> {
        match step {
            Step::Say(command) => self.say(What::Command(command.clone()), command.text()),
            Step::Cancel(sequence, size) => self.say(What::Cancel(*sequence), Text::cancel(*sequence, *size)),
            Step::Break(name) => self.say(What::Breach, Text::breach(name).0),
            Step::Write(most) => self.write(*most),
            Step::Up(most) => drop(self.network.up(*most)?),
            Step::Down(most) => drop(self.network.down(*most)),
            Step::Room(most) => self.network.pair.down.room = *most,
            Step::Wait(millis) => self.network.pass(Duration::from_millis(*millis))?,
            Step::Answer(number, size) => self.answer(*number, Told::Ok(evil(*size))),
            Step::Refuse(number) => self.answer(*number, Told::Error),
            Step::Panic(number) => self.answer(*number, Told::Panic),
            Step::Stop => {
                // Behind a close_notify or a FIN it has no other effect than these.
                self.has_stopped |= !self.has_notified && !self.has_ended;
                self.network.pair.server.stop();
            }
            Step::Close(code) => self.network.pair.server.close_with(*code, ""),
            Step::CloseNotify if is_tls && self.network.is_open => {
                self.has_notified = true;
                self.network.close_notify();
            }
            Step::Fin(lost) => {
                self.has_ended = true;
                self.network.fin(*lost);
            }
            Step::Reset => {
                self.has_ended = true;
                self.network.reset();
            }
            Step::Corrupt if is_tls => self.network.corrupt(),
            Step::CloseNotify | Step::Corrupt => {}
        }
        Ok(())
    }

    fn say(&mut self, what: What, text: Text) {
        if !self.network.is_open {
            return;
        }
        let (start, length) = (self.said, text.bytes.len());
        self.said += length;
        let (head, end) = (start + text.head, start + length);
        let at = self.network.now();
        let (heard, answer, outcome) = (None, None, None);
        self.model.say(Said { what, start, head, end, at, heard, is_duplicate: false, answer, outcome });
        self.waiting.extend(text.bytes);
    }

    fn write(&mut self, most: usize) {
        if self.network.is_open {
            let bytes: Vec<u8> = self.waiting.drain(..most.min(self.waiting.len())).collect();
            self.network.write(&bytes);
        }
    }

    /// The handler says this to a held command, unless it has said something already.
    fn answer(&mut self, number: u32, told: Told) {
        let now = self.network.now();
        let Some(said) = self.model.held(number).filter(|said| said.answer.is_none()) else { return };
        let line = said.command().expect("a held command").line();
        let is_late = said.heard.zip(said.patience()).is_some_and(|(heard, patience)| {
            now > heard.at && now >= heard.at + patience // the sweep has come by since
        });
        let server = &mut self.network.pair.server;
        match &told {
            Told::Ok(body) => server.answer(&line, body),
            Told::Error => server.answer_error(&line, Code::NotFound),
            Told::Panic => server.panic(&line),
        }
        if !is_late {
            said.answer = Some(told);
        }
    }

    /// Tells the model what came about since it was last told.
    fn observe(&mut self) -> Result<(), String> {
        let (now, delivered) = (self.network.now(), self.network.delivered());
        let server = &self.network.pair.server;
        for (line, body) in server.heard().iter().zip(server.bodies()).skip(self.heard) {
            let heard = Heard { at: now, stream: self.network.stood(self.heard) };
            self.model.hear(line, body, delivered, heard)?;
            check(!self.has_stopped, || format!("the server stops, and begins {line}"))?;
            self.heard += 1;
        }
        let answers = self.network.pair.client.answers();
        for answer in &answers[self.read..] {
            self.model.read(answer, now)?;
        }
        self.read = answers.len();
        Ok(())
    }

    /// What was held back arrives, and everything that is held is answered.
    fn settle(&mut self) -> Result<(), String> {
        self.write(usize::MAX);
        self.network.pair.down.room = usize::MAX;
        loop {
            self.network.drive()?;
            self.observe()?;
            let is_open = |said: &&Said| said.heard.is_some() && said.answer.is_none();
            let is_held = |said: &&Said| said.command().is_some_and(|command| command.name == Name::Hold);
            let open = self.model.said.iter().filter(is_open).filter(is_held);
            let open: Vec<u32> = open.filter_map(|said| Some(said.command()?.number)).collect();
            if open.is_empty() {
                return Ok(());
            }
            for number in open {
                self.answer(number, Told::Ok(evil(10)));
                self.model.held(number).expect("it was heard").answer.get_or_insert(Told::Error);
            }
        }
    }

    fn finish(mut self) -> Result<Seen, String> {
        if self.network.pair.server.ended().is_none() {
            self.rest()?;
        }
        self.network.drive()?;
        self.observe()?;
        let end = self.end()?;
        self.model.check_end(&end, self.network.delivered())?;
        self.client_end(&end)?;
        Ok(self.seen())
    }

    /// The connection lives: nothing is owed, nothing is kept, and patience ends it.
    fn rest(&mut self) -> Result<(), String> {
        let delivered = self.network.delivered();
        check(!self.has_notified && !self.has_ended, || {
            "the client has ended, the server has not".to_owned()
        })?;
        check(delivered == self.said, || "not all was read".to_owned())?;
        let end = End { code: None, is_said: true, runs_all: true, has_lost: false };
        self.model.check_end(&end, delivered)?;
        check(!self.model.said.iter().any(Said::is_fatal), || "what must close has not".to_owned())?;
        check(self.network.pair.server.session.owns_nothing(), || {
            "an idle connection owns bytes".to_owned()
        })?;
        self.network.pass(Duration::from_secs(600))?;
        let code = self.network.pair.server.closed_with();
        check(code == Some(Code::Idle), || format!("ten idle minutes ended with {code:?}"))
    }

    fn end(&self) -> Result<End, String> {
        let (code, is_said, runs_all) = match self.network.pair.server.ended() {
            None => return Err("the connection never ended".to_owned()),
            Some(Disconnect::Closed { code, .. }) => (Some(*code), true, false),
            Some(Disconnect::Peer) => (None, true, true),
            Some(Disconnect::Vanished) => (None, false, !self.network.has_lost),
            Some(_) => (None, false, false),
        };
        Ok(End { code, is_said, runs_all, has_lost: self.network.has_lost })
    }

    /// Over TLS a client knows whether it has heard everything.
    fn client_end(&mut self, end: &End) -> Result<(), String> {
        let heard = self.network.pair.client.heard_close_notify();
        let client = self.network.pair.client.end();
        check(client.is_some(), || "the client waits for ever".to_owned())?;
        let is_clear = self.network.is_clear();
        check(is_clear || !end.is_said || end.has_lost || heard, || format!("no close_notify: {client:?}"))
    }

    fn seen(&self) -> Seen {
        let mut seen = Seen::new();
        let outcomes = self.model.said.iter().filter_map(|said| said.outcome.clone());
        outcomes.for_each(|word| *seen.entry(word).or_default() += 1);
        let read_on = self.model.said.windows(2).filter(|two| two[1].heard.is_some());
        for said in read_on.map(|two| &two[0]).filter(|said| said.end > said.head) {
            let what = match said.command() {
                Some(_) => said.outcome.as_deref().unwrap_or("no answer"),
                None => "CANCEL",
            };
            *seen.entry(format!("read on behind the body of: {what}")).or_default() += 1;
        }
        let mut end = String::from("end: ");
        match self.network.pair.server.ended() {
            Some(Disconnect::Closed { code, .. }) => end += code.as_str(),
            Some(Disconnect::Tls(_)) => end += "Tls",
            other => write!(end, "{other:?}").expect("a String takes all"),
        }
        *seen.entry(end).or_default() += 1;
        seen
    }
}
