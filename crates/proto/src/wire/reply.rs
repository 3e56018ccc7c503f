//! Turns replies and greetings into bytes. Knows nothing of TLS, sockets or time.

use std::{fmt, io};

use super::grammar::{decimal, is_name};
use super::sequence::Sequence;
use crate::code::Code;
use crate::limits::{GREETING, HEAD};

/// The caller asked for a reply or a command that the protocol does not allow. Never caused by peer bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuse {
    text: String,
}

/// Writes one reply to the end of a buffer. Dropped without [`Encoder::finish`], it leaves nothing behind.
///
/// Status, Sequence and Size are its own: a handler can neither forge nor forget them.
#[derive(Debug)]
#[must_use = "a reply that is not finished is taken back"]
pub struct Encoder<'r> {
    out: &'r mut Vec<u8>,
    /// Where the reply begins; what is before it belongs to others.
    start: usize,
    /// Where the digits of Size stand, and how many places they have.
    digits: usize,
    places: usize,
    /// Where the body begins, once it has.
    body: Option<usize>,
    finished: bool,
}

impl<'r> Encoder<'r> {
    /// Begins an OK at the end of `out`.
    #[inline]
    pub fn ok(out: &'r mut Vec<u8>, sequence: Option<&Sequence>) -> Encoder<'r> {
        let start = out.len();
        out.extend_from_slice(b"OK\r\n");
        Encoder::begin(out, start, sequence)
    }

    /// Begins an OK that is a part: further ones of the same sequence follow it.
    pub fn part(out: &'r mut Vec<u8>, sequence: &Sequence) -> Encoder<'r> {
        let encoder = Encoder::ok(out, Some(sequence));
        push_header(encoder.out, "More", "yes");
        encoder
    }

    /// Begins an ERR at the end of `out`. Control characters in the text become U+FFFD, and it is cut so
    /// that the head keeps its limit; an empty one leaves the code alone on its line.
    pub fn error(out: &'r mut Vec<u8>, sequence: Option<&Sequence>, code: Code, text: &str) -> Encoder<'r> {
        Encoder::error_before(out, sequence, code, text, 0)
    }

    /// Begins an ERR that carries `headers`: the text is cut as far as they need.
    ///
    /// # Errors
    /// [`Misuse`], and nothing is written, if a header is one that [`Encoder::header`] refuses.
    pub fn error_with<N: AsRef<str>, V: AsRef<str>>(
        out: &'r mut Vec<u8>,
        sequence: Option<&Sequence>,
        code: Code,
        text: &str,
        headers: &[(N, V)],
    ) -> Result<Encoder<'r>, Misuse> {
        let room = headers.iter().map(|(name, value)| header_len(name.as_ref(), value.as_ref())).sum();
        Encoder::error_before(out, sequence, code, text, room).headers(headers)
    }

    /// Adds headers; as [`Encoder::header`].
    fn headers<N: AsRef<str>, V: AsRef<str>>(mut self, headers: &[(N, V)]) -> Result<Encoder<'r>, Misuse> {
        for (name, value) in headers {
            self.header(name.as_ref(), value.as_ref())?;
        }
        Ok(self)
    }

    /// An ERR that leaves room for so many bytes of headers.
    fn error_before(
        out: &'r mut Vec<u8>,
        sequence: Option<&Sequence>,
        code: Code,
        text: &str,
        headers: usize,
    ) -> Encoder<'r> {
        let start = out.len();
        let sequence_line = sequence.map_or(0, |sequence| SEQUENCE_LINE + sequence.as_bytes().len());
        error_line(out, code, text, HEAD.saturating_sub(sequence_line + SIZE_LINE + headers + 2));
        Encoder::begin(out, start, sequence)
    }

