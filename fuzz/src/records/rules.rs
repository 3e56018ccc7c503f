//! Where our layer is stricter than rustls's on purpose: the whole list, an entry a rule, with its reason. A
//! difference that no entry expects is a finding.
//!
//! The bytes are read once more, record by record, up to the first that an entry is about: that our layer refuses
//! there, and as the entry says, is checked; where rustls then ends is in the entry too.

use super::keys::Keys;
use super::replay::Side;
use super::sides::{Class, End};
use super::{ALERT, CHANGE_CIPHER_SPEC, DATA, HANDSHAKE};

pub(super) struct Rule {
    pub(super) reason: &'static str,
    is_broken: fn(&Record<'_>, &Counts) -> bool,
    ours: &'static [Class],
    theirs: Theirs,
}

/// What rustls does.
enum Theirs {
    /// It takes the record, or refuses it otherwise: whatever follows is its own affair.
    GoesOn,
    Fails(&'static [Class]),
}

/// A record, or a handshake message of it.
struct Record<'r> {
    side: Side,
    header: [u8; 5],
    /// What it decrypts to, padding and all, once it is there in full.
    inner: Option<&'r [u8]>,
    kind: u8,
    content: &'r [u8],
    /// The handshake message in it that is looked at, and what follows it.
    message: Option<(u8, &'r [u8])>,
}

/// What came in a row, the record that is looked at included.
#[derive(Default)]
struct Counts {
    empties: usize,
    messages: usize,
    warnings: usize,
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        reason: "RFC 8446 5.2: the outer type \"is always set to the value 23\". rustls decrypts a record whatever \
                 type it has, and hears alerts in the clear before the first that is protected.",
        is_broken: |record, _| record.header[0] != DATA,
        ours: &[Class::Unexpected],
        theirs: Theirs::GoesOn,
    },
    Rule {
        reason: "RFC 8446 5.2: the version \"is always 0x0303\". rustls takes any 0x03 and authenticates 0x0303.",
        is_broken: |record, _| record.header[1..3] != [3, 3],
        ours: &[Class::Decode],
        theirs: Theirs::GoesOn,
    },
    Rule {
        reason: "RFC 8446 5.2: the length \"MUST NOT exceed 2^14 + 256 bytes\". rustls waits for up to 2^14 + 2047, \
                 and says decode_error above.",
        is_broken: |record, _| record.length() > (1 << 14) + 256,
        ours: &[Class::Other],
        theirs: Theirs::GoesOn,
    },
    Rule {
        reason: "RFC 8446 5.4: a record of padding alone is answered with unexpected_message. rustls ends silently.",
        is_broken: |record, _| record.inner.is_some_and(|inner| inner.iter().all(|byte| *byte == 0)),
        ours: &[Class::Unexpected],
        theirs: Theirs::Fails(&[Class::Silent]),
    },
    Rule {
        reason: "RFC 8446 5: an unexpected record type is answered with unexpected_message. rustls: decode_error.",
        is_broken: |record, _| {
            record.inner.is_some() && !matches!(record.kind, CHANGE_CIPHER_SPEC | ALERT | HANDSHAKE | DATA)
        },
        ours: &[Class::Unexpected],
        theirs: Theirs::Fails(&[Class::Decode, Class::Silent]),
    },
    Rule {
        reason: "RFC 8446 5.4: an alert without content is answered with unexpected_message. rustls: decode_error.",
        is_broken: |record, _| record.is(ALERT) && record.content.is_empty(),
        ours: &[Class::Unexpected],
        theirs: Theirs::Fails(&[Class::Decode, Class::Silent]),
    },
    Rule {
        reason: "RFC 8446 6: an error alert ends the connection \"regardless of the AlertLevel in the message\", and \
                 is not answered. rustls answers one of level warning with decode_error.",
        is_broken: |record, _| record.is(ALERT) && matches!(record.content, [1, 1..=89 | 91..]),
        ours: &[Class::Silent],
        theirs: Theirs::Fails(&[Class::Decode, Class::Silent]),
    },
    Rule {
        reason: "The fifth user_canceled: both refuse it, rustls silently.",
        is_broken: |record, counts| record.is(ALERT) && counts.warnings > 4,
        ours: &[Class::Unexpected],
        theirs: Theirs::Fails(&[Class::Silent]),
    },
    Rule {
        reason: "The 33rd empty record in a row without application data: rustls counts anew after any other record, \
                 and refuses it silently.",
        is_broken: |record, counts| record.is(DATA) && counts.empties > 32,
        ours: &[Class::Unexpected],
        theirs: Theirs::GoesOn,
    },
    Rule {
        reason: "RFC 8446 5.4: a handshake record without content is answered with unexpected_message. rustls takes \
                 it for nothing.",
        is_broken: |record, _| record.is(HANDSHAKE) && record.content.is_empty(),
        ours: &[Class::Unexpected],
        theirs: Theirs::GoesOn,
    },
    Rule {
        reason: "RFC 8446 5.1 lets handshake messages be cut over records; nobody cuts a KeyUpdate's five bytes or a \
                 ticket, and a layer that keeps no buffer has no place for the pieces. rustls keeps up to 64 KiB.",
        is_broken: |record, _| record.is(HANDSHAKE) && record.message.is_none() && is_cut(record.content),
        ours: &[Class::Unexpected, Class::Decode, Class::Other],
        theirs: Theirs::GoesOn,
    },
    Rule {
        reason: "The 33rd handshake message in a row without application data: rustls counts KeyUpdates alone, takes \
                 empty application data for some, and refuses it silently.",
        is_broken: |record, counts| record.message.is_some() && counts.messages > 32,
        ours: &[Class::Unexpected],
        theirs: Theirs::GoesOn,
    },
    Rule {
        reason: "RFC 8446 4.6 has no other messages after the handshake: refused by their type. rustls parses them \
                 first, and says what is wrong inside.",
        is_broken: |record, _| match (record.side, record.message) {
            (_, None) => false,
            (Side::Server, Some((kind, _))) => kind != KEY_UPDATE,
            (Side::Client, Some((kind, _))) => kind != KEY_UPDATE && kind != NEW_SESSION_TICKET,
        },
        ours: &[Class::Unexpected],
        theirs: Theirs::Fails(&[Class::Unexpected, Class::Decode, Class::Other, Class::Silent]),
    },
];

/// What there is to say of a difference: the entry that expects it, and what was read before it.
pub(super) struct Verdict {
    pub(super) rule: &'static Rule,
    pub(super) plain: Vec<u8>,
    pub(super) tickets: usize,
}

impl Verdict {
    /// Whether the two may have ended so; after its close_notify ours says nothing.
    pub(super) fn permits(&self, ours: End, theirs: End, is_silent: bool) -> bool {
        let End::Failed(class) = ours else { return false };
        let is_theirs = match (&self.rule.theirs, theirs) {
            (Theirs::GoesOn, _) => true,
            (Theirs::Fails(classes), End::Failed(class)) => classes.contains(&class),
            (Theirs::Fails(_), _) => false,
        };
        (is_silent || self.rule.ours.contains(&class)) && is_theirs
    }
}

/// Reads what `side` was sent, sealed with `keys`, up to the first record that an entry is about.
pub(super) fn judge(side: Side, keys: Keys, stream: &[u8]) -> Option<Verdict> {
    let mut reading = Reading { side, keys, counts: Counts::default(), plain: Vec::new(), tickets: 0 };
    let mut rest = stream;
    while let Some((header, after)) = rest.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let found = reading.record(*header, after.get(..length).map(|_| &rest[..5 + length]));
        match found {
            Next::Broken(rule) => {
                return Some(Verdict { rule, plain: reading.plain, tickets: reading.tickets });
            }
            Next::Over => return None,
            Next::More => rest = &after[length..],
        }
    }
    None
}

