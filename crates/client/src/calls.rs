//! The calls of one client: which stand in line, which are in flight, and how each ends, exactly once, with
//! the outcome that `docs/PROTOCOL.md`, section 6, defines.
//!
//! Knows no socket and no clock: the driver says what happened and when. `K` is whoever waits for the answer.

mod ending;
mod feed;
mod hearing;
mod line;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use pinwire_proto::limits::HEAD;
use pinwire_proto::session::ClientSession;
use pinwire_proto::wire::Request;

use crate::{Answer, Error, Limits, Outcome};
pub(crate) use feed::{Fed, Feed, feed};
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
    /// How many of them nobody waits for.
    abandoned: usize,
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
    over: Option<Error>,
}

/// What somebody wants to have called.
#[derive(Debug)]
pub(crate) struct Wanted<K> {
    pub(crate) caller: K,
    pub(crate) request: Request,
    /// When the caller goes, if it does not wait for as long as it takes.
    pub(crate) deadline: Option<Deadline>,
    /// Where the parts of the answer go; without it they are joined.
    pub(crate) feed: Option<Feed>,
}

/// How long a caller waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// The moment at which it goes.
    pub(crate) at: Instant,
    /// How long that was from the call on.
    pub(crate) limit: Duration,
    /// It waits so long for a stream's first part, and then for as long as it takes. The server is not told.
    pub(crate) is_for_first_part: bool,
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
    /// Whether its caller has had a part of the answer: from the beginning it would have it twice.
    is_fed: bool,
}

/// A command that the server has not answered to the end.
#[derive(Debug)]
struct Flight {
    /// The call that waits for it; none if the caller has gone.
    call: Option<u64>,
    has_body: bool,
    /// What came of an answer in parts; of a stream nothing but that some came.
    parts: Option<Parts>,
}

#[derive(Debug, Default)]
struct Parts {
    whole: Answer,
    /// What it takes in memory, headers included: parts without bodies add up too.
    bytes: usize,
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
            abandoned: 0,
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
        if let Some(error) = &self.over {
            self.ended.push((wanted.caller, Err(error.clone())));
            return;
        }
        self.deadlines.extend(wanted.deadline.map(|deadline| (deadline.at, number)));
        self.line.enter(number, wanted.request.is_repeatable());
        let call = Call { wanted, sequence: None, attempts: 0, doubt: None, is_fed: false };
        self.calls.insert(number, call);
    }

    /// The caller has gone. The server is told, if it knows of the command.
    pub(crate) fn cancel(&mut self, number: u64) {
        if let Some(call) = self.remove(number) {
            self.take_back(call.sequence);
        }
    }

    /// Ends every stream, for one may have no end of its own.
    pub(crate) fn end_streams(&mut self, why: &str) {
        let streams = self.calls.iter().filter(|(_, call)| call.wanted.feed.is_some());
        let streams: Vec<(u64, Option<u64>)> =
            streams.map(|(number, call)| (*number, call.sequence)).collect();
        for (number, sequence) in streams {
            self.take_back(sequence);
            let is_begun = sequence.is_some();
            let outcome = if is_begun { Outcome::Unknown } else { Outcome::NotBegun };
            self.end_unbegun(number, &Error::Lost { why: why.to_owned(), outcome });
        }
    }

    /// What is in flight under this sequence is not wanted any more.
    fn take_back(&mut self, sequence: Option<u64>) {
        if let Some(sequence) = sequence {
            self.abandon(sequence);
            self.taken_back.insert(sequence);
        }
    }

    /// Ends the calls whose time is over. A server that was told how long they wait needs no word.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(&(_, number)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            let Some(call) = self.remove(number) else { break };
            match call.sequence {
                Some(_) if call.told().is_none() => self.take_back(call.sequence),
                Some(sequence) => self.abandon(sequence),
                None => {}
            }
            self.time_out(call);
        }
    }

    /// Whether a server has to say something by itself: that a command is timed out or cancelled, or the last
    /// word after it has begun to say why it closes.
    pub(crate) fn is_owed(&self) -> bool {
        self.abandoned > 0 || self.stage == Stage::Nothing
    }

    fn time_out(&mut self, call: Call<K>) {
        let is_begun = call.sequence.is_some() || call.doubt.is_some();
        let outcome = if is_begun { Outcome::Unknown } else { Outcome::NotBegun };
        let trouble = self.trouble.clone().filter(|_| call.sequence.is_none());
        let limit = call.wanted.deadline.map_or(Duration::MAX, |deadline| deadline.limit);
        let error = Error::TimedOut { limit, outcome, why: call.doubt.or(trouble) };
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
        let left = call.told().map(|deadline| deadline.at.saturating_duration_since(now));
        let before = session.unsent();
        self.sequence += 1;
        if let Err(misuse) = session.send(&call.wanted.request, Some(&self.sequence.into()), left) {
            self.end_unbegun(number, &misuse.into());
            return;
        }
        call.sequence = Some(self.sequence);
        call.attempts += 1;
        let has_body = call.wanted.request.body_len() > 0;
        self.flights.insert(self.sequence, Flight { call: Some(number), has_body, parts: None });
        self.early += session.unsent() - before;
    }
}

impl<K> Call<K> {
    /// The deadline that the server is told.
    fn told(&self) -> Option<&Deadline> {
        self.wanted.deadline.as_ref().filter(|deadline| !deadline.is_for_first_part)
    }
}

/// Bytes that a header takes in memory.
fn kept(header: &(String, String)) -> usize {
    size_of_val(header) + header.0.len() + header.1.len()
}

/// Bytes that may leave before the greeting: half of what a server throws away of a peer that it does not let
/// in (`Limits::discard_refused` of a server, 256 KiB by default), for records and other servers' settings.
const EARLY: usize = 128 * 1024;

#[cfg(test)]
mod tests;
