//! The thousand: each always has a command under way that is answered from another thread, sends one that is
//! answered at once beside it, and looks at every reply.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use pinwire_server::Sequence;
use pinwire_server::proto::session::{Answer, ClientEnd, ClientEvent, ClientSession};
use pinwire_server::proto::wire::{Greeting, Request};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::field::{Field, HONEST};

/// All of them, at work.
pub(crate) struct Honest {
    is_leaving: Rc<Cell<bool>>,
    at_work: JoinSet<u64>,
}

/// Lets them in.
pub(crate) fn enter(field: &Field) -> Honest {
    let (is_leaving, mut at_work) = (Rc::new(Cell::new(false)), JoinSet::new());
    for number in 0..HONEST {
        let (field, is_leaving) = (field.clone(), Rc::clone(&is_leaving));
        at_work.spawn_local(async move {
            let mut peer = Peer::enter(&field, number).await;
            peer.work(&field, &is_leaving).await
        });
    }
    Honest { is_leaving, at_work }
}

impl Honest {
    /// They send nothing more, wait for what they are owed, and go; how many replies they had.
    pub(crate) async fn leave(self) -> u64 {
        self.is_leaving.set(true);
        self.at_work.join_all().await.into_iter().sum()
    }
}

struct Peer {
    number: usize,
    socket: TcpStream,
    session: ClientSession,
    /// What each command under way is to be answered with.
    owed: BTreeMap<u64, Vec<u8>>,
    sent: u64,
    heard: u64,
    rounds: usize,
}

impl Peer {
    async fn enter(field: &Field, number: usize) -> Peer {
        let _door = field.door.acquire().await.unwrap();
        let socket = TcpStream::connect(field.server.address).await.expect("a server");
        socket.set_nodelay(true).unwrap();
        let mut session = ClientSession::new(&field.tls).unwrap();
        session.trust_server();
        let mut peer = Peer { number, socket, session, owed: BTreeMap::new(), sent: 0, heard: 0, rounds: 0 };
        assert_eq!(peer.event().await, ClientEvent::Greeting(Greeting::Ok), "connection {number}");
        peer
    }

    /// Until everybody leaves; how many replies it had.
    async fn work(&mut self, field: &Field, is_leaving: &Cell<bool>) -> u64 {
        self.send("LATER");
        while !self.owed.is_empty() {
            let name = match self.event().await {
                ClientEvent::Answer(answer) => self.check(&answer),
                other => panic!("connection {} lost {:?}: {other:?}", self.number, self.owed.keys()),
            };
            self.heard += 1;
            field.rounds.hear();
            if name == "ECHO" {
                continue;
            }
            field.rounds.reach(self.rounds);
            self.rounds += 1;
            if !is_leaving.get() {
                self.send("LATER");
                self.send("ECHO");
            }
        }
        self.session.close();
        assert_eq!(self.event().await, ClientEvent::End(ClientEnd::Closed), "connection {}", self.number);
        self.heard
    }

    fn send(&mut self, name: &str) {
        let (number, sequence) = (self.number, self.sent);
        let mut body = format!("{name} {number}/{sequence}:").into_bytes();
        body.resize(body.len() + (number + sequence as usize) % SIZES, b'a' + (number % 26) as u8);
        let request = Request::new(name).body(body.clone());
        self.session.send(&request, Some(&Sequence::from(sequence)), None).unwrap();
        self.owed.insert(sequence, body);
        self.sent += 1;
    }

    /// It must be owed, and be what was asked for; the command's name.
    fn check(&mut self, answer: &Answer) -> &'static str {
        assert_eq!(answer.status, Ok(()), "connection {}", self.number);
        let sequence = answer.sequence.expect("it answers a command").to_string().parse().unwrap();
        let body = self.owed.remove(&sequence).expect("it is owed");
        assert!(answer.body == body, "connection {}, command {sequence}: {:?}", self.number, answer.body);
        if body.starts_with(b"ECHO") { "ECHO" } else { "LATER" }
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
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => self.broke(&error),
            }
        }
    }

    fn read(&mut self) {
        let mut bytes = [0; 4_096];
        match self.socket.try_read(&mut bytes) {
            Ok(0) => self.session.end_of_input(),
            Ok(length) => self.session.receive(&bytes[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.broke(&error),
        }
    }

    fn broke(&self, error: &io::Error) -> ! {
        panic!("connection {} broke: {error}; owed: {:?}", self.number, self.owed.keys())
    }
}

/// Bodies have so many lengths.
const SIZES: usize = 500;
