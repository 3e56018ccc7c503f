//! What a client is to be, said before it connects.

use std::time::Duration;

use pinwire_proto::identity::Identity;
use pinwire_proto::tls::{ClientTls, RecordLayer};
use pinwire_proto::trust::Pin;

use crate::client::{self, Client};
use crate::dial::Tcp;
use crate::driver::Settings;
use crate::right::Right;
use crate::{Address, Error, KnownServers, Limits};

/// Says what a [`Client`] is to be. The address has no default; the rest has.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before connect()"]
pub struct Builder {
    address: Address,
    identity: Option<Identity>,
    known: KnownServers,
    pins: Vec<Pin>,
    timeout: Duration,
    limits: Limits,
    reconnects: bool,
    layer: RecordLayer,
}

impl Builder {
    pub(crate) fn new(address: Address) -> Builder {
        Builder {
            address,
            identity: None,
            known: KnownServers::default(),
            pins: Vec::new(),
            timeout: TIMEOUT,
            limits: Limits::default(),
            reconnects: true,
            layer: RecordLayer::default(),
        }
    }

    /// The certificate and key by which the server knows this client. Without one the server says
    /// `no-certificate`.
    pub fn identity(mut self, identity: Identity) -> Builder {
        self.identity = Some(identity);
        self
    }

    /// The servers that are the right ones, each at its address.
    pub fn known_servers(mut self, known: KnownServers) -> Builder {
        self.known = known;
        self
    }

    /// What makes the records. The default is [`RecordLayer::Compact`].
    pub fn record_layer(mut self, layer: RecordLayer) -> Builder {
        self.layer = layer;
        self
    }

    /// A pin of the right server. May be said several times: any of them is right. A SHA-1 pin proves no
    /// server and matches none.
    pub fn server_pin(mut self, pin: Pin) -> Builder {
        self.pins.push(pin);
        self
    }

    /// How long connecting may take, from the first packet to the greeting, and how long a call waits that
    /// does not say so itself; 30 s unless told otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Builder {
        self.timeout = timeout;
        self
    }

    /// Other limits than the defaults.
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = limits;
        self
    }

    /// Whether a new connection is made after one was lost; true unless told otherwise. Without it a lost
    /// connection ends every call, then and later.
    pub fn reconnect(mut self, reconnect: bool) -> Builder {
        self.reconnects = reconnect;
        self
    }

    /// Connects, and returns when the server has let this client in. The client's work is done by a task on
    /// the current tokio runtime.
    ///
    /// A connection that ends before its greeting is tried again, up to [`Limits::attempts`] times.
    ///
    /// # Errors
    /// [`NotReachable`](Error::NotReachable), [`NoHandshake`](Error::NoHandshake),
    /// [`UnknownServer`](Error::UnknownServer), [`WrongServer`](Error::WrongServer),
    /// [`Refused`](Error::Refused), [`TimedOut`](Error::TimedOut).
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    pub async fn connect(self) -> Result<Client, Error> {
        let (dial, settings) = self.ready()?;
        client::connect(dial, settings).await
    }

    /// A client that connects when its first call is made. What [`connect`](Builder::connect) would return
    /// then ends that call; only what may pass, as [`NotReachable`](Error::NotReachable), is waited for until
    /// the call's deadline if this client [reconnects](Builder::reconnect). A [repeatable](crate::Request::repeatable) command leaves together with the last
    /// message of the handshake: its answer is there a round trip sooner.
    ///
    /// # Errors
    /// [`NoHandshake`](Error::NoHandshake) if TLS cannot be configured with this identity.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    pub fn connect_lazy(self) -> Result<Client, Error> {
        let (dial, settings) = self.ready()?;
        Ok(client::start(dial, settings, None))
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    fn ready(self) -> Result<(Tcp, Settings), Error> {
        let Builder { address, identity, known, pins, timeout, limits, reconnects, layer } = self;
        let tls = ClientTls::new(identity.as_ref())
            .map_err(|failure| Error::NoHandshake { address: address.clone(), why: failure.to_string() })?
            .record_layer(layer);
        let limits = limits.usable();
        let right = Right { address: address.clone(), known, pins };
        Ok((
            Tcp { address, tls },
            Settings { right, timeout: client::within_reason(timeout), limits, reconnects },
        ))
    }
}

/// As long as the program `pinwire` waits.
const TIMEOUT: Duration = Duration::from_secs(30);
