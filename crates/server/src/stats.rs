//! What a server has done and what it holds, in numbers: counted by each worker for itself, read from any thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pinwire_proto::code::Code;
use pinwire_proto::session::Disconnect;
use pinwire_proto::tally::{ByCode, Count, Tally};

use crate::totals::Kept;

/// Reads a server's numbers: while it runs, and after.
#[derive(Clone, Debug)]
pub struct Stats {
    workers: Arc<[Arc<Counts>]>,
    versions: Arc<Versions>,
    /// How many strangers are remembered: the whole server's.
    strangers: Arc<Level>,
}

/// A server's numbers at one moment. Those that rise count from its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections closed before anything was read: no place for their handshake, or no descriptors, for too
    /// long; or the server stopped first.
    pub turned_away: u64,
    /// Connections that waited before their handshake, or were to, for their source failed too often.
    pub delayed: u64,
    /// Of those, the ones closed at accept, without words: too many of their source waited. They count in `refused`
    /// too, as `source-penalised`.
    pub penalised: u64,
    /// Strangers that wait for an operator to approve them.
    pub strangers: usize,
    /// Handshakes that lost their place: no complete ClientHello came while others waited.
    pub handshakes_dropped: u64,
    /// Times that accepting failed for lack of something that the machine has to give.
    pub accepts_failed: u64,
    /// Clients let in.
    pub admitted: u64,
    /// Connections there are, those in their handshake counted.
    pub connections: usize,
    /// Clients that are in.
    pub clients: usize,
    /// Connections that the server closed before their greeting was OK, by code. Clients were told it, unless their
    /// handshake was not complete.
    pub refused: Vec<(Code, u64)>,
    /// Connections that the server closed after their greeting, by the code that they were told.
    pub closed: Vec<(Code, u64)>,
    /// Connections that ended with the client's close_notify.
    pub finished: u64,
    /// Connections whose client was gone without one.
    pub vanished: u64,
    /// Connections that ended because TLS could not go on.
    pub tls_failed: u64,
    /// Connections that did not complete their handshake in time.
    pub handshakes_timed_out: u64,
    /// Commands that began.
    pub commands: u64,
    /// Commands answered OK.
    pub ok: u64,
    /// Parts of answers that went on: changes that were pushed, say.
    pub parts: u64,
    /// Commands answered with an error, by code.
    pub errors: Vec<(Code, u64)>,
    /// Answers to one-way commands, which are dropped.
    pub dropped: u64,
    /// Connections whose next command waits for room: too many replies do (`Limits::total`).
    pub starved: usize,
    /// Bytes of replies that wait for clients or are reserved for commands under way.
    pub waiting: Gauge,
    /// Bytes that have come and are not a whole command yet, or one that may not begin.
    pub incomplete: Gauge,
    /// Trust lists that took the place of another, from the file that the server follows.
    pub trust_lists: u64,
    /// Versions of that file that were not used.
    pub bad_trust_lists: u64,
    /// Whether the file, as it is now, is not used.
    pub is_trust_file_bad: bool,
    /// Certificates that took the place of another.
    pub identities: u64,
    /// Versions of certificate and key that were not used.
    pub bad_identities: u64,
    /// Whether certificate and key, as they are now, are not used.
    pub are_identity_files_bad: bool,
}

/// A number that rises and falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge {
    /// What it is.
    pub now: usize,
    /// The most that it was; of several workers, the sum of each one's most.
    pub most: usize,
}

impl Stats {
    pub(crate) fn new(workers: usize) -> Self {
        let workers = (0..workers).map(|_| Arc::default()).collect();
        Stats { workers, versions: Arc::default(), strangers: Arc::default() }
    }

    pub(crate) fn versions(&self) -> Arc<Versions> {
        Arc::clone(&self.versions)
    }

