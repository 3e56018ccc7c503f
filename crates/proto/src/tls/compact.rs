//! The compact record layer: TLS 1.3 records after the handshake (RFC 8446 5), from keys and nothing else.
//!
//! rustls makes the handshake; this begins where it ends. It negotiates nothing, keeps no buffer, and knows nothing
//! of what the records hold. After a failure it opens and seals nothing but the alert that tells the peer.

#[cfg(feature = "clear")]
mod fuzzing;
mod hearing;

use aws_lc_rs::aead::Aad;
use aws_lc_rs::error::Unspecified;
use rustls::AlertDescription;

use super::TlsFailure;
use super::connection::TicketTaker;
use super::contexts::{Owner, Slot};
use super::secrets::{Direction, Suite};

/// One connection's keys, how far they are used, and what may still be said.
#[derive(Debug)]
pub(super) struct Compact {
    opening: Direction,
    sealing: Direction,
    owner: Owner,
    /// A client's: session tickets come after its handshake. A server has none, and takes no ticket.
    tickets: Option<Box<TicketTaker>>,
    suite: Suite,
    input: Input,
    output: Output,
    /// The peer asked for a KeyUpdate of ours.
    owes_update: bool,
    is_resumed: bool,
    empties: Bound,
    messages: Bound,
    warnings: Bound,
}

// In a chunk of 240 bytes of glibc's malloc, which takes 8 of them.
const _: () = assert!(size_of::<Compact>() <= 232);

/// What a handshake leaves.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) suite: Suite,
    pub(super) opening: Direction,
    pub(super) sealing: Direction,
    pub(super) is_resumed: bool,
    pub(super) tickets: Option<Box<TicketTaker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// The peer said close_notify.
    Finished,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Open,
    /// It failed: this alert is the last word.
    Owing(AlertDescription),
    /// The last word is said, or there is none.
    Closed,
}

