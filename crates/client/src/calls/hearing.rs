//! What the server answers: whose it is, how parts become a whole, what an error says of the effect.

use pinwire_proto::code::Code;
use pinwire_proto::session;
use pinwire_proto::wire::Sequence;

use super::ending::{PASSING, is_one_of};
use super::{Calls, Heard, Stage, kept};
use crate::{Answer, Error, Outcome};

impl<K> Calls<K> {
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
        let parts = flight.parts.get_or_insert_default();
        if self.calls.get(&number).is_some_and(|call| call.wanted.feed.is_some()) {
            return self.feed(number, Answer { headers, body });
        }
        parts.bytes += body.len() + headers.iter().map(kept).sum::<usize>();
        if parts.bytes > self.limits.answer {
            self.too_large(number);
            return;
        }
        let whole = &mut parts.whole;
        whole.headers.extend(headers);
        match whole.body.is_empty() {
            true => whole.body = body,
            false => whole.body.extend_from_slice(&body),
        }
    }

    /// A part of a stream.
    fn feed(&mut self, number: u64, part: Answer) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.is_fed = true;
        if let Some(first) = call.wanted.deadline.take_if(|deadline| deadline.is_for_first_part) {
            self.deadlines.remove(&(first.at, number));
        }
        let limit = self.limits.untaken;
        if call.wanted.feed.as_ref().is_some_and(|feed| !feed.put(part, limit)) {
            self.give_up(number, Error::Behind { limit });
        }
    }

    fn last_part(&mut self, sequence: u64, headers: Vec<(String, String)>, body: Vec<u8>) {
        let Some(flight) = self.flights.get(&sequence) else { return };
        if flight.parts.is_none() || self.is_stream(flight.call) {
            self.answered(sequence, Ok(Answer { headers, body }));
            return;
        }
        self.part(sequence, headers, body);
        let parts = self.flights.get_mut(&sequence).and_then(|flight| flight.parts.take());
        self.answered(sequence, Ok(parts.unwrap_or_default().whole));
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
        // That this attempt came to nothing says nothing of an earlier one.
        let outcome = if self.is_in_doubt(sequence) { Outcome::Unknown } else { outcome };
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
        self.flights.get(&sequence).is_some_and(|flight| flight.has_body)
    }

    fn is_in_doubt(&self, sequence: u64) -> bool {
        let call = self.flights.get(&sequence).and_then(|flight| self.calls.get(&flight.call?));
        call.is_some_and(|call| call.doubt.is_some())
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
        match self.flights.remove(&sequence).map(|flight| flight.call) {
            Some(Some(number)) => self.end(number, result),
            Some(None) => self.abandoned -= 1,
            None => {}
        }
    }

    fn is_stream(&self, call: Option<u64>) -> bool {
        call.and_then(|number| self.calls.get(&number)).is_some_and(|call| call.wanted.feed.is_some())
    }

    fn too_large(&mut self, number: u64) {
        self.give_up(number, Error::TooLarge { limit: self.limits.answer });
    }

    /// Its answer is not wanted any more: the server may end it, and what still comes is not kept.
    fn give_up(&mut self, number: u64, error: Error) {
        let Some(sequence) = self.calls.get(&number).and_then(|call| call.sequence) else { return };
        self.take_back(Some(sequence));
        self.end(number, Err(error));
    }
}

/// The number of a sequence of ours.
fn number(sequence: &Sequence) -> Option<u64> {
    let number: u64 = sequence.as_str().parse().ok()?;
    (Sequence::from(number) == *sequence).then_some(number)
}
