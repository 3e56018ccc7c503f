//! A client that asks for as much as it can, on a thread of its own: many records are under way at all times.
//! What it waits for is not measured, only that it is served.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::Request;

use crate::child::words;
use crate::peer::{Batch, Peer, Room};

/// What a hog asks for.
pub(crate) struct Kind {
    /// As `--hog` calls it.
    pub(crate) name: &'static str,
    batches: fn() -> Result<Vec<Batch>, String>,
    /// Commands of a batch: sealed together, in as few records as hold them.
    commands: usize,
}

pub(crate) const KINDS: [Kind; 3] = [
    Kind { name: "answered", batches: answered, commands: 1_000 },
    Kind { name: "one-way", batches: one_way, commands: 1_000 },
    Kind { name: "bodies", batches: bodies, commands: 1 },
];

/// PINGs with sequences that are never twice under way. A record holds some 700 of them: a batch is two.
fn answered() -> Result<Vec<Batch>, String> {
    let ping = Request::line("PING");
    (0..BATCHES).map(|batch| Batch::numbered(batch * 1_000..(batch + 1) * 1_000, &ping)).collect()
}

/// PINGs without a sequence, one record: only the socket bounds how many are under way.
fn one_way() -> Result<Vec<Batch>, String> {
    Ok(vec![Batch::one_way(1_000, &Request::line("PING"))?])
}

/// As large as a body may be.
fn bodies() -> Result<Vec<Batch>, String> {
    let echo = Request::line("ECHO").body(vec![b'x'; 1024 * 1024]);
    (0..4).map(|batch| Batch::numbered(batch..batch + 1, &echo)).collect()
}

/// A hog that is at it, until it is told to stop.
pub(crate) struct Hog {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<(), String>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    /// Commands that were sent.
    sent: AtomicUsize,
}

impl Hog {
    pub(crate) fn start(kind: &'static Kind, target: (SocketAddr, ClientTls)) -> Hog {
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || run(kind, &target, &shared))
        };
        Hog { shared, thread }
    }

    /// Commands that it has sent until now.
    pub(crate) fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Ends it, and tells what went wrong meanwhile.
    pub(crate) fn stop(self) -> Result<(), String> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Err("the hog panicked".to_owned()))
    }
}

fn run(kind: &Kind, (address, tls): &(SocketAddr, ClientTls), shared: &Shared) -> Result<(), String> {
    let (batches, mut room) = ((kind.batches)()?, Room::new());
    // A batch is sent again only when it is answered: the others are under way meanwhile.
    let (mut next, most_owed) = (batches.iter().cycle(), (batches.len() - 1) * kind.commands);
    let mut peer = Peer::connect(*address, tls, &mut room)?;
    let (mut poll, mut events) = (words(Poll::new())?, Events::with_capacity(1));
    words(poll.registry().register(peer.socket(), Token(0), Interest::READABLE | Interest::WRITABLE))?;
    while !shared.is_over() {
        words(poll.poll(&mut events, Some(LOOK)))?;
        peer.receive(&mut room)?;
        while peer.is_admitted() && !peer.is_stuck() && peer.owed() <= most_owed && !shared.is_over() {
            next.next().map_or(Ok(()), |batch| peer.offer(batch, &mut room))?;
            shared.sent.fetch_add(kind.commands, Ordering::Relaxed);
        }
    }
    Ok(())
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// Batches with sequences: a server that reads 64 KiB at once finds as much again.
const BATCHES: usize = 16;

/// How long it may take to notice that it is over, with nothing else happening.
const LOOK: Duration = Duration::from_millis(20);
