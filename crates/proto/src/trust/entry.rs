//! One line of the trust file: a pin, options, a comment. What each option may hold stands in `options.rs`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::expiry::Expiry;
use super::pin::Pin;

/// A line of the trust file that lets somebody in. `Display` writes it as the file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whom it lets in.
    pub pin: Pin,
    /// What handlers and logs call this client: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: Option<String>,
    /// What it may run, in upper case; `None`: everything that is not administration.
    pub commands: Option<Vec<String>>,
    /// Whether it may run administration.
    pub admin: bool,
    /// Where it may come from; empty: anywhere.
    pub from: Vec<IpNet>,
    /// When it ends.
    pub expires: Option<Expiry>,
    /// How many connections it may have at a time; `None`: any number.
    pub connections: Option<u32>,
    /// What stands after "#", without the spaces around it.
    pub comment: Option<String>,
    /// Its line in the file, from 1.
    pub line: usize,
}

/// What is wrong with a line, and at which of its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) text: String,
}

impl Wrong {
    /// The same of a text in which so many bytes stand before.
    pub(super) fn behind(self, bytes: usize) -> Wrong {
        Wrong { at: self.at + bytes, ..self }
    }
}

impl Entry {
    /// Reads the line numbered `line`, without its line end. `None`: nothing but spaces or a comment.
    pub(super) fn parse(text: &str, line: usize) -> Result<Option<Entry>, Wrong> {
        if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control() && *c != '\t') {
            return Err(wrong(at, format!("{c:?} is a control character, which no line may hold")));
        }
        let (words, comment) = split_comment(text);
        let mut words = words_of(words);
        let Some((at, first)) = words.next() else { return Ok(None) };
        let pin = first.parse::<Pin>().map_err(|error| wrong(at + error.at, error.text))?;
        let comment = comment.map(str::to_owned);
        let mut entry = Entry { comment, line, ..Entry::of(pin) };
        for (at, word) in words {
            entry.option(word).map_err(|wrong| wrong.behind(at))?;
        }
        Ok(Some(entry))
    }

    /// An entry of `pin` and these options, `name=alice`, each as the file takes it between spaces.
    ///
    /// # Errors
    /// The first word that the file would not take, in the file's words.
    pub fn with(pin: Pin, words: &[impl AsRef<str>]) -> Result<Entry, EntryError> {
        let mut entry = Entry::of(pin);
        for (word, text) in words.iter().enumerate() {
            let taken = entry.option(text.as_ref());
            taken.map_err(|Wrong { at, text }| EntryError { word, at, text })?;
        }
        Ok(entry)
    }

    /// An entry that says nothing but whom it lets in.
    pub fn of(pin: Pin) -> Entry {
        Entry {
            pin,
            name: None,
            commands: None,
            admin: false,
            from: Vec::new(),
            expires: None,
            connections: None,
            comment: None,
            line: 0,
        }
    }

    /// Whether it may run the command of this registered name. The protocol's own are not asked about here.
    pub fn permits(&self, registered: &str, is_admin: bool) -> bool {
        match &self.commands {
            _ if is_admin && !self.admin => false,
            None => true,
            Some(commands) => commands.iter().any(|command| command.eq_ignore_ascii_case(registered)),
        }
    }

    /// Whether it may come from `address`. The caller has unmapped it (`::ffff:10.0.0.1` is 10.0.0.1 to every
    /// entry), once, when it accepted the connection: here it would be compared as IPv6.
    pub fn admits(&self, address: IpAddr) -> bool {
        self.from.is_empty() || self.from.iter().any(|network| network.contains(&address))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pin)?;
        self.options().try_for_each(|option| write!(f, "  {option}"))?;
        if let Some(comment) = &self.comment {
            write!(f, "  # {comment}")?;
        }
        Ok(())
    }
}

/// An option that no entry can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryError {
    /// The word, from 0.
    pub word: usize,
    /// The byte of the word at which it stops being an option.
    pub at: usize,
    /// What was found and what was expected. Holds no control characters.
    pub text: String,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for EntryError {}

/// A comment begins with "#" at the line's start or after a space.
fn split_comment(text: &str) -> (&str, Option<&str>) {
    let begins = |at: usize| at == 0 || text[..at].ends_with([' ', '\t']);
    match text.match_indices('#').find(|(at, _)| begins(*at)) {
        Some((at, _)) => (&text[..at], Some(text[at + 1..].trim()).filter(|comment| !comment.is_empty())),
        None => (text, None),
    }
}

/// The words of a line, each with the byte at which it begins.
pub(super) fn words_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split([' ', '\t']).filter_map(move |word| {
        let begins = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((begins, word))
    })
}

pub(super) fn wrong(at: usize, text: String) -> Wrong {
    Wrong { at, text }
}