struct Reading {
    side: Side,
    keys: Keys,
    counts: Counts,
    plain: Vec<u8>,
    tickets: usize,
}

enum Next {
    Broken(&'static Rule),
    /// Nothing that follows is read: both know why.
    Over,
    More,
}

impl Reading {
    fn record(&mut self, header: [u8; 5], whole: Option<&[u8]>) -> Next {
        let (side, message) = (self.side, None);
        let bare = Record { side, header, inner: None, kind: 0, content: &[], message };
        if let Some(rule) = self.broken(&bare) {
            return Next::Broken(rule);
        }
        let Some(inner) = whole.and_then(|record| self.keys.open_inner(record)) else { return Next::Over };
        let end = inner.iter().rposition(|byte| *byte != 0);
        let (kind, content) = end.map_or((0, &[][..]), |end| (inner[end], &inner[..end]));
        let record = Record { inner: Some(&inner), kind, content, ..bare };
        self.count(&record);
        match self.broken(&record) {
            Some(rule) => Next::Broken(rule),
            None if inner.len() > (1 << 14) + 1 => Next::Over,
            None => self.content(&record),
        }
    }

    fn count(&mut self, record: &Record<'_>) {
        match (record.kind, record.content) {
            (DATA, []) => self.counts.empties += 1,
            (DATA, _) => self.counts = Counts { warnings: self.counts.warnings, ..Counts::default() },
            (ALERT, [1, 90]) => self.counts.warnings += 1,
            _ => {}
        }
    }

    fn content(&mut self, record: &Record<'_>) -> Next {
        match (record.kind, record.content) {
            (DATA, content) => {
                self.plain.extend_from_slice(content);
                Next::More
            }
            (ALERT, [1, 90]) => Next::More,
            (HANDSHAKE, content) => self.messages(record, content),
            _ => Next::Over,
        }
    }

    fn messages(&mut self, record: &Record<'_>, mut content: &[u8]) -> Next {
        while let Some((kind, body, rest)) = message(content) {
            self.counts.messages += 1;
            let looked_at = Record { message: Some((kind, body)), ..*record };
            if let Some(rule) = self.broken(&looked_at) {
                return Next::Broken(rule);
            }
            match (kind, body) {
                (NEW_SESSION_TICKET, _) => self.tickets += 1,
                (KEY_UPDATE, [0 | 1]) if rest.is_empty() => self.keys.update(),
                _ => return Next::Over,
            }
            content = rest;
        }
        Next::More
    }

    fn broken(&self, record: &Record<'_>) -> Option<&'static Rule> {
        RULES.iter().find(|rule| (rule.is_broken)(record, &self.counts))
    }
}

/// The first handshake message: its type, its body, and what follows.
fn message(content: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, high, middle, low], rest) = content.split_first_chunk()?;
    let (body, rest) = rest.split_at_checked(u32::from_be_bytes([0, high, middle, low]) as usize)?;
    Some((kind, body, rest))
}

fn is_cut(mut content: &[u8]) -> bool {
    while let Some((_, _, rest)) = message(content) {
        content = rest;
    }
    !content.is_empty()
}

const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

impl Record<'_> {
    fn length(&self) -> usize {
        usize::from(u16::from_be_bytes([self.header[3], self.header[4]]))
    }

    fn is(&self, kind: u8) -> bool {
        self.inner.is_some() && self.kind == kind
    }
}
