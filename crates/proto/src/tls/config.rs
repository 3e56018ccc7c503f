//! What both sides ask of TLS: 1.3 alone, the suites in our order, proof of possession, nothing more.

use std::str::FromStr;
use std::sync::Arc;

use rustls::client::{ResolvesClientCert, Resumption, Tls12Resumption};
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::UnixTime;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, KeyLog, ServerConfig, SignatureScheme};

#[cfg(feature = "clear")]
use super::Layer;
use super::connection::TICKETS;
use super::sessions::Sessions;
use super::tap::Tap;
use super::verifier::Possession;
use super::{Tickets, TlsFailure};
use crate::identity::Identity;

/// The application protocol's name in TLS (RFC 7301).
pub const ALPN: &[u8] = b"pinwire/1";

/// What makes a connection's records once its handshake is complete; the handshake is rustls's in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordLayer {
    /// Ours: some 230 bytes a connection.
    #[default]
    Compact,
    /// rustls's: some 5 KB a connection.
    Rustls,
}

impl RecordLayer {
    /// What takes one handshake's secrets out, if its connection is to be reduced to them.
    pub(super) fn tap(self) -> Option<Arc<Tap>> {
        (self == RecordLayer::Compact).then(|| Arc::new(Tap::new()))
    }
}

/// What a connection's records are made by, if there are any.
#[derive(Clone, Debug)]
enum Records {
    Of(RecordLayer),
    /// None, and a peer that is said to have proven this certificate.
    #[cfg(feature = "clear")]
    Clear(Option<Vec<u8>>),
}

impl Records {
    fn tap(&self) -> Option<Arc<Tap>> {
        match self {
            Records::Of(layer) => layer.tap(),
            #[cfg(feature = "clear")]
            Records::Clear(_) => None,
        }
    }

    #[cfg(feature = "clear")]
    fn clear(&self) -> Option<Layer> {
        match self {
            Records::Of(_) => None,
            Records::Clear(certificate) => Some(Layer::clear(certificate.clone())),
        }
    }
}

impl FromStr for RecordLayer {
    type Err = String;

    /// `compact` or `rustls`.
    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "compact" => Ok(RecordLayer::Compact),
            "rustls" => Ok(RecordLayer::Rustls),
            _ => Err(format!("there is no record layer {name:?}: compact or rustls")),
        }
    }
}

/// A server's side of TLS: its identity and its tickets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    identity: Identity,
    tickets: Tickets,
    records: Records,
}

impl ServerTls {
    /// Shows `identity` to every client.
    pub fn new(identity: &Identity, tickets: Tickets) -> Result<Self, TlsFailure> {
        let provider = provider();
        let verifier = Arc::new(Possession::new(algorithms(&provider)));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Shown(Some(identity.certified_key()))));
        config.ignore_client_order = true;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.send_tls13_tickets = TICKETS as usize;
        config.max_early_data_size = 0;
        let records = Records::Of(RecordLayer::default());
        Ok(ServerTls { config: Arc::new(config), identity: identity.clone(), tickets, records })
    }

    /// The same over another record layer than [`RecordLayer::Compact`].
    #[must_use]
    pub fn record_layer(self, layer: RecordLayer) -> Self {
        ServerTls { records: Records::Of(layer), ..self }
    }

    /// The same without any TLS: every client is said to have proven `certificate` (DER), or to have none. For
    /// tests and benches: no setting leads here.
    #[cfg(feature = "clear")]
    #[must_use]
    pub fn in_the_clear(self, certificate: Option<Vec<u8>>) -> Self {
        ServerTls { records: Records::Clear(certificate), ..self }
    }

    /// The same with another identity. Tickets are of the same key, so that sessions are resumed across it.
    pub fn showing(&self, identity: &Identity) -> Result<Self, TlsFailure> {
        let tls = ServerTls::new(identity, self.tickets.clone())?;
        Ok(ServerTls { records: self.records.clone(), ..tls })
    }

    /// What is shown.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The layer of a connection that has no TLS.
    #[cfg(feature = "clear")]
    pub(super) fn clear(&self) -> Option<Layer> {
        self.records.clear()
    }

    /// The configuration of one connection that begins at `unix` seconds. A clone costs 0.1 µs.
    pub(super) fn of_connection(&self, unix: i64) -> (Arc<ServerConfig>, Option<Arc<Tap>>) {
        let unix = u64::try_from(unix).unwrap_or(0);
        let mut config = ServerConfig::clone(&self.config);
        config.ticketer = self.tickets.of_connection(unix);
        config.time_provider = Arc::new(Moment(unix));
        let tap = self.records.tap();
        if let Some(tap) = &tap {
            config.key_log = Arc::clone(tap) as Arc<dyn KeyLog>;
            config.enable_secret_extraction = true;
        }
        (Arc::new(config), tap)
    }
}

