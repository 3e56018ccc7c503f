//! The server as a process of its own: started, asked what it cost, ended. Both ends of that are here.
//!
//! It prints its port; then, for every line that it is given, the time it has had on a processor. It ends
//! with its standard input, and so never outlives who started it.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write, stdin};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use pinwire_documents::{self as documents, Embedded, Memory, commands};
use pinwire_server::proto::identity::{KeyKind, generate};
use pinwire_server::{
    Entry, Identity, Pin, RecordLayer, Router, Server, ServerConfig, ServerTls, Sha1, Tickets, TrustList,
};
use rustix::time::{ClockId, clock_gettime};

/// The argument that makes this program the server.
pub(crate) const SERVE: &str = "serve-for-bench";

/// A running server.
pub(crate) struct Served {
    child: Child,
    /// Taken when the server is to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Served {
    /// Starts a server with these commands that lets in whom the line `trust` names. `command` is this program, or
    /// begins with something that counts what it does.
    pub(crate) fn start(
        mut command: Command,
        trust: &str,
        tuning: Tuning,
        answers: &Answers,
    ) -> Result<Served, String> {
        command.args([SERVE, trust, &tuning.word()]).args(answers.words());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|why| format!("the server cannot be started: {why}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the server has no pipes".to_owned());
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut served = Served { child, input: Some(input), output: BufReader::new(output), address };
        let port = served.number()?;
        served.address.set_port(port);
        Ok(served)
    }

    /// The time that the server has had on processors, user's and system's: µs since it started.
    pub(crate) fn cpu(&mut self) -> Result<f64, String> {
        let asked = self.input.as_mut().map(|input| input.write_all(b"\n"));
        asked.transpose().map_err(|why| format!("the server cannot be asked: {why}"))?;
        self.number()
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The server's memory that is in use now, in bytes.
    pub(crate) fn resident(&self) -> Result<f64, String> {
        resident(self.child.id())
    }

    fn number<N: std::str::FromStr>(&mut self) -> Result<N, String> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|why| format!("the server's pipe: {why}"))?;
        line.trim().parse().map_err(|_| "the server ended".to_owned())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Not killed: under a profiler it has its figures to write.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// The memory of this process that is in use now, in bytes.
pub(crate) fn resident(process: u32) -> Result<f64, String> {
    // Exact, where VmRSS is only summed up now and then.
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|why| format!("{path}: {why}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024.0).ok_or_else(|| format!("{path}: has no Rss"))
}

pub(crate) fn this_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|why| format!("where this program is: {why}"))
}

/// What a server is told that it would not do by itself.
#[derive(Clone, Copy)]
pub(crate) struct Tuning {
    pub(crate) workers: usize,
    pub(crate) records: Records,
}

/// What makes the server's records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Records {
    Compact,
    Rustls,
    /// Nothing does: there is no TLS.
    Clear,
}

impl Tuning {
    fn word(self) -> String {
        format!("{}:{}", self.workers, self.records.name())
    }

    /// What [`word`](Tuning::word) said.
    pub(crate) fn read(word: &str) -> Result<Tuning, String> {
        let (workers, records) = word.split_once(':').ok_or("what makes the records?")?;
        Ok(Tuning { workers: words(workers.parse())?, records: Records::read(records)? })
    }

    fn apply(self, config: ServerConfig) -> ServerConfig {
        config.workers(self.workers)
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning { workers: 1, records: Records::Compact }
    }
}

impl Records {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Records::Compact => "compact",
            Records::Rustls => "rustls",
            Records::Clear => "clear",
        }
    }

    fn read(name: &str) -> Result<Records, String> {
        let all = [Records::Compact, Records::Rustls, Records::Clear];
        let named = all.into_iter().find(|records| records.name() == name);
        named.ok_or_else(|| format!("{name}: nothing makes records so"))
    }

    /// In the clear nobody proves anything: the server is told of a client that it makes up itself.
    fn apply(self, tls: ServerTls, trust: TrustList) -> Result<(ServerTls, TrustList), String> {
        match self {
            Records::Compact => Ok((tls.record_layer(RecordLayer::Compact), trust)),
            Records::Rustls => Ok((tls.record_layer(RecordLayer::Rustls), trust)),
            Records::Clear => {
                let client = identity(KeyKind::Ed25519)?;
                let certificate = client.chain().first().map(|first| first.to_vec());
                let digests = client.certificate().map_err(ToString::to_string)?.digests;
                Ok((tls.in_the_clear(certificate), TrustList::of([Entry::of(Pin::Spki(digests.spki))])))
            }
        }
    }
}

/// What the server's commands are.
pub(crate) enum Answers {
    /// A router's own GET, of 100 bytes, and ECHO.
    Fixed,
    /// Documents in memory.
    Memory,
    /// Documents in this file.
    File(PathBuf),
}

impl Answers {
    fn words(&self) -> Vec<OsString> {
        match self {
            Answers::Fixed => vec!["fixed".into()],
            Answers::Memory => vec!["memory".into()],
            Answers::File(path) => vec!["file".into(), path.into()],
        }
    }

    /// What [`words`](Answers::words) said.
    pub(crate) fn read(words: &[&str]) -> Result<Answers, String> {
        match words {
            ["fixed"] => Ok(Answers::Fixed),
            ["memory"] => Ok(Answers::Memory),
            ["file", path] => Ok(Answers::File(path.into())),
            _ => Err("what is to be served?".to_owned()),
        }
    }

    fn router(&self) -> Result<Router, String> {
        Ok(match self {
            Answers::Fixed => Router::new()
                .command("GET", |_, to| to.ok(BODY))
                .command("ECHO", |command, to| to.ok(command.body())),
            Answers::Memory => commands(Router::new(), Memory::new()),
            Answers::File(path) => {
                commands(Router::new(), words(Embedded::open(path, documents::Limits::default()))?)
            }
        })
    }
}

/// The other end: serves until standard input ends.
pub(crate) fn serve(trust: &str, tuning: Tuning, answers: &Answers) -> Result<(), String> {
    let identity = identity(KeyKind::P256)?;
    let trust = TrustList::parse(trust.as_bytes(), Sha1::Refuse).map_err(|_| "the trust line is bad")?;
    let tls = words(ServerTls::new(&identity, words(Tickets::new())?))?;
    let (tls, trust) = tuning.records.apply(tls, trust)?;
    let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), tls, trust);
    let server = words(Server::bind(tuning.apply(config), answers.router()?))?;
    println!("{}", server.local_addr().port());
    let stopper = server.stopper();
    let serving = thread::spawn(move || server.run());
    for _ in stdin().lines() {
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        println!("{}", spent.tv_sec as f64 * 1e6 + spent.tv_nsec as f64 / 1e3);
    }
    stopper.stop_now();
    words(serving.join().map_err(|_| "the server panicked")?)
}

/// A new identity of the kind that `pinwire serve` makes for a server (P-256) or for its user (Ed25519).
pub(crate) fn identity(kind: KeyKind) -> Result<Identity, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let made = words(generate(kind, "bench", i64::try_from(now).unwrap_or(i64::MAX), 1))?;
    words(Identity::from_pem(made.certificate_pem.as_bytes(), made.key_pem.as_bytes()))
}

/// An error of any kind as words.
pub(crate) fn words<T, E: ToString>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|why| why.to_string())
}

/// What every GET is answered with: 100 bytes.
pub(crate) const BODY: &str = "{\"Name\":\"Alice\",\"Office\":\"1-A\",\"Phone\":\"+00 000 000000\",\
                    \"Mail\":\"alice.all@example.org\",\"Since\":2019}";

const _: () = assert!(BODY.len() == 100);
