//! `pinwire trust remove`: lets a client in no more.

use std::path::Path;

use clap::Args;
use pinwire_server::beside::How;
use pinwire_server::proto::trust::{EditError, Entry, Pin, Removed, remove, remove_of};

use super::add::is_named_as_file;
use super::editing::Editing;
use super::{FOLLOWS, entries};
use crate::exit::{Exit, Failure};
use crate::{output, pin};

/// Let a client in no more
///
/// Returns once the file, read again, does not hold the line. A server that follows the file closes the
/// client's connections within a second. The pin is remembered with name and date: to approve it later takes
/// `approve --again`. Of a client whose certificate's file is given, other lines that let it in are named.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct RemoveArgs {
    /// Its name, its pin, a beginning of the pin's digits that no other has, or the file of its certificate
    #[arg(value_name = "NAME|PIN|FILE")]
    client: String,
}

pub(super) fn run(args: &RemoveArgs, file: &Path) -> Result<Exit, Failure> {
    let editing = Editing::begin(file)?;
    let (removed, spki) = take_out(&args.client, &editing)?;
    editing.write(&removed.text)?;
    read_back(&removed.entry, file)?;
    output::remark(format_args!("{}: taken out: {}\n{FOLLOWS}", file.display(), removed.entry));
    // Pending strangers are known by the pins of their keys.
    let pins = [Some(removed.entry.pin), spki.filter(|spki| *spki != removed.entry.pin)];
    for pin in pins.into_iter().flatten() {
        if let Err(failure) = editing.note(pin, removed.entry.name.clone(), How::Removed) {
            output::remark(format_args!("that it was taken out could not be remembered: {failure}"));
        }
    }
    mention_others(&removed, spki, file)?;
    Ok(Exit::Done)
}

/// The text without its line; the pin of its key, if its certificate was there.
fn take_out(client: &str, editing: &Editing<'_>) -> Result<(Removed, Option<Pin>), Failure> {
    let file = Path::new(client);
    let by_words = remove(editing.text(), client);
    let is_file = client == "-" || file.exists();
    match by_words {
        Err(EditError::NotThere(_)) if is_file => {
            let digests = pin::read(file)?.digests;
            let removed = remove_of(editing.text(), &digests).map_err(|error| editing.blame(&error))?;
            Ok((removed, Some(Pin::Spki(digests.spki))))
        }
        Err(EditError::NotThere(_)) if is_named_as_file(file) => {
            Err(Failure::file(file, "there is no such file"))
        }
        removed => Ok((removed.map_err(|error| editing.blame(&error))?, None)),
    }
}

/// Whoever writes the file without the lock may have put the line back.
fn read_back(gone: &Entry, file: &Path) -> Result<(), Failure> {
    let list = entries(file)?.unwrap_or_default();
    match list.entries().iter().find(|entry| entry.pin == gone.pin) {
        None => Ok(()),
        Some(entry) => {
            let text =
                format!("somebody else wrote it meanwhile: line {} lets it in again: {entry}", entry.line);
            Err(Failure::file(file, text))
        }
    }
}

/// Other lines that let the same client in, as far as anybody can tell.
fn mention_others(removed: &Removed, spki: Option<Pin>, file: &Path) -> Result<(), Failure> {
    for entry in &removed.others {
        output::remark(format_args!(
            "it is still let in, by another line: {entry}\ntake that out too: pinwire trust remove {}",
            entry.name.clone().unwrap_or_else(|| entry.pin.to_string())
        ));
    }
    let is_of_other_kind =
        |entry: &Entry| std::mem::discriminant(&entry.pin) != std::mem::discriminant(&removed.entry.pin);
    let list = entries(file)?.unwrap_or_default();
    if spki.is_none() && list.entries().iter().any(|entry| is_of_other_kind(entry)) {
        output::remark(
            "other lines hold other kinds of pins, of which nobody can tell whether they are of the same client: \
             give its certificate's file, and they are named",
        );
    }
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  pinwire trust remove alice
  pinwire trust remove 9f86d081
  pinwire trust remove alice.crt";
