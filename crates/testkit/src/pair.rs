//! Two sessions and the wire between them: no socket, no thread, and time that only moves when told to.
//!
//! [`Pair::new`] is our client over TLS; [`Pair::rustls`] is rustls's own client, which can do to TLS whatever
//! a stranger could; [`Pair::clear`] has no TLS at all.

mod client;
mod link;
mod server;
mod streams;

pub use client::{ClientEnd, config, plain_config};
pub use link::Link;
pub use server::{Script, ServerEnd};

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pinwire_proto::identity::Identity;
use pinwire_proto::limits::Limits;
use pinwire_proto::session::{ClientSession, Now, ServerSession};
use pinwire_proto::tls::{ClientTls, RecordLayer, ServerTls, Tickets};
use pinwire_proto::trust::{Pin, Sha1, TrustList};

use crate::certificates;

/// Where clients come from unless a story says otherwise.
pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A server and a client.
#[derive(Debug)]
pub struct Pair {
    /// The server's end: what it heard, and how it answers.
    pub server: ServerEnd,
    /// The client's end: what it says, and what it read.
    pub client: ClientEnd,
    /// The bytes on their way to the server.
    pub up: Link,
    /// The bytes on their way to the client.
    pub down: Link,
    now: Now,
}

/// What a pair is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The server's certificate and key.
    pub server: Identity,
    /// The client's, if it has one.
    pub client: Option<Identity>,
    /// Whom the server lets in.
    pub list: TrustList,
    /// The server's limits.
    pub limits: Limits,
    /// What makes the records of both.
    pub layer: RecordLayer,
    /// What seals the server's tickets.
    pub tickets: Tickets,
    /// When the story begins.
    pub now: Now,
}

impl Default for Setup {
    /// A client that is on the list.
    fn default() -> Self {
        let client = identity(&certificates::good(UNIX));
        Setup {
            server: identity(&certificates::good(UNIX)),
            list: list(&[&client]),
            client: Some(client),
            limits: Limits::default(),
            layer: record_layer(),
            tickets: Tickets::new().expect("this machine has random numbers"),
            now: Now { instant: Instant::now(), unix: UNIX },
        }
    }
}

impl Setup {
    /// A client that shows this, and is on the list only if it is the default one.
    #[must_use]
    pub fn client(mut self, client: Option<Identity>) -> Self {
        self.client = client;
        self
    }

    /// A server with these limits.
    #[must_use]
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Our client over TLS.
    pub fn pair(&self) -> Pair {
        self.ours(&self.client_tls())
    }

    /// The client's side of TLS, for stories with several connections of one client.
    pub fn client_tls(&self) -> ClientTls {
        let tls = ClientTls::new(self.client.as_ref()).expect("a configuration of ours");
        tls.record_layer(self.layer)
    }

    /// Our client with this side of TLS.
    pub fn ours(&self, tls: &ClientTls) -> Pair {
        let session = ClientSession::new(tls).expect("a configuration of ours");
        Pair::join(self.tls_server(), ClientEnd::ours(session), self.now)
    }

    /// rustls's client over TLS.
    pub fn rustls(&self, config: Arc<rustls::ClientConfig>) -> Pair {
        Pair::join(self.tls_server(), ClientEnd::rustls(config), self.now)
    }

    /// No TLS: the server is told that the client has proven its certificate.
    pub fn clear(&self) -> Pair {
        Pair::join(self.clear_server(), ClientEnd::clear(), self.now)
    }

    /// The server's end alone, without TLS, for stories that bring their own client.
    pub fn clear_server(&self) -> ServerEnd {
        let certificate = self.client.as_ref().map(|client| client.chain()[0].to_vec());
        self.server_of(|tls| tls.in_the_clear(certificate))
    }

    fn tls_server(&self) -> ServerEnd {
        self.server_of(|tls| tls.record_layer(self.layer))
    }

    fn server_of(&self, layer: impl FnOnce(ServerTls) -> ServerTls) -> ServerEnd {
        let tls = ServerTls::new(&self.server, self.tickets.clone()).expect("a configuration of ours");
        let tls = layer(tls);
        let limits = Arc::new(self.limits.clone());
        let session = ServerSession::new(&tls, limits, self.now).expect("a configuration of ours");
        ServerEnd::new(session, self.list.clone())
    }
}

