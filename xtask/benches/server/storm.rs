//! A storm of strangers: thousands of connections a second from one address, none of which is on the list, while
//! clients that are in work on and others that are on the list want to come in, from there and from elsewhere.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use pinwire_server::proto::identity::KeyKind;
use pinwire_server::proto::tls::ClientTls;

use crate::child::{Answers, Tuning, identity, words};
use crate::machine;
use crate::measure::start_tuned;
use crate::options::USAGE;
use crate::peer::{Batch, Heard, Peer, Room};

/// Prints what the clients that are in felt, what became of the strangers, and how long newcomers took.
pub(crate) fn bench(typed: &[&str]) -> Result<(), String> {
    let span = if typed.contains(&"--quick") { Duration::from_secs(5) } else { Duration::from_secs(20) };
    if let Some(word) = typed.iter().find(|word| !["--bench", "storm", "--quick"].contains(word)) {
        return Err(format!("{word} is not an option\n{USAGE}"));
    }
    machine::allow_files(MOST_AT_ONCE)?;
    print!("{}", machine::describe());
    println!("{RATE} connections a second of strangers from one address for {span:?}; two workers\n");
    print!("{}", report(span, RATE, 50)?);
    println!("\n{}", machine::load());
    Ok(())
}

/// The same at the smallest scale: that it works, not what it says.
pub(crate) fn smoke() -> Result<(), String> {
    let report = report(Duration::from_millis(200), 100, 4)?;
    match report.lines().count() {
        lines if lines >= 9 => Ok(()),
        _ => Err(format!("lines are missing:\n{report}")),
    }
}

fn report(span: Duration, rate: usize, connections: usize) -> Result<String, String> {
    let (_served, mut fleet) = start_tuned(Tuning { workers: 2, ..Tuning::default() }, &Answers::Fixed)?;
    fleet.grow(connections)?;
    let batch = Batch::new(1)?;
    fleet.sample(&batch, span / 10)?; // warms the caches
    let calm = Waits::of(fleet.sample(&batch, span / 2)?)?;
    let (address, tls) = fleet.target();
    let storm = Storm::start(address, rate)?;
    let from = |last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    let newcomers = [
        Newcomers::start("from elsewhere", from(2), address, &tls),
        Newcomers::start("from the storm's address", from(1), address, &tls),
    ];
    let stormy = Waits::of(fleet.sample(&batch, span)?)?;
    let newcomers = newcomers.map(Newcomers::stop);
    let strangers = storm.stop()?;
    let mut report = table(connections, &calm, &stormy) + &strangers.table(span) + NEWCOMERS;
    for came in newcomers {
        report += &came?;
    }
    Ok(report)
}

fn table(connections: usize, calm: &Waits, stormy: &Waits) -> String {
    format!(
        "| {connections} clients that are in, at depth 1 | p50 µs | p99 µs | p99.9 µs |\n\
         | --- | ---: | ---: | ---: |\n\
         | calm {calm}\n| in the storm {stormy}\n\
         p99 in the storm against calm: {:.2}\n\n",
        stormy.at(0.99) / calm.at(0.99)
    )
}

/// How long answers took, in order.
struct Waits(Vec<Duration>);

impl Waits {
    fn of(mut waits: Vec<Duration>) -> Result<Waits, String> {
        waits.sort_unstable();
        if waits.is_empty() { Err("nobody was answered".to_owned()) } else { Ok(Waits(waits)) }
    }

    /// In µs.
    fn at(&self, part: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6
    }
}

impl std::fmt::Display for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "| {:.0} | {:.0} | {:.0} |", self.at(0.5), self.at(0.99), self.at(0.999))
    }
}

/// Strangers that come at a steady rate, on a thread of their own.
struct Storm {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Strangers, String>>,
}

/// What became of them.
#[derive(Default)]
struct Strangers {
    attempts: usize,
    /// Through TLS, and told why they are not let in.
    told: usize,
    /// Closed without a word.
    closed: usize,
    /// Neither, when the storm was over.
    waiting: usize,
}

impl Storm {
    fn start(address: SocketAddr, rate: usize) -> Result<Storm, String> {
        let tls = words(ClientTls::new(Some(&identity(KeyKind::Ed25519)?)))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || strangers(address, &tls, rate, &over));
        Ok(Storm { is_over, thread })
    }

    fn stop(self) -> Result<Strangers, String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Err("the storm panicked".to_owned()))
    }
}

fn strangers(
    address: SocketAddr,
    tls: &ClientTls,
    rate: usize,
    over: &AtomicBool,
) -> Result<Strangers, String> {
    let (mut poll, mut events) = (words(Poll::new())?, Events::with_capacity(1_024));
    let (mut room, mut peers, mut seen) = (Room::new(), Peers::default(), Strangers::default());
    let began = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * rate as f64) as usize;
        while seen.attempts < due && peers.count < MOST_AT_ONCE {
            seen.attempts += 1;
            match Peer::connect(address, tls, &mut room) {
                Ok(peer) => peers.add(peer, &poll)?,
                Err(_) => seen.closed += 1,
            }
        }
        words(poll.poll(&mut events, Some(LOOK)))?;
        for event in &events {
            let Some(peer) = peers.get(event.token()) else { continue };
            match peer.receive(&mut room) {
                Ok(Heard::Admitted) => return Err("a stranger was let in".to_owned()),
                Ok(_) => continue,
                Err(why) if why.starts_with("refused: ") => seen.told += 1,
                Err(_) => seen.closed += 1,
            }
            peers.remove(event.token());
        }
    }
    seen.waiting = peers.count;
    Ok(seen)
}

