//! How long a removal takes to bite: thousands of connections under two keys, all of them busy, one key taken off
//! the list by `pinwire trust remove`. What each client of that key read is timed, and nobody else may lose a reply.
//!
//! The server is the program itself, and the removal is typed as a user types it; this program is the clients.

use std::path::Path;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use pinwire_server::Pin;
use pinwire_server::proto::identity::KeyKind;
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::Request;

use crate::child::{BODY, identity, words};
use crate::machine;
use crate::options::USAGE;
use crate::peer::{Batch, Heard, Peer, Room};
use crate::program::{self, Server};

/// Prints a line a round, and what the slowest client of all rounds saw.
pub(crate) fn bench(typed: &[&str]) -> Result<(), String> {
    let (connections, rounds) = match typed.contains(&"--quick") {
        true => (1_000, 1),
        false => (10_000, 5),
    };
    if let Some(word) = typed.iter().find(|word| !["--bench", "trust", "--quick"].contains(word)) {
        return Err(format!("{word} is not an option\n{USAGE}"));
    }
    let program = program::path()?;
    machine::allow_files(connections)?;
    print!("{}", machine::describe());
    println!("{connections} connections, half under each of two keys, all asking GETs one at a time;");
    println!("ms from the start of `pinwire trust remove` until a client has read `no-longer-trusted`\n");
    println!(
        "| round | command returned | first | p50 | p99 | last | last one closed | replies to the others |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for number in 1..=rounds {
        println!("| {number} {}", Round::new(&program, connections)?.run()?);
    }
    println!("\n{}", machine::load());
    Ok(())
}

/// A server with a home of its own, and its clients: the even ones under a key that stays, the odd ones under one
/// that goes.
struct Round {
    server: Server,
    peers: Vec<Peer>,
    keys: [ClientTls; 2],
    room: Room,
    poll: Poll,
    seen: Seen,
}

/// What happened since the command was started.
#[derive(Default)]
struct Seen {
    began: Option<Instant>,
    told: Vec<Duration>,
    closed: Vec<Duration>,
    /// Replies to those that stay, since then.
    replies: usize,
    /// Whether nobody asks any more.
    is_over: bool,
}

impl Round {
    fn new(program: &Path, connections: usize) -> Result<Round, String> {
        let (stays, goes) = (identity(KeyKind::Ed25519)?, identity(KeyKind::Ed25519)?);
        let mut lines = String::new();
        for (identity, name) in [(&stays, STAYS), (&goes, GOES)] {
            let digests = identity.certificate().map_err(ToString::to_string)?.digests;
            lines += &format!("{}  name={name}\n", Pin::Spki(digests.spki));
        }
        let server = Server::start(program, &lines)?;
        let keys = [words(ClientTls::new(Some(&stays)))?, words(ClientTls::new(Some(&goes)))?];
        let poll = words(Poll::new())?;
        let mut round =
            Round { server, peers: Vec::new(), keys, room: Room::new(), poll, seen: Seen::default() };
        round.connect(connections)?;
        Ok(round)
    }

    fn connect(&mut self, connections: usize) -> Result<(), String> {
        let mut admitted = 0;
        while admitted < connections {
            while self.peers.len() < connections.min(admitted + HANDSHAKES) {
                let number = self.peers.len();
                let mut peer = Peer::connect(self.server.address, &self.keys[number % 2], &mut self.room)?;
                words(self.poll.registry().register(peer.socket(), Token(number), Interest::READABLE))?;
                self.peers.push(peer);
            }
            admitted += self.wait(None)?;
        }
        Ok(())
    }

    /// All ask, for a while undisturbed, then while one key is taken off the list. The table's cells.
    fn run(mut self) -> Result<String, String> {
        let put = Batch::of(1, &Request::new("PUT").arg("employees/1-A").body(BODY))?;
        self.peers[0].send(&put, &mut self.room)?;
        while self.peers[0].owed() > 0 {
            self.wait(None)?;
        }
        let get = Batch::new(1)?;
        for peer in &mut self.peers {
            peer.send(&get, &mut self.room)?;
        }
        let warm = Instant::now() + WARM;
        while Instant::now() < warm {
            self.wait(Some(&get))?;
        }
        self.seen.began = Some(Instant::now());
        let removal = self.server.remove(GOES);
        while self.seen.closed.len() < self.peers.len() / 2 {
            self.wait(Some(&get))?;
        }
        let returned = removal.join().map_err(|_| "the command's thread panicked")??;
        self.seen.is_over = true;
        while self.peers.iter().step_by(2).any(|peer| peer.owed() > 0) {
            self.wait(Some(&get))?; // nobody who stays has lost a reply
        }
        self.cells(returned)
    }

    /// Waits for the server once. Whoever is answered sends `again`; the count of those that were let in.
    fn wait(&mut self, again: Option<&Batch>) -> Result<usize, String> {
        let mut events = Events::with_capacity(1_024);
        words(self.poll.poll(&mut events, Some(SILENCE)))?;
        if events.is_empty() {
            return Err(format!("the server was silent for {SILENCE:?}"));
        }
        let mut admitted = 0;
        for event in &events {
            let Token(number) = event.token();
            let peer = &mut self.peers[number];
            match peer.receive(&mut self.room)? {
                Heard::Admitted => admitted += 1,
                Heard::Answered => {
                    self.seen.replies += usize::from(number % 2 == 0 && self.seen.began.is_some());
                    if let Some(batch) = again.filter(|_| !self.seen.is_over) {
                        peer.send(batch, &mut self.room)?;
                    }
                }
                Heard::Told => {
                    self.seen.told(number, peer)?;
                    // The end may have come with the words: epoll does not tell of it again.
                    if peer.receive(&mut self.room)? == Heard::Ended {
                        self.seen.ended();
                    }
                }
                Heard::Ended => self.seen.ended(),
                Heard::Part => {}
            }
        }
        Ok(admitted)
    }

    fn cells(&mut self, returned: Duration) -> Result<String, String> {
        let Seen { told, closed, replies, .. } = &mut self.seen;
        told.sort_unstable();
        let (last, last_closed) = (told.len().checked_sub(1).ok_or("nobody was cut")?, closed.iter().max());
        let at = |part: f64| milliseconds(told[(last as f64 * part) as usize]);
        let closed = milliseconds(last_closed.copied().unwrap_or_default());
        let returned = milliseconds(returned);
        Ok(format!(
            "| {returned} | {} | {} | {} | {} | {closed} | {replies}, none lost |",
            at(0.0),
            at(0.5),
            at(0.99),
            at(1.0)
        ))
    }
}

impl Seen {
    fn told(&mut self, number: usize, peer: &Peer) -> Result<(), String> {
        let since = self.began.filter(|_| number % 2 == 1 && peer.told() == Some("no-longer-trusted"));
        let since = since.ok_or_else(|| format!("client {number} was told {:?}", peer.told()))?;
        self.told.push(since.elapsed());
        Ok(())
    }

    fn ended(&mut self) {
        self.closed.extend(self.began.map(|began| began.elapsed()));
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1_000.0)
}

const STAYS: &str = "bob";
const GOES: &str = "alice";
/// All connections have asked several times by then.
const WARM: Duration = Duration::from_secs(2);
/// Connections in their handshake at one time: far from the server's limits.
const HANDSHAKES: usize = 32;
/// Only catches a hang.
const SILENCE: Duration = Duration::from_secs(20);
