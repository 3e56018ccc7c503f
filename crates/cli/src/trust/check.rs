//! `pinwire trust check`: says whether a server takes the file, and if not, why.

use std::path::{Path, PathBuf};

use clap::Args;
use pinwire_server::TrustFile;
use pinwire_server::proto::trust::{Sha1, TrustList};

use super::list::has_expired;
use crate::exit::{Exit, Failure};
use crate::identity::now_unix;
use crate::output;

/// Say whether a server takes the file, and if not, every reason
///
/// By the server's own rules: every line is good, the last one is complete, the file is not empty (comments
/// alone let nobody in), and nobody but its owner and root may write it or its folder. Nothing of a file that
/// is not in order is used: a server keeps the list that it has. Exits 0 if it is in order, else 1.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckArgs {
    /// Another file than --trusted
    file: Option<PathBuf>,
    /// Take SHA-1 thumbprints, as a server does that is started with --accept-sha1
    #[arg(long)]
    accept_sha1: bool,
}

pub(super) fn run(args: &CheckArgs, file: &Path) -> Result<Exit, Failure> {
    let file = args.file.as_deref().unwrap_or(file);
    let sha1 = if args.accept_sha1 { Sha1::Accept } else { Sha1::Refuse };
    match TrustFile::new(file, sha1).read() {
        Ok(list) => {
            output::say(format_args!("{}: in order: {}", file.display(), count(&list, now_unix())))?;
            Ok(Exit::Done)
        }
        Err(error) => {
            output::remark(error);
            Ok(Exit::ErrorReply)
        }
    }
}

fn count(list: &TrustList, now: i64) -> String {
    let entries = match list.len() {
        0 => return "no entries, nobody is let in".to_owned(),
        1 => "1 entry".to_owned(),
        many => format!("{many} entries"),
    };
    match list.entries().iter().filter(|entry| has_expired(entry, now)).count() {
        0 => entries,
        expired => format!("{entries} ({expired} expired)"),
    }
}

const EXAMPLES: &str = "\
Examples:
  pinwire trust check
  pinwire trust check trusted.new && mv trusted.new trusted";
