//! What durable documents cost: PUTs a second beside what the disk alone can do, and a GET's server CPU from
//! the file beside one from memory, in turn.

use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use pinwire_documents::{Embedded, Id, Limits, Store as _};
use pinwire_server::proto::wire::Request;

use crate::child::{Answers, BODY, words};
use crate::machine;
use crate::measure::{Spread, start};
use crate::peer::Batch;
use crate::table::number;

/// How much is measured.
struct Scale {
    runs: usize,
    /// PUTs a run and a client; the first run of a size warms up.
    puts: usize,
    gets: usize,
    syncs: usize,
    /// Documents of 100 kB in the store that is opened.
    large: usize,
}

const FULL: Scale = Scale { runs: 5, puts: 1_000, gets: 100_000, syncs: 2_000, large: 1_000 };
const SMOKE: Scale = Scale { runs: 1, puts: 2, gets: 64, syncs: 2, large: 1 };

/// Prints both tables.
pub(crate) fn bench() -> Result<(), String> {
    print!("{}", machine::describe());
    println!("documents of 100 bytes, {IDS} ids; one worker; medians of {} runs, least to most\n", FULL.runs);
    print!("{}\n{}\n{}", puts(&FULL)?, gets(&FULL)?, opening(&FULL)?);
    println!("\n{}", machine::load());
    Ok(())
}

/// The same at the smallest scale: that it works, not what it says.
pub(crate) fn smoke() -> Result<(), String> {
    for table in [puts(&SMOKE)?, gets(&SMOKE)?, opening(&SMOKE)?] {
        let lines = table.lines().count();
        if lines < 3 {
            return Err(format!("lines are missing:\n{table}"));
        }
    }
    Ok(())
}

/// PUTs a second of 1, 16 and 128 clients, each of which waits for its answer before it sends the next.
fn puts(scale: &Scale) -> Result<String, String> {
    let folder = Folder::new()?;
    let mut table = String::from("| durable, a second | median | least to most |\n| --- | ---: | ---: |\n");
    let alone = Spread::of(scale.runs, || syncs(&folder.0, scale.syncs))?;
    table += &row("fdatasync of 4 KiB, again and again", &alone);
    for clients in [1, 16, 128] {
        let (_served, mut fleet) = start(&Answers::File(folder.0.join(format!("{clients}.redb"))))?;
        fleet.grow(clients)?;
        let (batches, count) = (put_batches()?, scale.puts * clients.min(16));
        fleet.load(&batches, count)?;
        let spread = Spread::of(scale.runs, || {
            let began = Instant::now();
            fleet.load(&batches, count)?;
            Ok(count as f64 / began.elapsed().as_secs_f64())
        })?;
        table += &row(&format!("PUTs, clients: {clients}"), &spread);
    }
    Ok(table)
}

/// Server CPU of a GET, µs.
fn gets(scale: &Scale) -> Result<String, String> {
    let folder = Folder::new()?;
    let mut table = String::from("| GET, server CPU µs | median | least to most |\n| --- | ---: | ---: |\n");
    for (connections, depth) in [(64, 1), (64, 16)] {
        let (mut in_file, mut in_memory) = (Vec::new(), Vec::new());
        let file = folder.0.join(format!("{depth}.redb"));
        let mut sides =
            [Side::start(&Answers::File(file), connections)?, Side::start(&Answers::Memory, connections)?];
        for _ in 0..scale.runs {
            in_file.push(sides[0].get(depth, scale.gets)?);
            in_memory.push(sides[1].get(depth, scale.gets)?);
        }
        let ratios = in_file.iter().zip(&in_memory).map(|(file, memory)| file / memory).collect();
        for (name, figures) in
            [("from the file", in_file), ("from memory", in_memory), ("file against memory", ratios)]
        {
            table += &row(&format!("{connections}×{depth} {name}"), &Spread::from(figures)?);
        }
    }
    Ok(table)
}

/// Opening a file as a killed server leaves it, ms. It is a copy, made while the store was open.
fn opening(scale: &Scale) -> Result<String, String> {
    let folder = Folder::new()?;
    let (open, left) = (folder.0.join("open.redb"), folder.0.join("left.redb"));
    let store = words(Embedded::open(&open, Limits::default()))?;
    let runtime = words(tokio::runtime::Builder::new_current_thread().build())?;
    for number in 0..scale.large {
        let id = name(number);
        let id = words(Id::parse(&id))?;
        words(runtime.block_on(store.put(id, &[number as u8; 100_000], None).done()))?;
    }
    let spread = Spread::of(scale.runs, || {
        words(fs::copy(&open, &left))?;
        // Else opening, which syncs, would wait for the copy.
        words(File::open(&left).and_then(|copy| copy.sync_all()))?;
        let began = Instant::now();
        let _opened = words(Embedded::open(&left, Limits::default()))?;
        Ok(began.elapsed().as_secs_f64() * 1_000.0)
    })?;
    let megabytes = scale.large as f64 / 10.0;
    let mut table =
        String::from("| opening after a kill, ms | median | least to most |\n| --- | ---: | ---: |\n");
    table += &row(&format!("{megabytes} MB of documents"), &spread);
    Ok(table)
}

/// A server that is asked in turn with another.
struct Side {
    served: crate::child::Served,
    fleet: crate::fleet::Fleet,
}

impl Side {
    fn start(answers: &Answers, connections: usize) -> Result<Side, String> {
        let (served, mut fleet) = start(answers)?;
        fleet.grow(connections)?;
        fleet.load(&put_batches()?, IDS)?;
        Ok(Side { served, fleet })
    }

    fn get(&mut self, depth: usize, count: usize) -> Result<f64, String> {
        let batches = (0..IDS).map(|id| Batch::of(depth, &Request::new("GET").arg(name(id))));
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        let rounds = count.div_ceil(depth);
        self.fleet.load(&batches, rounds.div_ceil(5))?; // warms the caches and the branch predictors
        let before = self.served.cpu()?;
        self.fleet.load(&batches, rounds)?;
        Ok((self.served.cpu()? - before) / (rounds * depth) as f64)
    }
}

fn put_batches() -> Result<Vec<Batch>, String> {
    (0..IDS).map(|id| Batch::of(1, &Request::new("PUT").arg(name(id)).body(BODY))).collect()
}

fn name(id: usize) -> String {
    format!("employees/{id}")
}

/// What the disk does by itself: 4 KiB written over and over in one place, each time made durable.
fn syncs(folder: &Path, count: usize) -> Result<f64, String> {
    let mut file = words(File::create(folder.join("syncs")))?;
    let began = Instant::now();
    for round in 0..count {
        words(file.rewind())?;
        words(file.write_all(&[round as u8; 4_096]))?;
        words(file.sync_data())?;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

fn row(name: &str, spread: &Spread) -> String {
    format!("| {name} | {} | {} to {} |\n", number(spread.median), number(spread.min), number(spread.max))
}

/// A folder on the disk that holds the build, gone when dropped: the system's own for such things may be memory.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, String> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("documents-{}", std::process::id()));
        words(fs::create_dir_all(&path))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Documents that are written and read in turn.
const IDS: usize = 1_000;
