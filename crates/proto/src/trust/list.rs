//! The trust file, whole: either every line is good, or nothing of it is used.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::entry::{Entry, Wrong, words_of};
use super::options::NAME;
use super::pin::Pin;
use crate::certificate::Digests;

/// Who may speak. Finding a certificate costs three hash lookups, however long the list is.
#[derive(Clone, Debug, Default)]
pub struct TrustList {
    entries: Vec<Arc<Entry>>,
    by_pin: HashMap<Pin, usize>,
}

/// Whether SHA-1 pins (40 digits) are taken: the operator's `accept-sha1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sha1 {
    /// They are taken like any other.
    Accept,
    /// A line with one is an error.
    Refuse,
}

impl TrustList {
    /// Reads a trust file: UTF-8, a line an entry, "#" begins a comment, empty lines are skipped.
    ///
    /// # Errors
    /// Every line that is wrong. A pin or a name that comes again is wrong, and so is a last line without a
    /// line end, for the file may be half written.
    pub fn parse(text: &[u8], sha1: Sha1) -> Result<TrustList, Vec<LineError>> {
        let mut reading = Reading { sha1, list: TrustList::nobody(), names: HashMap::new() };
        let mut errors = Vec::new();
        for (i, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if let Err(error) = reading.line(line, i + 1) {
                errors.push(error);
            }
        }
        if errors.is_empty() { Ok(reading.list) } else { Err(errors) }
    }

    /// The list of these entries, in this order; of those with the same pin the first counts.
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> TrustList {
        let mut list = TrustList::nobody();
        for entry in entries {
            list.by_pin.entry(entry.pin).or_insert(list.entries.len());
            list.entries.push(Arc::new(entry));
        }
        list
    }

    /// The list that lets nobody in.
    pub fn nobody() -> TrustList {
        TrustList::default()
    }

    /// The entry that rules over the certificate of these digests: the first line that matches, alone.
    pub fn find(&self, digests: &Digests) -> Option<&Arc<Entry>> {
        self.matching(digests).next()
    }

    /// Every entry that matches the certificate of these digests, in the file's order, three at most. The first
    /// rules alone; the others mean nothing, which whoever wrote them may not know.
    pub fn matching<'a>(&'a self, digests: &Digests) -> impl Iterator<Item = &'a Arc<Entry>> + use<'a> {
        let mut places = Pin::all_of(digests).map(|pin| self.by_pin.get(&pin).copied());
        places.sort_unstable();
        places.into_iter().flatten().map(|place| &self.entries[place])
    }

    /// All entries in the file's order.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it lets nobody in.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A line that is wrong. `Display`: "line 3, column 7: …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
    /// What was found and what was expected. Holds no control characters.
    pub text: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.text)
    }
}

impl std::error::Error for LineError {}

/// A list while its file is being read.
struct Reading {
    sha1: Sha1,
    list: TrustList,
    names: HashMap<String, usize>,
}

impl Reading {
    fn line(&mut self, bytes: &[u8], line: usize) -> Result<(), LineError> {
        let text = decode(bytes, line)?;
        let entry = Entry::parse(text, line).and_then(|entry| match entry {
            Some(entry) => self.check(&entry, text).map(|()| Some(entry)),
            None => Ok(None),
        });
        let entry = entry.map_err(|wrong| LineError {
            line,
            column: text[..wrong.at].chars().count() + 1,
            text: wrong.text,
        })?;
        if let Some(entry) = entry {
            self.push(entry);
        }
        Ok(())
    }

    fn check(&self, entry: &Entry, line: &str) -> Result<(), Wrong> {
        let pin_at = line.len() - line.trim_start().len();
        if self.sha1 == Sha1::Refuse && matches!(entry.pin, Pin::Sha1(_)) {
            let text = "a SHA-1 pin, which is taken only where the operator accepts SHA-1 (`pinwire serve --accept-sha1`); expected \"spki-sha256:…\"";
            return Err(Wrong { at: pin_at, text: text.to_owned() });
        }
        if let Some(first) = self.list.by_pin.get(&entry.pin).map(|place| self.list.entries[*place].line) {
            return Err(Wrong { at: pin_at, text: format!("this pin stands on line {first} already") });
        }
        let name = entry.name.as_ref().and_then(|name| Some((name, self.names.get(name)?)));
        if let Some((name, first)) = name {
            let text = format!("the name {name:?} stands on line {first} already");
            return Err(Wrong { at: name_at(line), text });
        }
        Ok(())
    }

    fn push(&mut self, entry: Entry) {
        self.list.by_pin.insert(entry.pin, self.list.entries.len());
        if let Some(name) = &entry.name {
            self.names.insert(name.clone(), entry.line);
        }
        self.list.entries.push(Arc::new(entry));
    }
}

/// Where the name's option stands in the line, which has one.
fn name_at(line: &str) -> usize {
    let is_name = |word: &str| word.strip_prefix(NAME).is_some_and(|rest| rest.starts_with('='));
    words_of(line).find(|(_, word)| is_name(word)).map_or(0, |(at, _)| at)
}

/// The line without its end, which is LF or CRLF.
fn decode(bytes: &[u8], line: usize) -> Result<&str, LineError> {
    let error = |column, text: &str| LineError { line, column, text: text.to_owned() };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(bad) => {
            let good = String::from_utf8_lossy(&bytes[..bad.valid_up_to()]).chars().count();
            return Err(error(good + 1, "this is not UTF-8"));
        }
    };
    let Some(text) = text.strip_suffix('\n') else {
        let column = text.chars().count() + 1;
        return Err(error(column, "the last line has no line end; expected one (is the file whole?)"));
    };
    if text.starts_with('\u{feff}') {
        return Err(error(1, "a byte order mark; expected plain UTF-8 without one"));
    }
    Ok(text.strip_suffix('\r').unwrap_or(text))
}
