//! The client's side of one connection: handshake, the server's pin, greeting, answers.
//!
//! Bytes from the socket go to `receive` and `end_of_input`, bytes for it come from `output` (`sent` says how
//! many it took), and `next` says what happened. Nothing of the caller's is sent before it has looked at the
//! server's certificate. Each byte is moved a bounded number of times, however many answers it arrives among.

use std::fmt;
use std::time::Duration;

use crate::tls::{ClientTls, Layer, Slot, TlsFailure};
use crate::wire::{self, AnswerScan, BodyReader, Discard, Greeting, Misuse, Request, Sequence, Violation};

/// One connection as the client sees it.
#[derive(Debug)]
pub struct ClientSession {
    layer: Layer,
    /// Its own: few connections, each busy.
    slot: Slot,
    /// The server's, until it is told.
    certificate: Vec<u8>,
    phase: Phase,
    scan: AnswerScan,
    wire: Vec<u8>,
    plain: Queue,
    /// Commands not yet sealed: they wait for the handshake.
    commands: Vec<u8>,
    sealed: Queue,
    /// Bytes of a body that is kept.
    most: u64,
    input_ended: bool,
    is_trusting: bool,
    is_closing: bool,
    failed: Option<ClientEnd>,
}

/// Something that happened.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The handshake is complete, and the server holds the key of this certificate (DER). Compare its pin
    /// before anything else.
    Handshaken {
        /// The server's first certificate.
        certificate: Vec<u8>,
    },
    /// The server let this client in, or says why not.
    Greeting(Greeting),
    /// An answer, or what the server says to the whole connection (without a sequence).
    Answer(Answer),
    /// The head of an answer whose body is over the limit ([`ClientSession::at_most`]), with an empty body:
    /// what comes of it is thrown away.
    TooLarge(Answer),
    /// Nothing more comes.
    End(ClientEnd),
}

/// A reply of the server, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// OK, or the error's code and text.
    pub status: Result<(), (String, String)>,
    /// The command that it answers.
    pub sequence: Option<Sequence>,
    /// Its headers without Sequence, Size and More.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether further parts follow.
    pub more: bool,
}

/// Why nothing more comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEnd {
    /// The server said close_notify: every word of it has arrived.
    Closed,
    /// The connection ended without it; what was cut off is thrown away.
    Vanished,
    /// TLS could not go on.
    Tls(TlsFailure),
    /// What the server sent is not this protocol.
    Violation(Violation),
}

#[derive(Debug)]
enum Phase {
    Handshake,
    Greeting,
    Ready,
    Receiving(Box<Answer>, BodyReader),
    Discarding(Discard),
    Ended,
}

impl ClientSession {
    /// A connection that was made just now; [`output`](ClientSession::output) has its first bytes.
    pub fn new(tls: &ClientTls) -> Result<Self, TlsFailure> {
        let mut session = ClientSession::over(Layer::client(tls)?);
        session.layer.handshake(&mut [], MOST_HANDSHAKE, session.sealed.end())?;
        Ok(session)
    }

    /// A connection over any record layer.
    pub fn over(layer: Layer) -> Self {
        ClientSession {
            certificate: layer.peer_certificate().unwrap_or_default().to_vec(),
            layer,
            slot: Slot::default(),
            phase: Phase::Handshake,
            scan: AnswerScan::default(),
            wire: Vec::new(),
            plain: Queue::default(),
            commands: Vec::new(),
            sealed: Queue::default(),
            most: MOST_BODY,
            input_ended: false,
            is_trusting: false,
            is_closing: false,
            failed: None,
        }
    }

