//! One client connection, lean enough that the server stays the slower side: commands are encoded once, and
//! of an answer only its status and its length are looked at.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use pinwire_server::proto::tls::{ClientTls, Layer, Slot};
use pinwire_server::proto::wire::{AnswerScan, Greeting, Request, greeting};
use pinwire_server::{Code, Sequence};
use socket2::{Domain, SockRef, Socket, Type};

use crate::child::words;

/// A client's end of one connection.
pub(crate) struct Peer {
    socket: TcpStream,
    layer: Layer,
    slot: Slot,
    /// What has arrived of a record that is not whole.
    wire: Vec<u8>,
    /// What has arrived of an answer that is not whole.
    plain: Vec<u8>,
    scan: AnswerScan,
    is_admitted: bool,
    /// Answers that the server owes.
    owed: usize,
    /// When the last batch was sent.
    sent: Instant,
    /// What is sealed, and the socket had no room for.
    unsent: Vec<u8>,
    /// The code with which the server closed, once that is read.
    told: Option<String>,
}

/// Commands that are sent together.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Answers that it is owed.
    answers: usize,
}

/// What has happened on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing that counts yet.
    Part,
    /// The server's greeting: this client is in.
    Admitted,
    /// The last answer that was owed.
    Answered,
    /// The words with which the server closes, for the first time.
    Told,
    /// The end of the socket, behind such words.
    Ended,
}

/// Room that all connections share.
pub(crate) struct Room {
    wire: Vec<u8>,
    sealed: Vec<u8>,
}

impl Room {
    pub(crate) fn new() -> Room {
        Room { wire: vec![0; 64 * 1024], sealed: Vec::new() }
    }
}

impl Batch {
    /// `commands` times the same GET, with a sequence each.
    pub(crate) fn new(commands: usize) -> Result<Batch, String> {
        Batch::of(commands, &Request::line("GET employees/1-A"))
    }

    /// `commands` times the same command, with a sequence each.
    pub(crate) fn of(commands: usize, request: &Request) -> Result<Batch, String> {
        Batch::numbered(0..commands, request)
    }

    /// The same command with each of these sequences.
    pub(crate) fn numbered(sequences: Range<usize>, request: &Request) -> Result<Batch, String> {
        let (mut bytes, answers) = (Vec::new(), sequences.len());
        for sequence in sequences {
            let sequence = Sequence::new(format!("{sequence:02}").as_bytes());
            words(request.encode(&mut bytes, sequence.as_ref(), None))?;
        }
        Ok(Batch { bytes, answers })
    }

    /// `commands` times the same command, without a sequence: none is answered.
    pub(crate) fn one_way(commands: usize, request: &Request) -> Result<Batch, String> {
        let mut bytes = Vec::new();
        (0..commands).try_for_each(|_| words(request.encode(&mut bytes, None, None)))?;
        Ok(Batch { bytes, answers: 0 })
    }
}

impl Peer {
    /// Connects and begins the handshake.
    pub(crate) fn connect(address: SocketAddr, tls: &ClientTls, room: &mut Room) -> Result<Peer, String> {
        Peer::over(words(std::net::TcpStream::connect(address))?, tls, room)
    }

    /// The same from another address of this machine.
    pub(crate) fn connect_from(
        from: IpAddr,
        address: SocketAddr,
        tls: &ClientTls,
        room: &mut Room,
    ) -> Result<Peer, String> {
        let socket = words(Socket::new(Domain::for_address(address), Type::STREAM, None))?;
        words(socket.bind(&SocketAddr::new(from, 0).into()))?;
        words(socket.connect(&address.into()))?;
        Peer::over(socket.into(), tls, room)
    }

    fn over(socket: std::net::TcpStream, tls: &ClientTls, room: &mut Room) -> Result<Peer, String> {
        words(socket.set_nonblocking(true))?;
        words(socket.set_nodelay(true))?;
        // A reset at the end leaves nothing in TIME_WAIT: ports do not run out from one run to the next.
        words(SockRef::from(&socket).set_linger(Some(Duration::ZERO)))?;
        let (socket, layer) = (TcpStream::from_std(socket), words(Layer::client(tls))?);
        let (wire, plain, scan) = (Vec::new(), Vec::new(), AnswerScan::default());
        let mut peer = Peer {
            socket,
            layer,
            slot: Slot::default(),
            wire,
            plain,
            scan,
            is_admitted: false,
            owed: 0,
            sent: Instant::now(),
            unsent: Vec::new(),
            told: None,
        };
        words(peer.layer.handshake(&mut [], HANDSHAKE, &mut room.sealed))?;
        peer.flush(room)?;
        Ok(peer)
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    pub(crate) fn send(&mut self, batch: &Batch, room: &mut Room) -> Result<(), String> {
        self.offer(batch, room)?;
        if self.is_stuck() { Err("a socket has no room for a few commands".to_owned()) } else { Ok(()) }
    }

    /// Like [`send`](Peer::send), however much that is: what the socket has no room for, `receive` sends later.
    pub(crate) fn offer(&mut self, batch: &Batch, room: &mut Room) -> Result<(), String> {
        self.sent = Instant::now();
        words(self.layer.seal(&mut self.slot, &batch.bytes, &mut room.sealed))?;
        self.owed += batch.answers;
        self.flush(room)
    }

    pub(crate) fn sent(&self) -> Instant {
        self.sent
    }

    pub(crate) fn is_stuck(&self) -> bool {
        !self.unsent.is_empty()
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.is_admitted
    }

    /// The code with which the server closed it.
    pub(crate) fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }

