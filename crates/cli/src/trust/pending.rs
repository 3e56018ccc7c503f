//! `pinwire trust pending`: shows the strangers that a server has turned away, who wait to be approved.

use std::collections::HashSet;
use std::path::Path;

use clap::Args;
use pinwire_server::beside::{self, Gone, Removed, Stranger};
use pinwire_server::proto::certificate::rfc3339;
use pinwire_server::proto::trust::Pin;
use serde::Serialize;

use super::editing::failed;
use super::{entries, show};
use crate::exit::{Exit, Failure};
use crate::output;

/// Show who was turned away for being on no list, the latest first
///
/// A server that follows the file remembers those who proved that they hold their key: its pin, what their
/// certificate calls itself (anybody can write anything there: it proves nothing), how often they came, when and
/// from where. Compare the pin with the one that the client prints, then `pinwire trust approve` lets it in.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct PendingArgs {
    /// Print each as a line of JSON; times are unix seconds
    #[arg(long)]
    json: bool,
}

/// Who waits, and what happened to its pin before.
pub(super) struct Waiting {
    pub(super) stranger: Stranger,
    pub(super) gone: Option<Gone>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    stranger: &'a Stranger,
    removed: Option<&'a Gone>,
}

pub(super) fn run(args: &PendingArgs, file: &Path) -> Result<Exit, Failure> {
    let mut waiting = waiting(file)?;
    // Whoever was taken out is of interest once it comes again.
    waiting.retain(|waiting| waiting.gone.as_ref().is_none_or(|gone| gone.at <= waiting.stranger.last));
    for waiting in &waiting {
        output::say(if args.json { waiting.json(file)? } else { waiting.told() })?;
    }
    if waiting.is_empty() {
        output::remark(format_args!("{}: nobody waits", file.display()));
    }
    if !beside::is_followed(file).map_err(|error| failed(&error))? {
        output::remark("no server follows the file now: this is what the last one saw");
    }
    Ok(Exit::Done)
}

/// All strangers that are not on the list, the latest first.
pub(super) fn waiting(file: &Path) -> Result<Vec<Waiting>, Failure> {
    let strangers = beside::read_pending(file).map_err(|error| failed(&error))?.strangers;
    let removed = beside::read_removed(file).map_err(|error| failed(&error))?;
    let list = entries(file)?.unwrap_or_default();
    let there: HashSet<Pin> = list.entries().iter().map(|entry| entry.pin).collect();
    let is_new = |stranger: &Stranger| matches!(stranger.pin, Pin::Spki(_)) && !there.contains(&stranger.pin);
    let strangers = strangers.into_iter().filter(is_new);
    let mut waiting: Vec<Waiting> = strangers.map(|stranger| Waiting::new(stranger, &removed)).collect();
    waiting.sort_by_key(|waiting| std::cmp::Reverse(waiting.stranger.last));
    Ok(waiting)
}

impl Waiting {
    fn new(mut stranger: Stranger, removed: &Removed) -> Waiting {
        stranger.subject = show::printable(&stranger.subject);
        let gone = removed.find(&stranger.pin).cloned();
        Waiting { gone, stranger }
    }

    fn told(&self) -> String {
        let Stranger { pin, subject, first, last, times, sources } = &self.stranger;
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
        let (first, last) = (rfc3339(*first), rfc3339(*last));
        let gone = self
            .gone
            .as_ref()
            .map_or_else(String::new, |gone| format!("\n  {}; needs approve --again", show::gone(gone)));
        format!("{pin}  {subject}\n  {times}, first {first}, last {last}, from {}{gone}", sources.join(", "))
    }

    fn json(&self, file: &Path) -> Result<String, Failure> {
        let line = Line { stranger: &self.stranger, removed: self.gone.as_ref() };
        serde_json::to_string(&line).map_err(|error| Failure::file(file, error))
    }
}

const EXAMPLES: &str = "\
Examples:
  pinwire trust pending
  pinwire trust pending --json | jq -r .pin";