    /// Bodies of answers are kept up to this many bytes each; 64 MiB unless told otherwise.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.most = bytes;
        self
    }

    /// Sends a command; it waits until [`trust_server`](ClientSession::trust_server) was said.
    ///
    /// # Errors
    /// [`Misuse`] if the protocol has no way to say `request`; nothing of it is sent.
    pub fn send(
        &mut self,
        request: &Request,
        sequence: Option<&Sequence>,
        timeout: Option<Duration>,
    ) -> Result<(), Misuse> {
        request.encode(&mut self.commands, sequence, timeout)
    }

    /// Bytes from the socket.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        self.wire.extend_from_slice(bytes);
        if let Err(failure) = self.open() {
            self.fail(failure);
        }
    }

    fn open(&mut self) -> Result<(), TlsFailure> {
        let mut used = 0;
        if self.layer.is_handshaking() {
            used = self.layer.handshake(&mut self.wire, MOST_HANDSHAKE, self.sealed.end())?;
            self.certificate = self.layer.peer_certificate().unwrap_or_default().to_vec();
        }
        if !self.layer.is_handshaking() {
            self.layer.reduce()?;
            used += self.layer.open(&mut self.slot, &mut self.wire[used..], self.plain.end())?;
        }
        self.wire.drain(..used);
        Ok(())
    }

    /// The socket has no more bytes.
    pub fn end_of_input(&mut self) {
        self.input_ended = true;
    }

    /// The caller has compared the server's pin and goes on: what it sends may leave. Without this word
    /// commands wait, because a stranger must not read them.
    pub fn trust_server(&mut self) {
        self.is_trusting = true;
    }

    /// Says close_notify, once: no command follows, and what was sent is still answered. In the handshake
    /// there is nobody to say it to.
    pub fn close(&mut self) {
        self.seal();
        if self.is_closing || self.failed.is_some() || self.layer.is_handshaking() {
            return;
        }
        self.is_closing = true;
        if let Err(failure) = self.layer.close(&mut self.slot, self.sealed.end()) {
            self.fail(failure);
        }
    }

    /// Bytes for the socket, the oldest first; say with [`sent`](ClientSession::sent) how many it took.
    pub fn output(&mut self) -> &[u8] {
        self.seal();
        self.sealed.rest()
    }

    /// The socket took this many bytes from the front of [`output`](ClientSession::output).
    pub fn sent(&mut self, length: usize) {
        self.sealed.take(length);
    }

    /// All of [`output`](ClientSession::output), as taken.
    pub fn take_output(&mut self) -> Vec<u8> {
        let output = self.output().to_vec();
        self.sent(output.len());
        output
    }

    /// Bytes of commands that the socket has not taken yet.
    pub fn unsent(&self) -> usize {
        self.commands.len() + self.sealed.rest().len()
    }

    /// Whether the handshake resumed an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.layer.is_resumed()
    }

    fn seal(&mut self) {
        if !self.is_trusting || self.failed.is_some() || self.layer.is_handshaking() {
            return;
        }
        if self.is_closing {
            self.commands.clear(); // RFC 8446 6.1: nothing is sent after close_notify
        }
        if let Err(failure) = self.layer.seal(&mut self.slot, &self.commands, self.sealed.end()) {
            self.fail(failure);
        }
        give_back(&mut self.commands);
    }

    /// The server is told by an alert.
    fn fail(&mut self, failure: TlsFailure) {
        self.layer.alert(&mut self.slot, self.sealed.end());
        self.failed = Some(ClientEnd::Tls(failure));
    }

    /// What happened next, until nothing more has.
    #[expect(clippy::should_implement_trait, reason = "no iterator: more may come after None")]
    pub fn next(&mut self) -> Option<ClientEvent> {
        let event = match self.advance() {
            Ok(event) => event,
            Err(violation) => Some(ClientEvent::End(ClientEnd::Violation(violation))),
        };
        let event = event.or_else(|| self.end().map(ClientEvent::End))?;
        if let ClientEvent::End(_) = event {
            self.phase = Phase::Ended;
        }
        Some(event)
    }

    fn advance(&mut self) -> Result<Option<ClientEvent>, Violation> {
        match &mut self.phase {
            Phase::Handshake => Ok(self.handshaken()),
            Phase::Greeting => self.greeting(),
            Phase::Ready => self.answer(),
            Phase::Receiving(..) => Ok(self.receiving()),
            Phase::Discarding(_) => self.discarding(),
            Phase::Ended => Ok(None),
        }
    }

    fn handshaken(&mut self) -> Option<ClientEvent> {
        if self.layer.is_handshaking() {
            return None;
        }
        self.phase = Phase::Greeting;
        Some(ClientEvent::Handshaken { certificate: std::mem::take(&mut self.certificate) })
    }

    fn greeting(&mut self) -> Result<Option<ClientEvent>, Violation> {
        let Some((greeting, length)) = wire::greeting(self.plain.rest())? else { return Ok(None) };
        self.plain.take(length);
        self.phase = Phase::Ready;
        Ok(Some(ClientEvent::Greeting(greeting)))
    }

    fn answer(&mut self) -> Result<Option<ClientEvent>, Violation> {
        if self.plain.rest().is_empty() {
            return Ok(None);
        }
        let Some((head, length)) = self.scan.decode(self.plain.rest())? else { return Ok(None) };
        let answer = Answer {
            status: head.status().map_err(|(code, text)| (code.to_owned(), text.to_owned())),
            sequence: head.sequence(),
            headers: head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: Vec::new(),
            more: head.more(),
        };
        let size = head.size();
        self.plain.take(length);
        if size > self.most {
            self.phase = Phase::Discarding(Discard::new(size));
            return Ok(Some(ClientEvent::TooLarge(answer)));
        }
        self.phase = Phase::Receiving(Box::new(answer), BodyReader::new(size));
        Ok(self.receiving())
    }

    fn discarding(&mut self) -> Result<Option<ClientEvent>, Violation> {
        let Phase::Discarding(discard) = &mut self.phase else { return Ok(None) };
        let taken = discard.take(self.plain.rest());
        let is_done = discard.is_done();
        self.plain.take(taken);
        if !is_done {
            return Ok(None);
        }
        self.phase = Phase::Ready;
        self.answer()
    }

    fn receiving(&mut self) -> Option<ClientEvent> {
        let Phase::Receiving(_, reader) = &mut self.phase else { return None };
        let taken = reader.take(self.plain.rest());
        self.plain.take(taken);
        if !reader.is_complete() {
            return None;
        }
        let Phase::Receiving(answer, reader) = std::mem::replace(&mut self.phase, Phase::Ready) else {
            return None;
        };
        Some(ClientEvent::Answer(Answer { body: reader.into_vec(), ..*answer }))
    }

    fn end(&mut self) -> Option<ClientEnd> {
        match (&self.phase, &self.failed) {
            (Phase::Ended, _) => None,
            (_, Some(failed)) => Some(failed.clone()),
            _ if self.layer.peer_closed() => Some(ClientEnd::Closed),
            _ => self.input_ended.then_some(ClientEnd::Vanished),
        }
    }
}

