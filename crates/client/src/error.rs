//! Why a call came to nothing, sorted by what the caller can do about it, and what became of its command.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use pinwire_proto::certificate::Digests;
use pinwire_proto::code::Code;
use pinwire_proto::trust::Pin;
use pinwire_proto::wire::Misuse;

use crate::answer::find;
use crate::{Address, KnownServers};

/// Why there is no answer, or none that is OK.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// Nobody answers there.
    NotReachable {
        /// Where.
        address: Address,
        /// What the operating system says.
        error: Arc<io::Error>,
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
        /// What it showed and proved.
        shown: Box<Digests>,
    },
    /// Another server is the right one at this address. Nothing was sent to this one.
    WrongServer {
        /// Where.
        address: Address,
        /// What it showed and proved.
        shown: Box<Digests>,
        /// The lines of the known servers that name others, from 1; none if pins were given.
        lines: Vec<usize>,
    },
    /// The server's greeting: it does not let this client in.
    Refused {
        /// The reason code.
        code: String,
        /// The reason in words; may be empty.
        text: String,
    },
    /// The command's own answer, and it is an error.
    Reply {
        /// The reason code.
        code: String,
        /// The reason in words; may be empty.
        text: String,
        /// The answer's headers, without those of the protocol itself.
        headers: Vec<(String, String)>,
        /// The answer's body; empty unless the server's own commands say more there.
        body: Vec<u8>,
        /// What became of the command: mostly `Answered`, which leaves it to the code. `Unknown` too where this
        /// was a second attempt, and the first may have had its effect.
        outcome: Outcome,
    },
    /// The server closed the connection and said why, and this command had no answer: it was not begun.
    Closed {
        /// The reason code.
        code: String,
        /// The reason in words; may be empty.
        text: String,
    },
    /// The connection is lost, or this client has ended.
    Lost {
        /// How it was lost.
        why: String,
        /// What became of the command.
        outcome: Outcome,
    },
    /// The caller's time is over.
    TimedOut {
        /// How much time it was.
        limit: Duration,
        /// What became of the command.
        outcome: Outcome,
        /// What the connection was last wanting, if it was that.
        why: Option<String>,
    },
    /// The answer is larger than [`Limits::answer`](crate::Limits::answer); it was thrown away.
    TooLarge {
        /// That limit, bytes.
        limit: usize,
    },
    /// The parts of a stream came faster than they were taken, and more of them waited than
    /// [`Limits::untaken`](crate::Limits::untaken) allows. Those that waited can still be taken; what came
    /// behind them was thrown away, and the server was told to end it.
    Behind {
        /// That limit, bytes.
        limit: usize,
    },
    /// The answer is OK, and not what this command's answer looks like: another kind of server.
    Unfit {
        /// What is missing in it.
        why: String,
    },
    /// The request is nothing that the protocol can say; nothing was sent.
    Misuse(Misuse),
}

/// What is known about a command that brought no OK (`docs/PROTOCOL.md`, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The server has certainly not begun it: it may be sent again.
    NotBegun,
    /// The server answered it, and its code says what became of it.
    Answered,
    /// It may have taken effect and it may not: ask with another command, or repeat it in a way that does no
    /// harm twice.
    Unknown,
}

impl Error {
    pub(crate) fn closed(code: &str, text: &str) -> Error {
        Error::Closed { code: code.to_owned(), text: text.to_owned() }
    }