    pub(crate) fn strangers(&self) -> Arc<Level> {
        Arc::clone(&self.strangers)
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = Arc<Counts>> {
        self.workers.iter().cloned()
    }

    /// The numbers now. Workers are asked one after the other, and go on meanwhile.
    pub fn snapshot(&self) -> Snapshot {
        let sum = |count: fn(&Counts) -> &Count| self.workers.iter().map(|worker| count(worker).get()).sum();
        let by_code =
            |codes: fn(&Counts) -> &ByCode| together(self.workers.iter().map(|worker| codes(worker).all()));
        let gauge =
            |level: fn(&Counts) -> &Level| self.workers.iter().map(|worker| level(worker).gauge()).sum();
        let admitted: u64 = sum(|counts| &counts.admitted);
        let departed: u64 = sum(|counts| &counts.departed);
        let connections: Gauge = gauge(|counts| &counts.connections);
        Snapshot {
            accepted: sum(|counts| &counts.accepted),
            turned_away: sum(|counts| &counts.turned_away),
            delayed: sum(|counts| &counts.delayed),
            penalised: sum(|counts| &counts.penalised),
            strangers: self.strangers.gauge().now,
            handshakes_dropped: sum(|counts| &counts.handshakes_dropped),
            accepts_failed: sum(|counts| &counts.accepts_failed),
            admitted,
            connections: connections.now,
            clients: usize::try_from(admitted.saturating_sub(departed)).unwrap_or(usize::MAX),
            refused: by_code(|counts| &counts.refused),
            closed: by_code(|counts| &counts.closed),
            finished: sum(|counts| &counts.finished),
            vanished: sum(|counts| &counts.vanished),
            tls_failed: sum(|counts| &counts.tls_failed),
            handshakes_timed_out: sum(|counts| &counts.handshakes_timed_out),
            commands: sum(|counts| &counts.tally.commands),
            ok: sum(|counts| &counts.tally.ok),
            parts: sum(|counts| &counts.tally.parts),
            errors: by_code(|counts| &counts.tally.errors),
            dropped: sum(|counts| &counts.tally.dropped),
            starved: gauge(|counts| &counts.starved).now,
            waiting: gauge(|counts| &counts.waiting),
            incomplete: gauge(|counts| &counts.incomplete),
            trust_lists: self.versions.trust_lists.get(),
            bad_trust_lists: self.versions.bad_trust_lists.get(),
            is_trust_file_bad: self.versions.is_trust_file_bad.load(Ordering::Relaxed),
            identities: self.versions.identities.get(),
            bad_identities: self.versions.bad_identities.get(),
            are_identity_files_bad: self.versions.are_identity_files_bad.load(Ordering::Relaxed),
        }
    }
}

impl Snapshot {
    /// How many connections the server closed with `code` after their greeting.
    pub fn closed(&self, code: Code) -> u64 {
        find(&self.closed, code)
    }

    /// How many clients were refused with `code`.
    pub fn refused(&self, code: Code) -> u64 {
        find(&self.refused, code)
    }

    /// How many commands were answered with `code`.
    pub fn errors(&self, code: Code) -> u64 {
        find(&self.errors, code)
    }
}

/// One line for a log: what came and how it ended; what did not happen is left out.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} connections let in", self.admitted, self.accepted)?;
        write!(f, "; {} commands, {} ok", self.commands, self.ok)?;
        let counts = |codes: &[(Code, u64)]| {
            codes.iter().map(|(code, count)| format!("{code} {count}")).collect::<Vec<_>>().join(", ")
        };
        for (what, codes) in [("errors", &self.errors), ("refused", &self.refused), ("closed", &self.closed)]
        {
            if !codes.is_empty() {
                write!(f, "; {what}: {}", counts(codes))?;
            }
        }
        let others = [
            (self.turned_away, "turned away for lack of room"),
            (self.delayed, "delayed for their source's failures"),
            (self.strangers as u64, "strangers wait for approval"),
            (self.handshakes_dropped, "handshakes dropped for others"),
            (self.accepts_failed, "failures to accept"),
            (self.dropped, "one-way answers dropped"),
            (self.parts, "parts of answers"),
            (self.vanished, "clients gone without a word"),
            (self.tls_failed, "TLS failures"),
            (self.handshakes_timed_out, "handshakes not complete in time"),
            (self.trust_lists, "trust lists taken"),
            (self.bad_trust_lists, "bad versions of the trust file"),
            (self.identities, "certificates taken"),
            (self.bad_identities, "bad versions of certificate and key"),
        ];
        others
            .iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, what)| write!(f, "; {count} {what}"))
    }
}

impl std::iter::Sum for Gauge {
    fn sum<I: Iterator<Item = Gauge>>(gauges: I) -> Gauge {
        gauges.fold(Gauge::default(), |sum, one| Gauge { now: sum.now + one.now, most: sum.most + one.most })
    }
}

/// What became of the files that the server follows. The follower alone writes it.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    pub(crate) trust_lists: Count,
    pub(crate) bad_trust_lists: Count,
    pub(crate) is_trust_file_bad: AtomicBool,
    pub(crate) identities: Count,
    pub(crate) bad_identities: Count,
    pub(crate) are_identity_files_bad: AtomicBool,
}

