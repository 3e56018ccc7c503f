//! The rules for one line of a head. Knows nothing of where lines begin or end.
//!
//! Every check names the first byte after which no continuation would be right. A fault at the line's own
//! length means that the line ended too early, and is none if the line has not ended yet.

use crate::limits::{SEQUENCE, WORDS};

/// The first offending byte, and what should have stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) expected: &'static str,
}

/// Which way the head travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Command,
    Answer,
}

/// A header that the protocol itself defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Sequence,
    Size,
    Timeout,
    More,
}

/// What a header line turned out to be.
pub(super) struct HeaderLine {
    /// Its place in [`Side::known`], if the protocol defines it.
    pub(super) known: Option<usize>,
    /// Where the value begins in the line, past its leading spaces.
    pub(super) value: usize,
}

impl Side {
    /// The headers that may stand only once, each with its own grammar.
    pub(super) fn known(self) -> [Known; 3] {
        match self {
            Side::Command => [Known::Sequence, Known::Size, Known::Timeout],
            Side::Answer => [Known::Sequence, Known::Size, Known::More],
        }
    }

    /// Checks a first line but for its encoding.
    pub(super) fn first_line(self, line: &[u8]) -> Result<(), Fault> {
        match self {
            Side::Command => command_line(line),
            Side::Answer => status_line(line),
        }
    }
}

impl Known {
    pub(super) fn name(self) -> &'static str {
        match self {
            Known::Sequence => "Sequence",
            Known::Size => "Size",
            Known::Timeout => "Timeout",
            Known::More => "More",
        }
    }

    /// Checks a value that begins with no space but may end with some.
    fn value(self, value: &[u8]) -> Result<(), Fault> {
        let (end, expected) = match self {
            Known::Sequence => {
                (run(value, SEQUENCE, u8::is_ascii_graphic), "a Sequence of 1 to 32 visible ASCII characters")
            }
            Known::Size => (run(value, 19, u8::is_ascii_digit), "a Size of 1 to 19 digits"),
            Known::Timeout => {
                (seconds(value), "a Timeout of 1 to 9 digits, then at most \".\" and 1 to 3 more")
            }
            Known::More => (literal(value, b"yes"), "More: yes"),
        };
        let end = end.map_err(|at| Fault { at, expected })?;
        match value[end..].iter().position(|&byte| byte != b' ') {
            None => Ok(()),
            Some(past) => Err(Fault { at: end + past, expected }),
        }
    }
}

/// Section 3: `word *( 1*SP word )`, spaces dropped at the end and refused at the start; at most 64 words.
fn command_line(line: &[u8]) -> Result<(), Fault> {
    if line.first().is_none_or(|&byte| byte == b' ') {
        return Err(Fault { at: 0, expected: "a command's name" });
    }
    // 65 words and the spaces between them are 129 bytes: most lines need no counting.
    if line.len() < 2 * WORDS + 1 {
        return Ok(());
    }
    let mut starts = (1..line.len()).filter(|&at| line[at - 1] == b' ' && line[at] != b' ');
    match starts.nth(WORDS - 1) {
        None => Ok(()),
        Some(at) => Err(Fault { at, expected: "at most 64 words" }),
    }
}

/// Section 4: `"OK" | "ERR: " code [ ": " text ]`.
pub(super) fn status_line(line: &[u8]) -> Result<(), Fault> {
    let expected = "OK, or ERR: with a code and a text";
    let fault = |at| Fault { at, expected };
    if line.first() == Some(&b'O') {
        let end = literal(line, b"OK").map_err(fault)?;
        return if end == line.len() { Ok(()) } else { Err(fault(end)) };
    }
    let code = literal(line, b"ERR: ").map_err(fault)?;
    let rest = &line[code..];
    let len = code_len(rest);
    match rest.get(len) {
        _ if len == 0 => Err(fault(code)),
        None => Ok(()),
        Some(_) => literal(&rest[len..], b": ").map(|_| ()).map_err(|at| fault(code + len + at)),
    }
}

