//! The server as a process of its own, so that its memory and its descriptors are nobody else's. Both ends of
//! that are here: it is this very test program, told by a variable to serve.
//!
//! It prints where it listens, and ends with its standard input, so that it never outlives the story.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::panic::panic_any;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pinwire_server::{
    Answered, Deferred, Handler, Identity, Limits, Peer, Refusal, Reply, Responder, Server, ServerConfig,
    ServerTls, Sha1, Tickets, TrustList,
};
use pinwire_testkit::certificates;

/// A running server.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    process: RefCell<(Child, Option<ChildStdin>)>,
    id: u32,
}

/// What a server uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// Bytes in memory, pages of the program's file counted.
    pub(crate) resident: u64,
    /// Bytes in memory that are its own.
    pub(crate) own: u64,
    pub(crate) descriptors: usize,
}

impl Used {
    /// The most of each.
    pub(crate) fn max(self, other: Used) -> Used {
        Used {
            resident: self.resident.max(other.resident),
            own: self.own.max(other.own),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }
}

impl Served {
    /// Starts a server that lets in whom `pin` names.
    pub(crate) fn start(pin: &str) -> Served {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child::serves_when_told_to", "--nocapture"]).env(TRUSTED, pin);
        // glibc's own first values (mallopt(3)), held: left alone they grow with the largest piece that was ever
        // freed, and megabytes of free heap stay. What is measured shall be the server's, not the allocator's.
        command.envs([("MALLOC_TRIM_THRESHOLD_", "131072"), ("MALLOC_MMAP_THRESHOLD_", "131072")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix(LISTENS)?.parse().ok());
        // What the test harness says at its end must find a reader.
        thread::spawn(move || lines.for_each(drop));
        let (id, input) = (child.id(), child.stdin.take());
        Served { address: address.expect("it listens"), process: RefCell::new((child, input)), id }
    }

    /// Ends it; it must end well.
    pub(crate) fn end(&self) {
        let (child, input) = &mut *self.process.borrow_mut();
        drop(input.take());
        assert!(child.wait().unwrap().success(), "the server broke");
    }

    /// What it uses now.
    pub(crate) fn used(&self) -> Used {
        let memory = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id)).expect("the server lives");
        let kilobytes = |name: &str| -> u64 {
            let line = memory.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Used {
            resident: kilobytes("Rss:") * 1_024,
            own: kilobytes("Anonymous:") * 1_024,
            descriptors: self.descriptors(),
        }
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id)).expect("the server lives").count()
    }
}

/// No test: the server, where the variable says so.
#[test]
fn serves_when_told_to() {
    let Ok(pin) = std::env::var(TRUSTED) else { return };
    std::panic::set_hook(Box::new(|panic| match panic.payload().is::<Wished>() {
        true => {}
        false => eprintln!("the server: {panic}"),
    }));
    let server = Server::bind(config(&pin), Commands::new()).unwrap();
    println!("\n{LISTENS}{}", server.local_addr());
    let stopper = server.stopper();
    let serving = thread::spawn(move || server.run());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    stopper.stop();
    serving.join().unwrap().unwrap();
}

fn config(pin: &str) -> ServerConfig {
    let (certificate, key) = certificates::good(unix());
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let tls = ServerTls::new(&identity, Tickets::new().unwrap())
        .unwrap()
        .record_layer(pinwire_testkit::record_layer());
    let trust = TrustList::parse(format!("{pin}\n").as_bytes(), Sha1::Refuse).unwrap();
    ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), tls, trust).workers(2).limits(limits())
}

/// Small, so that each is reached soon; yet far above what a busy machine makes an honest client wait.
fn limits() -> Limits {
    Limits {
        unsent: 256 * 1_024,
        handshake: Duration::from_secs(6),
        head: Duration::from_secs(5),
        idle: Duration::from_secs(6),
        slow_reader: Duration::from_secs(2),
        // All come from one address, and each kind is to reach what it attacks: storms have a story of their own.
        failures: u32::MAX,
        ..Limits::default()
    }
}

/// Bytes that an answer of theirs has at most.
const SHORT: usize = 10 * 1_024;

/// Answers honest and hostile commands.
struct Commands {
    /// To the thread that answers LATER.
    later: mpsc::Sender<(Deferred, Vec<u8>)>,
}

impl Commands {
    fn new() -> Commands {
        let (later, owed) = mpsc::channel::<(Deferred, Vec<u8>)>();
        thread::spawn(move || answer_in_batches(&owed));
        Commands { later }
    }
}

/// As a store does that commits what came since the last time.
fn answer_in_batches(owed: &mpsc::Receiver<(Deferred, Vec<u8>)>) {
    while let Ok(first) = owed.recv() {
        let (until, mut batch) = (Instant::now() + BATCH, vec![first]);
        while let Ok(next) = owed.recv_timeout(until.saturating_duration_since(Instant::now())) {
            batch.push(next);
        }
        batch.into_iter().for_each(|(deferred, body)| deferred.ok(body));
    }
}

impl Handler for Commands {
    /// What this connection will never be answered.
    type State = Vec<Deferred>;

    fn connect(&self, _: &Peer) -> Result<Vec<Deferred>, Refusal> {
        Ok(Vec::new())
    }

    fn command(
        &self,
        never: &mut Vec<Deferred>,
        command: pinwire_server::Command<'_>,
        to: Responder<'_>,
    ) -> Answered {
        match command.name() {
            "ECHO" => to.ok(command.body()),
            "BIG" => to.ok(vec![0; command.args().next().and_then(|size| size.parse().ok()).unwrap_or(0)]),
            "LATER" => {
                let (answered, deferred) = to.at_most(SHORT).defer();
                self.later.send((deferred, command.body().to_vec())).expect("the thread lives");
                answered
            }
            "NEVER" => {
                let (answered, deferred) = to.at_most(SHORT).defer();
                never.push(deferred);
                answered
            }
            "NEVER-ASYNC" => to.later(std::future::pending::<Reply>()),
            "PANIC" => panic_any(Wished),
            "PANIC-ASYNC" => to.later(async { panic_any(Wished) }),
            name => to.error(pinwire_server::Code::UnknownCommand, name),
        }
    }
}

pub(crate) fn unix() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The variable that makes this program the server; whom it lets in.
const TRUSTED: &str = "PINWIRE_HOSTILE_TRUSTED";
const LISTENS: &str = "the server listens on ";
/// How long LATER waits for company: a round of the story takes as long, and most of the time everyone has a
/// command under way.
const BATCH: Duration = Duration::from_secs(1);

/// A panic that nobody need read of.
struct Wished;
