//! A connection in its two stages: the server has shown itself, and the client is in.

use std::time::Duration;

use pinwire_proto::certificate::Certificate;
use pinwire_proto::identity::Identity;
use pinwire_proto::session::{Answer, ClientEnd, ClientEvent, ClientSession};
use pinwire_proto::tls::ClientTls;
use pinwire_proto::trust::Pin;
use pinwire_proto::wire::{Greeting, Request, Sequence};
use tokio::net::TcpStream;

use crate::pipe::Pipe;
use crate::{Address, Error, Known, KnownServers};

/// A server that has proved the key of the certificate it showed, and has been told nothing yet: not even
/// this client's certificate has left.
#[derive(Debug)]
pub struct Handshaken {
    pipe: Pipe,
    address: Address,
    certificate: Certificate,
}

/// A server that let this client in. Calls one command at a time.
#[derive(Debug)]
pub struct Connection {
    pipe: Pipe,
    /// Commands sent so far; the next one's sequence.
    sent: u64,
}

impl Handshaken {
    /// Connects and hears who the server is. Without an identity the client will show no certificate, and
    /// the server will say that it wants one.
    ///
    /// # Errors
    /// `NotReachable` and `NoHandshake`.
    pub async fn connect(address: &Address, identity: Option<&Identity>) -> Result<Handshaken, Error> {
        let no_handshake = |why: String| Error::NoHandshake { address: address.clone(), why };
        let tls = ClientTls::new(identity).map_err(|failure| no_handshake(failure.to_string()))?;
        let socket = reach(address).await?;
        let session = ClientSession::new(&tls).map_err(|failure| no_handshake(failure.to_string()))?;
        let mut pipe = Pipe::new(socket, session);
        let shown = match pipe.event().await {
            ClientEvent::Handshaken { certificate } => certificate,
            ClientEvent::End(end) => {
                pipe.flush().await;
                return Err(no_handshake(pipe.why(&end)));
            }
            _ => return Err(no_handshake(OUT_OF_TURN.to_owned())),
        };
        let certificate = Certificate::parse(&shown).map_err(|why| no_handshake(why.to_string()))?;
        Ok(Handshaken { pipe, address: address.clone(), certificate })
    }

    /// What the server showed and proved.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Asks the known servers.
    ///
    /// # Errors
    /// `UnknownServer` and `WrongServer`.
    pub fn check(&self, known: &KnownServers) -> Result<(), Error> {
        let address = self.address.clone();
        let shown = Pin::Spki(self.certificate.digests.spki);
        match known.judge(&self.address, &self.certificate.digests) {
            Known::Same => Ok(()),
            Known::Nothing => Err(Error::UnknownServer { address, shown }),
            Known::Other(lines) => Err(Error::WrongServer { address, shown, lines }),
        }
    }

    /// The server is the right one: shows it this client's certificate and hears its greeting.
    ///
    /// # Errors
    /// `Refused` and `Lost`.
    pub async fn accept(self) -> Result<Connection, Error> {
        let mut connection = self.trusting();
        connection.greeting().await?;
        Ok(connection)
    }

    /// As [`accept`](Handshaken::accept) and [`Connection::call`] in one, a round trip sooner: the command
    /// leaves before the greeting comes. A server that refuses does not look at it.
    ///
    /// # Errors
    /// `Misuse`, `Refused`, `Closed` and `Lost`.
    pub async fn call(
        self,
        request: &Request,
        timeout: Option<Duration>,
    ) -> Result<(Connection, Answer), Error> {
        let mut connection = self.trusting();
        let sequence = connection.send(request, timeout)?;
        connection.greeting().await?;
        let answer = connection.answer(&sequence).await?;
        Ok((connection, answer))
    }

    fn trusting(mut self) -> Connection {
        self.pipe.session.trust_server();
        Connection { pipe: self.pipe, sent: 0 }
    }
}

impl Connection {
    /// Sends a command and waits for its answer; the parts of an answer in parts are joined. `timeout` is
    /// told to the server, which answers `timed-out` at its end. After an error the connection is of no use.
    ///
    /// # Errors
    /// `Misuse`, after which the connection goes on; `Closed` and `Lost`. An answer that is an error is an
    /// answer.
    pub async fn call(&mut self, request: &Request, timeout: Option<Duration>) -> Result<Answer, Error> {
        let sequence = self.send(request, timeout)?;
        self.answer(&sequence).await
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        self.pipe.session.close();
        self.pipe.flush().await;
    }

    fn send(&mut self, request: &Request, timeout: Option<Duration>) -> Result<Sequence, Error> {
        let sequence = Sequence::from(self.sent + 1);
        self.pipe.session.send(request, Some(&sequence), timeout)?;
        self.sent += 1;
        Ok(sequence)
    }

    async fn greeting(&mut self) -> Result<(), Error> {
        match self.pipe.event().await {
            ClientEvent::Greeting(Greeting::Ok) => Ok(()),
            ClientEvent::Greeting(Greeting::Refused { code, text }) => Err(Error::Refused { code, text }),
            ClientEvent::End(end) => Err(lost(&self.pipe, &end)),
            _ => Err(Error::Lost(OUT_OF_TURN.to_owned())),
        }
    }

    async fn answer(&mut self, sequence: &Sequence) -> Result<Answer, Error> {
        let mut whole = self.part(sequence).await?;
        while whole.more {
            let next = self.part(sequence).await?;
            whole.body.extend_from_slice(&next.body);
            (whole.status, whole.more) = (next.status, next.more);
        }
        Ok(whole)
    }

    async fn part(&mut self, sequence: &Sequence) -> Result<Answer, Error> {
        match self.pipe.event().await {
            ClientEvent::Answer(answer) if answer.sequence == Some(*sequence) => Ok(answer),
            ClientEvent::Answer(Answer { sequence: None, status: Err((code, text)), .. }) => {
                Err(Error::Closed { code, text })
            }
            ClientEvent::End(end) => Err(lost(&self.pipe, &end)),
            _ => Err(Error::Lost(OUT_OF_TURN.to_owned())),
        }
    }
}

async fn reach(address: &Address) -> Result<TcpStream, Error> {
    let connected = TcpStream::connect((address.host(), address.port())).await;
    let socket = connected.and_then(|socket| socket.set_nodelay(true).map(|()| socket));
    socket.map_err(|error| Error::NotReachable { address: address.clone(), error })
}

fn lost(pipe: &Pipe, end: &ClientEnd) -> Error {
    Error::Lost(pipe.why(end))
}

const OUT_OF_TURN: &str = "the server answered what was not asked";
