//! `pinwire trust`: edits the file of clients that a server lets in.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pinwire_server::proto::trust::{EditError, Entry, Pin, Sha1, TrustList, add, remove};

use crate::exit::{Exit, Failure};
use crate::files::{self, Readers};
use crate::home::Home;
use crate::{output, pin};

/// Say which clients a server lets in
///
/// The trust file has a line a client: its pin, and behind it "name=alice" and "# a comment". What these
/// commands do not change stays byte for byte. A server that runs has read it when it started.
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
    /// Let a client in
    Add {
        /// Its pin, or the file of its certificate
        #[arg(value_name = "PIN|FILE")]
        client: String,
        /// What handlers and logs call it
        #[arg(long)]
        name: Option<String>,
        /// Words for whoever reads the file
        #[arg(long)]
        comment: Option<String>,
    },
    /// Show who is let in: name, pin, comment
    List,
    /// Let a client in no more
    Remove {
        /// Its name, its pin, or a beginning of the pin's digits that no other has
        #[arg(value_name = "NAME|PIN")]
        client: String,
    },
}

pub(crate) fn run(args: &TrustArgs, home: &Home) -> Result<Exit, Failure> {
    if args.trusted.is_none() {
        home.create()?;
    }
    let file = args.trusted.clone().unwrap_or_else(|| home.trusted());
    match &args.what {
        What::Add { client, name, comment } => {
            let pin = pin_of(client)?;
            let entry = Entry { name: name.clone(), comment: comment.clone(), ..Entry::of(pin) };
            edit(&file, |text| Ok((add(text, &entry)?, ())))?;
            output::remark(format_args!("{}: {pin} is let in; {RESTART}", file.display()));
            if matches!(pin, Pin::Sha1(_)) {
                output::remark(SHA1);
            }
        }
        What::Remove { client } => {
            let gone = edit(&file, |text| remove(text, client).map(|removed| (removed.text, removed.entry)))?;
            output::remark(format_args!("{}: taken out: {gone}\n{RESTART}", file.display()));
        }
        What::List => list(&file)?,
    }
    Ok(Exit::Done)
}

/// The list in a trust file.
pub(crate) fn read(file: &Path, sha1: Sha1) -> Result<TrustList, Failure> {
    let text = files::read(file)?;
    TrustList::parse(&text, sha1).map_err(|errors| Failure::file(file, EditError::Broken(errors)))
}

/// The text of a trust file that says what it is for.
pub(crate) const PREAMBLE: &str = "\
# Whom the server lets in, a line a client: PIN  name=NAME  # comment
# `pinwire trust add` and `pinwire trust remove` edit this file, and so may you.
";

/// Changes the file, alone among all programs that do.
fn edit<T>(file: &Path, change: impl FnOnce(&str) -> Result<(String, T), EditError>) -> Result<T, Failure> {
    let _lock = files::lock_beside(file)?;
    let before = files::read_text(file)?;
    let text = before.as_deref().unwrap_or(PREAMBLE);
    let (after, result) = change(text).map_err(|error| Failure::file(file, error))?;
    match before {
        Some(_) => files::replace(file, after.as_bytes())?,
        None => files::create(file, after.as_bytes(), Readers::All)?,
    }
    Ok(result)
}

fn list(file: &Path) -> Result<(), Failure> {
    let Some(text) = files::read_text(file)? else {
        return Err(Failure::file(
            file,
            "it is not there, so nobody is let in; `pinwire trust add` makes it",
        ));
    };
    let list = TrustList::parse(text.as_bytes(), Sha1::Accept)
        .map_err(|errors| Failure::file(file, EditError::Broken(errors)))?;
    if list.is_empty() {
        output::remark(format_args!("{}: nobody is let in", file.display()));
        return Ok(());
    }
    let name = |entry: &Entry| entry.name.clone().unwrap_or_else(|| "-".to_owned());
    let width = list.entries().iter().map(|entry| name(entry).len()).max().unwrap_or(0);
    for entry in list.entries() {
        let comment = entry.comment.as_ref().map_or_else(String::new, |comment| format!("  {comment}"));
        output::say(format_args!("{:width$}  {}{comment}", name(entry), entry.pin))?;
    }
    Ok(())
}

/// A pin as it is, or the one of the key in a certificate's file.
fn pin_of(client: &str) -> Result<Pin, Failure> {
    let bad_pin = match client.parse::<Pin>() {
        Ok(pin) => return Ok(pin),
        Err(bad_pin) => bad_pin,
    };
    let file = Path::new(client);
    if client == "-" || file.exists() {
        return pin::read(file).map(|certificate| Pin::Spki(certificate.digests.spki));
    }
    if is_named_as_file(file) {
        return Err(Failure::file(file, "there is no such file"));
    }
    Err(Failure::usage(format!("{client:?} is neither a file nor a pin: {bad_pin}")))
}

/// No pin looks so.
fn is_named_as_file(client: &Path) -> bool {
    let is_certificate =
        |ending: &OsStr| ["crt", "pem", "cer"].iter().any(|known| ending.eq_ignore_ascii_case(known));
    client.components().count() > 1 || client.extension().is_some_and(is_certificate)
}

const SHA1: &str = "it is a SHA-1 thumbprint: `pinwire serve` takes it only with --accept-sha1";

const RESTART: &str = "a server that runs reads the file when it is started again";

const EXAMPLES: &str = "\
Examples:
  pinwire trust add alice.crt --name alice --comment 'since May'
  pinwire trust add spki-sha256:4f0c... --name bob
  pinwire trust list
  pinwire trust remove alice";