    /// The server's reason code, if it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Refused { code, .. } | Error::Reply { code, .. } | Error::Closed { code, .. } => {
                Some(code)
            }
            _ => None,
        }
    }

    /// What became of the command.
    pub fn outcome(&self) -> Outcome {
        match self {
            Error::Reply { outcome, .. } | Error::Lost { outcome, .. } | Error::TimedOut { outcome, .. } => {
                *outcome
            }
            Error::Unfit { .. } => Outcome::Answered,
            Error::TooLarge { .. } | Error::Behind { .. } => Outcome::Unknown,
            Error::NotReachable { .. }
            | Error::NoHandshake { .. }
            | Error::UnknownServer { .. }
            | Error::WrongServer { .. }
            | Error::Refused { .. }
            | Error::Closed { .. }
            | Error::Misuse(_) => Outcome::NotBegun,
        }
    }

    /// The current version of a document that was not at the expected one, 0 if there is none.
    pub fn conflict(&self) -> Option<u64> {
        match self {
            Error::Reply { code, headers, .. } if code == Code::Conflict.as_str() => {
                find(headers, "Version")?.parse().ok()
            }
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotReachable { address, error } => write!(f, "{address} cannot be reached: {error}"),
            Error::NoHandshake { address, why } => {
                write!(f, "what answers at {address} is no server that this client can talk to: {why}")
            }
            Error::UnknownServer { address, shown } => {
                let line = KnownServers::line(address, &Pin::Spki(shown.spki));
                write!(f, "the server at {address} is not known; if its pin is the right one, add \"{line}\"")
            }
            Error::WrongServer { address, shown, lines } => write_wrong(f, address, shown, lines),
            Error::Refused { code, text } => write_reason(f, "the server refused this client", code, text),
            Error::Reply { code, text, outcome, .. } => {
                write_reason(f, "the server answered", code, text)?;
                if *outcome == Outcome::Unknown { write!(f, "; {outcome}") } else { Ok(()) }
            }
            Error::Closed { code, text } => write_reason(f, "the server closed the connection", code, text),
            Error::Lost { why, outcome } => write!(f, "{why}; {outcome}"),
            Error::TimedOut { limit, outcome, why } => {
                write!(f, "no answer within {limit:?}; {outcome}")?;
                why.iter().try_for_each(|why| write!(f, "; {why}"))
            }
            Error::TooLarge { limit } => {
                write!(
                    f,
                    "the answer is larger than {limit} bytes, the client's Limits::answer; {}",
                    self.outcome()
                )
            }
            Error::Behind { limit } => write!(
                f,
                "more than {limit} bytes of the stream waited to be taken, the client's Limits::untaken; {}",
                self.outcome()
            ),
            Error::Unfit { why } => {
                write!(f, "the server does not speak of documents as this client does: {why}")
            }
            Error::Misuse(misuse) => misuse.fmt(f),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::NotBegun => "the command was not begun",
            Outcome::Answered => "the command was answered",
            Outcome::Unknown => "whether the command took effect is unknown",
        })
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

fn write_wrong(
    f: &mut fmt::Formatter<'_>,
    address: &Address,
    shown: &Digests,
    lines: &[usize],
) -> fmt::Result {
    let numbers: Vec<String> = lines.iter().map(usize::to_string).collect();
    let place = match lines {
        [] => String::new(),
        [_] => format!(" (line {})", numbers[0]),
        _ => format!(" (lines {})", numbers.join(", ")),
    };
    write!(
        f,
        "the server at {address} showed {}, which is not the known pin{place}: somebody may be between you and \
         it, or its key was changed; nothing was sent",
        Pin::Spki(shown.spki)
    )
}

fn write_reason(f: &mut fmt::Formatter<'_>, what: &str, code: &str, text: &str) -> fmt::Result {
    let gap = if text.is_empty() { "" } else { ": " };
    write!(f, "{what}: {code}{gap}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: &str, version: &str, outcome: Outcome) -> Error {
        let headers = vec![("version".to_owned(), version.to_owned())];
        Error::Reply { code: code.to_owned(), text: "why".to_owned(), headers, body: Vec::new(), outcome }
    }

    #[test]
    fn a_conflict_says_the_current_version() {
        assert_eq!(reply("conflict", "7", Outcome::Answered).conflict(), Some(7));
        assert_eq!(reply("conflict", "x", Outcome::Answered).conflict(), None);
        assert_eq!(reply("not-found", "7", Outcome::Answered).conflict(), None);
        assert_eq!(Error::closed("conflict", "").conflict(), None);
    }

    #[test]
    fn messages_say_what_happened_and_what_became_of_the_command() {
        let (unknown, limit) = (Outcome::Unknown, Duration::from_secs(3));
        let why = Some("a:1 cannot be reached".to_owned());
        for (error, words) in [
            (reply("conflict", "7", Outcome::Answered), "the server answered: conflict: why"),
            (
                reply("failed", "7", unknown),
                "the server answered: failed: why; whether the command took effect is unknown",
            ),
            (
                Error::TimedOut { limit, outcome: Outcome::NotBegun, why },
                "no answer within 3s; the command was not begun; a:1 cannot be reached",
            ),
            (
                Error::Lost { why: "it broke".to_owned(), outcome: unknown },
                "it broke; whether the command took effect is unknown",
            ),
            (Error::closed("idle", ""), "the server closed the connection: idle"),
        ] {
            assert_eq!(error.to_string(), words);
        }
    }

    /// It is returned by value, through many hands.
    const _: () = assert!(size_of::<Error>() <= 128);
}
