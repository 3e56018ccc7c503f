//! The client's end: our session, over TLS, in the clear, or behind rustls's own client.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use pinwire_proto::identity::Identity;
use pinwire_proto::session::{Answer, ClientEnd as End, ClientEvent, ClientSession};
use pinwire_proto::tls::Layer;
use pinwire_proto::wire::{Greeting, Request, Sequence};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConnection, ResolvesClientCert};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::Link;

/// A client: what it says, and what it read.
pub struct ClientEnd {
    /// In the clear if `tls` is rustls's.
    session: ClientSession,
    tls: Option<ClientConnection>,
    is_clear: bool,
    /// Bytes that do not come from the session.
    raw: Vec<u8>,
    greeting: Option<String>,
    answers: Vec<Answer>,
    end: Option<End>,
    failure: Option<rustls::Error>,
    /// Whether the socket is closed once the server is heard to be done.
    pub closes: bool,
}

impl fmt::Debug for ClientEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientEnd").field("greeting", &self.greeting).finish_non_exhaustive()
    }
}

impl ClientEnd {
    pub(super) fn ours(session: ClientSession) -> Self {
        ClientEnd {
            session,
            tls: None,
            is_clear: false,
            raw: Vec::new(),
            greeting: None,
            answers: Vec::new(),
            end: None,
            failure: None,
            closes: true,
        }
    }

    pub(super) fn clear() -> Self {
        let mut session = ClientSession::over(Layer::clear(None));
        session.trust_server();
        ClientEnd { is_clear: true, ..ClientEnd::ours(session) }
    }

    pub(super) fn rustls(config: Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("pinwire").expect("a name");
        let mut tls = ClientConnection::new(config, name).expect("a configuration of a test");
        tls.set_buffer_limit(None);
        ClientEnd { tls: Some(tls), ..ClientEnd::clear() }
    }

    /// Sends a command without a body.
    pub fn send(&mut self, line: &str, sequence: &str) {
        self.request(&Request::line(line), sequence);
    }

    /// Sends a command with a body.
    pub fn send_body(&mut self, line: &str, sequence: &str, body: impl Into<Vec<u8>>) {
        self.request(&Request::line(line).body(body), sequence);
    }

    /// Sends a command that asks for no answer.
    pub fn send_one_way(&mut self, line: &str) {
        self.session.send(&Request::line(line), None, None).expect("a command of a story");
    }

    /// Sends this command.
    pub fn request(&mut self, request: &Request, sequence: &str) {
        let sequence = Sequence::new(sequence.as_bytes()).expect("a sequence of a story");
        self.session.send(request, Some(&sequence), None).expect("a command of a story");
    }