impl Pair {
    /// Our client, on the list, over TLS.
    #[expect(clippy::new_without_default, reason = "a story begins with new()")]
    pub fn new() -> Pair {
        Setup::default().pair()
    }

    /// rustls's client, on the list.
    pub fn rustls() -> Pair {
        let setup = Setup::default();
        setup.rustls(client::config(setup.client.as_ref()))
    }

    /// A client on the list, without TLS.
    pub fn clear() -> Pair {
        Setup::default().clear()
    }

    fn join(server: ServerEnd, client: ClientEnd, now: Now) -> Pair {
        Pair { server, client, up: Link::default(), down: Link::default(), now }
    }

    /// The story's moment.
    pub fn now(&self) -> Now {
        self.now
    }

    /// Lets both talk until neither has anything more to say.
    pub fn drive(&mut self) {
        for _ in 0..MOST_STEPS {
            if !self.step() {
                return;
            }
        }
        panic!("the pair never comes to rest");
    }

    /// One turn each; whether anything moved.
    pub fn step(&mut self) -> bool {
        let client = self.client.turn(&mut self.up, &mut self.down);
        let server = self.server.turn(self.now, &mut self.up, &mut self.down);
        client || server
    }

    /// The client's turn alone: it says what it has to say, and reads at most this many bytes.
    pub fn client_turn(&mut self, most: usize) -> bool {
        self.down.let_through(most);
        self.client.turn(&mut self.up, &mut self.down)
    }

    /// The server's turn alone, in which it reads at most this many bytes; whether anything woke it.
    pub fn server_turn(&mut self, most: usize) -> bool {
        self.up.let_through(most);
        self.server.turn(self.now, &mut self.up, &mut self.down)
    }

    /// The handshake and the greeting.
    pub fn connect(&mut self) {
        self.drive();
        assert_eq!(self.client.greeting(), Some("OK"), "{:?}", self.client.end());
    }

    /// Time passes, in which the server looks at its deadlines once; then both talk.
    pub fn wait(&mut self, time: Duration) {
        self.pass(time);
        self.drive();
    }

    /// Time passes, and nobody talks yet.
    pub fn pass(&mut self, time: Duration) {
        self.drift(time);
        self.server.expire(self.now);
    }

    /// Somebody sets the clock on the wall, by so many seconds; no time passes.
    pub fn set_clock(&mut self, seconds: i64) {
        self.now.unix = self.now.unix.saturating_add(seconds);
    }

    /// Time passes, and the server's sweep has not come by yet.
    pub fn drift(&mut self, time: Duration) {
        self.now.instant += time;
        let seconds = i64::try_from(time.as_secs()).expect("stories are short");
        self.set_clock(seconds);
    }
}

/// What makes records unless a story says otherwise: `PINWIRE_RECORD_LAYER`, so that all stories can be told over
/// either. Nothing but tests reads that variable.
pub fn record_layer() -> RecordLayer {
    match std::env::var("PINWIRE_RECORD_LAYER") {
        Ok(name) => name.parse().expect("PINWIRE_RECORD_LAYER"),
        Err(_) => RecordLayer::default(),
    }
}

/// Both halves of an identity, from PEM.
pub fn identity((certificate, key): &certificates::Pair) -> Identity {
    Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect("certificates() makes pairs")
}

/// A list of these.
pub fn list(trusted: &[&Identity]) -> TrustList {
    let pin = |client: &&Identity| {
        let certificate = client.certificate().expect("only a certificate that can be read has a pin");
        format!("{}\n", Pin::Spki(certificate.digests.spki))
    };
    let text: String = trusted.iter().map(pin).collect();
    TrustList::parse(text.as_bytes(), Sha1::Refuse).expect("pins in their canonical form")
}

/// 2026-01-31T12:00:00Z: when stories begin.
pub const UNIX: i64 = 1_769_860_800;

/// More turns than any story has; a story that is cut into bytes has some hundred thousand.
const MOST_STEPS: usize = 4_000_000;
