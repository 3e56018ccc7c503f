//! What ties a reply to its command: chosen by the client, echoed byte for byte.

use std::fmt;

use crate::limits::SEQUENCE;

/// A sequence: 1 to 32 visible ASCII characters (section 3). Held in place, so it copies and never allocates.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sequence {
    len: u8,
    // Zero past `len`, so that derived equality and hashing see the sequence alone.
    bytes: [u8; SEQUENCE],
}

impl Sequence {
    /// The sequence of exactly these bytes; `None` if they are not 1 to 32 of 0x21 to 0x7E.
    pub fn new(text: &[u8]) -> Option<Sequence> {
        if text.is_empty() || text.len() > SEQUENCE || !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; SEQUENCE];
        bytes[..text.len()].copy_from_slice(text);
        Some(Sequence { len: text.len() as u8, bytes })
    }

    /// As it stands on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("new() takes visible ASCII only")
    }
}

/// The number in decimal digits, for clients that count their commands.
impl From<u64> for Sequence {
    fn from(number: u64) -> Sequence {
        let mut room = [0; 20];
        let digits = super::grammar::decimal(number, &mut room);
        Sequence::new(digits).expect("a number is 1 to 20 digits")
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequence({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_visible_ascii_and_nothing_else() {
        assert_eq!(Sequence::new(b"32").unwrap().as_str(), "32");
        assert_eq!(Sequence::new(&[b'~'; 32]).unwrap().as_bytes(), [b'~'; 32]);
        for bad in [&b""[..], b"a b", b"\x7f", b"a\0", "é".as_bytes(), &[b'a'; 33]] {
            assert_eq!(Sequence::new(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_become_digits() {
        assert_eq!(Sequence::from(0).as_str(), "0");
        assert_eq!(Sequence::from(u64::MAX).as_str(), "18446744073709551615");
        assert_eq!(format!("{} {:?}", Sequence::from(7), Sequence::from(7)), "7 Sequence(7)");
    }
}
