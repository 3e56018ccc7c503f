//! The one table of reason codes: what went wrong, in a word that is the same on the wire, in logs, in
//! metrics, in exit statuses and in C. A code or a number, once released, never changes its meaning.

use std::fmt;

/// Why a command failed, or why a connection was refused or closed (`docs/PROTOCOL.md`, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    // Of the greeting, in the order in which they are judged.
    /// The client showed no certificate.
    NoCertificate,
    /// The certificate is not X.509 that can be read.
    CertificateUnreadable,
    /// Now is before the certificate's notBefore.
    CertificateNotYetValid,
    /// Now is after the certificate's notAfter.
    CertificateExpired,
    /// No entry of the trust list matches the certificate.
    UnfamiliarCertificate,
    /// The matching entry's own `expires` has passed.
    TrustExpired,
    /// The matching entry's `from` does not hold the peer's address.
    SourceNotAllowed,
    /// A limit of the server or of the entry on connections is reached.
    TooManyConnections,
    /// The server drains.
    ShuttingDown,
    // Of a command.
    /// No command of that name.
    UnknownCommand,
    /// The arguments, headers or body are not what the command takes.
    BadArguments,
    /// The client's entry does not allow this command.
    NotPermitted,
    /// What the command names does not exist.
    NotFound,
    /// What the command expected is not what it found.
    Conflict,
    /// The command's `Timeout` passed before its answer.
    TimedOut,
    /// The client took the command back.
    Cancelled,
    /// Too much is under way already; try again later.
    Overloaded,
    /// The handler broke. The text never shows its insides.
    Failed,
    /// The announced body is over the limit.
    BodyTooLarge,
    // Of a connection.
    /// The bytes are not a command.
    BadCommand,
    /// A command's head is over its limit.
    MessageTooLarge,
    /// A sequence was used again while it was in flight.
    DuplicateSequence,
    /// The client's entry has left the trust list.
    NoLongerTrusted,
    /// Nothing happened for too long.
    Idle,
    /// An operator closed the connection.
    Removed,
    /// The client does not take what it asked for.
    SlowReader,
    // Of nobody's wire: of logs and counters.
    /// A source failed so often that its connections are closed at accept, without words.
    SourcePenalised,
    /// A code of a server's own commands.
    Own(OwnCode),
}

/// A code that a server's own commands add: a lower-case letter, then up to 63 of `a-z 0-9 -`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnCode(&'static str);

/// How loudly a code is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Part of a normal day.
    Info,
    /// An operator may want to act.
    Warn,
    /// The server's own fault.
    Error,
}

