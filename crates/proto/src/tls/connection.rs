//! rustls's connections: the handshake, and the records too where the compact layer is not wanted. This file and its
//! folder alone name their types.

mod reducing;

use std::fmt;
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};

pub(super) use reducing::{TICKETS, TicketTaker};

use super::TlsFailure;
use super::tap::Tap;
use crate::limits;

/// One side of a TLS connection.
pub(super) struct Connection {
    side: Side,
    /// Bytes at the front of the wire that rustls has seen and still needs: a handshake message's first part.
    shown: usize,
    /// Bytes given to rustls in the handshake.
    fed: usize,
    /// Whether this side has said anything.
    has_spoken: bool,
    peer_closed: bool,
    /// Nothing is asked of rustls after a failure.
    failed: bool,
    /// What rustls answered while it read (a KeyUpdate, say): goes out before the next record.
    answers: Vec<u8>,
    /// Where the traffic secrets come out, if this is to be reduced to them.
    tap: Option<Arc<Tap>>,
}

enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_handshaking", &self.is_handshaking()).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn server(config: Arc<ServerConfig>, tap: Option<Arc<Tap>>) -> Result<Self, TlsFailure> {
        Ok(Connection::new(Side::Server(UnbufferedServerConnection::new(config)?), tap))
    }

    pub(super) fn client(config: Arc<ClientConfig>, tap: Option<Arc<Tap>>) -> Result<Self, TlsFailure> {
        // SNI is off: the name is never sent, and the pin is what counts.
        let name = ServerName::try_from("pinwire").map_err(|error| TlsFailure::new(error.to_string()))?;
        Ok(Connection::new(Side::Client(UnbufferedClientConnection::new(config, name)?), tap))
    }

    fn new(side: Side, tap: Option<Arc<Tap>>) -> Self {
        Connection {
            side,
            shown: 0,
            fed: 0,
            has_spoken: false,
            peer_closed: false,
            failed: false,
            answers: Vec::new(),
            tap,
        }
    }

    /// Goes on with the handshake, one whole record of `wire` more at a time, and stops with the record that
    /// completes it. Says how many bytes of `wire` are done with; what this side has to say goes to `sealed`.
    pub(super) fn handshake(
        &mut self,
        wire: &mut [u8],
        limit: usize,
        sealed: &mut Vec<u8>,
    ) -> Result<usize, TlsFailure> {
        let used = self.shake_hands(wire, limit);
        self.failed |= used.is_err();
        self.flush(sealed);
        used
    }

    fn shake_hands(&mut self, wire: &mut [u8], limit: usize) -> Result<usize, TlsFailure> {
        let mut used = 0;
        if self.fed == 0 {
            // A client speaks first, before it has seen a byte.
            self.pump(&mut [], &mut Vec::new())?;
        }
        while self.is_handshaking() {
            let shown = used + self.shown;
            let Some(record) = record_length(&wire[shown..]) else { break };
            self.fed += record.min(limits::RECORD);
            if self.fed > limit {
                return Err(TlsFailure::new(format!("the handshake took more than {limit} bytes")));
            }
            let end = shown + record;
            let mut plain = Vec::new();
            used += self.pump(&mut wire[used..end], &mut plain)?;
            self.shown = end - used;
            if !plain.is_empty() {
                return Err(TlsFailure::new("application data before the end of the handshake"));
            }
        }
        if !self.is_handshaking() && self.shown > 0 {
            // RFC 8446 5.1: "Handshake messages MUST NOT span key changes."
            return Err(TlsFailure::new("the handshake's last record holds more than its last message"));
        }
        Ok(used)
    }

    pub(super) fn is_handshaking(&self) -> bool {
        match &self.side {
            Side::Server(server) => server.is_handshaking(),
            Side::Client(client) => client.is_handshaking(),
        }
    }

    pub(super) fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    pub(super) fn is_resumed(&self) -> bool {
        let kind = match &self.side {
            Side::Server(server) => server.handshake_kind(),
            Side::Client(client) => client.handshake_kind(),
        };
        kind == Some(HandshakeKind::Resumed)
    }

    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        let chain = match &self.side {
            Side::Server(server) => server.peer_certificates(),
            Side::Client(client) => client.peer_certificates(),
        };
        Some(chain?.first()?.as_ref())
    }

    pub(super) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Opens all whole records of `wire` to the end of `plain`; says how many bytes of `wire` are done with.
    pub(super) fn open(&mut self, wire: &mut [u8], plain: &mut Vec<u8>) -> Result<usize, TlsFailure> {
        let whole = whole_records(wire);
        let used = self.pump(&mut wire[..whole], plain)?;
        if self.peer_closed {
            // RFC 8446 6.1: "Any data received after a closure alert has been received MUST be ignored."
            return Ok(wire.len());
        }
        if used < whole {
            // rustls keeps a message's first part in the wire, of any length, and must be shown it at every
            // call. No implementation cuts a KeyUpdate's five bytes or a ticket: whoever does wants us to fall.
            self.failed = true;
            return Err(TlsFailure::new("a handshake message in pieces after the handshake"));
        }
        Ok(used)
    }

    /// Makes records of `replies` at the end of `sealed`.
    pub(super) fn seal(&mut self, replies: &[u8], sealed: &mut Vec<u8>) -> Result<(), TlsFailure> {
        self.check()?;
        self.flush(sealed);
        if replies.is_empty() {
            return Ok(());
        }
        match &mut self.side {
            Side::Server(server) => write(server, Writing::Data(replies), sealed),
            Side::Client(client) => write(client, Writing::Data(replies), sealed),
        }
    }

    /// Says close_notify at the end of `sealed`.
    pub(super) fn close(&mut self, sealed: &mut Vec<u8>) -> Result<(), TlsFailure> {
        self.check()?;
        self.flush(sealed);
        match &mut self.side {
            Side::Server(server) => write(server, Writing::CloseNotify, sealed),
            Side::Client(client) => write(client, Writing::CloseNotify, sealed),
        }
    }

    /// After a failure: the alert that tells the peer, at the end of `sealed`.
    pub(super) fn alert(&mut self, sealed: &mut Vec<u8>) {
        self.flush(sealed);
    }

    /// Taken whole: what a flight of the handshake needed is not kept by an idle connection.
    fn flush(&mut self, sealed: &mut Vec<u8>) {
        if self.answers.capacity() > 0 {
            self.has_spoken |= !self.answers.is_empty();
            sealed.append(&mut std::mem::take(&mut self.answers));
        }
    }

    fn pump(&mut self, wire: &mut [u8], plain: &mut Vec<u8>) -> Result<usize, TlsFailure> {
        self.check()?;
        let (answers, closed) = (&mut self.answers, &mut self.peer_closed);
        let pumped = match &mut self.side {
            Side::Server(server) => pump(server, wire, plain, answers, closed),
            Side::Client(client) => pump(client, wire, plain, answers, closed),
        };
        self.failed = pumped.is_err();
        pumped
    }

    fn check(&self) -> Result<(), TlsFailure> {
        match self.failed {
            true => Err(TlsFailure::new("it has failed before")),
            false => Ok(()),
        }
    }
}

