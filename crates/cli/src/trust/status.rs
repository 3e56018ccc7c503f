//! `pinwire trust status`: says what the server that follows the file uses of it.

use std::path::Path;

use clap::Args;
use pinwire_server::beside::{self, Bad, IdentityStatus, Status};
use pinwire_server::proto::certificate::rfc3339;
use serde::Serialize;

use super::editing::failed;
use crate::exit::{Exit, Failure};
use crate::output;

/// Say what the server that follows the file uses of it
///
/// Whether one follows it, which list it uses since when, what is wrong with the file if that is not the list
/// that stands there, and the same of the server's certificate. Exits 0 if a server follows the file and uses
/// all as it stands there, else 1.
#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Print a line of JSON; times are unix seconds
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line {
    followed: bool,
    #[serde(flatten)]
    status: Option<Status>,
}

pub(super) fn run(args: &StatusArgs, file: &Path) -> Result<Exit, Failure> {
    let status = beside::read_status(file).map_err(|error| failed(&error))?;
    let is_followed = beside::is_followed(file).map_err(|error| failed(&error))?;
    let is_well = is_followed && status.as_ref().is_some_and(is_well);
    if args.json {
        let line = serde_json::to_string(&Line { followed: is_followed, status });
        output::say(line.map_err(|error| Failure::file(file, error))?)?;
    } else {
        output::say(told(file, is_followed, status.as_ref()))?;
    }
    Ok(if is_well { Exit::Done } else { Exit::ErrorReply })
}

fn is_well(status: &Status) -> bool {
    let identity = status.identity.as_ref().is_none_or(|identity| identity.bad.is_none());
    status.trust.bad.is_none() && identity
}

fn told(file: &Path, is_followed: bool, status: Option<&Status>) -> String {
    let file = file.display();
    let Some(status) = status else {
        return match is_followed {
            true => format!("{file}: a server follows it and has not yet said more"),
            false => format!("{file}: no server follows it"),
        };
    };
    let Status { pid, listening, started, trust, identity } = status;
    let first = match is_followed {
        true => format!("{file}: followed since {}", rfc3339(*started)),
        false => format!("{file}: no server follows it now; the last one, from {}, said", rfc3339(*started)),
    };
    let list = format!("uses the list of {}, since {}", entries(trust.entries), rfc3339(trust.since));
    let bad = bad(trust.bad.as_ref(), "the file as it is now is not in order and not used");
    let identity = identity.as_ref().map_or_else(String::new, identity_told);
    format!("{first}\n  process {pid}, listens on {listening}\n  {list}{bad}{identity}")
}

fn identity_told(identity: &IdentityStatus) -> String {
    let IdentityStatus { pin, not_after, since, bad: why } = identity;
    let (until, since) = (rfc3339(*not_after), rfc3339(*since));
    let bad = bad(why.as_ref(), "its certificate and key as they are now are not in order and not used");
    format!("\n  shows {pin}, valid until {until}, since {since}{bad}")
}

fn bad(bad: Option<&Bad>, what: &str) -> String {
    let Some(Bad { since, errors }) = bad else { return String::new() };
    let begin = format!("\n  {what}, since {}:", rfc3339(*since));
    errors.iter().fold(begin, |told, error| told + "\n    " + &output::visible(error))
}

fn entries(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}
