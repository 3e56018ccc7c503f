//! Adds a line to a trust file's text or takes one out. Every other byte stays as it is; no file is touched.

use std::fmt;
use std::sync::Arc;

use super::entry::{Entry, check_name};
use super::list::{LineError, Sha1, TrustList};
use super::pin::Pin;

/// The text with a line for `pin` at its end.
///
/// # Errors
/// If the text is not a good trust file, the pin or the name stands in it already, or the name or the
/// comment is not what a line can hold.
pub fn add(text: &str, pin: &Pin, name: Option<&str>, comment: Option<&str>) -> Result<String, EditError> {
    let list = parse(text)?;
    if let Some(there) = list.entries().iter().find(|entry| entry.pin == *pin) {
        return Err(EditError::PinThere(Arc::clone(there)));
    }
    if let Some(name) = name {
        check_name(name).map_err(|wrong| EditError::Name(wrong.text))?;
    }
    if let Some(there) = list.entries().iter().find(|entry| name.is_some() && entry.name.as_deref() == name) {
        return Err(EditError::NameThere(Arc::clone(there)));
    }
    if comment.is_some_and(|comment| comment.contains(char::is_control)) {
        return Err(EditError::Comment);
    }
    let comment = comment.map(str::trim).filter(|comment| !comment.is_empty());
    let entry = Entry {
        name: name.map(str::to_owned),
        comment: comment.map(str::to_owned),
        line: text.lines().count() + 1,
        ..Entry::of(*pin)
    };
    Ok(format!("{text}{entry}\n"))
}

/// The text without the one line that `what` means, and that line: its name, its whole pin, or a beginning of
/// its digits (four at least) that no other line has.
///
/// # Errors
/// If the text is not a good trust file, or `what` means no line or several.
pub fn remove(text: &str, what: &str) -> Result<(String, Arc<Entry>), EditError> {
    let list = parse(text)?;
    let meant = meant(list.entries(), what);
    let entry = match meant[..] {
        [] => return Err(EditError::NotThere(what.to_owned())),
        [entry] => entry,
        _ => return Err(EditError::Ambiguous(meant.into_iter().cloned().collect())),
    };
    let lines = text.split_inclusive('\n').enumerate();
    let left = lines.filter(|(i, _)| i + 1 != entry.line).map(|(_, line)| line).collect();
    Ok((left, Arc::clone(entry)))
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
    /// The name is not one; what is wrong with it.
    Name(String),
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
            EditError::Name(why) => f.write_str(why),
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
    let is_pin = |pin: &Pin| whole.map_or_else(|| begins_pin(pin, what), |whole| whole == *pin);
    entries.iter().filter(|entry| entry.name.as_deref() == Some(what) || is_pin(&entry.pin)).collect()
}

fn begins_pin(pin: &Pin, what: &str) -> bool {
    let what = what.to_ascii_lowercase();
    let digits = what.strip_prefix(pin.prefix()).unwrap_or(&what).replace(':', "");
    let whole = pin.to_string();
    digits.len() >= FEWEST_DIGITS && whole[pin.prefix().len()..].starts_with(&digits)
}

/// Fewer would take out a line that was not meant as soon as somebody mistypes.
const FEWEST_DIGITS: usize = 4;