/// What both of rustls's connections do, under one name.
trait Unbuffered {
    type Data;
    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Unbuffered for UnbufferedServerConnection {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }
}

impl Unbuffered for UnbufferedClientConnection {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }
}

/// Lets rustls work until it needs more bytes, or has nothing to do but write.
fn pump<C: Unbuffered>(
    connection: &mut C,
    wire: &mut [u8],
    plain: &mut Vec<u8>,
    answers: &mut Vec<u8>,
    peer_closed: &mut bool,
) -> Result<usize, TlsFailure> {
    let mut used = 0;
    loop {
        let UnbufferedStatus { mut discard, state, .. } = connection.process(&mut wire[used..]);
        let state = match state {
            Ok(state) => state,
            Err(error) => {
                take_alert(connection, &mut wire[used..], answers)?;
                return Err(error.into());
            }
        };
        let done = match state {
            ConnectionState::EncodeTlsData(mut flight) => {
                encode(&mut flight, answers)?;
                false
            }
            ConnectionState::TransmitTlsData(flight) => {
                flight.done();
                false
            }
            ConnectionState::ReadTraffic(mut records) => {
                while let Some(record) = records.next_record() {
                    let record = record?;
                    plain.extend_from_slice(record.payload);
                    discard += record.discard;
                }
                false
            }
            ConnectionState::PeerClosed => {
                *peer_closed = true;
                false
            }
            ConnectionState::BlockedHandshake
            | ConnectionState::WriteTraffic(_)
            | ConnectionState::Closed => true,
            // Early data is in no ticket and in no configuration; new states are not known to be safe.
            _ => return Err(TlsFailure::new("an unexpected state")),
        };
        used += discard;
        if done {
            return Ok(used);
        }
    }
}