/// How many bytes at the beginning are a reason code: a lower-case letter, then up to 63 of a-z 0-9 -.
fn code_len(text: &[u8]) -> usize {
    let fits = |byte: &&u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'-';
    match text.first() {
        Some(first) if first.is_ascii_lowercase() => text.iter().take(64).take_while(fits).count(),
        _ => 0,
    }
}

/// Section 3: `name ":" *SP value`. `seen(i)` tells whether the i-th known header has come before.
#[inline]
pub(super) fn header_line(
    line: &[u8],
    side: Side,
    seen: impl Fn(usize) -> bool,
) -> Result<HeaderLine, Fault> {
    let colon = name_len(line);
    if colon == 0 || line.get(colon) != Some(&b':') {
        return Err(Fault {
            at: colon,
            expected: "a header's name of 1 to 64 letters, digits, - or _, then \":\"",
        });
    }
    let value = colon + 1 + line[colon + 1..].iter().take_while(|&&byte| byte == b' ').count();
    let name = &line[..colon];
    let known = side.known().iter().position(|known| name.eq_ignore_ascii_case(known.name().as_bytes()));
    if let Some(i) = known {
        if seen(i) {
            return Err(Fault { at: colon, expected: "Sequence, Size, Timeout and More only once" });
        }
        side.known()[i].value(&line[value..]).map_err(|fault| Fault { at: value + fault.at, ..fault })?;
    }
    Ok(HeaderLine { known, value })
}

/// How many bytes at the beginning are of `A-Z a-z 0-9 - _`, up to 64.
fn name_len(line: &[u8]) -> usize {
    line.iter().take(64).take_while(|&&byte| NAME[usize::from(byte)]).count()
}

/// Which bytes a header's name is made of.
const NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'-' || byte as u8 == b'_';
        byte += 1;
    }
    table
};

/// Whether a header may be called so.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name_len(name.as_bytes()) == name.len()
}

/// Checks that a line is UTF-8 without U+0080 to U+009F; the ASCII controls are found by the walk.
pub(super) fn text(line: &[u8]) -> Result<(), Fault> {
    let (valid, broken) = match std::str::from_utf8(line) {
        Ok(_) => (line.len(), None),
        Err(error) => (error.valid_up_to(), Some(error)),
    };
    let c1 = line[..valid].windows(2).position(|pair| pair[0] == 0xC2 && pair[1] < 0xA0);
    if let Some(lead) = c1 {
        return Err(Fault { at: lead + 1, expected: "no control characters" });
    }
    match broken {
        None => Ok(()),
        Some(error) => Err(Fault { at: offending(line, &error), expected: "UTF-8" }),
    }
}

/// The byte that broke the encoding: the one after the last that could still have been right.
fn offending(line: &[u8], error: &std::str::Utf8Error) -> usize {
    let start = error.valid_up_to();
    match error.error_len() {
        None => line.len(),
        Some(len) if matches!(line[start], 0xC2..=0xF4) => start + len,
        Some(_) => start,
    }
}

/// The end of 1 to `most` bytes that `fits`; else where that ended.
fn run(value: &[u8], most: usize, fits: impl Fn(&u8) -> bool) -> Result<usize, usize> {
    match value.iter().take(most).take_while(|byte| fits(byte)).count() {
        0 => Err(0),
        len => Ok(len),
    }
}

/// The end of `1*9DIGIT [ "." 1*3DIGIT ]`; else where that ended.
fn seconds(value: &[u8]) -> Result<usize, usize> {
    let whole = run(value, 9, u8::is_ascii_digit)?;
    if value.get(whole) != Some(&b'.') {
        return Ok(whole);
    }
    let point = whole + 1;
    run(&value[point..], 3, u8::is_ascii_digit).map(|len| point + len).map_err(|at| point + at)
}

/// The end of exactly `wanted` at the beginning; else the first byte that differs.
fn literal(value: &[u8], wanted: &[u8]) -> Result<usize, usize> {
    let same = value.iter().zip(wanted).take_while(|(byte, wanted)| byte == wanted).count();
    if same == wanted.len() { Ok(same) } else { Err(same) }
}

/// The decimal digits of a number, written into `room` without allocating.
pub(super) fn decimal(mut number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &room[at..];
        }
    }
}
