//! The file of servers that the user knows: `host:port pin` a line, `#` begins a comment.
//!
//! Text in, text out: reading and writing the file is the caller's.

use std::fmt;

use pinwire_proto::certificate::Digests;
use pinwire_proto::trust::Pin;

use crate::Address;

/// The servers of one file. An address may stand on several lines: any of its pins is the right one, so that
/// a server can change its key.
#[derive(Clone, Debug, Default)]
pub struct KnownServers {
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    number: usize,
    address: Address,
    pin: Pin,
}

/// What the file says about a server that showed its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// One of the pins under its address is its own.
    Same,
    /// Pins stand under its address, on these lines, and none is its own.
    Other(Vec<usize>),
    /// Its address is not in the file.
    Nothing,
}

/// A line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and what was expected.
    pub problem: String,
}

impl KnownServers {
    /// Reads the text of a `known_servers` file. Nothing of a file with a bad line is used.
    pub fn parse(text: &str) -> Result<KnownServers, BadLine> {
        let mut lines = Vec::new();
        for (index, raw) in text.lines().enumerate() {
            let read = Line::parse(raw, index + 1);
            lines.extend(read.map_err(|problem| BadLine { line: index + 1, problem })?);
        }
        Ok(KnownServers { lines })
    }

    /// What the file says about the server at `address` that showed a certificate with these digests.
    pub fn judge(&self, address: &Address, shown: &Digests) -> Known {
        let mut here = self.lines.iter().filter(|line| line.address == *address).peekable();
        if here.peek().is_none() {
            return Known::Nothing;
        }
        let other: Vec<usize> = here.clone().map(|line| line.number).collect();
        if here.any(|line| line.pin.matches(shown)) { Known::Same } else { Known::Other(other) }
    }

    /// The pins that stand under this address, each with its line, from 1.
    pub fn pins<'k>(&'k self, address: &'k Address) -> impl Iterator<Item = (usize, &'k Pin)> {
        self.lines.iter().filter(move |line| line.address == *address).map(|line| (line.number, &line.pin))
    }

    /// The text of a file with one more line; what was there stays byte for byte.
    pub fn add(text: &str, address: &Address, pin: &Pin) -> String {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        format!("{text}{gap}{}\n", KnownServers::line(address, pin))
    }

    /// The line that makes this server known.
    pub fn line(address: &Address, pin: &Pin) -> String {
        format!("{address} {pin}")
    }
}

impl Line {
    fn parse(raw: &str, number: usize) -> Result<Option<Line>, String> {
        // Neither an address nor a pin holds a "#".
        let text = raw.split_once('#').map_or(raw, |(text, _)| text);
        let mut words = text.split_ascii_whitespace();
        let Some(address) = words.next() else { return Ok(None) };
        let address = address.parse().map_err(|bad: crate::BadAddress| bad.to_string())?;
        let pin = words.next().ok_or("a pin is missing behind the address; a line is HOST:PORT PIN")?;
        let pin = pin.parse::<Pin>().map_err(|bad| bad.to_string())?;
        // SHA-1 can be forged by whoever makes a certificate of their own: it names a client of old, never a server.
        if matches!(pin, Pin::Sha1(_)) {
            return Err("a SHA-1 pin does not prove a server; use its spki-sha256 pin".into());
        }
        match words.next() {
            Some(more) => {
                Err(format!("\"{}\" stands behind the pin; a line is HOST:PORT PIN", more.escape_debug()))
            }
            None => Ok(Some(Line { number, address, pin })),
        }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for BadLine {}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "abababababababababababababababababababababababababababababababab";

    fn digests(byte: u8) -> Digests {
        Digests { spki: [byte; 32], certificate: [byte ^ 0xff; 32], sha1: [byte; 20] }
    }

    fn at(text: &str) -> Address {
        text.parse().expect("the test's address is good")
    }

    #[test]
    fn any_pin_under_the_address_is_the_right_one() {
        let text = format!(
            "# my servers\n\n[::1]:4433 spki-sha256:{DIGITS} # here\na:1 sha256:{}\na:1 spki-sha256:{DIGITS}",
            "01".repeat(32)
        );
        let known = KnownServers::parse(&text).unwrap();
        assert_eq!(known.judge(&at("[::1]:4433"), &digests(0xab)), Known::Same);
        assert_eq!(known.judge(&at("a:1"), &digests(0xab)), Known::Same);
        assert_eq!(known.judge(&at("a:1"), &digests(0xfe)), Known::Same);
        assert_eq!(known.judge(&at("a:1"), &digests(0xcd)), Known::Other(vec![4, 5]));
        assert_eq!(known.judge(&at("a:2"), &digests(0xab)), Known::Nothing);
        let pins: Vec<(usize, Pin)> = known.pins(&at("a:1")).map(|(line, pin)| (line, *pin)).collect();
        assert_eq!(pins, [(4, Pin::Certificate([1; 32])), (5, Pin::Spki([0xab; 32]))]);
    }

    #[test]
    fn a_bad_line_spoils_the_file_and_says_where() {
        for (line, word) in [
            ("a:1".to_owned(), "missing"),
            (format!("a spki-sha256:{DIGITS}"), "HOST:PORT"),
            (format!("a:1 spki-sha256:{DIGITS} more"), "\"more\""),
            (format!("a:1 {}", "01".repeat(20)), "SHA-1"),
            ("a:1 spki-sha256:ab".to_owned(), ""),
        ] {
            let bad = KnownServers::parse(&format!("# one\n{line}\n")).unwrap_err();
            assert_eq!(bad.line, 2, "{line}");
            assert!(bad.problem.contains(word), "{bad}");
        }
    }

    #[test]
    fn what_was_there_stays() {
        let pin: Pin = format!("spki-sha256:{DIGITS}").parse().unwrap();
        let text = KnownServers::add("# mine", &at("b:2"), &pin);
        assert_eq!(text, format!("# mine\nb:2 spki-sha256:{DIGITS}\n"));
        assert_eq!(KnownServers::parse(&text).unwrap().judge(&at("b:2"), &digests(0xab)), Known::Same);
    }
}
