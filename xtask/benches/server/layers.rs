//! The record layers side by side: what a request costs a server whose records are made by the compact layer, by
//! rustls, or by nobody. Three processes that run at the same time and are loaded in turn, so that noise hits all
//! alike. What the handshake costs is not in it, nor what a connection weighs.

mod profile;
mod table;

use crate::child::{Answers, Records, Served, Tuning};
use crate::fleet::Fleet;
use crate::machine;
use crate::measure::start_tuned;
use crate::options::USAGE;
use crate::peer::Batch;

/// The order of a round; the next one goes backwards. Compact has both others as neighbours.
const ORDER: [Records; 3] = [Records::Rustls, Records::Compact, Records::Clear];

/// One kind of load.
struct Column {
    name: &'static str,
    connections: usize,
    depth: usize,
    /// Batches a run: about half a second. Short runs, and many, see more of what neighbours share than few long ones.
    batches: usize,
}

const COLUMNS: [Column; 3] = [
    Column { name: "64×1", connections: 64, depth: 1, batches: 40_000 },
    Column { name: "64×16", connections: 64, depth: 16, batches: 24_000 },
    Column { name: "1000×1", connections: 1_000, depth: 1, batches: 40_000 },
];

/// How much is measured.
struct Scale {
    /// How often the servers start anew: where a process has its memory is luck too.
    starts: usize,
    /// Of each start.
    rounds: usize,
    /// Batches a run are this part of what the column says.
    part: usize,
    most_connections: usize,
}

const FULL: Scale = Scale { starts: 4, rounds: 5, part: 1, most_connections: usize::MAX };
const QUICK: Scale = Scale { starts: 2, rounds: 4, part: 3, ..FULL };
const SMOKE: Scale = Scale { starts: 2, rounds: 1, part: 1_000, most_connections: 4 };

/// The figures of a column, in the order in which they were measured.
#[derive(Default)]
struct Figures {
    /// Server CPU a request, µs, a round.
    rustls: Vec<f64>,
    compact: Vec<f64>,
    clear: Vec<f64>,
    /// In [`ORDER`]; why there is none, otherwise.
    profiles: Vec<Result<profile::Profile, String>>,
}

/// Prints the table, the profile if it is wanted, and last whether compact is above rustls.
pub(crate) fn bench(typed: &[&str]) -> Result<(), String> {
    let known = ["--bench", "layers", "--quick", "--profile"];
    if let Some(word) = typed.iter().find(|word| !known.contains(word)) {
        return Err(format!("{word} is not an option\n{USAGE}"));
    }
    let scale = if typed.contains(&"--quick") { QUICK } else { FULL };
    machine::allow_files(COLUMNS.map(|column| column.connections).into_iter().sum())?;
    print!("{}", machine::describe());
    println!("TLS 1.3, AES-128-GCM, GETs of 100 bytes; three servers with one worker each, loaded in turn;");
    println!("{} rounds, the servers started anew {} times\n", scale.starts * scale.rounds, scale.starts);
    let columns = measure(&scale, typed.contains(&"--profile"))?;
    print!("{}", table::table(&columns)?);
    print!("{}", table::profiles(&columns)?);
    println!("\n{}\n{}", machine::load(), table::verdict(&columns)?);
    Ok(())
}

/// The same at the smallest scale: that it works, not what it says.
pub(crate) fn smoke() -> Result<(), String> {
    // As statisticians' tables of the sign test have it.
    if [5, 6, 8, 20].map(table::left_off) != [None, Some(0), Some(0), Some(5)] {
        return Err("the median's interval is wrong".to_owned());
    }
    let columns = measure(&SMOKE, false)?;
    let (table, verdict) = (table::table(&columns)?, table::verdict(&columns)?);
    match table.lines().count() {
        12 if verdict.contains("too few rounds") => Ok(()),
        _ => Err(format!("lines are missing, or two rounds tell something:\n{table}{verdict}")),
    }
}

fn measure(scale: &Scale, with_profile: bool) -> Result<Vec<(&'static Column, Figures)>, String> {
    let mut columns = Vec::new();
    for column in &COLUMNS {
        let mut figures = Figures::default();
        for start in 1..=scale.starts {
            eprintln!("bench: layers, {}, start {start} of {} …", column.name, scale.starts);
            let mut sides = Sides::start(column, scale)?;
            sides.rounds(scale.rounds, &mut figures)?;
            if with_profile && start == scale.starts {
                figures.profiles = sides.0.iter_mut().map(Side::profile).collect();
            }
        }
        columns.push((column, figures));
    }
    Ok(columns)
}

/// The three servers, in [`ORDER`].
struct Sides([Side; 3]);

/// One of the servers, and the clients of it.
struct Side {
    served: Served,
    fleet: Fleet,
    batch: [Batch; 1],
    depth: usize,
    batches: usize,
}

impl Sides {
    fn start(column: &Column, scale: &Scale) -> Result<Sides, String> {
        let [rustls, compact, clear] = ORDER.map(|records| Side::start(records, column, scale));
        Ok(Sides([rustls?, compact?, clear?]))
    }

    fn rounds(&mut self, rounds: usize, figures: &mut Figures) -> Result<(), String> {
        let Sides([rustls, compact, clear]) = self;
        let Figures { rustls: of_rustls, compact: of_compact, clear: of_clear, .. } = figures;
        let mut round = [(rustls, of_rustls), (compact, of_compact), (clear, of_clear)];
        for _ in 0..rounds {
            for (side, figures) in &mut round {
                figures.push(side.run()?);
            }
            round.reverse();
        }
        Ok(())
    }
}

impl Side {
    fn start(records: Records, column: &Column, scale: &Scale) -> Result<Side, String> {
        let tuning = Tuning { records, ..Tuning::default() };
        let (served, mut fleet) = start_tuned(tuning, &Answers::Fixed)?;
        fleet.grow(column.connections.min(scale.most_connections))?;
        let (depth, batches) = (column.depth, (column.batches / scale.part).max(1));
        let mut side = Side { served, fleet, batch: [Batch::new(depth)?], depth, batches };
        side.run()?; // warms the caches and the branch predictors
        Ok(side)
    }

    /// Server CPU a request, µs.
    fn run(&mut self) -> Result<f64, String> {
        let before = self.served.cpu()?;
        self.fleet.load(&self.batch, self.batches)?;
        Ok((self.served.cpu()? - before) / (self.batches * self.depth) as f64)
    }

    fn profile(&mut self) -> Result<profile::Profile, String> {
        let Side { served, fleet, batch, batches, .. } = self;
        profile::record(served.process(), || fleet.load(batch, *batches / 4))
    }
}