/// Connections by token; a place is used again.
#[derive(Default)]
struct Peers {
    places: Vec<Option<Peer>>,
    free: Vec<usize>,
    count: usize,
}

impl Peers {
    fn add(&mut self, mut peer: Peer, poll: &Poll) -> Result<(), String> {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        words(poll.registry().register(peer.socket(), Token(place), Interest::READABLE))?;
        self.places[place] = Some(peer);
        self.count += 1;
        Ok(())
    }

    fn get(&mut self, Token(place): Token) -> Option<&mut Peer> {
        self.places.get_mut(place)?.as_mut()
    }

    fn remove(&mut self, Token(place): Token) {
        if self.places[place].take().is_some() {
            self.free.push(place);
            self.count -= 1;
        }
    }
}

impl Strangers {
    fn table(&self, span: Duration) -> String {
        let Strangers { attempts, told, closed, waiting } = self;
        let a_second = |count: usize| count as f64 / span.as_secs_f64();
        format!(
            "| strangers | count | a second |\n| --- | ---: | ---: |\n\
             | connected | {attempts} | {:.0} |\n\
             | through TLS, told why | {told} | {:.0} |\n\
             | closed without a word | {closed} | {:.0} |\n\
             | still waiting at the end | {waiting} | |\n\n",
            a_second(*attempts),
            a_second(*told),
            a_second(*closed)
        )
    }
}

/// A client on the list that comes in again and again from one address; one that is closed without a word tries
/// again, as the client library does.
struct Newcomers {
    name: &'static str,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Came, String>>,
}

#[derive(Default)]
struct Came {
    took: Vec<Duration>,
    tries: usize,
}

impl Newcomers {
    fn start(name: &'static str, from: IpAddr, address: SocketAddr, tls: &ClientTls) -> Newcomers {
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, tls) = (Arc::clone(&is_over), tls.clone());
        Newcomers { name, is_over, thread: thread::spawn(move || come(from, address, &tls, &over)) }
    }

    /// Its line of the table.
    fn stop(self) -> Result<String, String> {
        self.is_over.store(true, Ordering::Relaxed);
        let came = self.thread.join().unwrap_or_else(|_| Err("a newcomer panicked".to_owned()))?;
        let (count, tries) = (came.took.len(), came.tries);
        let waits =
            Waits::of(came.took).map_err(|_| format!("nobody got in {}: {tries} tries", self.name))?;
        let [median, most] = [waits.at(0.5), waits.at(1.0)].map(|time| time / 1e3);
        Ok(format!("| {} | {count} | {tries} | {median:.1} | {most:.1} |\n", self.name))
    }
}

fn come(from: IpAddr, address: SocketAddr, tls: &ClientTls, over: &AtomicBool) -> Result<Came, String> {
    let mut came = Came::default();
    let mut poll = words(Poll::new())?;
    while !over.load(Ordering::Relaxed) || came.took.is_empty() {
        let began = Instant::now();
        loop {
            came.tries += 1;
            if is_let_in(Peer::connect_from(from, address, tls, &mut Room::new()), &mut poll)? {
                break;
            }
            // Nothing is registered: this waits. The client library waits about so long.
            words(poll.poll(&mut Events::with_capacity(1), Some(PAUSE)))?;
        }
        came.took.push(began.elapsed());
        words(poll.poll(&mut Events::with_capacity(1), Some(PAUSE)))?;
    }
    Ok(came)
}

fn is_let_in(peer: Result<Peer, String>, poll: &mut Poll) -> Result<bool, String> {
    let Ok(mut peer) = peer else { return Ok(false) };
    let (mut room, mut events) = (Room::new(), Events::with_capacity(1));
    words(poll.registry().register(peer.socket(), Token(0), Interest::READABLE))?;
    loop {
        words(poll.poll(&mut events, Some(SILENCE)))?;
        if events.is_empty() {
            return Err(format!("the server was silent for {SILENCE:?}"));
        }
        match peer.receive(&mut room) {
            Ok(Heard::Admitted) => return Ok(true),
            Ok(_) => {}
            Err(why) if why.starts_with("refused: ") => return Err(why),
            Err(_) => return Ok(false),
        }
    }
}

const NEWCOMERS: &str = "| clients on the list that came in meanwhile | count | tries | median ms | most ms |\n\
                         | --- | ---: | ---: | ---: | ---: |\n";
/// Attempts a second.
const RATE: usize = 2_000;
/// What this program holds open; the server's own limits are far below.
const MOST_AT_ONCE: usize = 8_000;
/// How long the next stranger may be late.
const LOOK: Duration = Duration::from_millis(2);
const PAUSE: Duration = Duration::from_millis(250);
/// Only catches a hang.
const SILENCE: Duration = Duration::from_secs(20);
