//! The client's side: a server's greeting and the heads of its replies, decoded. The twin of `head`.

use super::grammar::{self, Fault, Side};
use super::head::{Headers, checked, known};
use super::lines::{Marks, Walk, plain_run};
use super::sequence::Sequence;
use super::violation::{GREETING_TOO_LARGE, Violation};
use crate::limits::GREETING;

/// The first line that a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// The client is in.
    Ok,
    /// It is not.
    Refused {
        /// The reason code; one that this version does not know is possible.
        code: String,
        /// Words for a person; may be empty.
        text: String,
    },
}

/// The greeting at the beginning of `bytes` and its length with the CRLF; `None` if it is not whole yet.
///
/// # Errors
/// A [`Violation`] if the bytes cannot become a greeting, or one of more than 1,024 bytes.
pub fn greeting(bytes: &[u8]) -> Result<Option<(Greeting, usize)>, Violation> {
    match greeting_end(bytes) {
        Err(fault) => Err(Violation::new(fault, bytes)),
        Ok(None) => Ok(None),
        Ok(Some(end)) => Ok(Some((read_greeting(checked(&bytes[..end])), end + 2))),
    }
}

fn read_greeting(line: &str) -> Greeting {
    match status(line) {
        Ok(()) => Greeting::Ok,
        Err((code, text)) => Greeting::Refused { code: code.to_owned(), text: text.to_owned() },
    }
}

/// The end of a greeting's line, checked.
fn greeting_end(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let window = &bytes[..bytes.len().min(GREETING)];
    let (end, _) = plain_run(window);
    let broken = |at, expected| match check_status(&bytes[..end]) {
        Err(earlier) if earlier.at < end => earlier,
        _ => Fault { at, expected },
    };
    match (window.get(end), bytes.get(end + 1)) {
        (None, _) if bytes.len() > GREETING => Err(broken(GREETING, GREETING_TOO_LARGE)),
        (None, _) | (Some(b'\r'), None) => Ok(None),
        (Some(b'\r'), Some(b'\n')) => {
            check_status(&bytes[..end])?;
            let fits = end + 1 < GREETING;
            if fits { Ok(Some(end)) } else { Err(broken(GREETING, GREETING_TOO_LARGE)) }
        }
        _ => Err(broken(end, "no control characters")),
    }
}

fn check_status(line: &[u8]) -> Result<(), Fault> {
    match (grammar::status_line(line), grammar::text(line)) {
        (Err(rule), Err(text)) if text.at < rule.at => Err(text),
        (rules, text) => rules.and(text),
    }
}

/// Where the decoding of one reply's head stands; the default is at its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerScan(Walk);

/// A reply's whole head (section 4).
#[derive(Clone, Copy, Debug)]
pub struct AnswerHead<'a> {
    text: &'a str,
    marks: Marks,
}

impl AnswerScan {
    /// The head at the beginning of `bytes` and its length with the empty line; `None` if it is not whole
    /// yet. As with [`super::Scan::decode`], `bytes` begin at the head's first byte and only grow, and the
    /// result is the same however they are cut.
    ///
    /// # Errors
    /// A [`Violation`] if the bytes cannot become a reply's head.
    #[inline]
    pub fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(AnswerHead<'a>, usize)>, Violation> {
        match self.0.advance(bytes, Side::Answer) {
            Ok(None) => Ok(None),
            Ok(Some((marks, len))) => Ok(Some((AnswerHead { text: checked(&bytes[..len]), marks }, len))),
            Err(fault) => Err(Violation::new(fault, bytes)),
        }
    }
}

impl<'a> AnswerHead<'a> {
    /// OK, or the reason code (possibly one that this version does not know) and the text (possibly empty).
    pub fn status(&self) -> Result<(), (&'a str, &'a str)> {
        status(&self.text[..usize::from(self.marks.first)])
    }

    /// Which command it answers; `None` is the connection's own.
    pub fn sequence(&self) -> Option<Sequence> {
        known(self.text, self.marks, 0).and_then(|value| Sequence::new(value.as_bytes()))
    }

    /// The bytes of body behind the head.
    pub fn size(&self) -> u64 {
        let value = known(self.text, self.marks, 1).expect("the walk refuses a reply without Size");
        value.parse().expect("19 digits fit 64 bits")
    }

    /// Whether further parts of the same answer follow.
    pub fn more(&self) -> bool {
        known(self.text, self.marks, 2).is_some()
    }

    /// The value of the first header of this name, without regard to ASCII case; the protocol's own are none.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The headers in their order, without Sequence, Size and More.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let own =
            |name: &str| Side::Answer.known().iter().any(|known| name.eq_ignore_ascii_case(known.name()));
        Headers::new(self.text, self.marks).filter(move |(name, _)| !own(name))
    }
}

/// A status line that has been checked, taken apart.
fn status(line: &str) -> Result<(), (&str, &str)> {
    match line.strip_prefix("ERR: ") {
        None => Ok(()),
        Some(error) => Err(error.split_once(": ").unwrap_or((error, ""))),
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
