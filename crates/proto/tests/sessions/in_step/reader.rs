//! Reads one head by the letter of `docs/PROTOCOL.md`, section 3: slow, plain, and a stranger to our parser.
//! Sees only what is there in full; it does not look for the first offending byte.

use std::time::Duration;

/// A head, as far as the protocol looks into it.
pub(super) struct Head {
    pub(super) line: String,
    pub(super) sequence: Option<String>,
    pub(super) size: u64,
    pub(super) timeout: Option<Duration>,
    /// Its bytes, the empty line among them.
    pub(super) length: usize,
}

pub(super) enum Reading {
    Whole(Head),
    Incomplete,
    /// No command; the code that the peer is told.
    Broken(&'static str),
}

/// "The head (first byte up to and with the empty line) is at most 8,064 bytes."
const MOST: usize = 8_064;

pub(super) fn read(bytes: &[u8]) -> Reading {
    let within = &bytes[..bytes.len().min(MOST)];
    match within.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(end) => whole(&within[..end]).map_or(Reading::Broken("bad-command"), Reading::Whole),
        None if bytes.len() > MOST => Reading::Broken("message-too-large"),
        None => Reading::Incomplete,
    }
}

fn whole(bytes: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(bytes).ok()?;
    let has_control = text.replace("\r\n", "").chars().any(char::is_control);
    let (first, headers) = text.split_once("\r\n").unwrap_or((text, ""));
    let line = first.trim_end_matches(' ');
    let words = line.split(' ').filter(|word| !word.is_empty()).count();
    if has_control || line.is_empty() || line.starts_with(' ') || words > 64 {
        return None;
    }
    let (mut sequences, mut sizes, mut timeouts) = (Vec::new(), Vec::new(), Vec::new());
    let headers: Vec<&str> = headers.split("\r\n").filter(|_| text.contains("\r\n")).collect();
    for header in &headers {
        let (name, value) = header.split_once(':')?;
        let value = value.trim_matches(' ');
        match name.to_ascii_lowercase().as_str() {
            "sequence" => sequences.push(sequence(value)?),
            "size" => sizes.push(digits(value, 19)?),
            "timeout" => timeouts.push(seconds(value)?),
            _ if is_name(name) => {}
            _ => return None,
        }
    }
    let is_once = sequences.len() <= 1 && sizes.len() <= 1 && timeouts.len() <= 1;
    (is_once && headers.len() <= 64).then(|| Head {
        line: line.to_owned(),
        sequence: sequences.pop(),
        size: sizes.pop().unwrap_or(0),
        timeout: timeouts.pop(),
        length: bytes.len() + 4,
    })
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(is_part)
}

/// `1*32 visible ASCII (0x21–7E)`
fn sequence(value: &str) -> Option<String> {
    let is_one = (1..=32).contains(&value.len()) && value.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    is_one.then(|| value.to_owned())
}

fn digits(value: &str, most: usize) -> Option<u64> {
    let are_digits = (1..=most).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| value.parse().unwrap())
}

/// `1*9DIGIT [ "." 1*3DIGIT ]`
fn seconds(value: &str) -> Option<Duration> {
    let (whole, part) = value.split_once('.').unwrap_or((value, "0"));
    let millis = digits(part, 3)? * 10_u64.pow(3 - u32::try_from(part.len()).ok()?);
    Some(Duration::from_secs(digits(whole, 9)?) + Duration::from_millis(millis))
}
