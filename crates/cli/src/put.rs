//! `pinwire put`: keeps a document from a file, from standard input or from the command line.

use std::path::{Path, PathBuf};

use clap::Args;
use pinwire_client::Request;

use crate::body::BodyArgs;
use crate::exit::{self, Exit, Failure};
use crate::home::Home;
use crate::reach::{ServerArgs, sayable};
use crate::said::Said;
use crate::{files, output};

/// Keep a document
///
/// Prints the version that this made. Then it is on the server's disk, unless that server keeps its
/// documents in memory.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct PutArgs {
    /// The document's id, one word; one that begins with "-" stands behind "--"
    id: String,
    /// A file with the document; without one, or with "-", it comes from standard input
    #[arg(value_name = "FILE", conflicts_with = "body")]
    file: Option<PathBuf>,
    #[command(flatten)]
    body: BodyArgs,
    /// Only if its version is still this one; 0: only if there is none yet
    #[arg(long, value_name = "VERSION", value_parser = version_from::<0>, allow_negative_numbers = true)]
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

pub(crate) fn run(args: &PutArgs, home: &Home) -> Result<Exit, Failure> {
    let request = sayable(if_version(Request::new("PUT").arg(&args.id), args.if_version))?;
    let request = request.body(args.document()?);
    let said = args.server.reach(home)?.call(request)?;
    report(&said, args.json)?;
    if !args.json {
        said.conflict(|version| match version {
            "0" => format!("there is no {} now: --if-version 0 makes one", args.id),
            _ => format!(
                "{0} is at version {version} now: `pinwire get {0}` shows it, and then --if-version {version} puts yours",
                args.id
            ),
        });
    }
    Ok(said.exit())
}

impl PutArgs {
    fn document(&self) -> Result<Vec<u8>, Failure> {
        match self.body.read()? {
            Some(body) => Ok(body),
            None => files::read_or_stdin(self.file.as_deref().unwrap_or(Path::new("-"))),
        }
    }
}

/// The condition under which a document is changed.
pub(crate) fn if_version(request: Request, version: Option<u64>) -> Request {
    match version {
        Some(version) => request.header("If-Version", version.to_string()),
        None => request,
    }
}

/// A version that is `LEAST` or more, as If-Version takes it: digits alone, at most 19.
pub(crate) fn version_from<const LEAST: u64>(text: &str) -> Result<u64, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let version = text.parse().ok().filter(|version| is_number && (LEAST..=MOST).contains(version));
    version.ok_or_else(|| format!("a version: {LEAST} to {MOST}"))
}

/// PROTOCOL.md: If-Version has 1 to 19 digits.
const MOST: u64 = 9_999_999_999_999_999_999;

/// What a change made: its version, or the error.
pub(crate) fn report(said: &Said, json: bool) -> Result<(), Failure> {
    match &said.status {
        _ if json => output::say(said.json(None)),
        Ok(()) => output::say(said.version()?),
        Err(_) => {
            said.complain();
            Ok(())
        }
    }
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::help())
}

const EXAMPLES: &str = "\
Examples:
  pinwire put employees/1-A ada.json
  pinwire put employees/1-A --body '{\"name\":\"Ada\"}'
  date | pinwire put now
  pinwire put employees/1-A ada.json --if-version 3

With --if-version nobody's change is lost: if somebody else has changed the document
meanwhile, nothing is changed, and standard error says which version it has now.";