/// One row: the code, its word on the wire, its number in C, its severity in the log.
type Row = (Code, &'static str, u16, Severity);

const TABLE: &[Row] = &[
    (Code::NoCertificate, "no-certificate", 1, Severity::Warn),
    (Code::CertificateUnreadable, "certificate-unreadable", 2, Severity::Warn),
    (Code::CertificateNotYetValid, "certificate-not-yet-valid", 3, Severity::Warn),
    (Code::CertificateExpired, "certificate-expired", 4, Severity::Warn),
    (Code::UnfamiliarCertificate, "unfamiliar-certificate", 5, Severity::Warn),
    (Code::TrustExpired, "trust-expired", 6, Severity::Warn),
    (Code::SourceNotAllowed, "source-not-allowed", 7, Severity::Warn),
    (Code::TooManyConnections, "too-many-connections", 8, Severity::Warn),
    (Code::ShuttingDown, "shutting-down", 9, Severity::Info),
    (Code::UnknownCommand, "unknown-command", 20, Severity::Info),
    (Code::BadArguments, "bad-arguments", 21, Severity::Info),
    (Code::NotPermitted, "not-permitted", 22, Severity::Warn),
    (Code::NotFound, "not-found", 23, Severity::Info),
    (Code::Conflict, "conflict", 24, Severity::Info),
    (Code::TimedOut, "timed-out", 25, Severity::Info),
    (Code::Cancelled, "cancelled", 26, Severity::Info),
    (Code::Overloaded, "overloaded", 27, Severity::Warn),
    (Code::Failed, "failed", 28, Severity::Error),
    (Code::BodyTooLarge, "body-too-large", 29, Severity::Info),
    (Code::BadCommand, "bad-command", 40, Severity::Warn),
    (Code::MessageTooLarge, "message-too-large", 41, Severity::Warn),
    (Code::DuplicateSequence, "duplicate-sequence", 42, Severity::Warn),
    (Code::NoLongerTrusted, "no-longer-trusted", 43, Severity::Warn),
    (Code::Idle, "idle", 44, Severity::Info),
    (Code::Removed, "removed", 45, Severity::Info),
    (Code::SlowReader, "slow-reader", 46, Severity::Warn),
    (Code::SourcePenalised, "source-penalised", 60, Severity::Warn),
];

impl Code {
    /// A code of a server's own commands. In a `const` a bad word does not compile.
    ///
    /// # Panics
    /// If `word` is not a lower-case letter followed by up to 63 of `a-z 0-9 -`.
    pub const fn own(word: &'static str) -> Code {
        assert!(is_code(word.as_bytes()), "a code is a lower-case letter, then up to 63 of a-z 0-9 -");
        Code::Own(OwnCode(word))
    }

    /// Every code that the protocol defines, in the table's order.
    pub fn all() -> impl Iterator<Item = Code> {
        TABLE.iter().map(|row| row.0)
    }

    /// The code of this word, if the protocol defines it.
    pub fn parse(word: &str) -> Option<Code> {
        TABLE.iter().find(|row| row.1 == word).map(|row| row.0)
    }

    /// The word that stands on the wire, in logs and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Own(own) => own.0,
            _ => self.row().map_or("failed", |row| row.1),
        }
    }

    /// The number that the C library gives it; 0 for a server's own code.
    pub fn number(self) -> u16 {
        self.row().map_or(0, |row| row.2)
    }

    /// How loudly it is logged.
    pub fn severity(self) -> Severity {
        self.row().map_or(Severity::Info, |row| row.3)
    }

    /// The status with which `pinwire` exits when this is what happened (`pinwire --help` lists them): 3 if the
    /// server did not let the client in or closed the connection; 4 if it was too slow, which the client may
    /// notice first, or did not speak at all; else 1.
    pub fn exit_status(self) -> u8 {
        match self {
            Code::TimedOut | Code::SourcePenalised => 4,
            _ if self.is_of_connection() => 3,
            _ => 1,
        }
    }

    /// Whether the protocol uses it as the answer to a certificate, before any command.
    pub fn is_refusal(self) -> bool {
        (1..=9).contains(&self.number())
    }

    /// Whether the protocol uses it for a whole connection, in a greeting or later. With the sequence of a
    /// command it then says that the command was broken off.
    pub fn is_of_connection(self) -> bool {
        self.is_refusal() || (40..=46).contains(&self.number())
    }

    /// Its place in [`Code::all`]; none for a server's own.
    pub(crate) fn row_number(self) -> Option<usize> {
        TABLE.iter().position(|row| row.0 == self)
    }

    fn row(self) -> Option<&'static Row> {
        self.row_number().map(|number| &TABLE[number])
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The grammar of section 4: `code = a lower-case letter, then up to 63 of a-z 0-9 -`.
pub const fn is_code(word: &[u8]) -> bool {
    if word.is_empty() || word.len() > 64 || !word[0].is_ascii_lowercase() {
        return false;
    }
    let mut at = 1;
    while at < word.len() {
        if !(word[at].is_ascii_lowercase() || word[at].is_ascii_digit() || word[at] == b'-') {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_unique_and_well_formed() {
        for (i, row) in TABLE.iter().enumerate() {
            assert!(is_code(row.1.as_bytes()), "{}", row.1);
            assert!(TABLE[i + 1..].iter().all(|other| other.1 != row.1 && other.2 != row.2), "{}", row.1);
            assert_eq!(Code::parse(row.1), Some(row.0));
            assert_eq!(row.0.as_str(), row.1);
        }
    }

    #[test]
    fn own_codes_keep_the_grammar() {
        const QUOTA: Code = Code::own("quota-used");
        assert_eq!(QUOTA.as_str(), "quota-used");
        assert!(!is_code(b"Quota") && !is_code(b"-a") && !is_code(b"") && !is_code(&[b'a'; 65]));
    }
}
