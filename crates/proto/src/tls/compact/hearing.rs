//! What a record says that was opened: that application data came, an alert, a handshake message.

use rustls::AlertDescription;

use super::{Bound, Compact, Fault, Input, MOST_EMPTY, MOST_MESSAGES, unexpected};
use crate::tls::contexts::Slot;

impl Compact {
    /// So many bytes of application data came.
    pub(super) fn hear_data(&mut self, length: usize) -> Result<(), Fault> {
        if length == 0 {
            // RFC 8446 5.1: "Zero-length fragments of Application Data MAY be sent".
            return self.empties.one("too many empty records");
        }
        (self.empties, self.messages) = (Bound::new(MOST_EMPTY), Bound::new(MOST_MESSAGES));
        Ok(())
    }

    pub(super) fn hear_alert(&mut self, content: &[u8]) -> Result<(), Fault> {
        let &[level, description] = content else { return Err(no_alert(content)) };
        if !matches!(level, WARNING | FATAL) {
            // RFC 8446 6 has no other, and leaves it to us: the level "can safely be ignored". Refused as rustls does.
            return Err(Fault::new(AlertDescription::IllegalParameter, "an alert of an unknown level"));
        }
        match AlertDescription::from(description) {
            // RFC 8446 6.1: "This alert notifies the recipient that the sender will not send any more messages on
            // this connection."
            AlertDescription::CloseNotify => self.input = Input::Finished,
            // RFC 8446 6.1: "This alert generally has AlertLevel=warning", and "SHOULD be followed by a
            // "close_notify"": Java says it before each.
            AlertDescription::UserCanceled if level == WARNING => self.warnings.one("too many warnings")?,
            // RFC 8446 6.2: "Upon transmission or receipt of a fatal alert message, both parties MUST immediately
            // close the connection"; 6: the others are errors "regardless of the AlertLevel in the message",
            // unknown ones too.
            error => {
                let text = rustls::Error::AlertReceived(error).to_string();
                return Err(Fault { alert: None, text });
            }
        }
        Ok(())
    }

    pub(super) fn hear_handshake(&mut self, slot: &mut Slot, content: &[u8]) -> Result<(), Fault> {
        if content.is_empty() {
            // RFC 8446 5.4: "Implementations MUST NOT send Handshake and Alert records that have a zero-length
            // TLSInnerPlaintext.content; if such a message is received, the receiving implementation MUST
            // terminate the connection with an "unexpected_message" alert."
            return Err(unexpected("an empty handshake record"));
        }
        let mut rest = content;
        // RFC 8446 5.1: "Handshake messages MAY be coalesced into a single TLSPlaintext record".
        while !rest.is_empty() {
            let message = Message::first(rest)?;
            rest = message.rest;
            self.messages.one("too many handshake messages")?;
            match (message.kind, &mut self.tickets) {
                (KEY_UPDATE, _) => self.hear_update(slot, &message)?,
                (NEW_SESSION_TICKET, Some(tickets)) => {
                    tickets.take(message.body).map_err(|(alert, text)| Fault::new(alert, text))?;
                }
                // RFC 8446 4.6 has no others for a server, and for a client only those it offered. 6.2: "This
                // alert should never be observed in communication between proper implementations."
                _ => return Err(unexpected("a handshake message after the handshake")),
            }
        }
        Ok(())
    }

    /// RFC 8446 4.6.3.
    fn hear_update(&mut self, slot: &mut Slot, message: &Message<'_>) -> Result<(), Fault> {
        let &[request] = message.body else {
            return Err(Fault::new(AlertDescription::DecodeError, "a KeyUpdate of another length"));
        };
        if !message.rest.is_empty() {
            // RFC 8446 5.1: "Implementations MUST verify that all messages immediately preceding a key change align
            // with a record boundary; if not, then they MUST terminate the connection with an
            // "unexpected_message" alert."
            return Err(unexpected("a KeyUpdate that does not end its record"));
        }
        match request {
            NOT_REQUESTED => {}
            // However often it is asked for, one is owed. RFC 8446 4.6.3: "an implementation which receives multiple
            // KeyUpdates while it is silent [is caused] to respond with a single update".
            REQUESTED => self.owes_update = true,
            // RFC 8446 4.6.3: "If an implementation receives any other value, it MUST terminate the connection with
            // an "illegal_parameter" alert."
            _ => {
                return Err(Fault::new(AlertDescription::IllegalParameter, "a KeyUpdate of an unknown kind"));
            }
        }
        slot.forget_opening();
        Ok(self.opening.update(self.suite)?)
    }
}

/// A handshake message (RFC 8446 4), and what follows it in its record.
struct Message<'r> {
    kind: u8,
    body: &'r [u8],
    rest: &'r [u8],
}

impl<'r> Message<'r> {
    /// RFC 8446 5.1 lets messages be fragmented across records. No implementation cuts a KeyUpdate's five bytes, and a
    /// ticket only one that was told to send records shorter than its tickets (OpenSSL's `-max_send_frag`). Nothing is
    /// kept here to put pieces together in: whoever does it is refused.
    fn first(content: &'r [u8]) -> Result<Self, Fault> {
        let whole = || {
            let (&[kind, high, middle, low], rest) = content.split_first_chunk()?;
            let length = u32::from_be_bytes([0, high, middle, low]);
            let (body, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some(Message { kind, body, rest })
        };
        whole().ok_or_else(|| unexpected("a handshake message in pieces after the handshake"))
    }
}

fn no_alert(content: &[u8]) -> Fault {
    match content {
        // RFC 8446 5.4, as for handshake records.
        [] => unexpected("an empty alert"),
        // RFC 8446 5.1: "a record with an Alert type MUST contain exactly one message"; 6.2: the length of a message
        // "was incorrect".
        _ => Fault::new(AlertDescription::DecodeError, "an alert of another length"),
    }
}

/// Alert levels (RFC 8446 6).
pub(super) const WARNING: u8 = 1;
pub(super) const FATAL: u8 = 2;

/// Handshake types (RFC 8446 4).
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// KeyUpdateRequest (RFC 8446 4.6.3).
const NOT_REQUESTED: u8 = 0;
const REQUESTED: u8 = 1;

/// A whole KeyUpdate message that asks for none.
pub(super) const KEY_UPDATE_NOT_REQUESTED: [u8; 5] = [KEY_UPDATE, 0, 0, 1, NOT_REQUESTED];
