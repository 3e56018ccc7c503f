//! What a server's own code says to a connection: take it, answer its commands, see it go.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

use pinwire_proto::certificate::Digests;
use pinwire_proto::code::Code;
use pinwire_proto::session::Disconnect;
use pinwire_proto::trust::{Entry, Judged, Pin};
use pinwire_proto::wire::Head;

use crate::command::Command;
use crate::responder::{Answered, Responder};

/// Answers the commands of all connections. It is shared by the workers; what belongs to one connection lives
/// in its `State`.
///
/// A panic in it answers `failed` and closes that connection; nobody else notices.
pub trait Handler: Send + Sync + 'static {
    /// Lives in the connection: at most 64 bytes, else put it in a `Box`.
    type State: 'static;

    /// A peer whose certificate is on the trust list; the last word before it is greeted.
    ///
    /// # Errors
    /// A [`Refusal`], which the peer reads as its greeting.
    fn connect(&self, peer: &Peer) -> Result<Self::State, Refusal>;

    /// What the command that a peer calls `name` is registered as: permissions are asked of that, never of the
    /// peer's spelling, before the command or its body is heard of here. `None`, the default: it is not, and a client
    /// whose entry has `commands` may not run it.
    fn registered(&self, _name: &str) -> Option<Registered<'_>> {
        None
    }

    /// Whether the body that `head` announces is wanted. Asked once the head is there.
    fn body(&self, _state: &mut Self::State, _head: &Head<'_>) -> Body {
        Body::Whole
    }

    /// A whole command. Only `to` can make the [`Answered`] that is to be returned.
    fn command(&self, state: &mut Self::State, command: Command<'_>, to: Responder<'_>) -> Answered;

    /// The connection has ended.
    fn disconnect(&self, _state: Self::State, _why: &Disconnect) {}
}

/// A command as its handler registered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered<'a> {
    /// What a trust file's `commands` call it, in any case.
    pub name: &'a str,
    /// Whether it is administration: only for entries with `admin`.
    pub is_admin: bool,
}

/// Whether this is one of the protocol's own commands, which everybody may run.
pub(crate) fn is_everybodys(name: &str) -> bool {
    ["PING", "HELP", "WHOAMI"].iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// What becomes of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// It is read into memory, up to `Limits::body`, and comes with its command.
    Whole,
    /// The command is answered with this error at once; the body is read and thrown away.
    Refused(Code, String),
}

/// Why a handler does not take a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub code: Code,
    /// The reason in words; control characters become U+FFFD.
    pub text: String,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    judged: Judged,
    address: SocketAddr,
    /// Its number among the members.
    number: u64,
    /// The first moment at which time alone ends its trust, unix seconds.
    until: i64,
}

impl Peer {
    pub(crate) fn new(judged: Judged, address: SocketAddr) -> Self {
        let until = judged.until();
        Peer { judged, address, number: 0, until }
    }

    pub(crate) fn judged(&self) -> &Judged {
        &self.judged
    }

    pub(crate) fn until(&self) -> i64 {
        self.until
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn numbered(self, number: u64) -> Self {
        Peer { number, ..self }
    }

    /// The same under another entry.
    pub(crate) fn under(mut self, entry: Arc<Entry>) -> Self {
        self.judged.entry = entry;
        self.until = self.judged.until();
        self
    }

    /// Whether its entry lets it run the command that is called so, and registered as that.
    pub(crate) fn may(&self, name: &str, registered: Option<&Registered<'_>>) -> bool {
        let is_permitted = match registered {
            Some(registered) => self.judged.entry.permits(registered.name, registered.is_admin),
            None => self.judged.entry.commands.is_none(),
        };
        is_permitted || is_everybodys(name)
    }

    /// The entry of the trust list that lets it in.
    pub fn entry(&self) -> &Entry {
        &self.judged.entry
    }

    /// The name that the trust list gives it.
    pub fn name(&self) -> Option<&str> {
        self.judged.entry.name.as_deref()
    }

    /// The pin of the entry that let it in.
    pub fn pin(&self) -> &Pin {
        &self.judged.entry.pin
    }

    /// The digests of its certificate.
    pub fn digests(&self) -> &Digests {
        &self.judged.digests
    }

    /// Its certificate's subject: printable ASCII, at most 64 characters.
    pub fn subject(&self) -> &str {
        &self.judged.subject
    }

    /// Where it comes from; an IPv4 address inside IPv6 is unmapped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// `::ffff:0:0/96` is IPv4, once, before any comparison or log line.
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) => SocketAddr::new(ip.to_canonical(), address.port()),
        IpAddr::V4(_) => address,
    }
}