impl Compact {
    pub(super) fn new(keys: Keys) -> Self {
        Compact {
            opening: keys.opening,
            sealing: keys.sealing,
            owner: Owner::new(),
            tickets: keys.tickets,
            suite: keys.suite,
            input: Input::Open,
            output: Output::Open,
            owes_update: false,
            is_resumed: keys.is_resumed,
            empties: Bound::new(MOST_EMPTY),
            messages: Bound::new(MOST_MESSAGES),
            warnings: Bound::new(MOST_WARNINGS),
        }
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    pub(super) fn peer_closed(&self) -> bool {
        self.input == Input::Finished
    }

    /// Opens all whole records of `wire` to the end of `plain`; says how many bytes of `wire` are done with.
    /// Nothing of a record that fails is left in `plain`.
    pub(super) fn open(
        &mut self,
        slot: &mut Slot,
        wire: &[u8],
        plain: &mut Vec<u8>,
    ) -> Result<usize, TlsFailure> {
        self.check()?;
        let mut used = 0;
        while self.input == Input::Open {
            let opened = match record(&wire[used..]) {
                Ok(None) => return Ok(used),
                Ok(Some(record)) => self.open_record(slot, &record, plain).map(|()| record.length()),
                Err(fault) => Err(fault),
            };
            used += opened.map_err(|fault| self.fail(fault))?;
        }
        // RFC 8446 6.1: "Any data received after a closure alert has been received MUST be ignored."
        Ok(wire.len())
    }

    fn open_record(
        &mut self,
        slot: &mut Slot,
        record: &Record<'_>,
        plain: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let start = plain.len();
        let opened = self.decrypt(slot, record, plain).and_then(|()| self.read(slot, plain, start));
        if opened.is_err() {
            plain.truncate(start);
        }
        opened
    }

    /// To the end of `plain`: a TLSInnerPlaintext.
    fn decrypt(&mut self, slot: &mut Slot, record: &Record<'_>, plain: &mut Vec<u8>) -> Result<(), Fault> {
        let next = following(self.opening.sequence())?;
        // RFC 8446 5.2: "If the decryption fails, the receiver MUST terminate the connection with a
        // "bad_record_mac" alert." What is too short for a tag cannot be decrypted.
        let (cipher, tag) = record.cipher.split_last_chunk::<TAG>().ok_or_else(bad_record)?;
        let context = slot.opening(self.owner, || self.opening.context(self.suite))?;
        let (nonce, aad) = (self.opening.nonce(), Aad::from(record.header));
        let start = plain.len();
        plain.resize(start + cipher.len(), 0);
        let opened = context.open_separate_gather(nonce, aad, cipher, tag, &mut plain[start..]);
        opened.map_err(|Unspecified| bad_record())?;
        self.opening.set_sequence(next);
        Ok(())
    }

    /// Takes the padding away; what is left in `plain` behind `start` is application data.
    fn read(&mut self, slot: &mut Slot, plain: &mut Vec<u8>, start: usize) -> Result<(), Fault> {
        let inner = &plain[start..];
        if inner.len() > FRAGMENT + 1 {
            // RFC 8446 5.4: "the full encoded TLSInnerPlaintext MUST NOT exceed 2^14 + 1 octets"; 6.2 has
            // record_overflow for what "decrypted to a TLSPlaintext record with more than 2^14 bytes".
            return Err(Fault::new(AlertDescription::RecordOverflow, "a record with too long a plaintext"));
        }
        // RFC 8446 5.4: "If a receiving implementation does not find a non-zero octet in the cleartext, it MUST
        // terminate the connection with an "unexpected_message" alert."
        let length =
            inner.iter().rposition(|byte| *byte != 0).ok_or_else(|| unexpected("a record of padding"))?;
        let kind = inner[length];
        plain.truncate(start + length);
        if kind == DATA {
            return self.hear_data(length);
        }
        let heard = match kind {
            ALERT => self.hear_alert(&plain[start..]),
            HANDSHAKE => self.hear_handshake(slot, &plain[start..]),
            // RFC 8446 5: "If a TLS implementation receives an unexpected record type, it MUST terminate the
            // connection with an "unexpected_message" alert", and so for "a protected change_cipher_spec record".
            _ => Err(unexpected("a record of a type that is unknown, or over with the handshake")),
        };
        plain.truncate(start);
        heard
    }

    /// Makes records of `replies` at the end of `sealed`, after what is owed to TLS itself.
    pub(super) fn seal(
        &mut self,
        slot: &mut Slot,
        replies: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), TlsFailure> {
        self.check()?;
        match (self.output, replies) {
            (Output::Open, _) => self.seal_all(slot, replies, sealed).map_err(|fault| self.fail(fault)),
            (_, []) => Ok(()),
            _ => Err(TlsFailure::new("nothing follows close_notify")),
        }
    }

    fn seal_all(&mut self, slot: &mut Slot, replies: &[u8], sealed: &mut Vec<u8>) -> Result<(), Fault> {
        // RFC 8446 4.6.3: "If the request_update field is set to "update_requested", then the receiver MUST send a
        // KeyUpdate of its own with request_update set to "update_not_requested" prior to sending its next
        // Application Data record."
        if self.owes_update {
            self.update(slot, sealed)?;
        }
        let records = replies.len().div_ceil(FRAGMENT);
        sealed.reserve(replies.len() + records * (HEADER + 1 + TAG));
        for fragment in replies.chunks(FRAGMENT) {
            // The KeyUpdate is the last record of its key.
            if self.sealing.sequence() >= self.suite.most_records() - 1 {
                self.update(slot, sealed)?;
            }
            self.seal_record(slot, DATA, fragment, sealed)?;
        }
        Ok(())
    }

    /// RFC 8446 4.6.3: "Both sender and receiver MUST encrypt their KeyUpdate messages with the old keys."
    fn update(&mut self, slot: &mut Slot, sealed: &mut Vec<u8>) -> Result<(), Fault> {
        self.seal_record(slot, HANDSHAKE, &hearing::KEY_UPDATE_NOT_REQUESTED, sealed)?;
        self.owes_update = false;
        slot.forget_sealing();
        Ok(self.sealing.update(self.suite)?)
    }

    /// RFC 8446 5.2: a TLSCiphertext around `content`, without padding.
    fn seal_record(
        &mut self,
        slot: &mut Slot,
        kind: u8,
        content: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let next = following(self.sealing.sequence())?;
        let context = slot.sealing(self.owner, || self.sealing.context(self.suite))?;
        let start = sealed.len();
        let length = (content.len() + 1 + TAG) as u16; // a fragment has 2^14 bytes at most
        let [high, low] = length.to_be_bytes();
        let header = [DATA, 3, 3, high, low];
        sealed.extend_from_slice(&header);
        sealed.resize(start + HEADER + usize::from(length), 0);
        let (cipher, rest) = sealed[start + HEADER..].split_at_mut(content.len());
        let (nonce, aad) = (self.sealing.nonce(), Aad::from(header));
        let made = context.seal_out_of_place_scatter(nonce, aad, content, cipher, &[kind], rest);
        if made.is_err() {
            sealed.truncate(start);
        }
        made?;
        self.sealing.set_sequence(next);
        Ok(())
    }

    /// Says close_notify at the end of `sealed`.
    pub(super) fn close(&mut self, slot: &mut Slot, sealed: &mut Vec<u8>) -> Result<(), TlsFailure> {
        self.check()?;
        if self.output == Output::Open {
            // RFC 8446 6.1: "Each party MUST send a "close_notify" alert before closing its write side of the
            // connection".
            self.say(slot, hearing::WARNING, AlertDescription::CloseNotify, sealed)
                .map_err(|fault| self.fail(fault))?;
        }
        Ok(())
    }

    /// After a failure: the alert that tells the peer, at the end of `sealed`.
    pub(super) fn alert(&mut self, slot: &mut Slot, sealed: &mut Vec<u8>) {
        if let Output::Owing(description) = self.output {
            // If even that cannot be sealed there is nobody left to tell.
            let _ = self.say(slot, hearing::FATAL, description, sealed);
        }
        if self.input == Input::Failed {
            // RFC 8446 6.2: "Servers and clients MUST forget the secret values and keys established in failed
            // connections".
            (self.opening, self.sealing) = (Direction::nothing(), Direction::nothing());
            *slot = Slot::default();
        }
    }

    /// An alert, and nothing after it.
    fn say(
        &mut self,
        slot: &mut Slot,
        level: u8,
        description: AlertDescription,
        sealed: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.output = Output::Closed;
        self.seal_record(slot, ALERT, &[level, description.into()], sealed)
    }

    fn check(&self) -> Result<(), TlsFailure> {
        match self.input {
            Input::Failed => Err(TlsFailure::new("it has failed before")),
            Input::Open | Input::Finished => Ok(()),
        }
    }

    fn fail(&mut self, fault: Fault) -> TlsFailure {
        self.input = Input::Failed;
        self.output = match (self.output, fault.alert) {
            (Output::Open, Some(description)) => Output::Owing(description),
            _ => Output::Closed,
        };
        TlsFailure::new(fault.text)
    }
}

/// A TLSCiphertext (RFC 8446 5.2).
struct Record<'w> {
    header: [u8; HEADER],
    cipher: &'w [u8],
}

