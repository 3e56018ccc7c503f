//! `pinwire trust`: whom a server lets in, one file a subcommand. What a line may say is `proto::trust`'s.

mod add;
mod approve;
mod check;
mod editing;
mod list;
mod options;
mod pending;
mod reject;
mod remove;
mod show;
mod status;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pinwire_server::TrustFile;
use pinwire_server::proto::trust::{EditError, Sha1, TrustList};

use crate::exit::{Exit, Failure};
use crate::files;
use crate::home::Home;

pub(crate) use approve::FEWEST_DIGITS;

/// Say which clients a server lets in
///
/// The trust file has a line a client: its pin, behind it what it is called and what it may do, and "# a
/// comment". The first line that matches a certificate rules alone. What these commands do not change stays
/// byte for byte, and so may you edit the file. A server that follows the file has each change within a
/// second, and closes the connections that it ends.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TrustArgs {
    /// The trust file [default: "trusted" in the home folder]
    #[arg(long, global = true, value_name = "FILE")]
    trusted: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Add(add::AddArgs),
    List(list::ListArgs),
    Check(check::CheckArgs),
    Status(status::StatusArgs),
    Pending(pending::PendingArgs),
    Approve(approve::ApproveArgs),
    Reject(reject::RejectArgs),
    Remove(remove::RemoveArgs),
}

pub(crate) fn run(args: &TrustArgs, home: &Home) -> Result<Exit, Failure> {
    let is_edit = !matches!(args.what, What::List(_) | What::Check(_) | What::Status(_) | What::Pending(_));
    if args.trusted.is_none() && is_edit {
        home.create()?;
    }
    let file = &args.trusted.clone().unwrap_or_else(|| home.trusted());
    match &args.what {
        What::Add(args) => add::run(args, file),
        What::List(args) => list::run(args, file),
        What::Check(args) => check::run(args, file),
        What::Status(args) => status::run(args, file),
        What::Pending(args) => pending::run(args, file),
        What::Approve(args) => approve::run(args, file),
        What::Reject(args) => reject::run(args, file),
        What::Remove(args) => remove::run(args, file),
    }
}

/// The list in a trust file, by every rule by which a server takes it.
pub(crate) fn read(file: &Path, sha1: Sha1) -> Result<TrustList, Failure> {
    TrustFile::new(file, sha1).read().map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// The list in it, whether or not a server would take the file; `None`: it is not there.
fn entries(file: &Path) -> Result<Option<TrustList>, Failure> {
    let Some(text) = files::read_text(file)? else { return Ok(None) };
    let list = TrustList::parse(text.as_bytes(), Sha1::Accept);
    list.map(Some).map_err(|errors| Failure::file(file, EditError::Broken(errors)))
}

/// The text of a trust file that says what it is for.
pub(crate) const PREAMBLE: &str = "\
# Whom the server lets in, a line a client: PIN  name=NAME  # comment
# `pinwire trust` edits this file, and so may you; `pinwire trust check` says whether it is in order.
";

/// What is said behind every change.
const FOLLOWS: &str = "a server that follows the file acts on it within a second";

const EXAMPLES: &str = "\
Examples:
  pinwire trust add alice.crt --name alice --comment 'since May'
  pinwire trust add alice.crt --name alice --commands GET,LIST --from 10.0.0.0/8 --expires 2027-01-31
  pinwire trust pending
  pinwire trust approve 9f86d081884c7d65 --name bob
  pinwire trust list
  pinwire trust remove alice
  pinwire trust check && pinwire trust status";
