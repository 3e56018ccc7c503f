//! `pinwire get`: prints a document, or writes it into a file.

use std::path::{Path, PathBuf};

use clap::Args;
use pinwire_client::Request;

use crate::exit::{self, Exit, Failure};
use crate::home::Home;
use crate::reach::{ServerArgs, sayable};
use crate::{files, output};

/// Print a document
///
/// It goes to standard output as it is, and nothing else does. If there is none, or something else is wrong,
/// standard error says so.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct GetArgs {
    /// The document's id, one word
    id: String,
    /// Write it into this file, whole or not at all; what was there is replaced
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print a line of JSON first, with the answer's status and headers; the version is one
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &GetArgs, home: &Home) -> Result<Exit, Failure> {
    let request = sayable(Request::new("GET").arg(&args.id).repeatable())?;
    let said = args.server.reach(home)?.call(request)?;
    if args.json {
        output::say(said.json(None))?;
    } else {
        said.complain();
    }
    match (&said.status, &args.output) {
        (Err(_), _) => {}
        (Ok(()), Some(file)) if file != Path::new("-") => files::write(file, &said.body)?,
        (Ok(()), _) => {
            output::print(&said.body)?;
            output::end_line(&said.body)?;
        }
    }
    Ok(said.exit())
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::help())
}

const EXAMPLES: &str = "\
Examples:
  pinwire get employees/1-A
  pinwire get employees/1-A -o ada.json
  pinwire get employees/1-A -o ada.json --json | jq -r .headers.Version";
