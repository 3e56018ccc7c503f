//! Whether one connection that asks for much makes the others wait: how long the answers of a hundred take
//! that ask for one thing at a time, alone and beside the hog, in turn.
//!
//! The hog's client takes processor time as well, so a third turn lets it loose on another server: what the
//! hundred feel then is the machine, not the server's order.

use std::time::{Duration, Instant};

use crate::child::{Answers, Tuning};
use crate::fleet::Fleet;
use crate::hog::{Hog, KINDS, Kind};
use crate::machine;
use crate::measure::{Spread, start_tuned};
use crate::options::USAGE;
use crate::peer::Batch;
use crate::table::number;

/// How much is measured.
struct Scale {
    rounds: usize,
    /// A turn; a fifth of it goes before, to warm up.
    span: Duration,
    connections: usize,
    workers: &'static [usize],
}

const FULL: Scale = Scale { rounds: 7, span: Duration::from_millis(800), connections: 100, workers: &[1, 2] };
const QUICK: Scale = Scale { rounds: 5, span: Duration::from_millis(400), workers: &[1], ..FULL };
const SMOKE: Scale = Scale { rounds: 1, span: Duration::from_millis(10), connections: 4, workers: &[2] };

/// Prints a table for each number of workers.
pub(crate) fn bench(typed: &[&str]) -> Result<(), String> {
    let Options { scale, workers, hog } = Options::read(typed)?;
    print!("{}", machine::describe());
    println!(
        "{} connections at depth 1, GETs of 100 bytes; medians of {} rounds",
        scale.connections, scale.rounds
    );
    println!("same: the hog asks their server; other: it asks another one on this machine");
    for workers in workers.as_ref().map_or(scale.workers, std::slice::from_ref) {
        eprintln!("bench: fairness, workers: {workers} …");
        let kinds = KINDS.iter().filter(|kind| hog.as_deref().is_none_or(|hog| hog == kind.name));
        print!("\n{}", table(&scale, Tuning { workers: *workers, ..Tuning::default() }, kinds)?);
    }
    println!("\n{}", machine::load());
    Ok(())
}

/// The same at the smallest scale: that it works, not what it says.
pub(crate) fn smoke() -> Result<(), String> {
    let table = table(&SMOKE, Tuning { workers: SMOKE.workers[0], ..Tuning::default() }, KINDS.iter())?;
    match table.lines().count() {
        lines if lines == 2 + 3 * KINDS.len() => Ok(()),
        _ => Err(format!("lines are missing:\n{table}")),
    }
}

/// A line for each place of each hog.
fn table(
    scale: &Scale,
    tuning: Tuning,
    kinds: impl Iterator<Item = &'static Kind>,
) -> Result<String, String> {
    let (_served, mut fleet) = start_tuned(tuning, &Answers::Fixed)?;
    let (_other_served, other) = start_tuned(tuning, &Answers::Fixed)?;
    fleet.grow(scale.connections)?;
    let mut table = heading(tuning);
    for kind in kinds {
        let (mut alone, mut same, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            alone.push(turn(&mut fleet, None, scale.span)?);
            let hog = Hog::start(kind, fleet.target());
            same.push(turn(&mut fleet, Some(hog), scale.span)?);
            let hog = Hog::start(kind, other.target());
            elsewhere.push(turn(&mut fleet, Some(hog), scale.span)?);
        }
        let name = kind.name;
        table += &row(&format!("{name}: alone"), &alone, None)?;
        table += &row(&format!("{name}: same"), &same, Some(&alone))?;
        table += &row(&format!("{name}: other"), &elsewhere, Some(&alone))?;
    }
    Ok(table)
}

/// What one turn showed: µs, and commands a second.
struct Figures {
    p50: f64,
    p99: f64,
    p999: f64,
    hog: f64,
}

fn turn(fleet: &mut Fleet, hog: Option<Hog>, span: Duration) -> Result<Figures, String> {
    let batch = Batch::new(1)?;
    let sent = || hog.as_ref().map_or(0, Hog::sent);
    fleet.sample(&batch, span / 5)?; // the hog is at it when this has ended
    let (began, before) = (Instant::now(), sent());
    let waits = fleet.sample(&batch, span)?;
    let hogged = (sent() - before) as f64 / began.elapsed().as_secs_f64();
    hog.map_or(Ok(()), Hog::stop)?;
    Figures::of(waits, hogged)
}

impl Figures {
    fn of(mut waits: Vec<Duration>, hog: f64) -> Result<Figures, String> {
        waits.sort_unstable();
        let last = waits.len().checked_sub(1).ok_or("nobody was answered")?;
        let at = |part: f64| waits[(last as f64 * part) as usize].as_secs_f64() * 1e6;
        Ok(Figures { p50: at(0.5), p99: at(0.99), p999: at(0.999), hog })
    }
}

fn heading(tuning: Tuning) -> String {
    format!(
        "| hog; workers: {} | p50 µs | p99 µs | p99.9 µs | p99 against alone | least to most | hog's commands a second |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        tuning.workers
    )
}

fn row(name: &str, turns: &[Figures], alone: Option<&[Figures]>) -> Result<String, String> {
    let median = |of: fn(&Figures) -> f64| {
        Spread::from(turns.iter().map(of).collect()).map(|spread| number(spread.median))
    };
    let (p50, p99, p999, hog) =
        (median(|at| at.p50)?, median(|at| at.p99)?, median(|at| at.p999)?, median(|at| at.hog)?);
    let Some(alone) = alone else {
        return Ok(format!("| {name} | {p50} | {p99} | {p999} | – | – | – |\n"));
    };
    // Of turns that followed each other: the machine's other work changes with time.
    let ratios = turns.iter().zip(alone).map(|(turn, alone)| turn.p99 / alone.p99);
    let Spread { min, median: ratio, max } = Spread::from(ratios.collect())?;
    Ok(format!("| {name} | {p50} | {p99} | {p999} | {ratio:.2} | {min:.2} to {max:.2} | {hog} |\n"))
}

/// What may be typed after `cargo xtask bench fairness`.
struct Options {
    scale: Scale,
    workers: Option<usize>,
    hog: Option<String>,
}

impl Options {
    fn read(typed: &[&str]) -> Result<Options, String> {
        let mut options = Options { scale: FULL, workers: None, hog: None };
        let mut typed = typed.iter().copied().filter(|word| !["--bench", "fairness"].contains(word));
        while let Some(word) = typed.next() {
            match word {
                "--quick" => options.scale = QUICK,
                "--workers" => options.workers = Some(count(typed.next())?),
                "--hog" => options.hog = Some(name(typed.next())?),
                other => return Err(format!("{other} is not an option\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

fn count(word: Option<&str>) -> Result<usize, String> {
    let number = word.and_then(|word| word.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("--workers wants a number\n{USAGE}"))
}

fn name(word: Option<&str>) -> Result<String, String> {
    let known = word.filter(|word| KINDS.iter().any(|kind| kind.name == *word));
    let names = || KINDS.map(|kind| kind.name).join(", ");
    known.map(ToOwned::to_owned).ok_or_else(|| format!("--hog wants one of {}\n{USAGE}", names()))
}