    pub(crate) fn owed(&self) -> usize {
        self.owed
    }

    /// The socket is readable: reads all that is there.
    pub(crate) fn receive(&mut self, room: &mut Room) -> Result<Heard, String> {
        let before = (self.is_admitted, self.owed);
        let was_told = self.told.is_some();
        loop {
            let kept = self.wire.len();
            room.wire[..kept].copy_from_slice(&self.wire);
            let filled = match self.socket.read(&mut room.wire[kept..]) {
                Ok(0) if self.told.is_some() => return Ok(Heard::Ended),
                Ok(0) => return Err("the server closed a connection without a word".to_owned()),
                Ok(length) => kept + length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.to_string()),
            };
            let used = self.open(&mut room.wire[..filled], &mut room.sealed)?;
            self.wire.clear();
            self.wire.extend_from_slice(&room.wire[used..filled]);
            self.read_plain()?;
            if filled < room.wire.len() {
                break; // a short read: epoll tells of what comes after it
            }
        }
        if self.told.is_some() && !was_told {
            return Ok(Heard::Told);
        }
        self.flush(room)?;
        Ok(match before {
            (false, _) if self.is_admitted => Heard::Admitted,
            (true, 1..) if self.owed == 0 => Heard::Answered,
            _ => Heard::Part,
        })
    }

    fn open(&mut self, wire: &mut [u8], sealed: &mut Vec<u8>) -> Result<usize, String> {
        let mut used = 0;
        if self.layer.is_handshaking() {
            used = words(self.layer.handshake(wire, HANDSHAKE, sealed))?;
        }
        if !self.layer.is_handshaking() {
            used += words(self.layer.open(&mut self.slot, &mut wire[used..], &mut self.plain))?;
        }
        Ok(used)
    }

    fn read_plain(&mut self) -> Result<(), String> {
        let mut used = 0;
        if !self.is_admitted {
            used += self.read_greeting()?;
        }
        while used < self.plain.len() {
            let Some(length) = self.answer(used)? else { break };
            used += length;
            if self.told.is_none() {
                self.owed = self.owed.checked_sub(1).ok_or("the server answered what was not asked")?;
            }
        }
        self.plain.drain(..used);
        Ok(())
    }

    fn read_greeting(&mut self) -> Result<usize, String> {
        match words(greeting(&self.plain))? {
            Some((Greeting::Ok, length)) => {
                self.is_admitted = true;
                Ok(length)
            }
            Some((Greeting::Refused { code, text }, _)) => Err(format!("refused: {code}: {text}")),
            None => Ok(0),
        }
    }

    /// The length of the answer at `start`, once it is whole.
    fn answer(&mut self, start: usize) -> Result<Option<usize>, String> {
        let plain = &self.plain[start..];
        let Some((head, length)) = words(AnswerScan::decode(&mut self.scan, plain))? else { return Ok(None) };
        match head.status() {
            Ok(()) => {}
            Err((code, _)) if head.sequence().is_none() => self.told = Some(code.to_owned()),
            // Broken off: the connection's own words follow.
            Err((code, _)) if Code::parse(code).is_some_and(Code::is_of_connection) => {}
            Err((code, text)) => return Err(format!("an error was answered: {code}: {text}")),
        }
        let length = length + usize::try_from(head.size()).unwrap_or(usize::MAX);
        // A head that is not gone with its body is decoded once more: this client counts on small answers.
        Ok((plain.len() >= length).then_some(length))
    }

    fn flush(&mut self, room: &mut Room) -> Result<(), String> {
        self.unsent.append(&mut room.sealed);
        while self.is_stuck() {
            match self.socket.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}

/// Bytes that the server's handshake may have.
const HANDSHAKE: usize = 64 * 1024;
