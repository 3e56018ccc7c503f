//! A document's id: checked once, then trusted by every store.

use std::fmt;

/// Bytes in an id. A key of a store and a word of a command's head, which is 8,064 bytes with all the rest.
pub const ID: usize = 512;

/// A document's name: one word of 1 to 512 bytes, no spaces and no control characters. Case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<'a>(&'a str);

/// What keeps a text from being an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadId {
    /// There is nothing.
    Empty,
    /// It has this many bytes.
    TooLong(usize),
    /// A space or a control character stands at this byte.
    NotOneWord(usize),
}

impl<'a> Id<'a> {
    /// Checks `text` against the rules of an id.
    pub fn parse(text: &'a str) -> Result<Id<'a>, BadId> {
        if text.is_empty() {
            return Err(BadId::Empty);
        }
        if text.len() > ID {
            return Err(BadId::TooLong(text.len()));
        }
        match text.char_indices().find(|(_, c)| *c == ' ' || c.is_control()) {
            Some((at, _)) => Err(BadId::NotOneWord(at)),
            None => Ok(Id(text)),
        }
    }

    /// The id as it was given.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadId::Empty => write!(f, "the id is empty; an id is one word of 1 to {ID} bytes"),
            BadId::TooLong(bytes) => write!(f, "the id has {bytes} bytes; an id has at most {ID}"),
            BadId::NotOneWord(at) => {
                write!(f, "byte {at} of the id is a space or a control character; an id is one word")
            }
        }
    }
}

impl std::error::Error for BadId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_word_of_1_to_512_bytes() {
        assert_eq!(Id::parse("employees/1-A").map(Id::as_str), Ok("employees/1-A"));
        assert!(Id::parse(&"x".repeat(ID)).is_ok());
        assert_eq!(Id::parse(&"x".repeat(ID + 1)), Err(BadId::TooLong(513)));
        assert_eq!(Id::parse(""), Err(BadId::Empty));
        assert_eq!(Id::parse("a b"), Err(BadId::NotOneWord(1)));
        assert_eq!(Id::parse("ä\u{85}"), Err(BadId::NotOneWord(2)));
        assert!(Id::parse("a\u{a0}b").is_ok(), "only 0x20 is a space");
    }

    #[test]
    fn a_bad_id_says_what_and_where() {
        assert_eq!(BadId::TooLong(513).to_string(), "the id has 513 bytes; an id has at most 512");
        assert!(BadId::NotOneWord(1).to_string().starts_with("byte 1 of the id"));
    }
}
