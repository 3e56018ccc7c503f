//! A client, from an address of its own, that sometimes comes back with a session. Says what happened to it, and
//! judges nothing but what is never right.

use std::net::{Ipv4Addr, SocketAddr};

use pinwire_server::proto::session::{Answer, ClientEnd, ClientEvent, ClientSession};
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::{Greeting, Request};
use pinwire_server::{Identity, Pin, Sequence};
use pinwire_testkit::certificates;
use tokio::net::{TcpSocket, TcpStream};

use crate::crowd::unix;

/// Who it is, whether it is in or not.
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) pin: Pin,
    tls: ClientTls,
    /// Whether it comes back with sessions.
    resumes: bool,
    /// So many from one address would wait for its share of the handshakes, and use up its ports.
    from: Ipv4Addr,
}

/// One connection of it, let in.
pub(crate) struct Peer {
    socket: TcpStream,
    session: ClientSession,
    asked: u64,
}

/// Why a connection is not one any more: the server's code.
pub(crate) type Code = String;

impl Guest {
    pub(crate) fn new(name: String, number: usize) -> Guest {
        let (certificate, key) = certificates::good(unix());
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let pin = Pin::Spki(identity.certificate().unwrap().digests.spki);
        let (tls, resumes) = (
            ClientTls::new(Some(&identity)).unwrap().record_layer(pinwire_testkit::record_layer()),
            number.is_multiple_of(2),
        );
        let from = Ipv4Addr::new(127, 0, 1, u8::try_from(number + 1).unwrap());
        Guest { name, pin, tls, resumes, from }
    }

    /// Connects; the code if it is refused.
    pub(crate) async fn come(&self, server: SocketAddr) -> Result<Peer, Code> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((self.from, 0).into()).unwrap();
        let socket = socket.connect(server).await.unwrap();
        socket.set_nodelay(true).unwrap();
        if !self.resumes {
            self.tls.forget_sessions();
        }
        let mut session = ClientSession::new(&self.tls.at(unix())).unwrap();
        session.trust_server();
        let mut peer = Peer { socket, session, asked: 0 };
        match peer.event().await {
            ClientEvent::Greeting(Greeting::Ok) => Ok(peer),
            ClientEvent::Greeting(Greeting::Refused { code, .. }) => Err(code),
            other => panic!("{}: neither let in nor refused: {other:?}", self.name),
        }
    }
}

impl Peer {
    /// Asks something; the code if it is cut meanwhile.
    pub(crate) async fn ask(&mut self) -> Result<(), Code> {
        self.asked += 1;
        let (sequence, body) = (Sequence::from(self.asked), format!("question {}", self.asked).into_bytes());
        self.session.send(&Request::new("ECHO").body(body.clone()), Some(&sequence), None).unwrap();
        match self.event().await {
            ClientEvent::Answer(Answer { status: Ok(()), sequence: to, body: answer, .. }) => {
                assert_eq!((to, answer), (Some(sequence), body));
                Ok(())
            }
            ClientEvent::Answer(Answer { sequence: Some(_), status: Err(_), .. }) => Err(self.cut().await),
            ClientEvent::Answer(words) => Err(self.over(words).await),
            other => panic!("an answer was expected, not {other:?}"),
        }
    }

    /// Goes; the code if it is cut meanwhile.
    pub(crate) async fn leave(mut self) -> Result<(), Code> {
        self.session.close();
        match self.event().await {
            ClientEvent::End(ClientEnd::Closed) => Ok(()),
            ClientEvent::Answer(words) => Err(self.over(words).await),
            other => panic!("the end was expected, not {other:?}"),
        }
    }

    /// Waits for the server to close; its code.
    pub(crate) async fn cut(&mut self) -> Code {
        let words = self.words().await;
        self.over(words).await
    }

    /// What the server says to the connection as a whole. May be given up and asked again.
    pub(crate) async fn words(&mut self) -> Answer {
        match self.event().await {
            ClientEvent::Answer(words) => words,
            other => panic!("the server's last words were expected, not {other:?}"),
        }
    }

    /// The code of these words, behind which nothing comes.
    pub(crate) async fn over(&mut self, words: Answer) -> Code {
        assert_eq!(words.sequence, None, "words for the connection, not for a command");
        assert_eq!(self.event().await, ClientEvent::End(ClientEnd::Closed));
        words.status.unwrap_err().0
    }

    /// What happens next; the certificate is passed over.
    async fn event(&mut self) -> ClientEvent {
        loop {
            match self.session.next() {
                Some(ClientEvent::Handshaken { .. }) => {}
                Some(event) => return event,
                None => {
                    self.flush().await;
                    self.socket.readable().await.unwrap();
                    self.read();
                }
            }
        }
    }

    async fn flush(&mut self) {
        while !self.session.output().is_empty() {
            self.socket.writable().await.unwrap();
            match self.socket.try_write(self.session.output()) {
                Ok(length) => self.session.sent(length),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
            }
        }
    }

    fn read(&mut self) {
        let mut bytes = [0; 4_096];
        match self.socket.try_read(&mut bytes) {
            Ok(0) => self.session.end_of_input(),
            Ok(length) => self.session.receive(&bytes[..length]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
        }
    }
}
