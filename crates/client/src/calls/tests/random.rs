//! Random stories against the server's own session: each call ends exactly once, and what its outcome says is
//! true of what the server did. The parts of a stream are those of one attempt, from the first on, and none is
//! missing.

use std::collections::BTreeMap;
use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::session::{ClientEvent, ClientSession, Now};
use pinwire_proto::wire::{Greeting, Request};
use pinwire_testkit::pair::{Link, ServerEnd, Setup};

use super::super::{Calls, Deadline, Heard, Wanted, feed};
use super::story::{Taken, session, words};
use crate::{Answer, Error, Limits, Outcome};

/// A client, and servers that come and go.
struct World {
    setup: Setup,
    rng: fastrand::Rng,
    now: Now,
    calls: Calls<u64>,
    link: Option<Connection>,
    made: BTreeMap<u64, Made>,
    /// The lines that any server's handler got.
    heard: Vec<String>,
    /// Parts that were said to a command, by its line and the number of its connection.
    pushed: BTreeMap<(String, usize), usize>,
    connections: usize,
}

struct Connection {
    number: usize,
    session: ClientSession,
    server: ServerEnd,
    up: Link,
    down: Link,
    answered: Vec<String>,
}

struct Made {
    line: String,
    body: Option<Vec<u8>>,
    is_repeatable: bool,
    /// None: it waits for as long as it takes.
    deadline: Option<Deadline>,
    /// Of a stream, who takes its parts, and what was taken.
    stream: Option<(Taken, Vec<String>)>,
    is_cancelled: bool,
    result: Option<Result<Answer, Error>>,
}

/// Random stories, and steps of each.
const STORIES: u64 = 400;
const STEPS: usize = 150;

