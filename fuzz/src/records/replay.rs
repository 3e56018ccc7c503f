//! One handshake of each kind, made once: afterwards every connection is told the peer's constant bytes of it, says
//! its own, and has the constant secrets.

use std::sync::{Arc, LazyLock, Mutex};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Connection, KeyLog, ServerConfig};

use super::keys::{Keys, Suite};
use super::provider;

/// Whose record layer is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Server => Side::Client,
            Side::Client => Side::Server,
        }
    }
}

/// The handshake of a suite.
pub(super) struct Handshake {
    suite: Suite,
    server: Arc<ServerConfig>,
    /// The same, without session tickets.
    ticketless: Arc<ServerConfig>,
    pub(super) client: ClientConfig,
    /// The ClientHello, and the client's Finished.
    hello: Vec<u8>,
    finished: Vec<u8>,
    /// The server's one flight.
    flight: Vec<u8>,
    /// A record with a NewSessionTicket, as the server says it after that.
    tickets: Vec<u8>,
    /// The client's first keys, and the server's.
    keys: [Keys; 2],
}

impl Handshake {
    pub(super) fn of(suite: Suite) -> &'static Handshake {
        static ALL: LazyLock<[Handshake; 3]> = LazyLock::new(|| Suite::ALL.map(Handshake::new));
        ALL.iter().find(|handshake| handshake.suite == suite).expect("every suite is there")
    }

    fn new(suite: Suite) -> Handshake {
        let tap = Arc::new(Tap::default());
        let mut config = provider::server(suite, 1);
        config.enable_secret_extraction = true;
        let mut tapped = config.clone();
        tapped.key_log = Arc::clone(&tap) as Arc<dyn KeyLog>;
        let mut client = provider::client(suite);
        client.enable_secret_extraction = true;
        let mut ticketless = config.clone();
        ticketless.send_tls13_tickets = 0;

        let mut near = client_of(Arc::new(client.clone()));
        let mut far = server_of(Arc::new(tapped));
        let hello = said(&mut near);
        hear(&mut far, &hello);
        let flight = said(&mut far);
        hear(&mut near, &flight);
        let finished = said(&mut near);
        hear(&mut far, &finished);
        assert!(!far.is_handshaking() && !near.is_handshaking(), "a handshake");
        let tickets = said(&mut far);
        let keys = ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"]
            .map(|label| Keys::new(suite, tap.secret(label)));
        let (server, ticketless) = (Arc::new(config), Arc::new(ticketless));
        Handshake { suite, server, ticketless, client, hello, finished, flight, tickets, keys }
    }

    /// A server that gives one ticket, or none.
    pub(super) fn server(&self, gives: bool) -> Arc<ServerConfig> {
        Arc::clone(if gives { &self.server } else { &self.ticketless })
    }

    /// What a connection of `side` says itself; a server its ticket too.
    pub(super) fn says(&self, side: Side) -> Vec<u8> {
        match side {
            Side::Server => [&self.flight[..], &self.tickets].concat(),
            Side::Client => [&self.hello[..], &self.finished].concat(),
        }
    }

    /// What a connection of `side` is told, one flight after the other.
    pub(super) fn told(&self, side: Side) -> Vec<&[u8]> {
        match side {
            Side::Server => vec![&self.hello, &self.finished],
            Side::Client => vec![&self.flight],
        }
    }

    /// The first keys that `side` seals with.
    pub(super) fn keys(&self, side: Side) -> Keys {
        let [client, server] = &self.keys;
        if side == Side::Client { client.unused() } else { server.unused() }
    }

    /// The NewSessionTicket of a server of rustls, the message alone.
    pub(super) fn ticket(&self) -> Vec<u8> {
        self.keys(Side::Server).open(&self.tickets).expect("a record").1
    }
}

/// rustls's own connection of `side`, its handshake done, and everything said that belongs to it.
pub(super) fn connected(handshake: &Handshake, side: Side, config: Config) -> Connection {
    let mut connection = match config {
        Config::Server(config) => server_of(config),
        Config::Client(config) => client_of(config),
    };
    for flight in handshake.told(side) {
        said(&mut connection);
        hear(&mut connection, flight);
    }
    said(&mut connection);
    debug_assert!(!connection.is_handshaking());
    connection
}

pub(super) enum Config {
    Server(Arc<ServerConfig>),
    Client(Arc<ClientConfig>),
}

fn server_of(config: Arc<ServerConfig>) -> Connection {
    Connection::Server(rustls::ServerConnection::new(config).expect("a configuration"))
}

fn client_of(config: Arc<ClientConfig>) -> Connection {
    let name = ServerName::try_from("pinwire").expect("a name");
    Connection::Client(rustls::ClientConnection::new(config, name).expect("a configuration"))
}

/// Everything that it has to say.
pub(super) fn said(connection: &mut Connection) -> Vec<u8> {
    let mut said = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut said).expect("a vector takes everything");
    }
    said
}

fn hear(connection: &mut Connection, mut flight: &[u8]) {
    while !flight.is_empty() {
        connection.read_tls(&mut flight).expect("room");
        connection.process_new_packets().expect("the handshake's bytes");
    }
}

/// Keeps the secrets of the one handshake.
#[derive(Debug, Default)]
struct Tap(Mutex<Vec<(String, Vec<u8>)>>);

impl Tap {
    fn secret(&self, label: &str) -> Vec<u8> {
        let all = self.0.lock().expect("nobody panicked");
        all.iter().find(|(it, _)| it == label).expect("it was logged").1.clone()
    }
}

impl KeyLog for Tap {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        self.0.lock().expect("nobody panicked").push((label.to_owned(), secret.to_vec()));
    }
}
