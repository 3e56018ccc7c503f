//! A server in this process, with certificates made for the test, and files for peers in other languages.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pinwire_server::proto::session::{ClientEnd, ClientEvent, ClientSession};
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::{Greeting, Request, Sequence};
use pinwire_server::{
    Approvals, Command, Digests, Entry, Handler, Identity, Limits, Pin, Reply, Responder, Router, Server,
    ServerConfig, ServerTls, Stats, Stopper, Tickets, Trust, TrustList,
};
use pinwire_testkit::certificates;
use socket2::{Domain, Socket, Type};

/// A certificate and its key, PEM.
pub(crate) type Pair = (String, String);

/// A running server; stops when it goes.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stopper: Stopper,
    pub(crate) stats: Stats,
    pub(crate) trust: Trust,
    pub(crate) approvals: Approvals,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Running {
    pub(crate) fn start<H: Handler>(config: ServerConfig, handler: H) -> Running {
        Running::of(Server::bind(config, handler).expect("a free port"))
    }

    pub(crate) fn of<H: Handler>(server: Server<H>) -> Running {
        let (address, stopper, stats) = (server.local_addr(), server.stopper(), server.stats());
        let (trust, approvals) = (server.trust(), server.approvals());
        let thread = Some(std::thread::spawn(move || server.run()));
        Running { address, stopper, stats, trust, approvals, thread }
    }

    /// Waits until the server has ended by itself.
    pub(crate) fn join(mut self) {
        self.thread.take().expect("once").join().expect("no panic").expect("no error");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopper.stop_now();
            thread.join().expect("no panic").expect("no error");
        }
    }
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

pub(crate) fn tls() -> ServerTls {
    let (certificate, key) = certificates::good(now());
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect("made for this");
    let tls = ServerTls::new(&identity, Tickets::new().expect("randomness")).expect("made for this");
    tls.record_layer(pinwire_testkit::record_layer())
}

/// A list that holds these, by their SPKI pins.
pub(crate) fn trusting(clients: &[&Pair]) -> TrustList {
    let entries = clients.iter().enumerate().map(|(i, client)| named(client, &format!("client-{i}")));
    TrustList::of(entries)
}

/// An entry that lets this client in by its SPKI pin.
pub(crate) fn named(client: &Pair, name: &str) -> Entry {
    Entry { name: Some(name.to_owned()), ..Entry::of(Pin::Spki(digests(client).spki)) }
}

pub(crate) fn digests(client: &Pair) -> Digests {
    let identity = Identity::from_pem(client.0.as_bytes(), client.1.as_bytes()).expect("made for this");
    identity.certificate().expect("readable").digests
}

pub(crate) fn config(trust: TrustList) -> ServerConfig {
    ServerConfig::new("127.0.0.1:0".parse().expect("an address"), tls(), trust)
        .workers(2)
        .limits(Limits::default())
}

/// `GET employees/1-A` as the C original answered it, and commands that fail in every way.
pub(crate) fn router() -> Router {
    Router::new()
        .command("GET", |command: Command<'_>, to: Responder<'_>| match command.args().next() {
            Some("employees/1-A") => to.ok("{\"Name\":\"Alice\"}"),
            _ => to.error(pinwire_server::Code::NotFound, ""),
        })
        .command("ECHO", |command, to| to.ok(command.body()))
        .command("PANIC", |_, _| panic!("as the test wishes"))
        .command_async("LATER", async |command| -> Reply {
            tokio::task::yield_now().await;
            Reply::ok(command.into_body())
        })
        .command_async("PANIC-LATER", async |_| -> Reply { panic!("as the test wishes") })
        .command_async("NEVER", async |_| -> Reply { std::future::pending().await })
}

/// Writes `client` where peers in other languages find it.
pub(crate) fn write(folder: &Path, client: &Pair) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("client.crt"), folder.join("client.key"));
    std::fs::write(&certificate, &client.0).expect("a writable folder");
    std::fs::write(&key, &client.1).expect("a writable folder");
    (certificate, key)
}