    /// Sends these bytes as they are, behind what was said before: not for [`Pair::new`](super::Pair::new).
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.is_clear, "our client says nothing that is not a command: use rustls() or clear()");
        let said = self.session.take_output();
        self.raw.extend(said);
        self.raw.extend_from_slice(bytes.as_ref());
    }

    /// rustls's connection, with what was said before in it.
    pub fn tls(&mut self) -> &mut ClientConnection {
        self.raw("");
        let said = std::mem::take(&mut self.raw);
        let tls = self.tls.as_mut().expect("a story of Pair::rustls()");
        tls.writer().write_all(&said).expect("rustls's buffer has no limit here");
        tls
    }

    /// rustls's connection for the story's own use; this end only listens from here on.
    pub fn take_tls(&mut self) -> ClientConnection {
        self.tls();
        self.tls.take().expect("a story of Pair::rustls()")
    }

    /// Whether rustls's client is still in its handshake.
    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether our client's handshake resumed an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.session.is_resumed()
    }

    /// Says close_notify.
    pub fn close(&mut self) {
        match self.tls.is_some() {
            true => self.tls().send_close_notify(),
            false => self.session.close(),
        }
    }

    /// The greeting: "OK", or its code and text.
    pub fn greeting(&self) -> Option<&str> {
        self.greeting.as_deref()
    }

    /// What came, oldest first, each as `sequence: OK body`, `sequence: code`, or `code` if it was for the
    /// connection.
    pub fn read(&self) -> Vec<String> {
        self.answers.iter().map(line).collect()
    }

    /// The same, and forgets it.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.answers).iter().map(line).collect()
    }

    /// What came, whole.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// How it ended. Over rustls, `Closed` after a close_notify there.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// What rustls's client found wrong, an alert from the server among it.
    pub fn failure(&self) -> Option<&rustls::Error> {
        self.failure.as_ref()
    }

    /// Whether the server said close_notify.
    pub fn heard_close_notify(&mut self) -> bool {
        match &mut self.tls {
            Some(tls) => tls.process_new_packets().is_ok_and(|state| state.peer_has_closed()),
            None => self.end == Some(End::Closed),
        }
    }

    /// One turn of the client's socket.
    pub(super) fn turn(&mut self, up: &mut Link, down: &mut Link) -> bool {
        let came = down.take(usize::MAX);
        self.receive(&came);
        let ended = down.take_end();
        if ended {
            self.session.end_of_input();
        }
        self.listen();
        let mut said = self.output();
        let sent = up.put(&mut said);
        assert!(said.is_empty(), "the way up has room");
        if ended && self.closes {
            up.end();
        }
        sent || ended || !came.is_empty()
    }

    fn receive(&mut self, bytes: &[u8]) {
        let Some(tls) = &mut self.tls else { return self.session.receive(bytes) };
        let mut rest = bytes;
        while !rest.is_empty() && self.failure.is_none() {
            match tls.read_tls(&mut rest) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            self.failure = tls.process_new_packets().err();
            let mut plain = Vec::new();
            // Its other errors say that nothing is there yet, or that nothing comes.
            let _ = tls.reader().read_to_end(&mut plain);
            self.session.receive(&plain);
        }
    }

    fn listen(&mut self) {
        while let Some(event) = self.session.next() {
            match event {
                ClientEvent::Handshaken { .. } => self.session.trust_server(),
                ClientEvent::Greeting(Greeting::Ok) => self.greeting = Some("OK".to_owned()),
                ClientEvent::Greeting(Greeting::Refused { code, text }) => {
                    self.greeting = Some(format!("{code}: {text}"));
                }
                ClientEvent::Answer(answer) | ClientEvent::TooLarge(answer) => self.answers.push(answer),
                ClientEvent::End(end) => self.end = Some(end),
            }
        }
    }

    fn output(&mut self) -> Vec<u8> {
        if self.tls.is_some() {
            let tls = self.tls();
            let mut said = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut said).expect("a Vec takes all");
            }
            return said;
        }
        let mut said = std::mem::take(&mut self.raw);
        said.extend(self.session.take_output());
        said
    }
}

fn line(answer: &Answer) -> String {
    let sequence = answer.sequence.map(|sequence| format!("{sequence}: ")).unwrap_or_default();
    match &answer.status {
        Ok(()) => {
            let status = if answer.more { "PART" } else { "OK" };
            format!("{sequence}{status} {}", String::from_utf8_lossy(&answer.body))
        }
        Err((code, _)) => format!("{sequence}{code}"),
    }
}

/// rustls's client with this identity: takes any server, keeps its sessions in memory.
pub fn config(identity: Option<&Identity>) -> Arc<ClientConfig> {
    Arc::new(plain_config(identity.map(Identity::certified_key)))
}

/// The same, to be changed; the key need not be the certificate's.
pub fn plain_config(key: Option<Arc<CertifiedKey>>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(schemes)))
        .with_client_cert_resolver(Arc::new(Shown(key)))
}

#[derive(Debug)]
struct Shown(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

#[derive(Debug)]
struct Anybody(Vec<SignatureScheme>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("TLS 1.3 alone is offered")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
