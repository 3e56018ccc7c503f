//! What no noise disturbs: instructions of a turn, heap allocations and system calls of a request, each beside the
//! figure that it is held to. `cargo xtask guards`; CI runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::child::{Answers, Tuning, this_program, words};
use crate::measure::start_under;
use crate::peer::Batch;
use crate::turns;

/// One figure, and what it may be.
struct Guard {
    what: String,
    figure: f64,
    bound: Bound,
}

enum Bound {
    /// The committed figure, and 5 % on either side: who makes it better commits the better one.
    Near(f64),
    AtMost(f64),
}

/// Instructions of a turn in memory: AES-128-GCM, one connection whose AEAD contexts are kept, `depth` GETs of 100
/// bytes each. Of the build that `cargo bench` makes with the Rust of `rust-toolchain.toml` on x86-64 with AES
/// instructions; `cargo xtask guards` prints the new one.
const INSTRUCTIONS: [(usize, f64); 2] = [(1, 5_716.0), (16, 48_692.0)];

/// Measures everything, prints it, and fails if a bound is broken.
pub(crate) fn guards(options: &[&str]) -> Result<(), String> {
    let folder = folder()?;
    let mut guards = Vec::new();
    if cfg!(target_arch = "x86_64") {
        for (depth, committed) in INSTRUCTIONS {
            let what = format!("instructions of a turn, depth {depth}");
            guards.push(Guard { what, figure: instructions(depth)?, bound: Bound::Near(committed) });
        }
    }
    guards.extend(allocations(&folder)?);
    guards.extend(system_calls(&folder)?);
    words(fs::remove_dir_all(&folder))?;
    let broken = guards.iter().filter(|guard| !guard.say()).count();
    match broken {
        0 => Ok(()),
        _ if options.contains(&"--print") => Ok(()),
        broken => Err(format!("{broken} of {} guards are broken", guards.len())),
    }
}

impl Guard {
    fn at_most(what: impl Into<String>, figure: f64, most: f64) -> Guard {
        Guard { what: what.into(), figure, bound: Bound::AtMost(most) }
    }

    /// Prints it; whether it holds.
    fn say(&self) -> bool {
        let (holds, bound) = match self.bound {
            Bound::Near(committed) => {
                ((self.figure / committed - 1.0).abs() <= NEAR, format!("{committed:.0} ±5 %"))
            }
            Bound::AtMost(most) => (self.figure <= most, format!("at most {most}")),
        };
        let verdict = if holds { "ok" } else { "BROKEN" };
        println!("{:<62} {:>12.3}  {bound:<16} {verdict}", self.what, self.figure);
        holds
    }
}

/// Of a turn, as callgrind counts them: the same however busy the machine is.
fn instructions(depth: usize) -> Result<f64, String> {
    let few = callgrind(depth, TURNS.0)?;
    Ok((callgrind(depth, TURNS.1)? - few) / (TURNS.1 - TURNS.0) as f64)
}

fn callgrind(depth: usize, turns: usize) -> Result<f64, String> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"]);
    command.arg("--toggle-collect=*counted_turn*").arg(this_program()?);
    command.args([turns::TURNS, "1", &depth.to_string(), &turns.to_string()]);
    let said = run(command)?;
    let line = said.lines().find_map(|line| line.split_once("Collected : "));
    let count = line.and_then(|(_, count)| count.trim().parse().ok());
    count.ok_or_else(|| format!("callgrind collected nothing:\n{said}"))
}

/// Of C code too: the process has another malloc.
fn allocations(folder: &Path) -> Result<Vec<Guard>, String> {
    let counter = Counter::build(folder)?;
    let mut guards = Vec::new();
    for (connections, depth) in [(64, 1), (64, 16)] {
        let (_served, mut fleet) = start_under(counter.command()?, Tuning::default(), &Answers::Fixed)?;
        let batch = [Batch::new(depth)?];
        fleet.grow(connections)?;
        fleet.load(&batch, BATCHES)?;
        let before = counter.read()?;
        fleet.load(&batch, BATCHES)?;
        let figure = (counter.read()? - before) / (BATCHES * depth) as f64;
        // The worker's looks at its connections allocate now and then, whatever is asked for meanwhile.
        guards.push(Guard::at_most(format!("allocations a request, {connections}×{depth}"), figure, RARE));
    }
    // Two connections on one place of the table: each turn finds the other's contexts there.
    let turn = |connections| {
        let few = counter.turns(connections, TURNS.0)?;
        Ok::<_, String>((counter.turns(connections, TURNS.1)? - few) / (TURNS.1 - TURNS.0) as f64)
    };
    let (alone, missed) = (turn(1)?, turn(2)?);
    guards.push(Guard {
        what: "allocations of a miss of the table: two contexts".into(),
        figure: missed - alone,
        bound: Bound::Near(2.0),
    });
    Ok(guards)
}

