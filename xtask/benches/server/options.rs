//! What may be typed after `cargo xtask bench`.

use crate::measure::Scale;
use crate::table::{COLUMNS, Column};

/// What to measure, and how long.
pub(crate) struct Options {
    pub(crate) scale: Scale,
    only: Option<String>,
}

impl Options {
    /// Reads the words behind the program's name. Cargo puts a `--bench` of its own among them.
    pub(crate) fn read(words: &[&str]) -> Result<Options, String> {
        let mut options = Options { scale: Scale::full(), only: None };
        let mut connections = None;
        let mut words = words.iter().filter(|word| **word != "--bench");
        while let Some(word) = words.next() {
            match *word {
                "--quick" => options.scale = Scale::quick(),
                "--connections" => connections = Some(count(words.next())?),
                "--only" => options.only = Some(name(words.next())?),
                other => return Err(format!("{other} is not an option\n{USAGE}")),
            }
        }
        if let Some(connections) = connections {
            options.scale = options.scale.idle_to(connections)?;
        }
        Ok(options)
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = &'static Column> {
        COLUMNS.iter().filter(|column| self.only.as_deref().is_none_or(|only| only == column.name))
    }
}

fn count(word: Option<&&str>) -> Result<usize, String> {
    let number = word.and_then(|word| word.parse().ok());
    number.ok_or_else(|| format!("--connections wants a number\n{USAGE}"))
}

fn name(word: Option<&&str>) -> Result<String, String> {
    let known = word.filter(|word| COLUMNS.iter().any(|column| column.name == **word));
    let names = || COLUMNS.map(|column| column.name).join(", ");
    known.map(|word| (*word).to_owned()).ok_or_else(|| format!("--only wants one of {}\n{USAGE}", names()))
}

pub(crate) const USAGE: &str = "\
usage: cargo xtask bench [--quick] [--connections N] [--only COLUMN]
  --quick          some 20 s: fewer and shorter runs, fewer idle connections
  --connections N  idle memory is the slope from 1,000 to N connections (8,000)
  --only COLUMN    64x1, 64x16, 1000x1, idle or handshake alone
       cargo xtask bench idle [--connections N]
  memory of the program, an idle connection, from 1,000 to N connections (15,000)
       cargo xtask bench documents
  durable PUTs a second beside the disk's own rate, and a GET from the file beside one from memory
       cargo xtask bench fairness [--quick] [--workers N] [--hog NAME]
  how long a hundred connections wait beside one that asks for much, and without it
       cargo xtask bench layers [--quick] [--profile]
  server CPU a request over the compact record layer, over rustls's and in the clear, in turn
  --profile        and where it goes, as perf sees it
       cargo xtask bench storm [--quick]
  what clients feel of 2,000 connections a second of strangers, and how long newcomers take
       cargo xtask bench trust [--quick]
  how long `pinwire trust remove` takes to cut 5,000 of 10,000 busy connections";
