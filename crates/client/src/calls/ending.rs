//! How calls end when their connection does, and which of them go to the next one.

use pinwire_proto::code::Code;

use super::{Call, Calls, Stage};
use crate::{Answer, Error, Outcome};

impl<K> Calls<K> {
    /// The connection's last word: what has no answer was not begun.
    pub(super) fn closed(&mut self, code: &str, text: &str) {
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
        self.break_off(why);
        self.remain(&Error::Lost { why: why.to_owned(), outcome: Outcome::NotBegun });
    }

    /// The connection ended without a greeting, and another is made for what has not left, whether or not
    /// connections are made again later.
    pub(crate) fn not_greeted(&mut self, why: &str) {
        self.break_off(why);
        self.trouble = Some(why.to_owned());
    }

    /// There is no connection, for a reason that may pass.
    pub(crate) fn not_connected(&mut self, error: &Error) {
        self.remain(error);
    }

    /// There is no connection, for a reason that a person must look into.
    pub(crate) fn fail(&mut self, error: &Error) {
        for (number, _) in self.disconnect() {
            // It left before the greeting, and what came instead of one tells nothing.
            self.end(number, Err(Error::Lost { why: error.to_string(), outcome: Outcome::Unknown }));
        }
        self.end_line(error);
    }

    /// Ends every call: nobody will go on.
    pub(crate) fn abort(&mut self, why: &str) {
        self.reconnects = false;
        self.lost(why);
    }

    /// What was in flight may have been begun.
    fn break_off(&mut self, why: &str) {
        for (number, _) in self.disconnect() {
            if !self.goes_again(number, Some(why)) {
                let error = Error::Lost { why: why.to_owned(), outcome: Outcome::Unknown };
                self.end(number, Err(error));
            }
        }
    }

    /// What was in flight was not begun; if the reason passes it goes to the next connection. Parts of an answer
    /// prove the contrary.
    fn not_begun(&mut self, error: &Error, passes: bool) {
        for (number, is_begun) in self.disconnect() {
            let doubt = is_begun.then(|| error.to_string());
            if passes && self.goes_again(number, doubt.as_deref()) {
                continue;
            }
            match doubt {
                Some(why) => self.end(number, Err(Error::Lost { why, outcome: Outcome::Unknown })),
                None => self.end_unbegun(number, error),
            }
        }
    }

    /// The connection is gone; the calls that were in flight over it, and whether each has had parts of an answer.
    fn disconnect(&mut self) -> Vec<(u64, bool)> {
        self.stage = Stage::Nothing;
        self.taken_back.clear();
        self.abandoned = 0;
        let flights = std::mem::take(&mut self.flights).into_values();
        flights.filter_map(|flight| Some((flight.call?, flight.parts.is_some()))).collect()
    }

    /// Puts a call back into the line, if that may be: one that is in `doubt` only if it does no harm twice.
    pub(super) fn goes_again(&mut self, number: u64, doubt: Option<&str>) -> bool {
        let Some(call) = self.calls.get_mut(&number) else { return false };
        let is_repeatable = call.wanted.request.is_repeatable();
        let may = self.reconnects && call.attempts < self.limits.attempts && !call.is_fed;
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
            self.over.get_or_insert_with(|| afterwards(error));
        }
    }

    /// Ends a call that was not begun now; an earlier attempt may have been.
    pub(super) fn end_unbegun(&mut self, number: u64, error: &Error) {
        let doubt = self.calls.get_mut(&number).and_then(|call| call.doubt.take());
        let error = match doubt {
            None => error.clone(),
            Some(why) => Error::Lost { why: format!("{why}; then {error}"), outcome: Outcome::Unknown },
        };
        self.end(number, Err(error));
    }

    pub(super) fn end(&mut self, number: u64, result: Result<Answer, Error>) {
        if let Some(call) = self.remove(number) {
            self.ended.push((call.wanted.caller, result));
        }
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Call<K>> {
        let call = self.calls.remove(&number)?;
        self.line.leave(number);
        if let Some(deadline) = call.wanted.deadline {
            self.deadlines.remove(&(deadline.at, number));
        }
        Some(call)
    }

    /// Nobody waits for this flight any more. It counts until its final answer.
    pub(super) fn abandon(&mut self, sequence: u64) {
        if let Some(flight) = self.flights.get_mut(&sequence) {
            flight.parts = None;
            self.abandoned += usize::from(flight.call.take().is_some());
        }
    }
}

/// What a call gets that is made when there is no connection any more and will be none: the server's reason, if
/// it gave one.
fn afterwards(error: &Error) -> Error {
    match error {
        Error::Closed { .. } | Error::Refused { .. } => error.clone(),
        Error::Lost { why, .. } => Error::Lost { why: why.clone(), outcome: Outcome::NotBegun },
        _ => Error::Lost { why: error.to_string(), outcome: Outcome::NotBegun },
    }
}

pub(super) fn is_one_of(code: &str, codes: &[Code]) -> bool {
    Code::parse(code).is_some_and(|code| codes.contains(&code))
}

/// Codes of a closing connection that say nothing against this client: a command goes to the next one. After
/// any other, one of the commands may be the reason.
pub(super) const PASSING: &[Code] = &[Code::Idle, Code::ShuttingDown];

/// Codes of a greeting that say nothing against this client.
const FULL: &[Code] = &[Code::ShuttingDown, Code::TooManyConnections];
