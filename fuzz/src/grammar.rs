//! The grammar of `docs/PROTOCOL.md` once more, slow and plain: what the parsers are compared with. Shares
//! none of their code, and says only whether a whole head is right, not where a wrong one goes wrong.

use pinwire_proto::limits::{GREETING, HEAD, HEADERS, WORDS};

/// What bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A head that keeps every rule.
    Head(Lines),
    /// A head that breaks one.
    Broken,
    /// No end of a head. It may be broken already.
    Unfinished,
}

/// A head's lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    /// As it stands, spaces at its end included.
    pub(crate) first: String,
    /// Values without the spaces at their ends.
    pub(crate) headers: Vec<(String, String)>,
    /// Bytes with the empty line.
    pub(crate) length: usize,
}

impl Lines {
    /// The value of the first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

/// Section 3.
pub(crate) fn command(bytes: &[u8]) -> Reading {
    let own: [Rule; 3] = [("Sequence", is_sequence), ("Size", is_size), ("Timeout", is_timeout)];
    head(bytes, |lines| is_command(&lines.first) && lines.headers.len() <= HEADERS && keeps(lines, own))
}

/// Section 4.
pub(crate) fn reply(bytes: &[u8]) -> Reading {
    let own: [Rule; 3] = [("Sequence", is_sequence), ("Size", is_size), ("More", |value| value == "yes")];
    let has_size = |lines: &Lines| lines.header("Size").is_some();
    head(bytes, |lines| status(&lines.first).is_some() && keeps(lines, own) && has_size(lines))
}

/// Section 2: the line without its CRLF. `Err`: wrong, `Ok(None)`: no end, and perhaps wrong already.
pub(crate) fn greeting(bytes: &[u8]) -> Result<Option<&str>, ()> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() > GREETING { Err(()) } else { Ok(None) };
    };
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| ())?;
    let is_good = end + 2 <= GREETING && !line.contains(char::is_control) && status(line).is_some();
    if is_good { Ok(Some(line)) } else { Err(()) }
}

/// `"OK" | "ERR: " code [ ": " text ]`: nothing, or the code and the text.
pub(crate) fn status(line: &str) -> Option<Result<(), (&str, &str)>> {
    if line == "OK" {
        return Some(Ok(()));
    }
    let error = line.strip_prefix("ERR: ")?;
    let (code, text) = error.split_once(": ").unwrap_or((error, ""));
    let starts = code.starts_with(|c: char| c.is_ascii_lowercase());
    let goes_on = code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    (starts && goes_on && code.len() <= 64).then_some(Err((code, text)))
}

fn head(bytes: &[u8], is_good: impl Fn(&Lines) -> bool) -> Reading {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > HEAD { Reading::Broken } else { Reading::Unfinished };
    };
    match lines(&bytes[..end]) {
        Some(lines) if lines.length <= HEAD && is_good(&lines) => Reading::Head(lines),
        _ => Reading::Broken,
    }
}

fn lines(bytes: &[u8]) -> Option<Lines> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n");
    let first = lines.next()?.to_owned();
    if text.split("\r\n").any(|line| line.contains(char::is_control)) {
        return None;
    }
    Some(Lines { first, headers: lines.map(header).collect::<Option<_>>()?, length: bytes.len() + 4 })
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_good = !name.is_empty() && name.len() <= 64 && name.chars().all(is_name);
    is_good.then(|| (name.to_owned(), value.trim_matches(' ').to_owned()))
}

fn is_command(line: &str) -> bool {
    let words = line.split(' ').filter(|word| !word.is_empty()).count();
    !line.starts_with(' ') && (1..=WORDS).contains(&words)
}

/// A header that the protocol defines, and what its value must be.
type Rule = (&'static str, fn(&str) -> bool);

fn keeps(lines: &Lines, own: [Rule; 3]) -> bool {
    own.iter().all(|(name, is_good)| {
        let mut values = lines.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        values.next().is_none_or(|(_, value)| is_good(value)) && values.next().is_none()
    })
}

fn is_sequence(value: &str) -> bool {
    (1..=32).contains(&value.len()) && value.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

fn is_size(value: &str) -> bool {
    is_digits(value, 19)
}

fn is_timeout(value: &str) -> bool {
    match value.split_once('.') {
        None => is_digits(value, 9),
        Some((seconds, fraction)) => is_digits(seconds, 9) && is_digits(fraction, 3),
    }
}

fn is_digits(value: &str, most: usize) -> bool {
    (1..=most).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
}
