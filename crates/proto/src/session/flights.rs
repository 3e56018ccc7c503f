//! The commands of one connection that are in flight: begun and not answered, or answered and not yet sent.

use std::time::Instant;

use super::few::Few;
use crate::wire::Sequence;

/// Which command an answer belongs to. It carries the flight's own number, so that a late answer cannot reach
/// a later command with the same sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// What the client chose; none: the command is one-way and no answer is sent.
    pub sequence: Option<Sequence>,
    /// The flight's number on its connection.
    pub flight: u32,
    /// When the client stops wanting the answer.
    pub deadline: Option<Instant>,
}

/// The table behind `duplicate-sequence`, `CANCEL` and `Limits::in_flight`.
#[derive(Debug, Default)]
pub(super) struct Flights {
    sequenced: Few<Sequence, Flight>,
    running: usize,
    one_way: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Flight {
    Running(u32),
    /// Answered: over once the socket has taken the stream up to here.
    Answered(u64),
}

impl Flights {
    pub(super) fn running(&self) -> usize {
        self.running + self.one_way.len()
    }

    /// Those that run, and those whose answer the socket has not taken.
    pub(super) fn in_flight(&self) -> usize {
        self.sequenced.len() + self.one_way.len()
    }

    /// Nothing runs, and nothing answered waits for the socket.
    pub(super) fn is_empty(&self) -> bool {
        self.running() == 0 && self.sequenced.is_empty()
    }

    /// Whether `sequence` may not be used again yet; `sent` bytes of the stream have left.
    pub(super) fn holds(&self, sequence: &Sequence, sent: u64) -> bool {
        match self.sequenced.get(sequence) {
            Some(Flight::Running(_)) => true,
            Some(Flight::Answered(end)) => *end > sent,
            None => false,
        }
    }

    pub(super) fn begin(&mut self, to: &ReplyTo) {
        match to.sequence {
            Some(sequence) => {
                self.running += 1;
                self.sequenced.insert(sequence, Flight::Running(to.flight));
            }
            None => self.one_way.push(to.flight),
        }
    }

    pub(super) fn runs(&self, to: &ReplyTo) -> bool {
        match to.sequence {
            Some(sequence) => {
                matches!(self.sequenced.get(&sequence), Some(Flight::Running(flight)) if *flight == to.flight)
            }
            None => self.one_way.contains(&to.flight),
        }
    }

    /// `to` has its final answer, which ends at byte `end` of the stream.
    pub(super) fn answered(&mut self, to: &ReplyTo, end: u64) {
        match to.sequence {
            Some(sequence) => {
                self.running -= 1;
                self.sequenced.insert(sequence, Flight::Answered(end));
            }
            None => self.one_way.retain(|flight| *flight != to.flight),
        }
    }

    /// The flight of a running command, for `CANCEL`.
    pub(super) fn running_flight(&self, sequence: &Sequence) -> Option<u32> {
        match self.sequenced.get(sequence)? {
            Flight::Running(flight) => Some(*flight),
            Flight::Answered(_) => None,
        }
    }

    /// The sequences that still wait for an answer, in the order in which they began; none runs afterwards.
    pub(super) fn abandon(&mut self) -> Vec<Sequence> {
        let mut running: Vec<_> = self
            .sequenced
            .iter()
            .filter_map(|(sequence, flight)| match flight {
                Flight::Running(number) => Some((*number, *sequence)),
                Flight::Answered(_) => None,
            })
            .collect();
        running.sort_unstable_by_key(|(number, _)| *number);
        self.sequenced.clear();
        self.one_way.clear();
        self.running = 0;
        running.into_iter().map(|(_, sequence)| sequence).collect()
    }

    /// Forgets what the socket has taken.
    pub(super) fn forget_sent(&mut self, sent: u64) {
        if self.sequenced.len() == self.running {
            return;
        }
        self.sequenced.retain(|flight| match flight {
            Flight::Running(_) => true,
            Flight::Answered(end) => *end > sent,
        });
    }
}
