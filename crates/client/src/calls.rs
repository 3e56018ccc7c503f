//! The calls of one client: which stand in line, which are in flight, and how each ends, exactly once, with
//! the outcome that `docs/PROTOCOL.md`, section 6, defines.
//!
//! Knows no socket and no clock: the driver says what happened and when. `K` is whoever waits for the answer.

mod line;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use pinwire_proto::code::Code;
use pinwire_proto::limits::HEAD;
use pinwire_proto::session::{self, ClientSession};
use pinwire_proto::wire::{Request, Sequence};

use crate::{Answer, Error, Limits, Outcome};
use line::Line;

/// Every call that has not ended.
#[derive(Debug)]
pub(crate) struct Calls<K> {
    limits: Limits,
    /// Whether a call may go to the next connection when one is lost.
    reconnects: bool,
    /// By their numbers, which rise: whoever called first goes first, also when it has to go again.
    calls: HashMap<u64, Call<K>>,
    line: Line,
    deadlines: BTreeSet<(Instant, u64)>,
    flights: BTreeMap<u64, Flight>,
    /// Flights that the server is still to be told to end.
    taken_back: BTreeSet<u64>,
    /// The latest sequence. Never used again, on no connection.
    sequence: u64,
    stage: Stage,
    /// Bytes that left before the greeting.
    early: usize,
    /// Whether a body was too large for the server of this connection.
    was_too_large: bool,
    ended: Vec<(K, Result<Answer, Error>)>,
    /// Why there is no connection, in words.
    trouble: Option<String>,
    /// Why there will never be one again.
    over: Option<String>,
}

/// What somebody wants to have called.
#[derive(Debug)]
pub(crate) struct Wanted<K> {
    pub(crate) caller: K,
    pub(crate) request: Request,
    /// The moment at which the caller goes.
    pub(crate) deadline: Instant,
    /// How long that was from the call on.
    pub(crate) limit: Duration,
}

/// Whether the connection goes on after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Answer,
    /// It was the server's last word.
    LastWord,
}

#[derive(Debug)]
struct Call<K> {
    wanted: Wanted<K>,
    /// Its sequence while it is in flight; without one it stands in line.
    sequence: Option<u64>,
    attempts: u32,
    /// How an earlier attempt was lost, whose outcome stays unknown.
    doubt: Option<String>,
}

/// A command that the server has not answered to the end.
#[derive(Debug)]
struct Flight {
    /// The call that waits for it; none if the caller has gone.
    call: Option<u64>,
    /// What came of an answer in parts.
    parts: Option<Answer>,
}

/// What may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Nothing,
    /// The server is the right one, and has not said whether this client is in.
    BeforeGreeting,
    Everything,
}

impl<K> Calls<K> {
    pub(crate) fn new(limits: Limits, reconnects: bool) -> Calls<K> {
        Calls {
            limits,
            reconnects,
            calls: HashMap::new(),
            line: Line::default(),
            deadlines: BTreeSet::new(),
            flights: BTreeMap::new(),
            taken_back: BTreeSet::new(),
            sequence: 0,
            stage: Stage::Nothing,
            early: 0,
            was_too_large: false,
            ended: Vec::new(),
            trouble: None,
            over: None,
        }
    }

    /// A new call stands in line, under a number that is higher than any before it.
    pub(crate) fn add(&mut self, number: u64, wanted: Wanted<K>) {
        if let Some(why) = &self.over {
            let error = Error::Lost { why: why.clone(), outcome: Outcome::NotBegun };
            self.ended.push((wanted.caller, Err(error)));
            return;
        }
        self.deadlines.insert((wanted.deadline, number));
        self.line.enter(number, wanted.request.is_repeatable());
        self.calls.insert(number, Call { wanted, sequence: None, attempts: 0, doubt: None });
    }

    /// The caller has gone. The server is told, if it knows of the command.
    pub(crate) fn cancel(&mut self, number: u64) {
        let Some(call) = self.remove(number) else { return };
        if let Some(sequence) = call.sequence {
            self.abandon(sequence);
            self.taken_back.insert(sequence);
        }
    }

