//! One thing that the client said, and what came of it so far.

use std::time::Duration;

use super::network::Stream;
use super::schedule::{Command, Name};

/// Something that the client said.
pub(super) struct Said {
    pub(super) what: What,
    /// Where it begins on the client's plain stream, where its head ends, and where it ends.
    pub(super) start: usize,
    pub(super) head: usize,
    pub(super) end: usize,
    pub(super) at: Duration,
    /// When its head was read, if a body follows it.
    pub(super) announced: Option<Duration>,
    /// When its first byte was read.
    pub(super) met: Option<Duration>,
    /// Whether there was no room for what had come of its body.
    pub(super) short: Option<Short>,
    pub(super) heard: Option<Heard>,
    /// Whether the client had not read the final answer of an earlier command with this sequence.
    pub(super) is_duplicate: bool,
    /// What the handler said to a held command, or will.
    pub(super) answer: Option<Told>,
    /// How its final answer began: OK or a code.
    pub(super) outcome: Option<String>,
}

/// A command's beginning: when, and what had become of the stream to the client by then.
#[derive(Clone, Copy)]
pub(super) struct Heard {
    pub(super) at: Duration,
    pub(super) stream: Stream,
    /// Bytes that are reserved for its answer, if it is held.
    pub(super) reserved: usize,
}

/// Why a body is answered `overloaded`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    /// More of it had come than there was room for, when the connection ended otherwise: perhaps it is not.
    Perhaps,
    /// More of it had come than there was room for.
    OfRoom,
    /// It came too slowly while the server was short of room.
    OfTime,
}

pub(super) enum What {
    Command(Command),
    /// A CANCEL of this sequence.
    Cancel(u32),
    /// A breach of the grammar.
    Breach,
}

/// What a handler said to a held command.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Told {
    Ok(Vec<u8>),
    /// An answer longer than what was reserved for it.
    TooLong,
    Error,
    Panic,
}

impl Said {
    pub(super) fn new(what: What, (start, head, end): (usize, usize, usize), at: Duration) -> Said {
        let (announced, heard, answer, outcome) = (None, None, None, None);
        let (met, short, is_duplicate) = (None, None, false);
        Said { what, start, head, end, at, announced, met, short, heard, is_duplicate, answer, outcome }
    }

    pub(super) fn command(&self) -> Option<&Command> {
        match &self.what {
            What::Command(command) => Some(command),
            _ => None,
        }
    }

    pub(super) fn sequence(&self) -> Option<u32> {
        self.command().and_then(|command| command.sequence)
    }

    /// Whether nothing behind it may be heard, if it is read at all.
    pub(super) fn is_fatal(&self) -> bool {
        match &self.what {
            What::Breach => true,
            What::Cancel(_) => self.end - self.head > super::BODY as usize,
            What::Command(command) => {
                command.body_size() > super::BODY || self.heard.is_some() && command.name == Name::Panic
            }
        }
    }

    /// Whether it need not be run: nobody wants its body, or its time may be up before it can begin.
    pub(super) fn may_be_passed(&self) -> bool {
        self.command().is_some_and(|command| {
            let is_unwanted = command.name == Name::NoBody || self.short.is_some();
            command.timeout.is_some() || (command.body_size() > 0 && is_unwanted)
        })
    }

    /// Whether it was answered `overloaded` for its body, and will not be heard.
    pub(super) fn is_overloaded(&self) -> bool {
        matches!(self.short, Some(Short::OfRoom | Short::OfTime))
    }

    /// Whether so many bytes of the stream end in its body, which the handler was told of and has not got.
    pub(super) fn is_coming(&self, delivered: usize) -> bool {
        self.announced.is_some() && self.heard.is_none() && self.head <= delivered && delivered < self.end
    }

    /// Whether what comes of its body is kept.
    pub(super) fn is_kept(&self) -> bool {
        !self.is_overloaded() && self.command().is_some_and(|command| command.name != Name::NoBody)
    }

    /// How long it may wait.
    pub(super) fn patience(&self) -> Option<Duration> {
        let timeout = self.command()?.timeout?;
        Some(Duration::from_millis(timeout).min(super::TIMEOUT))
    }

    /// The body of its OK.
    pub(super) fn expected(&self) -> Option<Vec<u8>> {
        let command = self.command()?;
        match (&self.answer, command.name) {
            (Some(Told::Ok(body)), Name::Hold) => Some(body.clone()),
            (_, Name::Echo | Name::NoBody) if command.body_size() == 0 => Some(command.line().into_bytes()),
            (_, Name::Echo) => Some(command.body()),
            _ => None,
        }
    }
}