/// A client's side of TLS: its identity, if it has one, and its sessions with one server. Cheap to clone;
/// clones share the sessions.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    sessions: Sessions,
    records: Records,
}

impl ClientTls {
    /// Shows `identity` where a server asks for one; without it the server will say that one is required.
    pub fn new(identity: Option<&Identity>) -> Result<Self, TlsFailure> {
        ClientTls::with(provider(), identity)
    }

    /// The same with other cryptography.
    pub(super) fn with(
        provider: Arc<CryptoProvider>,
        identity: Option<&Identity>,
    ) -> Result<Self, TlsFailure> {
        let verifier = Arc::new(Possession::new(algorithms(&provider)));
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .dangerous() // rustls's word for judging certificates oneself: that is what pins do
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(Shown(identity.map(Identity::certified_key))));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        let records = Records::Of(RecordLayer::default());
        Ok(ClientTls { config: Arc::new(config), sessions: Sessions::default(), records })
    }

    /// The same over another record layer than [`RecordLayer::Compact`].
    #[must_use]
    pub fn record_layer(self, layer: RecordLayer) -> Self {
        ClientTls { records: Records::Of(layer), ..self }
    }

    /// The same without any TLS: the server is said to have proven `certificate` (DER), or to have none. For tests
    /// and benches: no setting leads here.
    #[cfg(feature = "clear")]
    #[must_use]
    pub fn in_the_clear(self, certificate: Option<Vec<u8>>) -> Self {
        ClientTls { records: Records::Clear(certificate), ..self }
    }

    /// The same for one connection that begins at `unix` seconds. It alone resumes: it offers a session of an
    /// earlier connection, if one is kept that is no more than 24 h from its full handshake, and keeps the
    /// tickets that it is given. The server's pin is to be compared on a resumed connection too.
    #[must_use]
    pub fn at(&self, unix: i64) -> ClientTls {
        let unix = u64::try_from(unix).unwrap_or(0);
        let mut config = ClientConfig::clone(&self.config);
        let sessions = Arc::new(self.sessions.of_connection(unix));
        config.resumption = Resumption::store(sessions).tls12_resumption(Tls12Resumption::Disabled);
        config.time_provider = Arc::new(Moment(unix));
        ClientTls { config: Arc::new(config), sessions: self.sessions.clone(), records: self.records.clone() }
    }

    /// The layer of a connection that has no TLS.
    #[cfg(feature = "clear")]
    pub(super) fn clear(&self) -> Option<Layer> {
        self.records.clear()
    }

    /// The configuration of one connection. A clone costs 0.1 µs.
    pub(super) fn of_connection(&self) -> (Arc<ClientConfig>, Option<Arc<Tap>>) {
        let Some(tap) = self.records.tap() else { return (Arc::clone(&self.config), None) };
        let mut config = ClientConfig::clone(&self.config);
        config.key_log = Arc::clone(&tap) as Arc<dyn KeyLog>;
        config.enable_secret_extraction = true;
        (Arc::new(config), Some(tap))
    }

    /// Forgets every session, those too that connections of before this call still bring.
    pub fn forget_sessions(&self) {
        self.sessions.forget();
    }
}

/// AES-128-GCM first: the fastest on machines with AES instructions. The hybrid post-quantum key exchange
/// comes with rustls's `prefer-post-quantum`.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
        ],
        ..aws_lc_rs::default_provider()
    })
}

fn algorithms(provider: &CryptoProvider) -> WebPkiSupportedAlgorithms {
    provider.signature_verification_algorithms
}

/// The one identity that is shown, whatever the peer asks for.
#[derive(Debug)]
struct Shown(Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Time is an argument, for rustls too.
#[derive(Debug)]
struct Moment(u64);

impl TimeProvider for Moment {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.0)))
    }
}