    /// Ends the calls whose time is over; whether one of them was in flight. The server was told how long they
    /// wait: it needs no word, and owes one.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let mut is_owed = false;
        while let Some(&(_, number)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            let Some(call) = self.remove(number) else { break };
            if let Some(sequence) = call.sequence {
                self.abandon(sequence);
                is_owed = true;
            }
            self.time_out(call);
        }
        is_owed
    }

    fn time_out(&mut self, call: Call<K>) {
        let is_begun = call.sequence.is_some() || call.doubt.is_some();
        let outcome = if is_begun { Outcome::Unknown } else { Outcome::NotBegun };
        let trouble = self.trouble.clone().filter(|_| call.sequence.is_none());
        let error = Error::TimedOut { limit: call.wanted.limit, outcome, why: call.doubt.or(trouble) };
        self.ended.push((call.wanted.caller, Err(error)));
    }

    /// When [`expire`](Calls::expire) has something to do next.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Whether a call stands in line: a connection is needed.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.line.is_empty()
    }

    /// Whether nobody waits for anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The calls that ended since the last time.
    pub(crate) fn ended(&mut self) -> impl Iterator<Item = (K, Result<Answer, Error>)> + '_ {
        self.ended.drain(..)
    }

    /// A new connection whose server is the right one.
    pub(crate) fn trust(&mut self) {
        debug_assert!(self.flights.is_empty(), "what the last connection left has ended or stands in line");
        (self.stage, self.early, self.was_too_large) = (Stage::BeforeGreeting, 0, false);
    }

    /// The server has let this client in.
    pub(crate) fn greeted(&mut self) {
        self.stage = Stage::Everything;
        self.trouble = None;
    }

    /// Encodes what may leave now, as long as little waits for the socket.
    pub(crate) fn send(&mut self, now: Instant, session: &mut ClientSession) {
        if self.stage == Stage::Nothing {
            return;
        }
        while let Some(sequence) = self.taken_back.pop_first() {
            let cancel = Request::new("CANCEL").arg(sequence.to_string());
            session.send(&cancel, None, None).expect("a number is a word");
        }
        while session.unsent() < self.limits.unsent && self.flights.len() < self.limits.in_flight {
            let Some(number) = self.next() else { return };
            self.send_one(number, now, session);
        }
    }

    fn next(&self) -> Option<u64> {
        match self.stage {
            Stage::Nothing => None,
            Stage::Everything => self.line.first(),
            Stage::BeforeGreeting => self.line.first_repeatable().filter(|number| self.is_small(*number)),
        }
    }

    /// A server that refuses reads and throws away only so much of what came before its greeting; with more
    /// than that under way its words could be lost.
    fn is_small(&self, number: u64) -> bool {
        let body = self.calls.get(&number).map_or(0, |call| call.wanted.request.body_len());
        self.early.saturating_add(body).saturating_add(HEAD) <= EARLY
    }

    fn send_one(&mut self, number: u64, now: Instant, session: &mut ClientSession) {
        self.line.leave(number);
        let call = self.calls.get_mut(&number).expect("who stands in line has a call");
        let left = call.wanted.deadline.saturating_duration_since(now);
        let before = session.unsent();
        self.sequence += 1;
        if let Err(misuse) = session.send(&call.wanted.request, Some(&self.sequence.into()), Some(left)) {
            self.end(number, Err(misuse.into()));
            return;
        }
        call.sequence = Some(self.sequence);
        call.attempts += 1;
        self.flights.insert(self.sequence, Flight { call: Some(number), parts: None });
        self.early += session.unsent() - before;
    }

    /// The server answered.
    ///
    /// # Errors
    /// What is wrong with it, in words: the connection cannot be trusted any more.
    pub(crate) fn hear(&mut self, answer: session::Answer) -> Result<Heard, &'static str> {
        if self.stage == Stage::BeforeGreeting {
            return Err("an answer before the greeting");
        }
        let Some(sequence) = answer.sequence else {
            let (code, text) = answer.status.err().ok_or("an OK to nothing")?;
            self.closed(&code, &text);
            return Ok(Heard::LastWord);
        };
        let sequence = number(&sequence).filter(|sequence| self.flights.contains_key(sequence));
        let sequence = sequence.ok_or("the server answered what was not asked")?;
        match (answer.more, answer.status) {
            (true, Ok(())) => self.part(sequence, answer.headers, answer.body),
            (true, Err(_)) => return Err("an error that is only a part"),
            (false, Ok(())) => self.last_part(sequence, answer.headers, answer.body),
            (false, Err((code, text))) => {
                self.error(sequence, code, text, answer.headers, answer.body);
            }
        }
        Ok(Heard::Answer)
    }

    /// The head of an answer came whose body is over the limit.
    ///
    /// # Errors
    /// As [`hear`](Calls::hear).
    pub(crate) fn hear_too_large(&mut self, head: session::Answer) -> Result<Heard, &'static str> {
        let sequence = head.sequence.as_ref().and_then(number);
        let call = sequence.and_then(|sequence| self.flights.get(&sequence)).and_then(|flight| flight.call);
        if let Some(number) = call {
            self.too_large(number);
        }
        self.hear(head)
    }

    fn part(&mut self, sequence: u64, headers: Vec<(String, String)>, body: Vec<u8>) {
        let Some(flight) = self.flights.get_mut(&sequence) else { return };
        let Some(number) = flight.call else { return };
        let whole = flight.parts.get_or_insert_default();
        if whole.body.len() + body.len() > self.limits.answer {
            self.too_large(number);
            return;
        }
        whole.headers.extend(headers);
        match whole.body.is_empty() {
            true => whole.body = body,
            false => whole.body.extend_from_slice(&body),
        }
    }

    fn last_part(&mut self, sequence: u64, headers: Vec<(String, String)>, body: Vec<u8>) {
        let Some(flight) = self.flights.get(&sequence) else { return };
        if flight.parts.is_none() {
            self.answered(sequence, Ok(Answer { headers, body }));
            return;
        }
        self.part(sequence, headers, body);
        let whole = self.flights.get_mut(&sequence).and_then(|flight| flight.parts.take());
        self.answered(sequence, Ok(whole.unwrap_or_default()));
    }

    fn error(
        &mut self,
        sequence: u64,
        code: String,
        text: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) {
        if Code::parse(&code).is_some_and(Code::is_of_connection) {
            // The server is about to close: what would still be sent would not be read.
            self.stage = Stage::Nothing;
            if is_one_of(&code, PASSING) && self.broken_off(sequence, &code, &text) {
                return;
            }
        }
        let outcome = self.outcome(sequence, &code);
        self.answered(sequence, Err(Error::Reply { code, text, headers, body, outcome }));
    }

    /// What an error says of the effect: `docs/PROTOCOL.md`, section 6.
    fn outcome(&mut self, sequence: u64, code: &str) -> Outcome {
        match Code::parse(code) {
            Some(Code::Cancelled | Code::TimedOut | Code::Failed) => Outcome::Unknown,
            // The connection's last word to a command that it breaks off.
            Some(code) if code.is_of_connection() => Outcome::Unknown,
            // It closes the connection: the first is of the command whose body it was, and any after it may be
            // the last word to another.
            Some(Code::BodyTooLarge) if self.was_too_large || !self.has_body(sequence) => Outcome::Unknown,
            Some(Code::BodyTooLarge) => {
                self.was_too_large = true;
                Outcome::Answered
            }
            _ => Outcome::Answered,
        }
    }

    fn has_body(&self, sequence: u64) -> bool {
        let call = self.flights.get(&sequence).and_then(|flight| self.calls.get(&flight.call?));
        call.is_some_and(|call| call.wanted.request.body_len() > 0)
    }

    /// The server goes away in the middle of a command; whether the command goes to the next connection.
    fn broken_off(&mut self, sequence: u64, code: &str, text: &str) -> bool {
        let Some(number) = self.flights.get(&sequence).and_then(|flight| flight.call) else { return false };
        let goes = self.goes_again(number, Some(&Error::closed(code, text).to_string()));
        if goes {
            self.flights.remove(&sequence);
        }
        goes
    }

    fn answered(&mut self, sequence: u64, result: Result<Answer, Error>) {
        self.taken_back.remove(&sequence);
        if let Some(number) = self.flights.remove(&sequence).and_then(|flight| flight.call) {
            self.end(number, result);
        }
    }

    /// Its answer is not wanted any more: the server may end it, and what still comes is not kept.
    fn too_large(&mut self, number: u64) {
        let Some(sequence) = self.calls.get(&number).and_then(|call| call.sequence) else { return };
        self.abandon(sequence);
        self.taken_back.insert(sequence);
        self.end(number, Err(Error::TooLarge { limit: self.limits.answer }));
    }

    /// The connection's last word: what has no answer was not begun.
    fn closed(&mut self, code: &str, text: &str) {
        let error = Error::closed(code, text);
        self.not_begun(&error, is_one_of(code, PASSING));
        self.remain(&error);
    }

    /// The greeting: not in. Nothing was begun.
    pub(crate) fn refused(&mut self, code: &str, text: &str) {
        let error = Error::Refused { code: code.to_owned(), text: text.to_owned() };
        let passes = is_one_of(code, FULL);
        self.not_begun(&error, passes);
        if passes { self.remain(&error) } else { self.end_line(&error) }
    }

    /// The connection ended without a last word: nobody knows how far what was sent has come.
    pub(crate) fn lost(&mut self, why: &str) {
        for number in self.disconnect() {
            if !self.goes_again(number, Some(why)) {
                let error = Error::Lost { why: why.to_owned(), outcome: Outcome::Unknown };
                self.end(number, Err(error));
            }
        }
        self.remain(&Error::Lost { why: why.to_owned(), outcome: Outcome::NotBegun });
    }

    /// There is no connection, for a reason that may pass.
    pub(crate) fn not_connected(&mut self, error: &Error) {
        self.remain(error);
    }

    /// There is no connection, for a reason that a person must look into.
    pub(crate) fn fail(&mut self, error: &Error) {
        for number in self.disconnect() {
            self.end_unbegun(number, error);
        }
        self.end_line(error);
    }

    /// Ends every call: nobody will go on.
    pub(crate) fn abort(&mut self, why: &str) {
        self.reconnects = false;
        self.lost(why);
    }

    /// What was in flight was not begun; if the reason passes it goes to the next connection.
    fn not_begun(&mut self, error: &Error, passes: bool) {
        for number in self.disconnect() {
            if !(passes && self.goes_again(number, None)) {
                self.end_unbegun(number, error);
            }
        }
    }

    /// The connection is gone; the calls that were in flight over it.
    fn disconnect(&mut self) -> Vec<u64> {
        self.stage = Stage::Nothing;
        self.taken_back.clear();
        std::mem::take(&mut self.flights).into_values().filter_map(|flight| flight.call).collect()
    }

    /// Puts a call back into the line, if that may be: one that is in `doubt` only if it does no harm twice.
    fn goes_again(&mut self, number: u64, doubt: Option<&str>) -> bool {
        let Some(call) = self.calls.get_mut(&number) else { return false };
        let is_repeatable = call.wanted.request.is_repeatable();
        let may = self.reconnects && call.attempts < self.limits.attempts;
        if !may || (doubt.is_some() && !is_repeatable) {
            return false;
        }
        call.sequence = None;
        call.doubt = call.doubt.take().or(doubt.map(str::to_owned));
        self.line.enter(number, is_repeatable);
        true
    }

    /// What stands in line waits for the next connection, if there is to be one.
    fn remain(&mut self, error: &Error) {
        self.trouble = Some(error.to_string());
        if !self.reconnects {
            self.end_line(error);
        }
    }

    fn end_line(&mut self, error: &Error) {
        while let Some(number) = self.line.first() {
            self.end_unbegun(number, error);
        }
        if !self.reconnects {
            self.over.get_or_insert_with(|| error.to_string());
        }
    }

    /// Ends a call that was not begun now; an earlier attempt may have been.
    fn end_unbegun(&mut self, number: u64, error: &Error) {
        let doubt = self.calls.get_mut(&number).and_then(|call| call.doubt.take());
        let error = match doubt {
            None => error.clone(),
            Some(why) => Error::Lost { why: format!("{why}; then {error}"), outcome: Outcome::Unknown },
        };
        self.end(number, Err(error));
    }

    fn end(&mut self, number: u64, result: Result<Answer, Error>) {
        if let Some(call) = self.remove(number) {
            self.ended.push((call.wanted.caller, result));
        }
    }

    fn remove(&mut self, number: u64) -> Option<Call<K>> {
        let call = self.calls.remove(&number)?;
        self.line.leave(number);
        self.deadlines.remove(&(call.wanted.deadline, number));
        Some(call)
    }

    /// Nobody waits for this flight any more. It counts until its final answer.
    fn abandon(&mut self, sequence: u64) {
        if let Some(flight) = self.flights.get_mut(&sequence) {
            (flight.call, flight.parts) = (None, None);
        }
    }
}

/// The number of a sequence of ours.
fn number(sequence: &Sequence) -> Option<u64> {
    let number: u64 = sequence.as_str().parse().ok()?;
    (Sequence::from(number) == *sequence).then_some(number)
}

fn is_one_of(code: &str, codes: &[Code]) -> bool {
    Code::parse(code).is_some_and(|code| codes.contains(&code))
}

/// Codes of a closing connection that say nothing against this client: a command goes to the next one. After
/// any other, one of the commands may be the reason.
const PASSING: &[Code] = &[Code::Idle, Code::ShuttingDown];

/// Codes of a greeting that say nothing against this client.
const FULL: &[Code] = &[Code::ShuttingDown, Code::TooManyConnections];

/// Bytes that may leave before the greeting: half of what a server throws away of a peer that it does not let
/// in (`Limits::discard_refused` of a server, 256 KiB by default), for records and other servers' settings.
const EARLY: usize = 128 * 1024;

#[cfg(test)]
mod tests;
