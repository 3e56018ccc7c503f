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
    /// The document's id, one word; one that begins with "-" stands behind "--"
    id: String,
    /// Write it into this file, whole or not at all; "-" is standard output
    ///
    /// What was there is replaced, unless it is no file (a device, a pipe, what stands in /dev or /proc): that
    /// is written into.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print a line of JSON first, with the answer's status and headers; the version is one
    ///
    /// The document follows the line; -o FILE keeps the two apart.
    /// What fails before the server answers prints nothing on standard output: the exit status and standard
    /// error tell.
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
        (Ok(()), Some(file)) if !is_standard_output(file) => files::write(file, &said.body)?,
        (Ok(()), _) => {
            output::print(&said.body)?;
            output::end_line(&said.body)?;
        }
    }
    Ok(said.exit())
}

/// By its names it is written here: opened a second time, what it leads to would be written from its own start
/// or end, and not where others who write there have come.
fn is_standard_output(file: &Path) -> bool {
    let names = if cfg!(unix) { &STANDARD_OUTPUT[..] } else { &STANDARD_OUTPUT[..1] };
    names.iter().any(|name| file == Path::new(name))
}

const STANDARD_OUTPUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::help())
}

const EXAMPLES: &str = "\
Examples:
  pinwire get employees/1-A
  pinwire get employees/1-A -o ada.json
  pinwire get employees/1-A -o ada.json --json | jq -r .headers.Version";
