//! What the client says, as bytes: heads of every length, bodies that look like heads, and what no grammar
//! allows.

use pinwire_proto::code::Code;

use super::schedule::{Command, Name};

/// Bytes on the plain stream, and where they turn from head to body.
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    pub(super) head: usize,
}

/// Breaches of the grammar by name, what is said, and the code that must come of it.
pub const BREACHES: &[(&str, &str, Code)] = &[
    ("an empty first line", "\r\n", Code::BadCommand),
    ("a space first", " GET a\r\n\r\n", Code::BadCommand),
    ("a bare LF", "GET a\nSequence: 1\n\n", Code::BadCommand),
    ("a bare CR", "GET a\rSequence: 1\r\n\r\n", Code::BadCommand),
    ("a NUL", "GET \0\r\n\r\n", Code::BadCommand),
    ("a control of C1", "GET \u{85}\r\n\r\n", Code::BadCommand),
    ("no colon", "GET a\r\nSequence\r\n\r\n", Code::BadCommand),
    ("a space before the colon", "GET a\r\nSequence : 1\r\n\r\n", Code::BadCommand),
    ("a folded line", "GET a\r\nA: 1\r\n 2\r\n\r\n", Code::BadCommand),
    ("no header's name", "GET a\r\n: 1\r\n\r\n", Code::BadCommand),
    ("two sequences", "GET a\r\nSequence: a\r\nSequence: b\r\n\r\n", Code::BadCommand),
    ("two sizes", "GET a\r\nSize: 1\r\nSize: 1\r\n\r\nx", Code::BadCommand),
    ("two timeouts", "GET a\r\nTimeout: 1\r\ntimeout: 1\r\n\r\n", Code::BadCommand),
    ("an empty sequence", "GET a\r\nSequence: \r\n\r\n", Code::BadCommand),
    ("a sequence of two words", "GET a\r\nSequence: 1 2\r\n\r\n", Code::BadCommand),
    ("a sequence of 33", "GET a\r\nSequence: 123456789012345678901234567890123\r\n\r\n", Code::BadCommand),
    ("a size that is none", "PUT a\r\nSize: -1\r\n\r\nx", Code::BadCommand),
    ("a size of 20 digits", "PUT a\r\nSize: 10000000000000000000\r\n\r\nx", Code::BadCommand),
    ("a timeout that is none", "GET a\r\nTimeout: 1.\r\n\r\n", Code::BadCommand),
    ("65 words", "W*65\r\n\r\n", Code::BadCommand),
    ("65 headers", "GET a\r\nH*65\r\n", Code::BadCommand),
    ("a head of 8,065", "L*8065", Code::MessageTooLarge),
];

/// Said behind every breach and in every body: heard, it would be a command; read, an answer.
const EVIL: &str = "EVIL\r\nSequence: evil\r\n\r\nOK\r\nSequence: evil\r\nSize: 0\r\n\r\n";

/// Bytes of a body over the limit that are really sent.
const MOST: u64 = 30_000;

impl Command {
    /// The first line, as the handler hears it.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.name.word(), self.number)
    }

    /// Bytes of body.
    pub(super) fn body_size(&self) -> u64 {
        self.size.unwrap_or(0)
    }

    /// The body, as far as it is sent.
    pub(super) fn body(&self) -> Vec<u8> {
        evil(self.body_size().min(MOST) as usize)
    }

    pub(super) fn text(&self) -> Text {
        let mut head = format!("{}\r\n", self.line());
        if let Some(sequence) = self.sequence {
            head += &format!("Sequence: {sequence}\r\n");
        }
        if let Some(size) = self.size {
            head += &format!("size:   {size}\r\n");
        }
        if let Some(millis) = self.timeout {
            head += &format!("Timeout: {}.{:03}\r\n", millis / 1_000, millis % 1_000);
        }
        if let Some(length) = self.head {
            let pad = length.saturating_sub(head.len() + "Pad: \r\n\r\n".len());
            head += &format!("Pad: {}\r\n", "x".repeat(pad));
        }
        head += "\r\n";
        Text::new(head, &self.body())
    }
}

impl Name {
    pub(super) fn word(self) -> &'static str {
        match self {
            Name::Echo => "ECHO",
            Name::Hold => "HOLD",
            Name::NoBody => "NOBODY",
            Name::Panic => "PANIC",
        }
    }
}

impl Text {
    fn new(head: String, body: &[u8]) -> Text {
        let length = head.len();
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        Text { bytes, head: length }
    }

    pub(super) fn cancel(sequence: u32, size: Option<usize>) -> Text {
        let size_line = size.map(|size| format!("Size: {size}\r\n")).unwrap_or_default();
        // Its own sequence is ignored, even if it is in flight.
        let head = format!("CANCEL {sequence}\r\nSequence: {sequence}\r\n{size_line}\r\n");
        Text::new(head, &evil(size.unwrap_or(0)))
    }

    /// The breach of this name and its code, and what must not be read behind it.
    pub(super) fn breach(name: &str) -> (Text, Code) {
        let (_, text, code) = BREACHES.iter().find(|breach| breach.0 == name).expect("a breach of the table");
        let text = text
            .replace("W*65", &["GET"; 65].join(" "))
            .replace("H*65", &"Name: value\r\n".repeat(65))
            .replace("L*8065", &format!("GET {}", "x".repeat(8_061)));
        (Text::new(text, EVIL.as_bytes()), *code)
    }
}

/// The bytes of the breach of this name, with a command behind it that must not be heard, and its code.
///
/// # Panics
/// If [`BREACHES`] has no such name.
pub fn breach(name: &str) -> (Vec<u8>, Code) {
    let (text, code) = Text::breach(name);
    (text.bytes, code)
}

/// A body of this size.
pub(super) fn evil(size: usize) -> Vec<u8> {
    EVIL.bytes().cycle().take(size).collect()
}
