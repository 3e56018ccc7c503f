//! The walk over a head's lines: resumable, one pass whatever the cuts, the same result whatever the cuts.
//!
//! A line is checked once, when its CRLF is there. Whatever breaks the walk before that (a control
//! character, the limit) first has the line so far checked, so that the first offending byte decides.

use super::grammar::{self, Fault, HeaderLine, Side};
use super::violation::HEAD_TOO_LARGE;
use crate::limits::{HEAD, HEADERS};

/// Where the walk stands. Offsets are of the head; all of them fit, because a head is at most 8,064 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Walk {
    /// Looked at so far.
    at: u16,
    /// The first byte of the line that `at` is in.
    line: u16,
    /// The end of the first line; 0 while that is still to come (it is never empty).
    first: u16,
    /// Where the values of [`Side::known`]'s headers begin; 0 while they have not come.
    known: [u16; 3],
    headers: u8,
    /// Whether the line so far holds bytes above 0x7F.
    high: bool,
}

/// What a walk found: the same offsets, of a whole head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) first: u16,
    pub(super) known: [u16; 3],
}

impl Walk {
    /// Goes on over `bytes`, which begin at the head's first byte. Once the head is whole: its marks and
    /// its length with the empty line, and the walk is back at the beginning for the next head.
    #[inline]
    pub(super) fn advance(&mut self, bytes: &[u8], side: Side) -> Result<Option<(Marks, usize)>, Fault> {
        let window = &bytes[..bytes.len().min(HEAD)];
        while let Some(rest) = window.get(usize::from(self.at)..) {
            let (plain, high) = plain_run(rest);
            self.at += plain as u16;
            self.high |= high;
            let at = usize::from(self.at);
            match (window.get(at), bytes.get(at + 1)) {
                (None, _) if bytes.len() > HEAD => return Err(self.broken(bytes, at, HEAD_TOO_LARGE, side)),
                (None, _) | (Some(b'\r'), None) => return Ok(None),
                (Some(b'\r'), Some(b'\n')) => {}
                _ => return Err(self.broken(bytes, at, "no control characters", side)),
            }
            let before = *self;
            let ended = self.end_line(&bytes[usize::from(self.line)..at], side)?;
            if at + 1 == HEAD {
                // Asked again, it says the same again.
                *self = before;
                return Err(Fault { at: HEAD, expected: HEAD_TOO_LARGE });
            }
            if ended {
                let marks = Marks { first: self.first, known: self.known };
                *self = Walk::default();
                return Ok(Some((marks, at + 2)));
            }
        }
        Ok(None)
    }

    /// Takes in a whole line, and says whether it is the empty one.
    #[inline]
    fn end_line(&mut self, line: &[u8], side: Side) -> Result<bool, Fault> {
        if line.is_empty() && self.first != 0 {
            return self.end_head(side).map(|()| true);
        }
        let header = self.check(line, side).map_err(|fault| self.absolute(fault))?;
        match header {
            None => self.first = self.at,
            Some(header) => self.note(&header),
        }
        // Past the CRLF.
        self.at += 2;
        self.line = self.at;
        self.high = false;
        Ok(false)
    }

    fn end_head(&self, side: Side) -> Result<(), Fault> {
        // Section 4: "Size is always there".
        if side == Side::Answer && self.known[1] == 0 {
            return Err(Fault { at: usize::from(self.at), expected: "a Size before the head's end" });
        }
        Ok(())
    }

    fn note(&mut self, header: &HeaderLine) {
        self.headers = self.headers.saturating_add(1);
        if let Some(i) = header.known {
            self.known[i] = self.line + header.value as u16;
        }
    }

    /// The first fault of a line, its offset counted from the line's start; what the line is if it has none.
    #[inline]
    fn check(&self, line: &[u8], side: Side) -> Result<Option<HeaderLine>, Fault> {
        let rules = self.rules(line, side);
        if !self.high {
            return rules;
        }
        match (rules, grammar::text(line)) {
            (Err(rule), Err(text)) if text.at < rule.at => Err(text),
            (Ok(_), Err(text)) => Err(text),
            (rules, _) => rules,
        }
    }

    #[inline]
    fn rules(&self, line: &[u8], side: Side) -> Result<Option<HeaderLine>, Fault> {
        if self.first == 0 {
            return side.first_line(line).map(|()| None);
        }
        if side == Side::Command && usize::from(self.headers) == HEADERS {
            return Err(Fault { at: 0, expected: "at most 64 headers" });
        }
        grammar::header_line(line, side, |i| self.known[i] != 0).map(Some)
    }

    /// The fault at `at`, unless the line before it holds an earlier one.
    #[cold]
    fn broken(&self, bytes: &[u8], at: usize, expected: &'static str, side: Side) -> Fault {
        let line = &bytes[usize::from(self.line)..at];
        match self.check(line, side) {
            // At the line's length the line only ended too early, and it has not ended.
            Err(fault) if fault.at < line.len() => self.absolute(fault),
            _ => Fault { at, expected },
        }
    }

    fn absolute(&self, fault: Fault) -> Fault {
        Fault { at: usize::from(self.line) + fault.at, ..fault }
    }
}

/// How many bytes come before the first ASCII control character, and whether one of them is above 0x7F.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> (usize, bool) {
    let mut high = 0;
    let mut words = bytes.chunks_exact(8);
    for (i, word) in words.by_ref().enumerate() {
        let word = u64::from_le_bytes(word.try_into().expect("chunks_exact(8) gives 8 bytes"));
        let controls = controls(word);
        if controls != 0 {
            let plain = controls.trailing_zeros() / 8;
            // The bytes before the control: those after it are the next line's.
            let before = (1u64 << (8 * plain)) - 1;
            return (8 * i + plain as usize, (high | (word & before)) & HIGH != 0);
        }
        high |= word;
    }
    let tail = words.remainder();
    let plain = tail.iter().take_while(|&&byte| byte >= 0x20 && byte != 0x7F).count();
    let high = high & HIGH != 0 || !tail[..plain].is_ascii();
    (bytes.len() - tail.len() + plain, high)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// Eight bytes at once: the lowest bit set is the top bit of the first byte below 0x20 or equal to 0x7F.
/// (A borrow may set bits above that one, never below: "Bit Twiddling Hacks", hasless.)
fn controls(word: u64) -> u64 {
    let below_space = word.wrapping_sub(0x20 * ONES) & !word;
    let delete = word ^ (0x7F * ONES);
    let is_delete = delete.wrapping_sub(ONES) & !delete;
    (below_space | is_delete) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_at_every_control_in_every_place() {
        for len in 0..40 {
            for place in 0..len {
                for byte in 0..=255 {
                    let mut bytes = vec![b'a'; len];
                    bytes[place] = byte;
                    let control = byte < 0x20 || byte == 0x7F;
                    let expected = if control { (place, false) } else { (len, byte >= 0x80) };
                    assert_eq!(plain_run(&bytes), expected, "{byte:#x} at {place} of {len}");
                }
            }
        }
    }

    #[test]
    fn a_run_counts_no_high_byte_past_the_control() {
        assert_eq!(plain_run(b"ab\r\xff5678"), (2, false));
        assert_eq!(plain_run(b"\xff\x7f\x0012345"), (1, true));
    }

    #[test]
    fn a_walk_is_small() {
        const { assert!(size_of::<Walk>() <= 16) };
    }
}
