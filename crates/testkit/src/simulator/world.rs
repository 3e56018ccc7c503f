//! One connection: plays the steps of a schedule, tells the model what came of each, and sees to the end.

use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::session::{Disconnect, Room};

use super::Seen;
use super::model::{End, Model, check};
use super::network::Network;
use super::said::{Heard, Said, Short, Told, What};
use super::schedule::{Name, Schedule, Step};
use super::text::{Text, evil};
use crate::pair::Setup;

/// One connection, and what was said and heard on it.
pub(super) struct World {
    network: Network,
    model: Model,
    /// What the client has said and not written.
    waiting: Vec<u8>,
    /// Bytes of commands that the client has said.
    said: usize,
    announced: usize,
    heard: usize,
    read: usize,
    has_stopped: bool,
    has_notified: bool,
    has_ended: bool,
    /// Whether the client has read its greeting.
    is_greeted: bool,
    /// Whether the server wanted to stop before it had greeted the client.
    is_barred: bool,
    /// Whether the server had to end without a word: there was no TLS yet to say it in.
    is_silent: bool,
    /// What kept commands waiting.
    waits: Seen,
}

impl World {
    pub(super) fn new(setup: &Setup, schedule: &Schedule) -> World {
        let mut pair = match schedule.is_tls {
            true => setup.rustls(crate::pair::config(setup.client.as_ref())),
            false => setup.clear(),
        };
        pair.server.script.holds = vec![Name::Hold.word()];
        pair.server.script.panics = vec![Name::Panic.word()];
        pair.server.script.refuses_bodies = vec![Name::NoBody.word()];
        if !schedule.is_early {
            pair.connect();
        }
        World {
            network: Network::new(pair, setup.limits.clone(), !schedule.is_tls),
            model: Model::default(),
            waiting: Vec::new(),
            said: 0,
            announced: 0,
            heard: 0,
            read: 0,
            has_stopped: false,
            has_notified: false,
            has_ended: false,
            is_greeted: false,
            is_barred: false,
            is_silent: false,
            waits: Seen::new(),
        }
    }

