//! The commands of one connection that are in flight: begun and not answered, or answered and not yet sent.

use std::time::Instant;

use super::few::{FEW, Few};
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
    one_way: Vec<Running>,
    /// Bytes that all that run may still owe.
    owed: usize,
    /// How many of those that run are answered in parts, for as long as they live.
    streams: usize,
    /// Whether one has ended since somebody asked.
    has_ended: bool,
}

#[derive(Clone, Copy, Debug)]
enum Flight {
    Running(Running),
    /// Answered: over once the socket has taken the stream up to here.
    Answered(u64),
}

#[derive(Clone, Copy, Debug)]
struct Running {
    flight: u32,
    /// Bytes that are reserved for its answer.
    owed: u32,
    is_stream: bool,
}

impl Flights {
    /// Bytes that are reserved for the answers of all that run.
    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    /// Bytes of this table that remember whose answer the socket has not taken. An answer to PING has fewer.
    pub(super) fn remembered(&self) -> usize {
        (self.sequenced.len() - self.running) * REMEMBERED
    }

    /// Reserves `bytes` for the answer to `to`, instead of what was reserved before.
    pub(super) fn reserve(&mut self, to: &ReplyTo, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some(running) = self.find_mut(to) {
            let before = std::mem::replace(&mut running.owed, bytes);
            self.owed = self.owed - before as usize + bytes as usize;
        }
    }

    /// Bytes that are reserved for the answer to `to`; 0 if none are.
    pub(super) fn reserved(&mut self, to: &ReplyTo) -> usize {
        self.find_mut(to).map_or(0, |running| running.owed as usize)
    }

    fn find_mut(&mut self, to: &ReplyTo) -> Option<&mut Running> {
        let running = match &to.sequence {
            None => self.one_way.iter_mut().find(|running| running.flight == to.flight)?,
            Some(sequence) => match self.sequenced.get_mut(sequence)? {
                Flight::Running(running) => running,
                Flight::Answered(_) => return None,
            },
        };
        (running.flight == to.flight).then_some(running)
    }

    pub(super) fn running(&self) -> usize {
        self.running + self.one_way.len()
    }

    /// Those that run, and those whose answer the socket has not taken.
    pub(super) fn in_flight(&self) -> usize {
        self.sequenced.len() + self.one_way.len()
    }

    /// Whether it has no more room than a busy connection needs: what thousands needed is not kept.
    pub(super) fn is_usual(&self) -> bool {
        self.sequenced.is_small() && self.one_way.capacity() <= FEW
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
        let running = Running { flight: to.flight, owed: 0, is_stream: false };
        match to.sequence {
            Some(sequence) => {
                self.running += 1;
                self.sequenced.insert(sequence, Flight::Running(running));
            }
            None => self.one_way.push(running),
        }
    }

    /// `to` is answered in parts.
    pub(super) fn begin_stream(&mut self, to: &ReplyTo) {
        if let Some(running) = self.find_mut(to).filter(|running| !running.is_stream) {
            running.is_stream = true;
            self.streams += 1;
        }
    }

    /// The first of those that are answered in parts.
    pub(super) fn first_stream(&self) -> Option<ReplyTo> {
        if self.streams == 0 {
            return None;
        }
        let streams = self.sequenced.iter().filter_map(|(sequence, flight)| match flight {
            Flight::Running(Running { flight, is_stream: true, .. }) => {
                Some(ReplyTo { sequence: Some(*sequence), flight: *flight, deadline: None })
            }
            _ => None,
        });
        streams.min_by_key(|to| to.flight)
    }

    pub(super) fn runs(&self, to: &ReplyTo) -> bool {
        match to.sequence {
            Some(sequence) => {
                matches!(self.sequenced.get(&sequence), Some(Flight::Running(running)) if running.flight == to.flight)
            }
            None => self.one_way.iter().any(|running| running.flight == to.flight),
        }
    }

    /// `to` has its final answer, which ends at byte `end` of the stream.
    pub(super) fn answered(&mut self, to: &ReplyTo, end: u64) {
        if self.owed > 0 {
            self.reserve(to, 0);
        }
        if self.streams > 0 && self.find_mut(to).is_some_and(|running| running.is_stream) {
            self.streams -= 1;
        }
        self.has_ended = true;
        match to.sequence {
            Some(sequence) => {
                self.running -= 1;
                self.sequenced.insert(sequence, Flight::Answered(end));
            }
            None => self.one_way.retain(|running| running.flight != to.flight),
        }
    }

    /// Whether one has ended since this was asked last.
    pub(super) fn take_ended(&mut self) -> bool {
        std::mem::take(&mut self.has_ended)
    }

    /// The flight of a running command, for `CANCEL`.
    pub(super) fn running_flight(&self, sequence: &Sequence) -> Option<u32> {
        match self.sequenced.get(sequence)? {
            Flight::Running(running) => Some(running.flight),
            Flight::Answered(_) => None,
        }
    }

    /// The sequences that still wait for an answer, in the order in which they began; none runs afterwards.
    pub(super) fn abandon(&mut self) -> Vec<Sequence> {
        let mut running: Vec<_> = self
            .sequenced
            .iter()
            .filter_map(|(sequence, flight)| match flight {
                Flight::Running(running) => Some((running.flight, *sequence)),
                Flight::Answered(_) => None,
            })
            .collect();
        running.sort_unstable_by_key(|(number, _)| *number);
        self.sequenced.clear();
        self.one_way.clear();
        (self.running, self.owed, self.streams) = (0, 0, 0);
        running.into_iter().map(|(_, sequence)| sequence).collect()
    }

    /// The sequences whose answer is not sealed, in the order of the answers; `sealed` bytes of the stream are.
    pub(super) fn unsealed(&self, sealed: u64) -> Vec<Sequence> {
        let mut unsealed: Vec<_> = self
            .sequenced
            .iter()
            .filter_map(|(sequence, flight)| match flight {
                Flight::Answered(end) => (*end > sealed).then_some((*end, *sequence)),
                Flight::Running(_) => None,
            })
            .collect();
        unsealed.sort_unstable_by_key(|(end, _)| *end);
        unsealed.into_iter().map(|(_, sequence)| sequence).collect()
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

/// A hash table of such pairs is half full on the average, at worst.
const REMEMBERED: usize = 2 * size_of::<(Sequence, Flight)>();
