//! The measurements: a server and a fleet for each, several runs, the median with the extremes.

use std::fmt;
use std::process::Command;

use pinwire_server::Pin;
use pinwire_server::proto::identity::KeyKind;
use pinwire_server::proto::tls::ClientTls;

use crate::child::{Answers, Records, Served, Tuning, identity, this_program, words};
use crate::fleet::Fleet;
use crate::idle;
use crate::peer::Batch;
use crate::table::Column;

/// What a column's figure is of.
pub(crate) enum What {
    /// Server CPU a request, µs.
    Load { connections: usize, depth: usize, batches: usize },
    /// Bytes of the server's memory an idle connection.
    Idle,
    /// Server CPU a full handshake with its greeting, µs.
    Handshake,
}

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    runs: usize,
    /// Batches a run are this part of what the column says.
    part: usize,
    most_loaded: usize,
    idle_runs: usize,
    idle: (usize, usize),
    handshakes: usize,
}

/// The runs of one figure.
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Scale {
    pub(crate) fn full() -> Scale {
        Scale {
            runs: 7,
            part: 1,
            most_loaded: usize::MAX,
            idle_runs: 3,
            idle: (1_000, 8_000),
            handshakes: 1_000,
        }
    }

    pub(crate) fn quick() -> Scale {
        Scale { runs: 3, part: 3, idle_runs: 1, idle: (1_000, 4_000), handshakes: 300, ..Scale::full() }
    }

    pub(crate) fn smoke() -> Scale {
        Scale { runs: 1, part: 1_000, most_loaded: 4, idle_runs: 1, idle: (2, 8), handshakes: 4 }
    }

    pub(crate) fn idle_to(self, connections: usize) -> Result<Scale, String> {
        let from = self.idle.0;
        if connections <= from {
            return Err(format!("idle memory is a slope from {from} connections: ask for more than that"));
        }
        Ok(Scale { idle: (from, connections), ..self })
    }

    pub(crate) fn most_connections(&self) -> usize {
        self.idle.1.max(self.handshakes + WARM_HANDSHAKES)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scale { runs, handshakes, idle: (from, to), idle_runs, .. } = self;
        writeln!(f, "TLS 1.3, AES-128-GCM, hybrid key exchange, P-256 server, Ed25519 clients; one worker")?;
        writeln!(f, "CPU: the server process, user and system, median of {runs} runs; a run of handshakes")?;
        writeln!(f, "is {handshakes}, none resumed. Idle bytes: the server process, resident, slope from")?;
        write!(f, "{from} to {to} connections that asked once, median of {idle_runs}")
    }
}

impl Spread {
    pub(crate) fn of(runs: usize, mut run: impl FnMut() -> Result<f64, String>) -> Result<Spread, String> {
        Spread::from((0..runs).map(|_| run()).collect::<Result<Vec<f64>, String>>()?)
    }

    pub(crate) fn from(mut figures: Vec<f64>) -> Result<Spread, String> {
        figures.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (figures.first(), figures.last()) else {
            return Err("no run, no figure".to_owned());
        };
        let median = (figures[(figures.len() - 1) / 2] + figures[figures.len() / 2]) / 2.0;
        Ok(Spread { min, median, max })
    }
}

/// Measures one column.
pub(crate) fn column(column: &Column, scale: &Scale) -> Result<Spread, String> {
    match column.what {
        What::Load { connections, depth, batches } => {
            load(connections.min(scale.most_loaded), depth, (batches / scale.part).max(1), scale.runs)
        }
        What::Idle => Spread::of(scale.idle_runs, || idle::of_library(scale.idle)),
        What::Handshake => Spread::of(scale.runs, || handshake(scale.handshakes)),
    }
}

fn load(connections: usize, depth: usize, batches: usize, runs: usize) -> Result<Spread, String> {
    let (mut served, mut fleet) = start(&Answers::Fixed)?;
    let batch = [Batch::new(depth)?];
    fleet.grow(connections)?;
    fleet.load(&batch, batches.div_ceil(5))?; // warms the caches and the branch predictors
    Spread::of(runs, || {
        let before = served.cpu()?;
        fleet.load(&batch, batches)?;
        Ok((served.cpu()? - before) / (batches * depth) as f64)
    })
}

/// From the accept to the greeting and the session ticket; the closing is not counted.
fn handshake(count: usize) -> Result<f64, String> {
    let (mut served, mut fleet) = start(&Answers::Fixed)?;
    fleet.grow(WARM_HANDSHAKES)?;
    let before = served.cpu()?;
    fleet.grow(WARM_HANDSHAKES + count)?;
    Ok((served.cpu()? - before) / count as f64)
}

/// A server with one worker and clients that it lets in, none of them connected yet.
pub(crate) fn start(answers: &Answers) -> Result<(Served, Fleet), String> {
    start_tuned(Tuning::default(), answers)
}

/// The same with another server than the usual one.
pub(crate) fn start_tuned(tuning: Tuning, answers: &Answers) -> Result<(Served, Fleet), String> {
    start_under(Command::new(this_program()?), tuning, answers)
}

/// The same by a command that begins otherwise.
pub(crate) fn start_under(
    command: Command,
    tuning: Tuning,
    answers: &Answers,
) -> Result<(Served, Fleet), String> {
    let client = identity(KeyKind::Ed25519)?;
    let digests = client.certificate().map_err(ToString::to_string)?.digests;
    let trust = format!("{} name=bench\n", Pin::Spki(digests.spki));
    let served = Served::start(command, &trust, tuning, answers)?;
    // The same over both record layers: what the client costs is not measured, but its pace is felt.
    let tls = words(ClientTls::new(Some(&client)))?;
    let tls = if tuning.records == Records::Clear { tls.in_the_clear(None) } else { tls };
    let fleet = Fleet::new(served.address, &tls)?;
    Ok((served, fleet))
}

const WARM_HANDSHAKES: usize = 64;
