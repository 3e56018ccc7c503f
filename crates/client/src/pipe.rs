//! Carries bytes between a socket and its session until something happens. Reads while it writes: a server
//! that refuses says so while this side still has much to send.

use std::io;

use pinwire_proto::session::{ClientEnd, ClientEvent, ClientSession};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// A socket and the session over it.
#[derive(Debug)]
pub(crate) struct Pipe {
    socket: TcpStream,
    pub(crate) session: ClientSession,
    /// Why nothing more can be written. Reading goes on: the reason may be on its way.
    broken: Option<io::Error>,
}

impl Pipe {
    pub(crate) fn new(socket: TcpStream, session: ClientSession) -> Pipe {
        Pipe { socket, session, broken: None }
    }

    /// What happens next. Output that is there when an event is found stays unsent until the next call.
    pub(crate) async fn event(&mut self) -> ClientEvent {
        loop {
            if let Some(event) = self.session.next() {
                return event;
            }
            if let Err(error) = self.turn().await {
                self.fail(error);
            }
        }
    }

    /// Sends what there is to send; the peer may have gone.
    pub(crate) async fn flush(&mut self) {
        while self.has_output() {
            let written = self.socket.writable().await.and_then(|()| self.write());
            self.broken = written.err().or(self.broken.take());
        }
    }

    /// Why the connection is over, in words.
    pub(crate) fn why(&self, end: &ClientEnd) -> String {
        match (&self.broken, end) {
            (Some(error), ClientEnd::Vanished) => format!("the connection broke: {error}"),
            _ => end.to_string(),
        }
    }

    /// Writes before it reads: what a read makes ready to be sent waits for the caller to look at it.
    async fn turn(&mut self) -> io::Result<()> {
        let interest =
            if self.has_output() { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let ready = self.socket.ready(interest).await?;
        if ready.is_writable() && self.has_output() {
            self.broken = self.write().err();
        }
        if ready.is_readable() { self.read() } else { Ok(()) }
    }

    fn has_output(&mut self) -> bool {
        self.broken.is_none() && !self.session.output().is_empty()
    }

    fn write(&mut self) -> io::Result<()> {
        match self.socket.try_write(self.session.output()) {
            Ok(length) => {
                self.session.output().drain(..length);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut bytes = [0; READ];
        match self.socket.try_read(&mut bytes) {
            Ok(0) => self.session.end_of_input(),
            Ok(length) => self.session.receive(&bytes[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn fail(&mut self, error: io::Error) {
        self.broken.get_or_insert(error);
        self.session.end_of_input();
    }
}

/// One full TLS record a read.
const READ: usize = 16 * 1024;
