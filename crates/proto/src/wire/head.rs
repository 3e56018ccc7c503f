//! A command's head, decoded: checked once, borrowed from the caller's bytes, never allocated.
//! Does not look at bodies, and does not know what a command means.

use std::time::Duration;

use super::grammar::Side;
use super::lines::{Marks, Walk};
use super::sequence::Sequence;
use super::violation::Violation;

/// Where the decoding of one head stands; the default is at its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan(Walk);

/// A whole head (section 3) that keeps every rule. Its text is the peer's, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    text: &'a str,
    marks: Marks,
}

/// A head that owns its text, for what outlives the buffer it came in.
#[derive(Clone, Debug)]
pub struct OwnedHead {
    text: Box<str>,
    marks: Marks,
}

impl Scan {
    /// The head at the beginning of `bytes` and its length with the empty line; `None` if it is not whole yet.
    ///
    /// `bytes` begin at the head's first byte at every call and only grow between calls. However they are
    /// cut, each is looked at once and the result is the same. With `Some` the scan is ready for the next
    /// head, which begins right behind this one and its body.
    ///
    /// # Errors
    /// A [`Violation`] if the bytes cannot become a head: the first offending byte decides the code.
    /// Asked again, it says the same again.
    #[inline]
    pub fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(Head<'a>, usize)>, Violation> {
        match self.0.advance(bytes, Side::Command) {
            Ok(None) => Ok(None),
            Ok(Some((marks, len))) => Ok(Some((Head { text: checked(&bytes[..len]), marks }, len))),
            Err(fault) => Err(Violation::new(fault, bytes)),
        }
    }
}

impl<'a> Head<'a> {
    /// The command's name as the peer spelt it; match it without regard to ASCII case.
    pub fn name(&self) -> &'a str {
        Words(&self.text[..usize::from(self.marks.first)]).next().unwrap_or_default()
    }

    /// The words behind the name, as they are.
    pub fn args(&self) -> Words<'a> {
        let mut words = Words(self.line());
        words.next();
        words
    }

    /// The argument of this index, 0 being the first behind the name.
    pub fn arg(&self, index: usize) -> Option<&'a str> {
        self.args().nth(index)
    }

    /// The first line without its CRLF and without the spaces at its end.
    pub fn line(&self) -> &'a str {
        self.text[..usize::from(self.marks.first)].trim_end_matches(' ')
    }

    /// The value of the first header of this name, without regard to ASCII case, spaces at its ends dropped.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers in their order, the protocol's own included.
    pub fn headers(&self) -> Headers<'a> {
        Headers::new(self.text, self.marks)
    }

    /// What the reply must carry; `None` makes the command one-way.
    pub fn sequence(&self) -> Option<Sequence> {
        known(self.text, self.marks, 0).and_then(|value| Sequence::new(value.as_bytes()))
    }

    /// The bytes of body behind the head, as announced; `None` without the header, which means no body.
    pub fn size(&self) -> Option<u64> {
        known(self.text, self.marks, 1)?.parse().ok()
    }

    /// How long after the head's end the client still wants the answer.
    pub fn timeout(&self) -> Option<Duration> {
        let value = known(self.text, self.marks, 2)?;
        let (seconds, fraction) = value.split_once('.').unwrap_or((value, "0"));
        let places = u32::try_from(fraction.len()).ok()?;
        let millis = fraction.parse::<u64>().ok()? * 1_000 / 10u64.checked_pow(places)?;
        Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_millis(millis))
    }

    /// The whole head with its empty line.
    pub fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// A copy that owns its text.
    pub fn into_owned(self) -> OwnedHead {
        OwnedHead { text: self.text.into(), marks: self.marks }
    }
}

impl OwnedHead {
    /// Bytes of memory that it takes.
    pub(crate) fn kept(&self) -> usize {
        size_of::<OwnedHead>() + self.text.len()
    }

    /// The head, borrowed.
    pub fn head(&self) -> Head<'_> {
        Head { text: &self.text, marks: self.marks }
    }
}

/// The words of a line, which is what lies between spaces.
#[derive(Clone, Debug)]
pub struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let line = self.0.trim_start_matches(' ');
        if line.is_empty() {
            return None;
        }
        let end = line.bytes().position(|byte| byte == b' ').unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        self.0 = rest;
        Some(word)
    }
}

/// The headers of a head: names as spelt, values without the spaces at their ends.
#[derive(Clone, Debug)]
pub struct Headers<'a>(&'a str);

impl<'a> Headers<'a> {
    pub(super) fn new(text: &'a str, marks: Marks) -> Headers<'a> {
        // Behind the first line's CRLF, and without the empty line.
        Headers(&text[usize::from(marks.first) + 2..text.len() - 2])
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let (line, rest) = self.0.split_once('\r')?;
        self.0 = rest.strip_prefix('\n')?;
        let (name, value) = line.split_once(':')?;
        Some((name, value.trim_matches(' ')))
    }
}

/// A head's bytes as text.
pub(super) fn checked(head: &[u8]) -> &str {
    std::str::from_utf8(head).expect("the walk checked each line's encoding at its CRLF")
}

/// The value of the i-th header that the protocol defines.
pub(super) fn known(text: &str, marks: Marks, i: usize) -> Option<&str> {
    let value = match marks.known[i] {
        0 => return None,
        at => &text[usize::from(at)..],
    };
    let end = value.bytes().position(|byte| byte == b'\r')?;
    Some(value[..end].trim_end_matches(' '))
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
