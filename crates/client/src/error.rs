//! Why a call came to nothing, sorted by what the caller can do about it.

use std::{fmt, io};

use pinwire_proto::trust::Pin;
use pinwire_proto::wire::Misuse;

use crate::{Address, KnownServers};

/// Why there is no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Nobody answers there.
    NotReachable {
        /// Where.
        address: Address,
        /// What the operating system says.
        error: io::Error,
    },
    /// Somebody answers there, and it is no pinwire server, or no TLS that both sides know.
    NoHandshake {
        /// Where.
        address: Address,
        /// What went wrong.
        why: String,
    },
    /// The server is not in the known servers. Nothing was sent to it.
    UnknownServer {
        /// Where.
        address: Address,
        /// The pin that it showed and proved.
        shown: Pin,
    },
    /// Another server is known at this address. Nothing was sent to this one.
    WrongServer {
        /// Where.
        address: Address,
        /// The pin that it showed and proved.
        shown: Pin,
        /// The lines of the known servers that name others, from 1.
        lines: Vec<usize>,
    },
    /// The server's greeting: it does not let this client in.
    Refused {
        /// The reason code.
        code: String,
        /// The reason in words; may be empty.
        text: String,
    },
    /// The server closed the connection and said why.
    Closed {
        /// The reason code.
        code: String,
        /// The reason in words; may be empty.
        text: String,
    },
    /// The connection ended without a word; whether a command that was sent took effect is unknown.
    Lost(String),
    /// The request is nothing that the protocol can say; nothing was sent.
    Misuse(Misuse),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotReachable { address, error } => write!(f, "{address} cannot be reached: {error}"),
            Error::NoHandshake { address, why } => {
                write!(f, "what answers at {address} is no server that this client can talk to: {why}")
            }
            Error::UnknownServer { address, shown } => {
                let line = KnownServers::line(address, shown);
                write!(f, "the server at {address} is not known; if its pin is the right one, add \"{line}\"")
            }
            Error::WrongServer { address, shown, lines } => write_wrong(f, address, shown, lines),
            Error::Refused { code, text } => write_reason(f, "the server refused this client", code, text),
            Error::Closed { code, text } => write_reason(f, "the server closed the connection", code, text),
            Error::Lost(why) => write!(f, "{why}; whether the command took effect is unknown"),
            Error::Misuse(misuse) => misuse.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::NotReachable { error, .. } => Some(error),
            Error::Misuse(misuse) => Some(misuse),
            _ => None,
        }
    }
}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Error {
        Error::Misuse(misuse)
    }
}

fn write_wrong(f: &mut fmt::Formatter<'_>, address: &Address, shown: &Pin, lines: &[usize]) -> fmt::Result {
    let numbers: Vec<String> = lines.iter().map(usize::to_string).collect();
    let noun = if lines.len() == 1 { "line" } else { "lines" };
    write!(
        f,
        "the server at {address} showed {shown}, which is not the known pin ({noun} {}): somebody may be \
         between you and it, or its key was changed; nothing was sent",
        numbers.join(", ")
    )
}

fn write_reason(f: &mut fmt::Formatter<'_>, what: &str, code: &str, text: &str) -> fmt::Result {
    let gap = if text.is_empty() { "" } else { ": " };
    write!(f, "{what}: {code}{gap}{text}")
}
