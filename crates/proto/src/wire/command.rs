//! The client's side: a command turned into bytes, refused here if a server would have to refuse it.

use std::io::Write as _;
use std::time::Duration;

use super::grammar::decimal;
use super::reply::{Misuse, check_header, push_header};
use super::sequence::Sequence;
use crate::limits::{HEAD, HEADERS, WORDS};

/// A command as a client builds it: name, arguments, headers and perhaps a body. Checked when encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    words: Vec<String>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
    is_repeatable: bool,
}

impl Request {
    /// A command of this name.
    pub fn new(name: impl Into<String>) -> Request {
        Request::of(vec![name.into()])
    }

    /// A command of the words of this line, which is what lies between its spaces.
    pub fn line(line: &str) -> Request {
        let words = line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Request::of(words)
    }

    fn of(words: Vec<String>) -> Request {
        Request { words, headers: Vec::new(), body: None, timeout: None, is_repeatable: false }
    }

    /// Adds an argument: one word.
    pub fn arg(mut self, word: impl Into<String>) -> Request {
        self.words.push(word.into());
        self
    }

    /// Adds a header. The server drops spaces at the value's ends.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Gives it a body. An empty one is still one: `Size: 0` is sent.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Request {
        self.body = Some(bytes.into());
        self
    }

    /// How long the caller waits for the answer, from the call on; the server is told what is left of it.
    pub fn timeout(mut self, timeout: Duration) -> Request {
        self.timeout = Some(timeout);
        self
    }

    /// Marks it as one that does no harm twice: a client may send it again when its outcome is unknown, and
    /// before the server's greeting.
    pub fn repeatable(mut self) -> Request {
        self.is_repeatable = true;
        self
    }

    /// How long the caller waits, if it says so. [`encode`](Request::encode) does not look at it: by the time
    /// a command leaves, less is left.
    pub fn time_limit(&self) -> Option<Duration> {
        self.timeout
    }

    /// Whether it may be sent again when its outcome is unknown.
    pub fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }

    /// Bytes of its body.
    pub fn body_len(&self) -> usize {
        self.body.as_ref().map_or(0, Vec::len)
    }

    /// Whether the protocol can say it, in the shortest way: without a sequence and a timeout.
    ///
    /// # Errors
    /// As [`encode`](Request::encode).
    pub fn check(&self) -> Result<(), Misuse> {
        self.encode_head(&mut Vec::new(), None, None)
    }

    /// The command's name; empty if the line it was made from had no word.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Writes it to the end of `out`. Without a sequence it is one-way: no reply will come. The timeout
    /// counts from the end of the head at the server, in milliseconds, rounded up.
    ///
    /// # Errors
    /// [`Misuse`], and nothing is written, for whatever section 3 refuses: no word, an empty one, one with
    /// spaces or control characters, over 64 words or headers, a header that is not well formed or is
    /// Sequence, Size or Timeout, a timeout of a thousand million seconds or more, a head over 8,064 bytes.
    pub fn encode(
        &self,
        out: &mut Vec<u8>,
        sequence: Option<&Sequence>,
        timeout: Option<Duration>,
    ) -> Result<(), Misuse> {
        self.encode_head(out, sequence, timeout)?;
        out.extend_from_slice(self.body.as_deref().unwrap_or_default());
        Ok(())
    }

    fn encode_head(
        &self,
        out: &mut Vec<u8>,
        sequence: Option<&Sequence>,
        timeout: Option<Duration>,
    ) -> Result<(), Misuse> {
        self.check_parts(sequence, timeout)?;
        let start = out.len();
        self.push_head(out, sequence, timeout);
        let head = out.len() - start;
        if head > HEAD {
            out.truncate(start);
            return Err(Misuse::new(format!("the command's head is {head} bytes of at most {HEAD}")));
        }
        Ok(())
    }

    fn check_parts(&self, sequence: Option<&Sequence>, timeout: Option<Duration>) -> Result<(), Misuse> {
        if self.words.is_empty() {
            return Err(Misuse::new("a command has a name"));
        }
        at_most(WORDS, self.words.len(), "words")?;
        self.words.iter().try_for_each(|word| check_word(word))?;
        let own = [sequence.is_some(), self.body.is_some(), timeout.is_some()];
        at_most(HEADERS, self.headers.len() + own.iter().filter(|&&sent| sent).count(), "headers")?;
        for (name, value) in &self.headers {
            check_header(name, value, &["Sequence", "Size", "Timeout"])?;
        }
        match timeout {
            Some(timeout) if millis(timeout) >= MOST_MILLIS => {
                Err(Misuse::new("a timeout is less than a thousand million seconds"))
            }
            _ => Ok(()),
        }
    }

    fn push_head(&self, out: &mut Vec<u8>, sequence: Option<&Sequence>, timeout: Option<Duration>) {
        for (i, word) in self.words.iter().enumerate() {
            out.extend_from_slice(if i == 0 { "" } else { " " }.as_bytes());
            out.extend_from_slice(word.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        if let Some(sequence) = sequence {
            push_header(out, "Sequence", sequence.as_str());
        }
        if let Some(timeout) = timeout {
            push_timeout(out, millis(timeout));
        }
        if let Some(body) = &self.body {
            push_size(out, body.len());
        }
        for (name, value) in &self.headers {
            push_header(out, name, value);
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn check_word(word: &str) -> Result<(), Misuse> {
    if word.is_empty() {
        return Err(Misuse::new("a word of a command is never empty"));
    }
    if word.chars().any(|character| character == ' ' || character.is_control()) {
        return Err(Misuse::new(format!("the word {word:?} holds a space or control characters")));
    }
    Ok(())
}

fn at_most(most: usize, found: usize, what: &str) -> Result<(), Misuse> {
    if found > most {
        return Err(Misuse::new(format!("a command has at most {most} {what}, not {found}")));
    }
    Ok(())
}

fn push_size(out: &mut Vec<u8>, size: usize) {
    let mut room = [0; 20];
    out.extend_from_slice(b"Size: ");
    out.extend_from_slice(decimal(size as u64, &mut room));
    out.extend_from_slice(b"\r\n");
}

fn push_timeout(out: &mut Vec<u8>, millis: u128) {
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    let written = match millis {
        0 => write!(out, "Timeout: {seconds}\r\n"),
        _ => write!(out, "Timeout: {seconds}.{millis:03}\r\n"),
    };
    written.expect("writing to a Vec does not fail");
}

/// Rounded up, so that a short timeout does not become none at all.
fn millis(timeout: Duration) -> u128 {
    timeout.as_nanos().div_ceil(1_000_000)
}

/// `1*9DIGIT` seconds.
const MOST_MILLIS: u128 = 1_000_000_000 * 1_000;

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