/// What rustls still has to say, its alert last. Asked once more, it would look at `wire` again, which it must
/// not after a failure.
fn take_alert<C: Unbuffered>(
    connection: &mut C,
    wire: &mut [u8],
    answers: &mut Vec<u8>,
) -> Result<(), TlsFailure> {
    while let Ok(ConnectionState::EncodeTlsData(mut flight)) = connection.process(wire).state {
        let start = answers.len();
        encode(&mut flight, answers)?;
        if is_alert(&answers[start..]) {
            break;
        }
    }
    Ok(())
}

/// In the clear by its type; sealed by its length, which no handshake message is short enough for.
fn is_alert(record: &[u8]) -> bool {
    record.first() == Some(&21) || record.len() == HEADER + ALERT + 1 + TAG
}

fn encode<D>(flight: &mut EncodeTlsData<'_, D>, answers: &mut Vec<u8>) -> Result<(), TlsFailure> {
    append(answers, |room| match flight.encode(room) {
        Ok(length) => Ok(length),
        Err(EncodeError::InsufficientSize(needs)) => Err(Ok(needs.required_size)),
        Err(error) => Err(Err(TlsFailure::new(error.to_string()))),
    })
}

#[derive(Clone, Copy)]
enum Writing<'a> {
    Data(&'a [u8]),
    CloseNotify,
}

fn write<C: Unbuffered>(
    connection: &mut C,
    what: Writing<'_>,
    sealed: &mut Vec<u8>,
) -> Result<(), TlsFailure> {
    let mut nothing = [];
    let UnbufferedStatus { state, .. } = connection.process(&mut nothing);
    let ConnectionState::WriteTraffic(mut traffic) = state? else {
        return Err(TlsFailure::new("nothing can be written in this state"));
    };
    append(sealed, |room| {
        let written = match what {
            Writing::Data(plain) => traffic.encrypt(plain, room),
            Writing::CloseNotify => traffic.queue_close_notify(room),
        };
        written.map_err(|error| match error {
            EncryptError::InsufficientSize(needs) => Ok(needs.required_size),
            exhausted => Err(TlsFailure::new(exhausted.to_string())),
        })
    })
}

/// Lets `write` fill the end of `out`; asks it first how much room it needs, which costs it nothing.
fn append(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Result<usize, TlsFailure>>,
) -> Result<(), TlsFailure> {
    let start = out.len();
    let mut room = 0;
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(length) => {
                out.truncate(start + length);
                return Ok(());
            }
            Err(Ok(needed)) if needed > room => room = needed,
            Err(why) => {
                out.truncate(start);
                return Err(why.err().unwrap_or_else(|| TlsFailure::new("a record larger than its measure")));
            }
        }
    }
}

/// The length of the record that `wire` begins with, once it is there in full. A header that no record can
/// have counts as a whole one: rustls refuses it with the right alert.
fn record_length(wire: &[u8]) -> Option<usize> {
    let header = wire.first_chunk::<HEADER>()?;
    let length = HEADER + usize::from(u16::from_be_bytes([header[3], header[4]]));
    // RFC 8446 5.2: the length "MUST NOT exceed 2^14 + 256 bytes".
    let possible = (20..=23).contains(&header[0]) && header[1] == 3 && length <= limits::RECORD;
    match possible {
        false => Some(HEADER),
        true => (wire.len() >= length).then_some(length),
    }
}

/// The length of the whole records at the beginning of `wire`. What no record can begin with counts up to the
/// end: rustls refuses it.
fn whole_records(wire: &[u8]) -> usize {
    let mut at = 0;
    while let Some(length) = record_length(&wire[at..]) {
        at += length;
    }
    at
}

const HEADER: usize = 5;

/// Level and description (RFC 8446 6).
const ALERT: usize = 2;

/// Of every suite that is offered.
const TAG: usize = 16;
