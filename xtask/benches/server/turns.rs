//! A server's turn in memory: bytes in, bytes out, without sockets. What it costs is counted by whoever runs it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pinwire_server::proto::identity::KeyKind;
use pinwire_server::proto::session::{Buffers, ClientEvent, ClientSession, Event, Now, ServerSession};
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::Request;
use pinwire_server::{Entry, Limits, Pin, Sequence, ServerTls, Tickets, TrustList};

use crate::child::{BODY, identity, words};

/// The argument that makes this program run turns.
pub(crate) const TURNS: &str = "turns-for-guards";

/// Connections to one server, without a socket.
struct Bench {
    list: TrustList,
    io: Buffers,
    pairs: Vec<(ServerSession, ClientSession)>,
}

/// The same as words: connections, depth, turns.
pub(crate) fn run_words(numbers: [&str; 3]) -> Result<(), String> {
    let [connections, depth, turns] =
        numbers.map(|word| word.parse().map_err(|_| format!("{word}: no number")));
    run(connections?, depth?, turns?)
}

/// So many turns of `depth` commands, of all `connections` by turns.
pub(crate) fn run(connections: usize, depth: usize, turns: usize) -> Result<(), String> {
    let mut bench = Bench::new(connections)?;
    bench.turns(depth, turns)
}

impl Bench {
    fn new(connections: usize) -> Result<Bench, String> {
        let (server, client) = (identity(KeyKind::P256)?, identity(KeyKind::Ed25519)?);
        let digests = client.certificate().map_err(ToString::to_string)?.digests;
        let list = TrustList::of([Entry::of(Pin::Spki(digests.spki))]);
        let tls = words(ServerTls::new(&server, words(Tickets::new())?))?;
        let client = words(ClientTls::new(Some(&client)))?;
        let limits = Arc::new(Limits::default());
        let pair = |_| {
            let server = words(ServerSession::new(&tls, Arc::clone(&limits), now()))?;
            Ok((server, words(ClientSession::new(&client))?))
        };
        let pairs = (0..connections).map(pair).collect::<Result<_, String>>()?;
        let mut bench = Bench { list, io: Buffers::default(), pairs };
        (0..connections).try_for_each(|place| bench.enter(place))?;
        Ok(bench)
    }

    /// The handshake and the greeting.
    fn enter(&mut self, place: usize) -> Result<(), String> {
        for _ in 0..FLIGHTS {
            let said = self.pairs[place].1.take_output();
            self.turn(place, &said);
            while let Some(event) = self.pairs[place].1.next() {
                match event {
                    ClientEvent::Handshaken { .. } => self.pairs[place].1.trust_server(),
                    ClientEvent::Greeting(_) => return Ok(()),
                    other => return Err(format!("{other:?} before the greeting")),
                }
            }
        }
        Err("no greeting".to_owned())
    }

    fn turns(&mut self, depth: usize, turns: usize) -> Result<(), String> {
        let request = Request::line("GET employees/1-A");
        for turn in 0..turns {
            let place = turn % self.pairs.len();
            let client = &mut self.pairs[place].1;
            for command in 0..depth {
                let sequence = Sequence::new(format!("{command:02}").as_bytes());
                words(client.send(&request, sequence.as_ref(), None))?;
            }
            let said = client.take_output();
            self.turn(place, &said);
            let client = &mut self.pairs[place].1;
            let answers = std::iter::from_fn(|| client.next()).count();
            if answers != depth {
                return Err(format!("{answers} answers to {depth} commands"));
            }
        }
        Ok(())
    }

    fn turn(&mut self, place: usize, said: &[u8]) {
        let (server, client) = &mut self.pairs[place];
        self.io.wire.space()[..said.len()].copy_from_slice(said);
        self.io.wire.filled(said.len());
        self.io.place = place * SAME; // all on one place of the table
        counted_turn(server, &self.list, &mut self.io);
        client.receive(&self.io.sealed);
        self.io.sealed.clear();
    }
}

/// The one function in here that is counted.
#[inline(never)]
fn counted_turn(session: &mut ServerSession, list: &TrustList, io: &mut Buffers) {
    let now = now();
    session.open(now, (list, IpAddr::V4(Ipv4Addr::LOCALHOST)), io);
    while let Some(event) = session.next(now, &mut io.plain, &mut io.replies) {
        match event {
            Event::Connect => session.admit(&mut io.replies),
            Event::Command { to, .. } => {
                let answered = session.ok(&to, &mut io.replies, |reply| {
                    reply.body(BODY.as_bytes());
                    Ok(())
                });
                debug_assert!(answered.is_ok());
            }
            Event::Refused(_) | Event::Body(_) | Event::Cancelled(_) => {}
        }
    }
    session.seal(now, io);
    session.taken(0, io);
}

fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { instant: Instant::now(), unix: i64::try_from(unix.as_secs()).unwrap_or(i64::MAX) }
}

/// Far more than a handshake has.
const FLIGHTS: usize = 10;

/// How far apart places are that share one of the table of AEAD contexts.
const SAME: usize = 256;