/// A client in this process over a blocking socket.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) session: ClientSession,
}

impl Client {
    /// Connects; `identity`: none means no certificate.
    pub(crate) fn connect(address: SocketAddr, identity: Option<&Pair>) -> Client {
        let session = session(identity);
        Client::over(TcpStream::connect(address).expect("a server"), session)
    }

    pub(crate) fn over(socket: TcpStream, session: ClientSession) -> Client {
        socket.set_read_timeout(Some(HANG)).expect("a timeout");
        Client { socket, session }
    }

    /// Connects with a socket that is set up in its own way, and waits for OK.
    pub(crate) fn enter_over(
        address: SocketAddr,
        identity: &Pair,
        set_up: impl FnOnce(&Socket) -> std::io::Result<()>,
    ) -> Client {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        set_up(&socket).expect("a socket that can be set up");
        socket.connect(&address.into()).expect("a server");
        let mut client = Client::over(socket.into(), session(Some(identity)));
        assert_eq!(client.event(), ClientEvent::Greeting(Greeting::Ok));
        client
    }

    /// Connects and waits for OK.
    pub(crate) fn enter(address: SocketAddr, identity: &Pair) -> Client {
        let mut client = Client::connect(address, Some(identity));
        assert_eq!(client.event(), ClientEvent::Greeting(Greeting::Ok));
        client
    }

    pub(crate) fn send(&mut self, line: &str, sequence: &str, body: Option<&[u8]>) {
        let mut request = Request::line(line);
        if let Some(body) = body {
            request = request.body(body);
        }
        let sequence = Sequence::new(sequence.as_bytes());
        self.session.send(&request, sequence.as_ref(), None).expect("a good request");
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        let output = self.session.take_output();
        // The server may have closed: what it said is still to be read.
        let _ = self.socket.write_all(&output);
    }

    /// What happens next; the end of the socket is an event too. The certificate is passed over.
    pub(crate) fn event(&mut self) -> ClientEvent {
        loop {
            match self.session.next() {
                Some(ClientEvent::Handshaken { .. }) => {}
                Some(event) => return event,
                None => self.exchange(),
            }
        }
    }

    /// Sends what is to be sent, and reads something.
    pub(crate) fn exchange(&mut self) {
        let mut bytes = vec![0; 64 * 1024];
        self.flush();
        match self.socket.read(&mut bytes) {
            Ok(0) => self.session.end_of_input(),
            Ok(length) => self.session.receive(&bytes[..length]),
            Err(error) => panic!("the connection broke: {error}"),
        }
    }

    /// The next answer: its sequence, its code or "OK", its body.
    pub(crate) fn answer(&mut self) -> (String, String, Vec<u8>) {
        match self.event() {
            ClientEvent::Answer(answer) => {
                let sequence = answer.sequence.map(|sequence| sequence.to_string()).unwrap_or_default();
                let status = answer.status.map_or_else(|(code, _)| code, |()| "OK".to_owned());
                (sequence, status, answer.body)
            }
            other => panic!("an answer was expected, not {other:?}"),
        }
    }

    pub(crate) fn end(&mut self) -> ClientEnd {
        match self.event() {
            ClientEvent::End(end) => end,
            other => panic!("the end was expected, not {other:?}"),
        }
    }
}

/// A client's side that has not connected; none means no certificate.
pub(crate) fn session(identity: Option<&Pair>) -> ClientSession {
    let identity =
        identity.map(|pair| Identity::from_pem(pair.0.as_bytes(), pair.1.as_bytes()).expect("made for this"));
    let tls = ClientTls::new(identity.as_ref())
        .expect("made for this")
        .record_layer(pinwire_testkit::record_layer());
    let mut session = ClientSession::new(&tls).expect("made for this");
    session.trust_server();
    session
}

/// Only catches a hang.
pub(crate) const HANG: Duration = Duration::from_secs(60);