/// Bytes that are added at the end and taken from the front; each is moved once at most on the way.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    taken: usize,
}

impl Queue {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    fn take(&mut self, length: usize) {
        self.taken += length;
        debug_assert!(self.taken <= self.bytes.len());
        if self.taken == self.bytes.len() {
            give_back(&mut self.bytes);
            self.taken = 0;
        } else if self.taken > self.bytes.len() / 2 && self.taken > USUAL {
            // What is moved is less than what was taken since the last time.
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }
}

/// Empties it; what one large command or answer needed is not kept.
fn give_back(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.shrink_to(USUAL);
}

impl fmt::Display for ClientEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientEnd::Closed => f.write_str("the server closed the connection"),
            ClientEnd::Vanished => f.write_str("the connection ended without a goodbye"),
            ClientEnd::Tls(failure) => failure.fmt(f),
            ClientEnd::Violation(violation) => write!(f, "the server broke the protocol: {violation}"),
        }
    }
}

/// Bytes that a server's handshake may have.
const MOST_HANDSHAKE: usize = 64 * 1024;
/// Far above what a server keeps in memory by default, far below what a process has.
const MOST_BODY: u64 = 64 * 1024 * 1024;
/// Bytes that an empty buffer keeps: four full TLS records, what one read brings.
const USUAL: usize = 64 * 1024;

#[cfg(all(test, feature = "clear"))]
#[path = "client_tests.rs"]
mod tests;
