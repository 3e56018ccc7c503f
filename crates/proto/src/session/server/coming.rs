//! Bodies on their way: kept or read over, and how fast they come.

use std::time::{Duration, Instant};

use super::Event;
use crate::session::{Now, ReplyTo};
use crate::wire::{BodyReader, Discard, Head, OwnedHead};

/// A command whose body is on its way.
#[derive(Debug)]
pub(in crate::session) struct Coming {
    head: OwnedHead,
    body: Body,
    pub(super) to: ReplyTo,
    pub(super) pace: Pace,
}

/// A body that is read over.
#[derive(Debug)]
pub(super) struct Skipped {
    pub(super) body: Discard,
    pace: Pace,
}

/// How fast a body comes: it is activity while it brings [`PROGRESS`] bytes in each span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    since: Instant,
    progress: u64,
    /// When it last had brought [`PROGRESS`] bytes, and how many it brought since.
    last: Instant,
    fresh: u64,
}

#[derive(Debug)]
enum Body {
    Reader(BodyReader),
    Whole(Vec<u8>),
}

impl Coming {
    pub(super) fn new(head: Head<'_>, size: u64, to: ReplyTo, now: Now) -> Self {
        let body = Body::Reader(BodyReader::new(size));
        Coming { head: head.into_owned(), body, to, pace: Pace::new(now.instant) }
    }

    pub(super) fn take(&mut self, bytes: &[u8], now: Now, active: &mut Instant, span: Duration) -> usize {
        let Body::Reader(reader) = &mut self.body else { return 0 };
        let taken = reader.take(bytes);
        if self.pace.brought(taken, now.instant, span) || reader.is_complete() {
            *active = now.instant;
        }
        taken
    }

    pub(super) fn is_complete(&self) -> bool {
        self.left() == 0
    }

    /// Bytes that are here, the head's counted: of a body that never comes they are all.
    pub(super) fn kept(&self) -> usize {
        let body = match &self.body {
            Body::Reader(reader) => reader.kept(),
            Body::Whole(body) => body.len(),
        };
        self.head.kept() + body
    }

    pub(super) fn left(&self) -> u64 {
        match &self.body {
            Body::Reader(reader) => reader.left(),
            Body::Whole(_) => 0,
        }
    }

    pub(super) fn completed(mut coming: Box<Coming>) -> Box<Coming> {
        if let Body::Reader(reader) = std::mem::replace(&mut coming.body, Body::Whole(Vec::new())) {
            coming.body = Body::Whole(reader.into_vec());
        }
        coming
    }

    pub(super) fn event(&self) -> Event<'_> {
        let body = match &self.body {
            Body::Whole(body) => body,
            Body::Reader(_) => &[][..],
        };
        Event::Command { head: self.head.head(), body, to: self.to }
    }
}

impl Skipped {
    pub(super) fn new(size: u64, pace: Pace) -> Self {
        Skipped { body: Discard::new(size), pace }
    }

    pub(super) fn take(&mut self, bytes: &[u8], now: Now, active: &mut Instant, span: Duration) -> usize {
        let taken = self.body.take(bytes);
        if self.pace.brought(taken, now.instant, span) || self.body.is_done() {
            *active = now.instant;
        }
        taken
    }
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Pace { since: now, progress: 0, last: now, fresh: 0 }
    }

    /// `bytes` more have come; whether this span has its progress.
    pub(super) fn brought(&mut self, bytes: usize, now: Instant, span: Duration) -> bool {
        if now > self.since + span {
            (self.since, self.progress) = (now, 0);
        }
        self.progress += bytes as u64;
        self.fresh += bytes as u64;
        if self.fresh >= PROGRESS {
            (self.last, self.fresh) = (now, 0);
        }
        self.progress >= PROGRESS
    }

    /// Whether the last [`PROGRESS`] bytes took longer than `span`, or still do.
    pub(super) fn is_slow(&self, now: Instant, span: Duration) -> bool {
        now > self.last + span
    }
}

/// Bytes of a body that count as activity within `Limits::slow_reader`.
const PROGRESS: u64 = 1_024;
