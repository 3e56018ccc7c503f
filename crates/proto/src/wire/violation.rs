//! The peer broke the grammar: which code that is, where, and what was expected instead.

use std::fmt;

use super::grammar::Fault;
use crate::code::Code;
use crate::limits::{GREETING, HEAD};

/// What was wrong with bytes of the peer. After one, nothing that follows can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `message-too-large` if the first offending byte was the one past the limit, else `bad-command`
    /// (for what a server sent, too: there the text is what counts).
    pub code: Code,
    /// The offset of the first offending byte; 0 is the first byte of the head or greeting.
    pub at: usize,
    /// Where, what was found and what was expected: printable, whatever the peer sent.
    pub text: String,
}

impl Violation {
    pub(super) fn new(fault: Fault, bytes: &[u8]) -> Violation {
        let Fault { at, expected } = fault;
        if expected == HEAD_TOO_LARGE || expected == GREETING_TOO_LARGE {
            // What the byte is would depend on the next one, which need not be there yet.
            let text = format!("offset {at}: found one byte more, expected {expected}");
            return Violation { code: Code::MessageTooLarge, at, text };
        }
        let text = format!("offset {at}: found {}, expected {expected}", found(bytes, at));
        Violation { code: Code::BadCommand, at, text }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

impl std::error::Error for Violation {}

/// Expected where a head goes past its limit.
pub(super) const HEAD_TOO_LARGE: &str = "a head of at most 8064 bytes";
/// Expected where a greeting goes past its limit.
pub(super) const GREETING_TOO_LARGE: &str = "a greeting of at most 1024 bytes";
// The texts above say these numbers.
const _: () = assert!(HEAD == 8_064 && GREETING == 1_024);

fn found(bytes: &[u8], at: usize) -> String {
    match (bytes.get(at), bytes.get(at + 1)) {
        (None, _) => "the end".to_owned(),
        (Some(b'\r'), Some(b'\n')) => "the end of the line".to_owned(),
        (Some(b'\r'), _) => "CR without LF".to_owned(),
        (Some(b'\n'), _) => "LF without CR".to_owned(),
        (Some(b' '), _) => "a space".to_owned(),
        (Some(&byte), _) if byte.is_ascii_graphic() => format!("\"{}\"", char::from(byte)),
        (Some(&byte), _) => format!("byte 0x{byte:02x}"),
    }
}