/// A `malloc` that counts, and the file in which it does.
struct Counter {
    library: PathBuf,
    count: PathBuf,
}

impl Counter {
    fn build(folder: &Path) -> Result<Counter, String> {
        let (source, library, count) =
            (folder.join("malloc_count.c"), folder.join("malloc_count.so"), folder.join("count"));
        words(fs::write(&source, include_str!("malloc_count.c")))?;
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).args([&library, &source]);
        run(cc)?;
        words(fs::write(&count, [0; 8]))?;
        Ok(Counter { library, count })
    }

    /// This program, counted.
    fn command(&self) -> Result<Command, String> {
        let mut command = Command::new(this_program()?);
        command.env("LD_PRELOAD", &self.library).env("PINWIRE_MALLOC_COUNT", &self.count);
        Ok(command)
    }

    fn read(&self) -> Result<f64, String> {
        let bytes = words(fs::read(&self.count))?;
        let bytes = bytes.try_into().map_err(|_| "the count is not eight bytes")?;
        Ok(u64::from_ne_bytes(bytes) as f64)
    }

    /// Allocations of a process that runs so many turns in memory, both sides of them.
    fn turns(&self, connections: usize, turns: usize) -> Result<f64, String> {
        let before = self.read()?;
        let mut command = self.command()?;
        command.args([turns::TURNS, &connections.to_string(), "1", &turns.to_string()]);
        run(command)?;
        Ok(self.read()? - before)
    }
}

/// Receives and sends of sockets, as strace sees them.
fn system_calls(folder: &Path) -> Result<Vec<Guard>, String> {
    let trace = folder.join("trace");
    let mut guards = Vec::new();
    for (depth, most) in [(1, 1.0 + PIECES), (16, 1.0 / 16.0 + PIECES)] {
        let mut command = Command::new("strace");
        command.args([
            "--follow-forks",
            "--quiet=all",
            "--trace=recvfrom,recvmsg,readv,sendto,sendmsg,writev",
        ]);
        command.arg("--output").arg(&trace).arg(this_program()?);
        let (served, mut fleet) = start_under(command, Tuning::default(), &Answers::Fixed)?;
        let batch = [Batch::new(depth)?];
        fleet.grow(1)?;
        fleet.load(&batch, BATCHES / 100)?;
        let before = Calls::read(&trace)?;
        fleet.load(&batch, BATCHES / 10)?;
        let after = Calls::read(&trace)?;
        drop((fleet, served));
        let requests = (BATCHES / 10 * depth) as f64;
        let (receives, sends) = (after.receives - before.receives, after.sends - before.sends);
        guards.push(Guard::at_most(format!("receives a request, depth {depth}"), receives / requests, most));
        guards.push(Guard::at_most(format!("sends a request, depth {depth}"), sends / requests, most));
    }
    Ok(guards)
}

struct Calls {
    receives: f64,
    sends: f64,
}

impl Calls {
    /// What strace has written; it writes line by line.
    fn read(trace: &Path) -> Result<Calls, String> {
        let text = words(fs::read(trace))?;
        let text = String::from_utf8_lossy(&text);
        let count = |names: [&str; 3]| {
            let begins = |line: &&str| names.iter().any(|name| line.contains(&format!(" {name}(")));
            text.lines().filter(begins).count() as f64
        };
        Ok(Calls {
            receives: count(["recvfrom", "recvmsg", "readv"]),
            sends: count(["sendto", "sendmsg", "writev"]),
        })
    }
}

fn run(mut command: Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|why| format!("{name} cannot be started: {why}"))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        Err(format!("{name} ended with {}:\n{said}", output.status))
    }
}

/// A folder of this run's own.
fn folder() -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("pinwire-guards-{}", std::process::id()));
    words(fs::create_dir_all(&folder))?;
    Ok(folder)
}

/// How far an instruction count may be from the committed one: another patch release of a library moves it less.
const NEAR: f64 = 0.05;

/// What comes with time and not with requests, spread over the requests of a run.
const RARE: f64 = 0.002;

/// A command may come in two pieces, now and then.
const PIECES: f64 = 0.01;

/// Turns of the shorter and of the longer run: what only begins and ends costs is in both.
const TURNS: (usize, usize) = (200, 1_200);

/// Batches of a run over sockets.
const BATCHES: usize = 20_000;
