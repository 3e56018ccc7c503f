//! The exit statuses of the program, in one table, and the failures that lead to them.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use pinwire_server::proto::code::Code;

/// How the program ends. A number, once released, never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    ErrorReply = 1,
    Usage = 2,
    Refused = 3,
    NotReachable = 4,
    WrongServer = 5,
    Failed = 6,
}

const TABLE: &[(Exit, &str)] = &[
    (Exit::Done, "done; where a server was asked: its answer is OK"),
    (Exit::ErrorReply, "the answer is an error (ERR); of `trust check` and `trust status`: not in order"),
    (Exit::Usage, "the command line is not right"),
    (Exit::Refused, "the server does not let this client in, or closed the connection, and said why"),
    (
        Exit::NotReachable,
        "no server there, none that speaks pinwire, or the connection broke or took too long",
    ),
    (Exit::WrongServer, "the server is not known, or its pin is not the known one; nothing was sent to it"),
    (Exit::Failed, "anything else: a file is missing or not in order, an address cannot be listened on"),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// How the program ends when a server said this: the status is the code's own. A code that the protocol
    /// does not know is of the server's own commands, and an answer.
    pub(crate) fn of(code: &str) -> Exit {
        let status = Code::parse(code).map(Code::exit_status);
        let row = TABLE.iter().find(|(exit, _)| Some(*exit as u8) == status);
        row.map_or(Exit::ErrorReply, |(exit, _)| *exit)
    }
}

/// The table as the help texts show it.
pub(crate) fn help() -> String {
    let lines = TABLE.iter().map(|(exit, meaning)| format!("\n  {}  {meaning}", *exit as u8));
    lines.fold("Exit status:".to_owned(), |help, line| help + &line)
}

/// Why the program did not do what it was asked: what happened and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    text: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Failure {
        Failure { exit, text: text.into() }
    }

    /// The command line asks for what cannot be.
    pub(crate) fn usage(text: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, text)
    }

    /// A file is not as it must be.
    pub(crate) fn file(path: &Path, problem: impl fmt::Display) -> Failure {
        Failure::new(Exit::Failed, format!("{}: {problem}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_stands_in_the_table_once() {
        for (number, (exit, _)) in TABLE.iter().enumerate() {
            assert_eq!(*exit as usize, number);
        }
        assert!(help().contains("\n  3  the server does not let this client in"));
    }

    /// A wrong status in the code's table would be an error reply here, or none of the help's.
    #[test]
    fn every_code_has_a_status_of_the_table() {
        for code in Code::all() {
            let exit = Exit::of(code.as_str());
            assert_eq!(exit as u8, code.exit_status(), "{code}");
            assert_eq!(exit == Exit::Refused, code.is_of_connection(), "{code}");
        }
        assert_eq!(Exit::of(Code::TimedOut.as_str()), Exit::NotReachable, "whoever notices first");
        assert_eq!(Exit::of("history-gone"), Exit::ErrorReply);
    }
}
