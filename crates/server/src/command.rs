//! A command as a handler sees it: borrowed from the worker's buffers, or owned to outlive the turn.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use pinwire_proto::wire::{Head, OwnedHead, Sequence};

use crate::handler::Peer;

/// A whole command. Borrows the worker's buffers for the turn; [`Command::to_owned`] outlives it.
#[derive(Clone, Copy)]
pub struct Command<'a> {
    head: Head<'a>,
    body: &'a [u8],
    peer: &'a Arc<Peer>,
    deadline: Option<Instant>,
}

/// A [`Command`] that owns what it says.
#[derive(Clone)]
pub struct OwnedCommand {
    head: OwnedHead,
    body: Vec<u8>,
    peer: Arc<Peer>,
    deadline: Option<Instant>,
}

impl<'a> Command<'a> {
    pub(crate) fn new(
        head: Head<'a>,
        body: &'a [u8],
        peer: &'a Arc<Peer>,
        deadline: Option<Instant>,
    ) -> Self {
        Command { head, body, peer, deadline }
    }

    /// The command's name as the peer spelt it; names match without regard to ASCII case.
    pub fn name(&self) -> &'a str {
        self.head.name()
    }

    /// The words behind the name, as they are.
    pub fn args(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        self.head.args()
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.head.header(name)
    }

    /// All headers, the protocol's own ones too, in the order of the head.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        self.head.headers()
    }

    /// The body, whole; empty if none was sent.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Whether a body was announced, be it an empty one.
    pub fn has_body(&self) -> bool {
        self.head.size().is_some()
    }

    /// What the client chose to know the answer by; none: no answer is sent.
    pub fn sequence(&self) -> Option<Sequence> {
        self.head.sequence()
    }

    /// Who sent it.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// When the client stops wanting the answer.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// A copy that outlives the turn.
    pub fn to_owned(self) -> OwnedCommand {
        OwnedCommand {
            head: self.head.into_owned(),
            body: self.body.to_vec(),
            peer: Arc::clone(self.peer),
            deadline: self.deadline,
        }
    }
}

impl OwnedCommand {
    /// The same, borrowed: it has all the accessors.
    pub fn command(&self) -> Command<'_> {
        Command { head: self.head.head(), body: &self.body, peer: &self.peer, deadline: self.deadline }
    }

    /// The body, taken out.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// Fit for a log: no arguments, no headers, no body.
impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("name", &self.name())
            .field("sequence", &self.sequence())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("peer", &self.peer.address())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command().fmt(f)
    }
}
