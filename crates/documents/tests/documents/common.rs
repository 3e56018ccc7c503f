//! A server with the document commands in this process, and one client of it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use pinwire_documents::{Asked, Id, Store, StoreError, commands};
use pinwire_server::proto::session::{ClientEvent, ClientSession};
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::Request;
use pinwire_server::{
    Identity, Pin, Router, Sequence, Server, ServerConfig, ServerTls, Sha1, Stopper, Tickets, TrustList,
};
use pinwire_testkit::certificates;

/// One client that is in, and its server.
pub(crate) struct Client {
    socket: TcpStream,
    session: ClientSession,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
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

impl Client {
    pub(crate) fn of(store: impl Store) -> Client {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let [server, client] = [(); 2].map(|()| {
            let (certificate, key) = certificates::good(now);
            Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
        });
        let pin = Pin::Spki(client.certificate().unwrap().digests.spki);
        let trust = TrustList::parse(format!("{pin}\n").as_bytes(), Sha1::Refuse).unwrap();
        let tls = ServerTls::new(&server, Tickets::new().unwrap())
            .unwrap()
            .record_layer(pinwire_testkit::record_layer());
        let config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), tls, trust).workers(1);
        let server = Server::bind(config, commands(Router::new(), store)).unwrap();
        let (address, stopper) = (server.local_addr(), server.stopper());
        let thread = Some(std::thread::spawn(move || server.run().unwrap()));
        let mut session = ClientSession::new(
            &ClientTls::new(Some(&client)).unwrap().record_layer(pinwire_testkit::record_layer()),
        )
        .unwrap();
        session.trust_server();
        let mut client = Client { socket: TcpStream::connect(address).unwrap(), session, stopper, thread };
        assert!(matches!(client.event(), ClientEvent::Greeting(_)));
        client
    }

    /// The answer to a command of this line, these headers and this body.
    pub(crate) fn ask(&mut self, line: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Told {
        let mut request = Request::line(line);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        self.session.send(&request, Sequence::new(b"1").as_ref(), None).unwrap();
        let ClientEvent::Answer(answer) = self.event() else { panic!("an answer was expected") };
        let (status, text) = answer.status.map_or_else(|error| error, |()| ("OK".to_owned(), String::new()));
        let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        Told { status, text, headers, body: answer.body }
    }

    fn event(&mut self) -> ClientEvent {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            match self.session.next() {
                Some(ClientEvent::Handshaken { .. }) => {}
                Some(event) => return event,
                None => {
                    let output = self.session.take_output();
                    self.socket.write_all(&output).unwrap();
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
        self.socket.shutdown(Shutdown::Both).unwrap();
        self.stopper.stop_now();
        self.thread.take().unwrap().join().unwrap();
    }
}

pub(crate) fn id(text: &str) -> Id<'_> {
    Id::parse(text).expect("the test's id is good")
}

/// Waits for a store's answer.
pub(crate) fn done<T>(asked: Asked<T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(asked.done())
}
