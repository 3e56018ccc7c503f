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
    Error,
    Panic,
}

impl Said {
    pub(super) fn new(what: What, (start, head, end): (usize, usize, usize), at: Duration) -> Said {
        let (announced, heard, answer, outcome) = (None, None, None, None);
        Said { what, start, head, end, at, announced, heard, is_duplicate: false, answer, outcome }
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

    /// Whether its body may be read over.
    pub(super) fn may_be_passed(&self) -> bool {
        self.command().is_some_and(|command| {
            command.body_size() > 0 && (command.name == Name::NoBody || command.timeout.is_some())
        })
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
