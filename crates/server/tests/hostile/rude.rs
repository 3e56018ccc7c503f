//! A peer that says what no client says: any bytes in any records, and never more than it is told to.

use std::io::ErrorKind;
use std::time::Duration;

use pinwire_server::proto::tls::{Layer, Slot};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::field::Field;

/// Its socket, and TLS if it cares for that.
pub(crate) struct Rude {
    socket: TcpStream,
    layer: Layer,
    slot: Slot,
    /// The beginning of its handshake, if that was not sent.
    pub(crate) hello: Vec<u8>,
    wire: Vec<u8>,
    plain: Vec<u8>,
}

impl Rude {
    /// A TCP connection, and nothing said.
    pub(crate) async fn reach(field: &Field) -> Rude {
        let socket = TcpSocket::new_v4().unwrap();
        // Little room for what it does not read: the server's bounds are meant, not the kernel's.
        socket.set_recv_buffer_size(16 * 1_024).unwrap();
        let socket = socket.connect(field.server.address).await.expect("the server listens");
        let (mut layer, mut hello) = (Layer::client(&field.tls).unwrap(), Vec::new());
        layer.handshake(&mut [], MOST_HANDSHAKE, &mut hello).unwrap();
        Rude { socket, layer, slot: Slot::default(), hello, wire: Vec::new(), plain: Vec::new() }
    }

    /// Let in, as anybody is.
    pub(crate) async fn enter(field: &Field) -> Rude {
        let _door = field.door.acquire().await.unwrap();
        let mut rude = Rude::reach(field).await;
        let hello = std::mem::take(&mut rude.hello);
        assert!(rude.write(&hello).await);
        while !rude.plain.ends_with(b"\r\n") {
            assert!(rude.read().await, "not let in: {:?}", rude.said());
        }
        assert_eq!(rude.said(), "OK\r\n");
        rude.plain.clear();
        rude
    }

    /// Sends these bytes in a record; whether the socket took them.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sealed = self.seal(bytes.as_ref());
        self.write(&sealed).await
    }

    /// Sends these bytes, each in a record of its own.
    pub(crate) async fn say_byte_by_byte(&mut self, bytes: &[u8]) -> bool {
        for some in bytes.chunks(100) {
            let sealed: Vec<u8> = some.chunks(1).flat_map(|byte| self.seal(byte)).collect();
            if !self.write(&sealed).await {
                return false;
            }
            tokio::task::yield_now().await; // the others of this thread are no attackers' prey
        }
        true
    }

    fn seal(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        self.layer.seal(&mut self.slot, bytes, &mut sealed).unwrap();
        sealed
    }

    /// Sends these bytes as they are; whether the socket took them.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.socket.writable().await.is_err() {
                return false;
            }
            match self.socket.try_write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Reads once; whether anything may follow.
    pub(crate) async fn read(&mut self) -> bool {
        let ready = tokio::time::timeout(HANG, self.socket.readable()).await;
        if ready.unwrap_or_else(|_| panic!("nothing in {HANG:?} behind {:?}", self.said())).is_err() {
            return false;
        }
        self.take()
    }

    /// Reads what is there already; whether anything may follow.
    pub(crate) fn take(&mut self) -> bool {
        let mut bytes = [0; 16 * 1_024];
        match self.socket.try_read(&mut bytes) {
            Ok(0) => false,
            Ok(length) => {
                self.wire.extend_from_slice(&bytes[..length]);
                self.open();
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// What is no TLS for this side, an alert behind garbage for one, is thrown away.
    fn open(&mut self) {
        let (mut sealed, mut used) = (Vec::new(), 0);
        if self.layer.is_handshaking() {
            used =
                self.layer.handshake(&mut self.wire, MOST_HANDSHAKE, &mut sealed).unwrap_or(self.wire.len());
        }
        if !self.layer.is_handshaking() {
            used += self.layer.open(&mut self.slot, &mut self.wire[used..], &mut self.plain).unwrap_or(0);
        }
        self.wire.drain(..used);
        if !sealed.is_empty() {
            let _ = self.socket.try_write(&sealed); // a flight of the handshake fits any socket
        }
    }

    /// All that the server says until its end.
    pub(crate) async fn hear_out(&mut self) -> String {
        while self.read().await {}
        self.said()
    }

    /// Reads until the server has said this so many times.
    pub(crate) async fn hear(&mut self, words: &str, times: usize) {
        while self.said().matches(words).count() < times {
            assert!(self.read().await, "the end came before {words:?}: {:?}", self.said());
        }
    }

    /// What the server said so far, behind its greeting.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.plain).into_owned()
    }

    /// Goes without a goodbye: the kernel resets the connection.
    pub(crate) fn reset(self) {
        SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Bytes that the server's handshake may have.
const MOST_HANDSHAKE: usize = 64 * 1_024;
/// Only catches a hang.
const HANG: Duration = Duration::from_secs(60);