impl Record<'_> {
    fn length(&self) -> usize {
        HEADER + self.cipher.len()
    }
}

/// The record that `wire` begins with, once it is there in full.
fn record(wire: &[u8]) -> Result<Option<Record<'_>>, Fault> {
    let Some((&header, rest)) = wire.split_first_chunk::<HEADER>() else { return Ok(None) };
    let [kind, major, minor, high, low] = header;
    if kind != DATA {
        // RFC 8446 5.2: "The outer opaque_type field of a TLSCiphertext record is always set to the value 23
        // (application_data)"; 5: "If a TLS implementation receives an unexpected record type, it MUST terminate
        // the connection with an "unexpected_message" alert."
        return Err(unexpected("a record that is not protected"));
    }
    if [major, minor] != [3, 3] {
        // RFC 8446 5.2: "The legacy_record_version field is always 0x0303."
        return Err(Fault::new(AlertDescription::DecodeError, "a record of another version"));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > FRAGMENT + 256 {
        // RFC 8446 5.2: "The length MUST NOT exceed 2^14 + 256 bytes. An endpoint that receives a record that
        // exceeds this length MUST terminate the connection with a "record_overflow" alert."
        return Err(Fault::new(AlertDescription::RecordOverflow, "a record longer than any may be"));
    }
    Ok(rest.get(..length).map(|cipher| Record { header, cipher }))
}

/// RFC 8446 5.3: "If a TLS implementation would need to wrap a sequence number, it MUST either rekey (Section 4.6.3)
/// or terminate the connection."
fn following(sequence: u64) -> Result<u64, Fault> {
    sequence
        .checked_add(1)
        .ok_or_else(|| Fault::new(AlertDescription::InternalError, "a key's last record was used"))
}

/// Why nothing more can be opened or sealed.
struct Fault {
    /// What the peer is told, unless it said so itself.
    alert: Option<AlertDescription>,
    text: String,
}

impl Fault {
    fn new(alert: AlertDescription, text: impl Into<String>) -> Self {
        Fault { alert: Some(alert), text: text.into() }
    }
}

/// aws-lc says no more than that it failed, and not over what came from the wire.
impl From<Unspecified> for Fault {
    fn from(_: Unspecified) -> Self {
        Fault::new(AlertDescription::InternalError, "the cipher failed")
    }
}

fn unexpected(text: &str) -> Fault {
    Fault::new(AlertDescription::UnexpectedMessage, text)
}

fn bad_record() -> Fault {
    Fault::new(AlertDescription::BadRecordMac, "a record that cannot be decrypted")
}

/// How many more of a kind may come.
#[derive(Clone, Copy, Debug)]
struct Bound {
    left: u8,
}

impl Bound {
    fn new(most: u8) -> Self {
        Bound { left: most }
    }

    fn one(&mut self, text: &str) -> Result<(), Fault> {
        self.left = self.left.checked_sub(1).ok_or_else(|| unexpected(text))?;
        Ok(())
    }
}

/// Content types (RFC 8446 5.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

/// Bytes of a record's header.
const HEADER: usize = 5;

/// Bytes of a tag, in every suite that is offered.
const TAG: usize = 16;

/// RFC 8446 5.1: "The length MUST NOT exceed 2^14 bytes."
const FRAGMENT: usize = 1 << 14;

/// Records without content in a row without application data. RFC 8446 5.1 allows them, "as they are potentially
/// useful as a traffic analysis countermeasure"; BoringSSL bounds them so.
const MOST_EMPTY: u8 = 32;

/// Handshake messages in a row without application data: as rustls and BoringSSL bound KeyUpdates.
const MOST_MESSAGES: u8 = 32;

/// `user_canceled`, ever: as rustls and BoringSSL bound warnings.
const MOST_WARNINGS: u8 = 4;

#[cfg(test)]
#[path = "compact_tests/mod.rs"]
mod tests;
