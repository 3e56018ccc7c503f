//! The client's side of one connection: handshake, the server's pin, greeting, answers.
//!
//! Bytes from the socket go to `receive` and `end_of_input`, bytes for it come from `output`, and `next` says
//! what happened. Nothing of the caller's is sent before it has looked at the server's certificate.

use std::fmt;
use std::time::Duration;

use crate::tls::{ClientTls, Layer, TlsFailure};
use crate::wire::{self, AnswerScan, BodyReader, Greeting, Misuse, Request, Sequence, Violation};

/// One connection as the client sees it.
#[derive(Debug)]
pub struct ClientSession {
    layer: Layer,
    phase: Phase,
    scan: AnswerScan,
    wire: Vec<u8>,
    plain: Vec<u8>,
    /// Commands not yet sealed: they wait for the handshake.
    commands: Vec<u8>,
    sealed: Vec<u8>,
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
    Ended,
}

impl ClientSession {
    /// A connection that was made just now; [`output`](ClientSession::output) has its first bytes.
    pub fn new(tls: &ClientTls) -> Result<Self, TlsFailure> {
        let mut session = ClientSession::over(Layer::client(tls)?);
        session.layer.handshake(&mut [], MOST_HANDSHAKE, &mut session.sealed)?;
        Ok(session)
    }

    /// A connection over any record layer.
    pub fn over(layer: Layer) -> Self {
        ClientSession {
            layer,
            phase: Phase::Handshake,
            scan: AnswerScan::default(),
            wire: Vec::new(),
            plain: Vec::new(),
            commands: Vec::new(),
            sealed: Vec::new(),
            input_ended: false,
            is_trusting: false,
            is_closing: false,
            failed: None,
        }
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
            self.layer.alert(&mut self.sealed);
            self.failed = Some(ClientEnd::Tls(failure));
        }
    }

    fn open(&mut self) -> Result<(), TlsFailure> {
        let mut used = 0;
        if self.layer.is_handshaking() {
            used = self.layer.handshake(&mut self.wire, MOST_HANDSHAKE, &mut self.sealed)?;
        }
        if !self.layer.is_handshaking() {
            used += self.layer.open(&mut self.wire[used..], &mut self.plain)?;
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
        self.output();
        if self.is_closing || self.failed.is_some() || self.layer.is_handshaking() {
            return;
        }
        self.is_closing = true;
        if let Err(failure) = self.layer.close(&mut self.sealed) {
            self.failed = Some(ClientEnd::Tls(failure));
        }
    }

    /// Bytes for the socket; the driver takes from its front what was sent.
    pub fn output(&mut self) -> &mut Vec<u8> {
        if self.is_trusting && self.failed.is_none() {
            let mut commands = std::mem::take(&mut self.commands);
            if self.is_closing {
                commands.clear(); // RFC 8446 6.1: nothing is sent after close_notify
            }
            if let Err(failure) = self.layer.seal(&commands, &mut self.sealed) {
                self.failed = Some(ClientEnd::Tls(failure));
            }
        }
        &mut self.sealed
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
            Phase::Ended => Ok(None),
        }
    }

    fn handshaken(&mut self) -> Option<ClientEvent> {
        if self.layer.is_handshaking() {
            return None;
        }
        self.phase = Phase::Greeting;
        let certificate = self.layer.peer_certificate().map(<[u8]>::to_vec).unwrap_or_default();
        Some(ClientEvent::Handshaken { certificate })
    }

    fn greeting(&mut self) -> Result<Option<ClientEvent>, Violation> {
        let Some((greeting, length)) = wire::greeting(&self.plain)? else { return Ok(None) };
        self.plain.drain(..length);
        self.phase = Phase::Ready;
        Ok(Some(ClientEvent::Greeting(greeting)))
    }

    fn answer(&mut self) -> Result<Option<ClientEvent>, Violation> {
        if self.plain.is_empty() {
            return Ok(None);
        }
        let Some((head, length)) = self.scan.decode(&self.plain)? else { return Ok(None) };
        let answer = Answer {
            status: head.status().map_err(|(code, text)| (code.to_owned(), text.to_owned())),
            sequence: head.sequence(),
            headers: head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: Vec::new(),
            more: head.more(),
        };
        let reader = BodyReader::new(head.size());
        self.plain.drain(..length);
        self.phase = Phase::Receiving(Box::new(answer), reader);
        Ok(self.receiving())
    }

    fn receiving(&mut self) -> Option<ClientEvent> {
        let Phase::Receiving(_, reader) = &mut self.phase else { return None };
        let taken = reader.take(&self.plain);
        self.plain.drain(..taken);
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
