//! `pinwire delete`: takes a document away.

use clap::Args;
use pinwire_client::Request;

use crate::exit::{self, Exit, Failure};
use crate::home::Home;
use crate::put::{if_version, report, version_from};
use crate::reach::{ServerArgs, sayable};

/// Take a document away
///
/// Prints the version of this change. If there is no such document, that is an error.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct DeleteArgs {
    /// The document's id, one word; one that begins with "-" stands behind "--"
    id: String,
    /// Only if its version is still this one
    #[arg(long, value_name = "VERSION", value_parser = version_from::<1>, allow_negative_numbers = true)]
    if_version: Option<u64>,
    /// Print a line of JSON with the answer's status and headers, in place of the version
    ///
    /// What fails before the server answers prints nothing on standard output: the exit status and standard
    /// error tell.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &DeleteArgs, home: &Home) -> Result<Exit, Failure> {
    let request = sayable(if_version(Request::new("DELETE").arg(&args.id), args.if_version))?;
    let said = args.server.reach(home)?.call(request)?;
    report(&said, args.json)?;
    if !args.json {
        said.conflict(|version| match version {
            "0" => format!("there is no {} now", args.id),
            _ => format!(
                "{0} is at version {version} now: `pinwire get {0}` shows it, and then --if-version {version} deletes it",
                args.id
            ),
        });
    }
    Ok(said.exit())
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::help())
}

const EXAMPLES: &str = "\
Examples:
  pinwire delete employees/1-A
  pinwire delete employees/1-A --if-version 3";