/// One worker's numbers. It alone writes them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) tally: Arc<Tally>,
    pub(crate) accepted: Count,
    pub(crate) turned_away: Count,
    pub(crate) delayed: Count,
    penalised: Count,
    handshakes_dropped: Count,
    pub(crate) accepts_failed: Count,
    pub(crate) admitted: Count,
    /// Of those that were admitted.
    pub(crate) departed: Count,
    pub(crate) connections: Level,
    refused: ByCode,
    closed: ByCode,
    finished: Count,
    vanished: Count,
    tls_failed: Count,
    handshakes_timed_out: Count,
    starved: Level,
    waiting: Level,
    incomplete: Level,
}

impl Counts {
    #[cfg(test)]
    pub(crate) fn closed(&self, code: Code) -> u64 {
        self.closed.get(code)
    }

    /// A connection was closed at accept for its source's failures.
    pub(crate) fn penalised(&self) {
        self.penalised.one();
        self.refused.one(Code::SourcePenalised);
    }

    /// A connection has ended.
    pub(crate) fn ended(&self, why: &Disconnect, was_admitted: bool) {
        match why {
            Disconnect::Closed { code, .. } if was_admitted => self.closed.one(*code),
            Disconnect::Closed { code, .. } => self.refused.one(*code),
            Disconnect::Peer => self.finished.one(),
            Disconnect::Vanished => self.vanished.one(),
            Disconnect::Tls(_) => self.tls_failed.one(),
            Disconnect::HandshakeTimeout => self.handshakes_timed_out.one(),
            Disconnect::HandshakeDropped => self.handshakes_dropped.one(),
        }
        if was_admitted {
            self.departed.one();
        }
    }

    /// All connections together keep so much.
    pub(crate) fn keep(&self, kept: Kept, starved: usize) {
        self.starved.set(starved);
        self.waiting.set(kept.out);
        self.incomplete.set(kept.come);
    }
}

/// A [`Gauge`] that one thread writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Level {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Level {
    pub(crate) fn set(&self, now: usize) {
        self.now.store(now, Ordering::Relaxed);
        if now > self.most.load(Ordering::Relaxed) {
            self.most.store(now, Ordering::Relaxed);
        }
    }

    fn gauge(&self) -> Gauge {
        Gauge { now: self.now.load(Ordering::Relaxed), most: self.most.load(Ordering::Relaxed) }
    }
}

/// What each worker counted, by code, in the codes' order.
fn together(workers: impl Iterator<Item = Vec<(Code, u64)>>) -> Vec<(Code, u64)> {
    let mut sums = BTreeMap::new();
    for (code, count) in workers.flatten() {
        sums.entry((code.number() == 0, code.number(), code.as_str())).or_insert((code, 0)).1 += count;
    }
    sums.into_values().collect()
}

fn find(codes: &[(Code, u64)], code: Code) -> u64 {
    codes.iter().find(|(there, _)| *there == code).map_or(0, |(_, count)| *count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_all_workers_together() {
        const OWN: Code = Code::own("quota-used");
        let stats = Stats::new(2);
        for (worker, counts) in stats.workers().enumerate() {
            (0..3).for_each(|_| counts.admitted.one());
            let why = |code| Disconnect::Closed { code, text: String::new() };
            counts.ended(&why(Code::Idle), true);
            counts.ended(&why(OWN), true);
            counts.ended(&why(Code::NoCertificate), false);
            counts.ended(&Disconnect::Vanished, false);
            counts.tally.errors.one(Code::NotFound);
            counts.keep(Kept { out: 100 + worker, come: 0 }, 3);
            counts.keep(Kept { out: 10, come: 5 }, 1);
        }
        let snapshot = stats.snapshot();
        assert_eq!((snapshot.admitted, snapshot.clients, snapshot.vanished), (6, 2, 2));
        assert_eq!(snapshot.closed, [(Code::Idle, 2), (OWN, 2)]);
        assert_eq!((snapshot.refused(Code::NoCertificate), snapshot.refused(Code::Idle)), (2, 0));
        assert_eq!(snapshot.errors(Code::NotFound), 2);
        assert_eq!(
            snapshot.to_string(),
            "6 of 0 connections let in; 0 commands, 0 ok; errors: not-found 2; refused: no-certificate 2; \
             closed: idle 2, quota-used 2; 2 clients gone without a word"
        );
        assert_eq!(snapshot.waiting, Gauge { now: 20, most: 201 });
        assert_eq!((snapshot.incomplete, snapshot.starved), (Gauge { now: 10, most: 10 }, 2));
    }
}
