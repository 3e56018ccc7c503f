//! A server with the document commands in this process, and its clients.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pinwire_documents::{Asked, Id, Store, StoreError, commands};
use pinwire_server::proto::session::{Answer, ClientEvent, ClientSession};
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::Request;
use pinwire_server::{
    Identity, Pin, Router, Sequence, Server, ServerConfig, ServerTls, Sha1, Stopper, Tickets, TrustList,
};
use pinwire_testkit::certificates;

/// A server with the document commands. It stops when the last of its clients is gone.
pub(crate) struct Host {
    address: SocketAddr,
    tls: ClientTls,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

/// One client that is in, and its server.
pub(crate) struct Client {
    socket: TcpStream,
    session: ClientSession,
    /// What came for commands that nobody has asked about yet.
    others: VecDeque<Answer>,
    host: Arc<Host>,
}

/// An answer as a test reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// "OK", or the error's code.
    pub(crate) status: String,
    pub(crate) text: String,
    /// `Name: value`.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Host {
    fn of(store: impl Store) -> Host {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let [server, client] = [(); 2].map(|()| {
            let (certificate, key) = certificates::good(now);
            Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
        });
        let pin = Pin::Spki(client.certificate().unwrap().digests.spki);
        let trust = TrustList::parse(format!("{pin}\n").as_bytes(), Sha1::Refuse).unwrap();
        let layer = pinwire_testkit::record_layer();
        let tls = ServerTls::new(&server, Tickets::new().unwrap()).unwrap().record_layer(layer);
        let config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), tls, trust).workers(2);
        let server = Server::bind(config, commands(Router::new(), store)).unwrap();
        let (address, stopper) = (server.local_addr(), server.stopper());
        let thread = Some(std::thread::spawn(move || server.run().unwrap()));
        let tls = ClientTls::new(Some(&client)).unwrap().record_layer(layer);
        Host { address, tls, stopper, thread }
    }
}

impl Client {
    pub(crate) fn of(store: impl Store) -> Client {
        Client::at(Arc::new(Host::of(store)))
    }

    /// Another connection to the same server.
    pub(crate) fn another(&self) -> Client {
        Client::at(Arc::clone(&self.host))
    }

    fn at(host: Arc<Host>) -> Client {
        let mut session = ClientSession::new(&host.tls).unwrap();
        session.trust_server();
        let socket = TcpStream::connect(host.address).unwrap();
        // Ten times what any of it may take: a hang fails the test.
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut client = Client { socket, session, others: VecDeque::new(), host };
        assert!(matches!(client.event(), ClientEvent::Greeting(_)));
        client
    }

    /// The answer to a command of this line, these headers and this body.
    pub(crate) fn ask(&mut self, line: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Told {
        self.begin("1", line, headers, body);
        let answer = self.hear("1");
        assert!(!answer.more, "it has one part");
        told(answer)
    }

    /// Sends a command of this sequence.
    pub(crate) fn begin(
        &mut self,
        sequence: &str,
        line: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) {
        let mut request = Request::line(line);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        self.session.send(&request, Sequence::new(sequence.as_bytes()).as_ref(), None).unwrap();
        self.flush();
    }

    /// Sends a command without a sequence.
    pub(crate) fn one_way(&mut self, line: &str) {
        self.session.send(&Request::line(line), None, None).unwrap();
        self.flush();
    }

    /// Sends a command whose answer is wanted within `timeout`.
    pub(crate) fn begin_within(&mut self, timeout: Duration, sequence: &str, line: &str) {
        let sequence = Sequence::new(sequence.as_bytes());
        self.session.send(&Request::line(line), sequence.as_ref(), Some(timeout)).unwrap();
        self.flush();
    }

    /// The next answer, or part of one, of this sequence.
    pub(crate) fn hear(&mut self, sequence: &str) -> Answer {
        let sequence = Sequence::new(sequence.as_bytes());
        if let Some(at) = self.others.iter().position(|other| other.sequence == sequence) {
            return self.others.remove(at).unwrap();
        }
        loop {
            match self.event() {
                ClientEvent::Answer(answer) if answer.sequence == sequence => return answer,
                ClientEvent::Answer(answer) => self.others.push_back(answer),
                other => panic!("an answer was expected, and {other:?} came"),
            }
        }
    }

    fn flush(&mut self) {
        let output = self.session.take_output();
        self.socket.write_all(&output).unwrap();
    }

    fn event(&mut self) -> ClientEvent {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            match self.session.next() {
                Some(ClientEvent::Handshaken { .. }) => {}
                Some(event) => return event,
                None => {
                    self.flush();
                    match self.socket.read(&mut bytes).unwrap() {
                        0 => self.session.end_of_input(),
                        length => self.session.receive(&bytes[..length]),
                    }
                }
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The server lingers until its client has closed.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stopper.stop_now();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn told(answer: Answer) -> Told {
    let (status, text) = answer.status.map_or_else(|error| error, |()| ("OK".to_owned(), String::new()));
    let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    Told { status, text, headers, body: answer.body }
}

pub(crate) fn id(text: &str) -> Id<'_> {
    Id::parse(text).expect("the test's id is good")
}

/// Waits for a store's answer.
pub(crate) fn done<T>(asked: Asked<T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(asked.done())
}
