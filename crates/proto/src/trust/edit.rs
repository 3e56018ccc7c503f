//! Adds a line to a trust file's text or takes one out. Every other byte stays as it is; no file is touched.

use std::fmt;
use std::sync::Arc;

use super::entry::{Entry, EntryError};
use super::list::{LineError, Sha1, TrustList};
use super::pin::Pin;
use crate::certificate::Digests;

/// The text with a line for `entry` at its end; the entry's own `line` means nothing, and of its comment the spaces
/// at both ends are dropped. Read back, the line says the same.
///
/// # Errors
/// If the text is not a good trust file, the pin or the name stands in it already, or an option or the comment
/// is not what a line can hold.
pub fn add(text: &str, entry: &Entry) -> Result<String, EditError> {
    let list = parse(text)?;
    if let Some(there) = list.entries().iter().find(|there| there.pin == entry.pin) {
        return Err(EditError::PinThere(Arc::clone(there)));
    }
    let entry = writable(entry)?;
    let has_its_name = |there: &&Arc<Entry>| entry.name.is_some() && there.name == entry.name;
    if let Some(there) = list.entries().iter().find(has_its_name) {
        return Err(EditError::NameThere(Arc::clone(there)));
    }
    Ok(format!("{text}{entry}\n"))
}

/// The text without the one line that `what` means: its name, its whole pin, or a beginning of its digits (four at
/// least) that no other line has.
///
/// # Errors
/// If the text is not a good trust file, or `what` means no line or several.
pub fn remove(text: &str, what: &str) -> Result<Removed, EditError> {
    let list = parse(text)?;
    let meant = meant(list.entries(), what);
    match meant[..] {
        [] => Err(EditError::NotThere(what.to_owned())),
        [entry] => Ok(Removed { text: without(text, entry), entry: Arc::clone(entry), others: Vec::new() }),
        _ => Err(EditError::Ambiguous(meant.into_iter().cloned().collect())),
    }
}

/// The text without the line that rules over the certificate of these digests.
///
/// # Errors
/// If the text is not a good trust file, or no line matches.
pub fn remove_of(text: &str, digests: &Digests) -> Result<Removed, EditError> {
    let list = parse(text)?;
    let mut matching = list.matching(digests).cloned();
    let nobody = || EditError::NotThere(Pin::Spki(digests.spki).to_string());
    let entry = matching.next().ok_or_else(nobody)?;
    Ok(Removed { text: without(text, &entry), entry, others: matching.collect() })
}

/// Whether `what` is a beginning of this pin's digits, or all of them, and holds at least `fewest`. Its kind may
/// stand before them; case and colons do not matter.
pub fn begins(pin: &Pin, what: &str, fewest: usize) -> bool {
    let what = what.to_ascii_lowercase();
    let digits = what.strip_prefix(pin.prefix()).unwrap_or(&what).replace(':', "");
    let whole = pin.to_string();
    digits.len() >= fewest && whole[pin.prefix().len()..].starts_with(&digits)
}

/// A line taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// What is left of the text.
    pub text: String,
    /// The line's entry.
    pub entry: Arc<Entry>,
    /// Those that are left and match the same certificate: the first of them rules over it now. Pins of several
    /// kinds do not tell that they are of one key, so there are none unless its digests were given.
    pub others: Vec<Arc<Entry>>,
}

/// Why a trust file's text was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditError {
    /// The text is not a good trust file.
    Broken(Vec<LineError>),
    /// The pin stands in it already, on this line.
    PinThere(Arc<Entry>),
    /// The name stands in it already, on this line.
    NameThere(Arc<Entry>),
    /// The file takes no such option.
    Entry(EntryError),
    /// Written as a line the entry would be read back as this one.
    Unlike(Box<Entry>),
    /// The comment holds control characters.
    Comment,
    /// No line is meant by this.
    NotThere(String),
    /// Several lines are meant.
    Ambiguous(Vec<Arc<Entry>>),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EditError::Broken(errors) => {
                f.write_str("the trust file is not in order, mend it first")?;
                errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
            EditError::PinThere(entry) => {
                write!(f, "this pin is there already, line {}: {entry}", entry.line)
            }
            EditError::NameThere(entry) => {
                write!(f, "this name is there already, line {}: {entry}", entry.line)
            }
            EditError::Entry(why) => why.fmt(f),
            EditError::Unlike(read) => write!(f, "the file would be read as another entry: {read}"),
            EditError::Comment => f.write_str("a comment is one line without control characters"),
            EditError::NotThere(what) => {
                write!(f, "no line has the name or the pin {what:?} (of a pin's digits, four at least)")
            }
            EditError::Ambiguous(entries) => {
                f.write_str("more than one line is meant; give more digits")?;
                entries.iter().try_for_each(|entry| write!(f, "\n  line {}: {entry}", entry.line))
            }
        }
    }
}

impl std::error::Error for EditError {}

/// SHA-1 pins are the reader's to refuse: a list that holds one can still be mended.
fn parse(text: &str) -> Result<TrustList, EditError> {
    TrustList::parse(text.as_bytes(), Sha1::Accept).map_err(EditError::Broken)
}

/// Who gives a whole pin that is there does not mean those that merely begin so, as a SHA-256 may with the
/// digits of a SHA-1.
fn meant<'a>(entries: &'a [Arc<Entry>], what: &str) -> Vec<&'a Arc<Entry>> {
    let whole = what.parse::<Pin>().ok().filter(|pin| entries.iter().any(|entry| entry.pin == *pin));
    let is_pin = |pin: &Pin| whole.map_or_else(|| begins(pin, what, FEWEST_DIGITS), |whole| whole == *pin);
    entries.iter().filter(|entry| entry.name.as_deref() == Some(what) || is_pin(&entry.pin)).collect()
}

fn without(text: &str, entry: &Entry) -> String {
    let lines = text.split_inclusive('\n').enumerate();
    lines.filter(|(i, _)| i + 1 != entry.line).map(|(_, line)| line).collect()
}

/// The entry as its line will be read.
fn writable(entry: &Entry) -> Result<Entry, EditError> {
    if entry.comment.as_ref().is_some_and(|comment| comment.contains(|c: char| c.is_control() && c != '\t')) {
        return Err(EditError::Comment);
    }
    let comment = entry.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
    let wanted = Entry { comment: comment.map(str::to_owned), line: 0, ..entry.clone() };
    let words: Vec<String> = wanted.options().collect();
    let read = Entry::with(entry.pin, &words).map_err(EditError::Entry)?;
    let read = Entry { comment: wanted.comment.clone(), ..read };
    if read == wanted { Ok(read) } else { Err(EditError::Unlike(Box::new(read))) }
}

/// Fewer would take out a line that was not meant as soon as somebody mistypes.
const FEWEST_DIGITS: usize = 4;