    pub(super) fn play(mut self, schedule: &Schedule) -> Result<Seen, String> {
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
            Step::Up(most) => drop(self.turn(*most)?),
            Step::Down(most) => drop(self.network.down(*most)),
            Step::Room(most) => self.network.pair.down.room = *most,
            Step::Give(out, come) => self.network.pair.server.give(Room { out: *out, come: *come }),
            Step::Reserve(bytes) => self.network.pair.server.script.reserves = Some(*bytes),
            Step::Press => self.press()?,
            Step::Wait(millis) => self.network.pass(Duration::from_millis(*millis))?,
            Step::Drift(millis) => self.network.pair.drift(Duration::from_millis(*millis)),
            Step::Clock(seconds) => self.network.pair.set_clock(*seconds),
            Step::Answer(number, size) => self.answer(*number, Told::Ok(evil(*size)))?,
            Step::Refuse(number) => self.answer(*number, Told::Error)?,
            Step::Panic(number) => self.answer(*number, Told::Panic)?,
            Step::Stop => {
                // Behind a close_notify or a FIN it has no other effect than these.
                self.has_stopped |= !self.has_notified && !self.has_ended;
                self.is_barred |= self.network.pair.server.session.is_handshaking();
                self.network.pair.server.stop();
            }
            Step::Close(code) => {
                let server = &mut self.network.pair.server;
                self.is_silent |= server.session.is_handshaking() && !server.session.is_closed();
                server.close_with(*code, "");
            }
            Step::CloseNotify
                if is_tls && !self.network.pair.client.is_handshaking() && self.network.is_open =>
            {
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
        self.model.say(Said::new(what, (start, head, end), at));
        self.waiting.extend(text.bytes);
    }

    fn write(&mut self, most: usize) {
        if self.network.is_open {
            let bytes: Vec<u8> = self.waiting.drain(..most.min(self.waiting.len())).collect();
            self.network.write(&bytes);
        }
    }

    /// The server has a turn, and at most so many bytes for it.
    fn turn(&mut self, most: usize) -> Result<bool, String> {
        let had_one = self.network.up(most)?;
        self.observe()?;
        if had_one {
            let server = &self.network.pair.server;
            let (delivered, is_open) = (self.network.delivered(), server.ended().is_none());
            self.model.keep(delivered, server.room.come, is_open);
            if let Some(why) = self.network.waits() {
                *self.waits.entry(format!("a command waits: {why}")).or_default() += 1;
            }
        }
        Ok(had_one)
    }

    /// Both talk until neither has anything more to say.
    fn drive(&mut self) -> Result<(), String> {
        for _ in 0..MOST_TURNS {
            let had_turn = self.turn(usize::MAX)?;
            if !self.network.down(usize::MAX) && !had_turn {
                return self.observe();
            }
        }
        Err("the pair never comes to rest".to_owned())
    }

    /// The server is short of room, and looks who is slow.
    fn press(&mut self) -> Result<(), String> {
        let session = &self.network.pair.server.session;
        let is_early = session.is_handshaking();
        let keeps = session.kept_come() > 0;
        let is_slow = self.network.press();
        let is_open = self.network.pair.server.ended().is_none();
        self.is_silent |= is_early && !is_open;
        if is_slow && !is_open {
            *self.waits.entry("a head is too slow where room is short".to_owned()).or_default() += 1;
        }
        let must_read = self.network.reads_since();
        if is_slow && keeps && self.model.is_between(self.network.delivered()) {
            self.model.is_cut_short = true; // a record that is not complete
            return Ok(());
        }
        self.model.press(self.network.delivered(), self.network.now(), is_slow, must_read.filter(|_| is_open))
    }

    /// The handler says this to a held command, unless it has said something already.
    fn answer(&mut self, number: u32, mut told: Told) -> Result<(), String> {
        let Some(said) = self.model.held(number).filter(|said| said.answer.is_none()) else { return Ok(()) };
        let line = said.command().expect("a held command").line();
        let due = said.heard.zip(said.patience()).map(|(heard, patience)| heard.at + patience);
        let is_late = due.is_some_and(|due| due <= self.network.swept);
        let reserved = said.heard.map_or(0, |heard| heard.reserved);
        let server = &mut self.network.pair.server;
        let to = server.held(&line);
        let is_owed = server.session.is_owed(&to);
        match &told {
            Told::Ok(body) if server.answer_or_fail(to, body) => {
                check(body.len() < reserved || !is_owed, || {
                    format!("more is said to {line} than was reserved")
                })?;
            }
            Told::Ok(body) => {
                check(body.len() + HEAD_OF_OK > reserved, || format!("what was reserved for {line} is not"))?;
                told = Told::TooLong;
            }
            Told::TooLong | Told::Error => server.answer_error(&line, Code::NotFound),
            Told::Panic => server.panic(&line),
        }
        if !is_late {
            said.answer = Some(told);
        }
        Ok(())
    }

    /// Tells the model what came about since it was last told.
    fn observe(&mut self) -> Result<(), String> {
        self.greet()?;
        self.network.check_out()?;
        let (now, delivered) = (self.network.now(), self.network.delivered());
        self.model.meet(delivered, now);
        let server = &self.network.pair.server;
        for line in &server.announced()[self.announced..] {
            self.model.announce(line, now);
        }
        self.announced = server.announced().len();
        for (line, body) in server.heard().iter().zip(server.bodies()).skip(self.heard) {
            let (stream, reserved) = (self.network.stood(self.heard), self.network.reserved());
            let heard = Heard { at: now, stream, reserved };
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

    /// Before its greeting a client is told nothing, and nothing of it is heard; in is who was told OK.
    fn greet(&mut self) -> Result<(), String> {
        let (server, client) = (&self.network.pair.server, &self.network.pair.client);
        let is_taken = server.connects() > 0;
        check(is_taken || server.heard().is_empty(), || {
            "a command was heard before the greeting".to_owned()
        })?;
        let Some(greeting) = client.greeting().filter(|_| !self.is_greeted) else {
            let is_quiet = self.is_greeted || client.answers().is_empty();
            return check(is_quiet, || "a client was answered before its greeting".to_owned());
        };
        self.is_greeted = true;
        if greeting == "OK" {
            return check(is_taken && !self.is_barred, || "the client is in, nobody let it in".to_owned());
        }
        check(!is_taken, || format!("the handler let it in, the greeting was {greeting}"))?;
        let word = greeting.split(':').next().unwrap_or_default().to_owned();
        check(client.answers().is_empty(), || "a refused client was answered".to_owned())?;
        self.model.hear_last(&word)
    }

    /// What was held back arrives, there is room, and everything that is held is answered.
    fn settle(&mut self) -> Result<(), String> {
        self.write(usize::MAX);
        self.network.pair.down.room = usize::MAX;
        self.network.pair.server.give(Room::default());
        loop {
            self.drive()?;
            let is_left = self.has_stopped || self.has_notified || self.has_ended;
            check(is_left || !self.network.may_go_on(), || "a command waits that may begin".to_owned())?;
            let is_open = |said: &&Said| said.heard.is_some() && said.answer.is_none();
            let is_held = |said: &&Said| said.command().is_some_and(|command| command.name == Name::Hold);
            let open = self.model.said.iter().filter(is_open).filter(is_held);
            let open: Vec<u32> = open.filter_map(|said| Some(said.command()?.number)).collect();
            if open.is_empty() {
                return Ok(());
            }
            for number in open {
                self.answer(number, Told::Ok(evil(10)))?;
                self.model.held(number).expect("it was heard").answer.get_or_insert(Told::Error);
            }
        }
    }

    fn finish(mut self) -> Result<Seen, String> {
        if self.network.pair.server.ended().is_none() {
            self.rest()?;
        }
        self.drive()?;
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
            Some(Disconnect::Closed { code, .. }) => (Some(*code), !self.is_silent, false),
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
        let is_tls = matches!(self.network.pair.server.ended(), Some(Disconnect::Tls(_)));
        let has_alert = self.network.pair.client.failure().is_some();
        check(!is_tls || end.has_lost || has_alert, || "TLS could not go on, and nobody said so".to_owned())?;
        let client = self.network.pair.client.end();
        check(is_clear || !end.is_said || end.has_lost || heard, || format!("no close_notify: {client:?}"))
    }

    fn seen(&self) -> Seen {
        let mut seen = self.waits.clone();
        for said in self.model.said.iter().filter(|said| said.outcome.as_deref() == Some("overloaded")) {
            let why = match said.short {
                Some(Short::OfRoom) => "overloaded: no room for its body",
                Some(Short::OfTime) => "overloaded: its body is too slow where room is short",
                _ => continue,
            };
            *seen.entry(why.to_owned()).or_default() += 1;
        }
        let too_long = self.model.said.iter().filter(|said| said.answer == Some(Told::TooLong)).count();
        if too_long > 0 {
            seen.insert("an answer is longer than what was reserved".to_owned(), too_long as u64);
        }
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
            Some(Disconnect::Peer) => end += "of the client, answered",
            Some(Disconnect::Vanished) => end += "of the client, cut off",
            Some(Disconnect::HandshakeTimeout) => end += "no handshake in time",
            _ => end += "none",
        }
        *seen.entry(end.clone()).or_default() += 1;
        if self.network.pair.server.connects() == 0 {
            *seen.entry(format!("{end}, before the greeting")).or_default() += 1;
        }
        seen
    }
}

/// Bytes of an OK's head here, at most.
const HEAD_OF_OK: usize = 60;

/// More turns than any schedule needs.
const MOST_TURNS: usize = 20_000;