    #[inline]
    fn begin(out: &'r mut Vec<u8>, start: usize, sequence: Option<&Sequence>) -> Encoder<'r> {
        if let Some(sequence) = sequence {
            out.extend_from_slice(b"Sequence: ");
            out.extend_from_slice(sequence.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Size: 0\r\n");
        let digits = out.len() - 3;
        Encoder { out, start, digits, places: 1, body: None, finished: false }
    }

    /// Adds a header.
    ///
    /// # Errors
    /// [`Misuse`], and nothing is written, if the name is Sequence, Size or More or not 1 to 64 of
    /// `A-Z a-z 0-9 - _`, if the value holds control characters, if the body has begun, or if the head would
    /// not fit 8,064 bytes with the longest Size.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), Misuse> {
        check_header(name, value, &["Sequence", "Size", "More"])?;
        if self.body.is_some() {
            return Err(Misuse::new(format!("header {name}: the body has begun already")));
        }
        let head = self.out.len() - self.start + (SIZE_DIGITS - 1) + header_len(name, value) + 2;
        if head > HEAD {
            return Err(Misuse::new(format!(
                "header {name}: the head would be {head} bytes of at most {HEAD}"
            )));
        }
        push_header(self.out, name, value);
        Ok(())
    }

    /// Appends to the body.
    #[inline]
    pub fn body(&mut self, bytes: &[u8]) {
        if self.body.is_none() {
            self.begin_body(bytes.len());
        }
        self.out.extend_from_slice(bytes);
    }

    /// Whether the reply has at most so many bytes, head and body.
    ///
    /// # Errors
    /// [`Misuse`] if it has more.
    pub(crate) fn at_most(&self, most: usize) -> Result<(), Misuse> {
        match self.out.len() - self.start {
            length if length > most => {
                Err(Misuse::new(format!("a reply of {length} bytes of at most {most}")))
            }
            _ => Ok(()),
        }
    }

    /// Ends the reply: only now it is in the buffer for good.
    #[inline]
    pub fn finish(mut self) {
        let begin = match self.body {
            Some(begin) => begin,
            None => self.begin_body(0),
        };
        let mut room = [0; 20];
        let size = decimal((self.out.len() - begin) as u64, &mut room);
        self.widen(size.len());
        self.out[self.digits..self.digits + size.len()].copy_from_slice(size);
        self.finished = true;
    }

    /// Most bodies come in one piece: making room for its size now moves the headers only.
    #[inline]
    fn begin_body(&mut self, first: usize) -> usize {
        self.widen(first.checked_ilog10().map_or(1, |log| log as usize + 1));
        self.out.extend_from_slice(b"\r\n");
        let begin = self.out.len();
        self.body = Some(begin);
        begin
    }

    /// Gives Size this many places, moving what follows it.
    #[inline]
    fn widen(&mut self, places: usize) {
        let by = places.saturating_sub(self.places);
        if by > 0 {
            let (tail, end) = (self.digits + self.places, self.out.len());
            self.out.resize(end + by, 0);
            self.out.copy_within(tail..end, tail + by);
            self.places = places;
        }
    }
}

impl Drop for Encoder<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}

/// Writes to the body; never fails.
impl io::Write for Encoder<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.body(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reply that owns its parts, for handlers that answer later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// OK, or a code and a text for the person who reads it.
    pub status: Result<(), (Code, String)>,
    /// Headers in their order; Sequence, Size and More are not among them.
    pub headers: Vec<(String, String)>,
    /// The body; empty is a Size of 0.
    pub body: Vec<u8>,
}

impl Reply {
    /// An OK with this body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Reply {
        Reply { status: Ok(()), headers: Vec::new(), body: body.into() }
    }

    /// An error with this text.
    pub fn error(code: Code, text: impl Into<String>) -> Reply {
        Reply { status: Err((code, text.into())), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header.
    ///
    /// # Errors
    /// [`Misuse`] as [`Encoder::header`] says, but for the head's length, which [`Reply::encode`] sees.
    pub fn header(mut self, name: &str, value: &str) -> Result<Reply, Misuse> {
        check_header(name, value, &["Sequence", "Size", "More"])?;
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// Writes it to the end of `out`.
    ///
    /// # Errors
    /// [`Misuse`], and nothing is written, if a header is one that [`Encoder::header`] refuses.
    pub fn encode(&self, out: &mut Vec<u8>, sequence: Option<&Sequence>) -> Result<(), Misuse> {
        let mut encoder = match &self.status {
            Ok(()) => Encoder::ok(out, sequence).headers(&self.headers)?,
            Err((code, text)) => Encoder::error_with(out, sequence, *code, text, &self.headers)?,
        };
        encoder.body(&self.body);
        encoder.finish();
        Ok(())
    }
}

/// The greeting of a client that is in.
pub fn greeting_ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"OK\r\n");
}

/// The greeting of a client that is refused. Control characters in the text become U+FFFD, and it is cut so
/// that the line keeps its 1,024 bytes.
pub fn greeting_error(out: &mut Vec<u8>, code: Code, text: &str) {
    error_line(out, code, text, GREETING);
}

impl Misuse {
    /// The caller's mistake, in words that say what to do.
    pub fn new(text: impl Into<String>) -> Misuse {
        Misuse { text: text.into() }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Misuse {}

/// Refuses a header that would break the framing, or that is the protocol's own.
pub(super) fn check_header(name: &str, value: &str, own: &[&str]) -> Result<(), Misuse> {
    if !is_name(name) {
        return Err(Misuse::new(format!("header {name:?}: a name is 1 to 64 of A-Z a-z 0-9 - _")));
    }
    if own.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Err(Misuse::new(format!("header {name}: the protocol sets it itself")));
    }
    if value.chars().any(char::is_control) {
        return Err(Misuse::new(format!("header {name}: the value {value:?} holds control characters")));
    }
    Ok(())
}

pub(super) fn push_header(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn header_len(name: &str, value: &str) -> usize {
    name.len() + value.len() + ": \r\n".len()
}

/// One line of at most `most` bytes with its CRLF.
fn error_line(out: &mut Vec<u8>, code: Code, text: &str, most: usize) {
    let start = out.len();
    out.extend_from_slice(b"ERR: ");
    out.extend_from_slice(code.as_str().as_bytes());
    if !text.is_empty() {
        out.extend_from_slice(b": ");
        let room = most.saturating_sub(out.len() - start + 2);
        push_text(out, text, room);
    }
    out.extend_from_slice(b"\r\n");
}

/// As much of the text as fits `room` bytes, in whole characters.
fn push_text(out: &mut Vec<u8>, text: &str, room: usize) {
    let end = out.len() + room;
    for character in text.chars() {
        let character = if character.is_control() { char::REPLACEMENT_CHARACTER } else { character };
        let mut utf8 = [0; 4];
        let utf8 = character.encode_utf8(&mut utf8).as_bytes();
        if out.len() + utf8.len() > end {
            return;
        }
        out.extend_from_slice(utf8);
    }
}

/// The longest Size: section 3 gives it 19 digits.
const SIZE_DIGITS: usize = 19;
const SIZE_LINE: usize = "Size: \r\n".len() + SIZE_DIGITS;
const SEQUENCE_LINE: usize = "Sequence: \r\n".len();

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
