//! `pinwire trust approve`: lets a stranger in who was turned away.

use std::path::Path;

use clap::Args;
use pinwire_server::proto::trust::{add, begins};

use super::editing::Editing;
use super::options::OptionArgs;
use super::pending::{Waiting, waiting};
use super::{FOLLOWS, entries, show};
use crate::exit::{Exit, Failure};
use crate::output;

/// Let a stranger in who waits in `pinwire trust pending`
///
/// Compare first: the client prints its own pin, and `pinwire call --wait` waits with it on its screen. The
/// line holds that pin and what you say here, and nothing that the stranger sent.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ApproveArgs {
    /// The beginning of its pin's digits, 16 at least, that no other stranger's has
    ///
    /// With fewer, somebody else could make a key whose pin begins alike.
    #[arg(value_name = "BEGINNING")]
    beginning: String,
    /// What commands and logs call it: 1 to 64 of A-Z a-z 0-9 . _ -
    #[arg(long)]
    name: String,
    #[command(flatten)]
    options: OptionArgs,
    /// Although it was removed or rejected before
    #[arg(long)]
    again: bool,
}

pub(super) fn run(args: &ApproveArgs, file: &Path) -> Result<Exit, Failure> {
    let editing = Editing::begin(file)?;
    let Waiting { stranger, gone } = find(&args.beginning, file)?;
    if let Some(gone) = gone.filter(|_| !args.again) {
        let text = format!(
            "{} was {}; if it is to be let in all the same, say --again",
            stranger.pin,
            show::gone(&gone)
        );
        return Err(Failure::new(Exit::Failed, text));
    }
    let entry = args.options.entry(stranger.pin, Some(&args.name))?;
    let after = add(editing.text(), &entry).map_err(|error| editing.blame(&error))?;
    editing.write(&after)?;
    editing.forget(&stranger.pin)?;
    output::remark(format_args!(
        "{}: {} is let in as {}; {FOLLOWS}",
        file.display(),
        stranger.pin,
        args.name
    ));
    Ok(Exit::Done)
}

/// The one stranger whose pin begins so.
pub(super) fn find(beginning: &str, file: &Path) -> Result<Waiting, Failure> {
    check(beginning)?;
    let is_meant = |waiting: &Waiting| begins(&waiting.stranger.pin, beginning, FEWEST_DIGITS);
    let mut meant: Vec<Waiting> = waiting(file)?.into_iter().filter(is_meant).collect();
    match meant.len() {
        0 => Err(nobody(beginning, file)?),
        1 => Ok(meant.remove(0)),
        _ => {
            let lines: String = meant.iter().map(|waiting| format!("\n  {}", waiting.stranger.pin)).collect();
            let text = format!("more than one stranger is meant; give more digits{lines}");
            Err(Failure::new(Exit::Failed, text))
        }
    }
}

fn check(beginning: &str) -> Result<(), Failure> {
    let lower = beginning.to_ascii_lowercase();
    let digits = lower.strip_prefix(SPKI).unwrap_or(&lower).replace(':', "");
    if let Some(c) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!("{c:?} is not a hexadecimal digit; {EXPECTED}")));
    }
    match digits.len() {
        FEWEST_DIGITS..=MOST_DIGITS => Ok(()),
        count => Err(Failure::usage(format!("{count} digits; {EXPECTED}"))),
    }
}

fn nobody(beginning: &str, file: &Path) -> Result<Failure, Failure> {
    let list = entries(file)?.unwrap_or_default();
    let there = list.entries().iter().find(|entry| begins(&entry.pin, beginning, FEWEST_DIGITS));
    let text = match there {
        Some(entry) => format!("line {} lets it in already: {entry}", entry.line),
        None => "nobody waits whose pin begins so; `pinwire trust pending` shows who does".to_owned(),
    };
    Ok(Failure::file(file, text))
}

const SPKI: &str = "spki-sha256:";

/// 64 bits: it takes some 10^19 keys to make one whose pin begins as another's.
pub(crate) const FEWEST_DIGITS: usize = 16;

/// A whole pin.
const MOST_DIGITS: usize = 64;

const EXPECTED: &str = "expected the first 16 digits of the stranger's pin, or more of them";

const EXAMPLES: &str = "\
Examples:
  pinwire trust approve 9f86d081884c7d65 --name bob
  pinwire trust approve 9f86d081884c7d65 --name bob --commands GET,LIST --expires 2027-01-31
  pinwire trust approve 9f86d081884c7d65 --name bob --again";