#[test]
fn each_call_ends_once_and_its_outcome_is_true() {
    let (setup, mut seen) = (setup(), BTreeMap::new());
    for seed in 0..STORIES {
        let mut world = World::new(&setup, seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.finish();
        for made in world.made.values() {
            for words in made.kinds() {
                *seen.entry(words).or_insert(0_u32) += 1;
            }
        }
    }
    for kind in [
        "OK",
        "cancelled",
        "timed out NotBegun",
        "timed out Unknown",
        "lost Unknown",
        "closed removed NotBegun",
        "closed bad-command NotBegun",
        "reply shutting-down Unknown",
        "reply timed-out Unknown",
        "refused source-not-allowed NotBegun",
        "behind Unknown",
        "stream OK",
        "stream with parts: lost Unknown",
        "stream with parts: reply shutting-down Unknown",
        "stream with parts: timed out Unknown",
        "stream: timed out NotBegun",
    ] {
        assert!(seen.contains_key(kind), "no story had \"{kind}\": {seen:#?}");
    }
}

/// The connection breaks behind every byte that the server says.
#[test]
fn a_server_that_dies_at_any_byte_leaves_true_outcomes() {
    let (setup, mut cut) = (setup(), 0);
    loop {
        let mut world = World::new(&setup, 7);
        world.reach(None);
        (0..6).for_each(|_| world.call());
        let said = world.talk_until(cut);
        world.cut();
        world.finish();
        if said < cut {
            assert!(cut > 200, "the story says something");
            return;
        }
        cut += 1;
    }
}

/// A server that lets commands have less time than some calls wait: then its word comes first.
fn setup() -> Setup {
    Setup::default().limits(|limits| limits.timeout = Duration::from_secs(1))
}

impl World {
    fn new(setup: &Setup, seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let limits = Limits {
            in_flight: rng.usize(1..8),
            attempts: rng.u32(1..5),
            unsent: 500,
            untaken: if rng.bool() { 400 } else { Limits::default().untaken },
            ..Limits::default()
        };
        World {
            calls: Calls::new(limits, rng.u8(0..4) > 0),
            rng,
            now: setup.now,
            setup: setup.clone(),
            link: None,
            made: BTreeMap::new(),
            heard: Vec::new(),
            pushed: BTreeMap::new(),
            connections: 0,
        }
    }

    fn step(&mut self) {
        match self.rng.u8(0..36) {
            0..7 => self.call(),
            30..34 => self.server_pushes(),
            34..36 => self.take(),
            7 => self.cancel(),
            8 => self.pass(),
            9 => self.server_answers(),
            10 if self.rng.u8(0..4) == 0 => self.server_closes(),
            11 if self.rng.u8(0..4) == 0 => self.cut(),
            _ if self.link.is_none() => {
                let refusals = [Code::ShuttingDown, Code::TooManyConnections, Code::SourceNotAllowed];
                let refusal = (self.rng.u8(0..4) == 0).then(|| refusals[self.rng.usize(0..3)]);
                self.reach(refusal);
            }
            _ => self.talk(),
        }
        self.collect();
    }

    fn reach(&mut self, refusal: Option<Code>) {
        let mut server = Setup { now: self.now, ..self.setup.clone() }.clear_server();
        server.script.holds = vec!["HOLD"];
        server.script.streams = vec!["FOLLOW"];
        server.script.refuses = refusal.map(|code| (code, "as the story wishes"));
        let (up, down) = (Link::default(), Link::default());
        self.connections += 1;
        let number = self.connections;
        self.link = Some(Connection { number, session: session(), server, up, down, answered: Vec::new() });
    }

    fn call(&mut self) {
        let number = self.made.len() as u64 + 1;
        let name = ["ECHO", "HOLD", "FOLLOW"][self.rng.usize(0..3)];
        let line = format!("{name} {number}");
        let is_repeatable = self.rng.bool();
        let body = self.rng.bool().then(|| vec![b'b'; self.rng.usize(1..700)]);
        let mut request = Request::line(&line);
        if let Some(body) = &body {
            request = request.body(body.clone());
        }
        if is_repeatable {
            request = request.repeatable();
        }
        let limit = Duration::from_millis(self.rng.u64(1..5_000));
        let (is_stream, is_patient, is_for_first_part) =
            (self.rng.u8(0..3) > 0, self.rng.bool(), self.rng.bool());
        let at = self.now.instant + limit;
        let deadline = Deadline { at, limit, is_for_first_part: is_stream && is_for_first_part };
        let deadline = (!is_stream || !is_patient).then_some(deadline);
        let (feed, fed) = is_stream.then(feed).unzip();
        let stream = fed.map(|fed| (Taken::new(fed), Vec::new()));
        let made = Made { line, body, is_repeatable, deadline, stream, is_cancelled: false, result: None };
        self.made.insert(number, made);
        self.calls.add(number, Wanted { caller: number, request, deadline, feed });
    }

    /// Somebody takes what there is of a stream.
    fn take(&mut self) {
        let taking: Vec<u64> =
            self.made.iter().filter(|(_, made)| made.stream.is_some()).map(|(number, _)| *number).collect();
        if let Some(number) = self.rng.choice(taking) {
            self.made.get_mut(&number).unwrap().take();
        }
    }

    /// Another part of what is answered in parts, or the last.
    fn server_pushes(&mut self) {
        let Some(link) = &mut self.link else { return };
        let followed = link.server.heard().iter().filter(|line| line.starts_with("FOLLOW"));
        let open: Vec<String> = followed.filter(|line| !link.answered.contains(line)).cloned().collect();
        let Some(line) = self.rng.choice(open).filter(|_| link.server.ended().is_none()) else { return };
        if self.rng.u8(0..5) == 0 && link.server.parts_waiting() == 0 {
            link.server.end_stream(&line, "end");
            link.answered.push(line);
            return;
        }
        let pushed = self.pushed.entry((line.clone(), link.number)).or_default();
        link.server.push(&line, format!("{} {pushed};", link.number));
        *pushed += 1;
    }

    fn cancel(&mut self) {
        let live: Vec<u64> =
            self.made.iter().filter(|(_, made)| made.is_live()).map(|(number, _)| *number).collect();
        if let Some(number) = self.rng.choice(live) {
            self.calls.cancel(number);
            self.made.get_mut(&number).unwrap().is_cancelled = true;
        }
    }

    fn pass(&mut self) {
        self.now.instant += Duration::from_millis(self.rng.u64(1..2_000));
        if let Some(link) = &mut self.link {
            link.server.expire(self.now);
        }
        self.calls.expire(self.now.instant);
    }

    fn server_answers(&mut self) {
        let Some(link) = &mut self.link else { return };
        let held = link.server.heard().iter().filter(|line| line.starts_with("HOLD"));
        let open: Vec<String> = held.filter(|line| !link.answered.contains(line)).cloned().collect();
        if let Some(line) = self.rng.choice(open).filter(|_| link.server.ended().is_none()) {
            link.server.answer(&line, &line);
            link.answered.push(line);
        }
    }

    fn server_closes(&mut self) {
        let codes: Vec<Code> = Code::all().filter(|code| code.is_of_connection()).collect();
        let code = codes[self.rng.usize(0..codes.len())];
        if let Some(link) = &mut self.link {
            match self.rng.bool() {
                true => link.server.stop(),
                false => link.server.close_with(code, "as the story wishes"),
            }
        }
    }

    /// The connection breaks; what is on its way to the server may still arrive.
    fn cut(&mut self) {
        if self.link.is_some() {
            self.calls.lost("it broke");
            self.leave();
        }
    }

    /// The client has gone: what the server still hears counts.
    fn leave(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        link.up.cut = self.rng.usize(1..2_000);
        for _ in 0..self.rng.usize(0..40) {
            link.server.turn(self.now, &mut link.up, &mut link.down);
        }
        self.heard.extend_from_slice(link.server.heard());
    }

    /// Some bytes in each direction.
    fn talk(&mut self) {
        let most = self.rng.usize(1..3_000);
        self.turn(most);
    }

    /// The client's turn, the server's, and `most` bytes of what it says; how many those were.
    fn turn(&mut self, most: usize) -> usize {
        let Some(link) = &mut self.link else { return 0 };
        self.calls.send(self.now.instant, &mut link.session);
        link.up.put(&mut link.session.take_output());
        link.server.turn(self.now, &mut link.up, &mut link.down);
        let came = link.down.take(most);
        link.session.receive(&came);
        if link.down.take_end() {
            link.session.end_of_input();
        }
        self.listen();
        came.len()
    }

    /// Goes on until the server has said this many bytes or has no more to say; how many they are.
    fn talk_until(&mut self, bytes: usize) -> usize {
        let mut said = 0;
        for _ in 0..100 {
            said += self.turn(bytes - said);
            self.collect();
        }
        said
    }

    fn listen(&mut self) {
        while let Some(event) = self.link.as_mut().and_then(|link| link.session.next()) {
            let heard = match event {
                ClientEvent::Handshaken { .. } => {
                    self.link.as_mut().unwrap().session.trust_server();
                    self.calls.trust();
                    continue;
                }
                ClientEvent::Greeting(Greeting::Ok) => {
                    self.calls.greeted();
                    continue;
                }
                ClientEvent::Greeting(Greeting::Refused { code, text }) => {
                    self.calls.refused(&code, &text);
                    return self.leave();
                }
                ClientEvent::End(end) => {
                    self.calls.lost(&end.to_string());
                    return self.leave();
                }
                ClientEvent::Answer(answer) => self.calls.hear(answer),
                ClientEvent::TooLarge(head) => self.calls.hear_too_large(head),
            };
            if heard.expect("a server of ours keeps the protocol") == Heard::LastWord {
                return self.leave();
            }
        }
    }

    fn collect(&mut self) {
        for (number, result) in self.calls.ended() {
            let made = self.made.get_mut(&number).unwrap();
            assert!(made.is_live(), "{} ends once, and not after it was taken back", made.line);
            made.take();
            let is_late = made.deadline.is_some_and(|deadline| self.now.instant >= deadline.at);
            let is_begun = made.is_for_first_part() && made.has_parts();
            let is_timed_out = matches!(result, Err(Error::TimedOut { .. }));
            assert_eq!(is_timed_out, is_late && !is_begun, "{}: {result:?}", made.line);
            made.result = Some(result);
        }
    }

    /// Everybody's time passes, and the truth is compared.
    fn finish(&mut self) {
        for _ in 0..50 {
            self.talk();
            self.collect();
        }
        self.now.instant += Duration::from_secs(60);
        self.calls.expire(self.now.instant);
        self.collect();
        self.calls.end_streams("this story ends");
        self.collect();
        self.leave();
        assert!(self.calls.is_empty() && self.calls.due().is_none() && !self.calls.is_wanted());
        self.made.values().for_each(|made| made.check(&self.heard, &self.pushed));
    }
}

impl Made {
    fn is_live(&self) -> bool {
        !self.is_cancelled && self.result.is_none()
    }

    fn is_for_first_part(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline.is_for_first_part)
    }

    fn take(&mut self) {
        if let Some((stream, taken)) = &mut self.stream {
            taken.extend(stream.rest());
        }
    }

    fn has_parts(&self) -> bool {
        self.stream.as_ref().is_some_and(|(_, taken)| !taken.is_empty())
    }

    /// How it ended, in words.
    fn kinds(&self) -> Vec<String> {
        let kind = self.result.as_ref().map_or("cancelled".to_owned(), |result| match result {
            Ok(_) => "OK".to_owned(),
            error => words(error),
        });
        let stream = match (&self.stream, self.has_parts()) {
            (Some(_), true) if kind != "OK" => vec![format!("stream with parts: {kind}")],
            (Some(_), true) => vec![format!("stream {kind}")],
            (Some(_), false) => vec![format!("stream: {kind}")],
            (None, _) => vec![],
        };
        [vec![kind], stream].concat()
    }

    /// What was taken, or joined, is what one connection's server said to this command: all of it, if it ended so.
    fn check_parts(&self, parts: &[&str], is_whole: bool, pushed: &BTreeMap<(String, usize), usize>) {
        let Some(first) = parts.first() else { return };
        let number: usize = first.split(' ').next().unwrap().parse().unwrap();
        let expected: Vec<String> = (0..parts.len()).map(|part| format!("{number} {part};")).collect();
        assert_eq!(parts, expected, "{}", self.line);
        let said = pushed[&(self.line.clone(), number)];
        assert!(parts.len() <= said && (!is_whole || parts.len() == said), "{}: {said}", self.line);
    }

    fn check(&self, heard: &[String], pushed: &BTreeMap<(String, usize), usize>) {
        if let Some((_, taken)) = &self.stream {
            let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
            let is_followed = self.line.starts_with("FOLLOW");
            assert!(is_followed || taken.is_empty(), "{}: {taken:?}", self.line);
            self.check_parts(&taken, matches!(self.result, Some(Ok(_))), pushed);
            let is_unbegun = matches!(&self.result, Some(Err(error)) if error.outcome() == Outcome::NotBegun);
            assert!(taken.is_empty() || !is_unbegun, "{}: {taken:?}", self.line);
        }
        let times = heard.iter().filter(|line| **line == self.line).count();
        assert!(times <= 1 || self.is_repeatable, "{} was begun {times} times", self.line);
        let result = match (&self.result, self.is_cancelled) {
            (None, true) => return,
            (None, false) => panic!("{} never ended", self.line),
            (Some(result), _) => result,
        };
        let outcome = match result {
            Ok(answer) if self.line.starts_with("FOLLOW") => {
                let text = str::from_utf8(&answer.body).unwrap();
                let parts = text.strip_suffix("end").unwrap();
                self.check_parts(&parts.split_inclusive(';').collect::<Vec<_>>(), true, pushed);
                Outcome::Answered
            }
            Ok(answer) => {
                let is_held = self.line.starts_with("HOLD");
                let echo = self.body.as_deref().filter(|_| !is_held).unwrap_or(self.line.as_bytes());
                assert_eq!(answer.body, echo, "{}", self.line);
                Outcome::Answered
            }
            Err(error) => error.outcome(),
        };
        match outcome {
            Outcome::NotBegun => assert_eq!(times, 0, "{}: {result:?}", self.line),
            Outcome::Answered => assert!(times > 0, "{}: {result:?}", self.line),
            Outcome::Unknown => {}
        }
    }
}
