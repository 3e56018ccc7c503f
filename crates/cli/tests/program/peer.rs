//! A peer that is not the program: from any address of this machine, and of its connection's every step.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use pinwire_server::Identity;
use pinwire_server::proto::session::{ClientEvent, ClientSession};
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::Greeting;
use pinwire_testkit::certificates::Pair;
use socket2::{Domain, Socket, Type};

use crate::bench::HANG;

pub(crate) struct Peer {
    socket: TcpStream,
    session: ClientSession,
    /// The server's certificate, once it was there.
    shown: Vec<u8>,
}

impl Peer {
    /// Connects from `source` and says its ClientHello. All of 127.0.0.0/8 is this machine, on Linux.
    pub(crate) fn knock(source: [u8; 4], address: &str, client: &Pair) -> Peer {
        let identity = Identity::from_pem(client.0.as_bytes(), client.1.as_bytes()).unwrap();
        let session = ClientSession::new(&ClientTls::new(Some(&identity)).unwrap()).unwrap();
        let mut peer = Peer { socket: connect(source, address), session, shown: Vec::new() };
        peer.flush();
        peer
    }

    /// What the server says first; none if it closes without words.
    pub(crate) fn greeting(&mut self) -> Option<Greeting> {
        loop {
            match self.session.next() {
                Some(ClientEvent::Handshaken { certificate }) => self.shown = certificate,
                Some(ClientEvent::Greeting(greeting)) => return Some(greeting),
                Some(_) => return None,
                None => self.hear(),
            }
        }
    }

    /// The code that it is refused with.
    pub(crate) fn refusal(&mut self) -> Option<String> {
        match self.greeting()? {
            Greeting::Refused { code, .. } => Some(code),
            Greeting::Ok => panic!("it was let in"),
        }
    }

    /// The certificate that the server shows, as DER.
    pub(crate) fn shown(mut self) -> Vec<u8> {
        self.greeting();
        self.shown
    }

    /// Sends what is to be sent, and reads something.
    pub(crate) fn hear(&mut self) {
        self.flush();
        let mut bytes = [0; 16_384];
        match self.socket.read(&mut bytes) {
            Ok(length) if length > 0 => self.session.receive(&bytes[..length]),
            // Reset, if the server closed before it had read all: without words too.
            _ => self.session.end_of_input(),
        }
    }

    fn flush(&mut self) {
        let output = self.session.take_output();
        // The server may have closed: what it said is still to be read.
        let _ = self.socket.write_all(&output);
    }
}

pub(crate) fn connect(source: [u8; 4], address: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&address.parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket.into()
}
