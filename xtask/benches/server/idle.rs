//! What an idle connection costs in memory: of the program as it is released, and of the library in a program that
//! says nothing of its allocator.

use std::thread;
use std::time::Duration;

use pinwire_server::Pin;
use pinwire_server::proto::identity::KeyKind;
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::Request;

use crate::child::{Answers, BODY, identity, words};
use crate::fleet::Fleet;
use crate::measure::{Spread, start};
use crate::options::USAGE;
use crate::peer::Batch;
use crate::program::{self, Server};
use crate::table::number;
use crate::{child, machine};

/// Prints a line for each.
pub(crate) fn bench(typed: &[&str]) -> Result<(), String> {
    let typed = typed.iter().copied().filter(|word| !["--bench", "idle"].contains(word));
    let most = match typed.collect::<Vec<_>>()[..] {
        [] => MOST,
        ["--connections", count] => {
            let more = count.parse().ok().filter(|count| *count > FEW);
            more.ok_or_else(|| format!("--connections {count}: a number above {FEW} is wanted"))?
        }
        _ => return Err(format!("that is not an option\n{USAGE}")),
    };
    machine::allow_files(most)?;
    print!("{}", machine::describe());
    println!("resident bytes of the server process an idle connection that asked once: slope from {FEW} to");
    println!("{most} connections, {RUNS} runs\n");
    println!("| server | median | least to most |\n| --- | ---: | ---: |");
    row("pinwire serve", &Spread::of(RUNS, || of_program(most))?);
    row("a library user's, glibc's malloc", &Spread::of(RUNS, || of_library((FEW, most)))?);
    Ok(())
}

fn row(name: &str, spread: &Spread) {
    let Spread { min, median, max } = spread;
    println!("| {name} | {} | {} to {} |", number(*median), number(*min), number(*max));
}

fn of_program(most: usize) -> Result<f64, String> {
    let client = identity(KeyKind::Ed25519)?;
    let digests = client.certificate().map_err(ToString::to_string)?.digests;
    let trusted = format!("{}  name=bench\n", Pin::Spki(digests.spki));
    let server = Server::start(&program::path()?, &trusted)?;
    let mut fleet = Fleet::new(server.address, &words(ClientTls::new(Some(&client)))?)?;
    fleet.grow(1)?;
    fleet.load(&[Batch::of(1, &Request::line("PUT employees/1-A").body(BODY))?], 1)?;
    slope(&mut fleet, (FEW, most), || child::resident(server.id()))
}

/// The same of the benchmark's own server.
pub(crate) fn of_library(counts: (usize, usize)) -> Result<f64, String> {
    let (served, mut fleet) = start(&Answers::Fixed)?;
    slope(&mut fleet, counts, || served.resident())
}

fn slope(
    fleet: &mut Fleet,
    (from, to): (usize, usize),
    now: impl Fn() -> Result<f64, String>,
) -> Result<f64, String> {
    let batch = [Batch::new(1)?];
    let mut resident = |connections| {
        fleet.grow(connections)?;
        fleet.load(&batch, connections)?; // one request each
        at_rest(&now)
    };
    let before = resident(from)?;
    Ok((resident(to)? - before) / (to - from) as f64)
}

/// What is resident once it falls no more: an allocator gives back what handshakes needed a moment later.
fn at_rest(now: &impl Fn() -> Result<f64, String>) -> Result<f64, String> {
    let mut before = now()?;
    loop {
        thread::park_timeout(MOMENT);
        match now()? {
            after if after < before => before = after,
            after => return Ok(after),
        }
    }
}

/// An allocator's moment is some 10 ms, and the server looks at its connections every second.
const MOMENT: Duration = Duration::from_secs(2);

const FEW: usize = 1_000;
/// What a process may have open on our machine, twice: client and server.
const MOST: usize = 15_000;
const RUNS: usize = 5;
