//! One line of the trust file: `pin  name=alice  # comment`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

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

/// When an entry ends. `Display` writes it as the file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The first moment at which it has ended, unix seconds.
    pub at: i64,
    pub(super) text: String,
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is wrong with a line, and at which of its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) text: String,
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
            entry.option(at, word)?;
        }
        Ok(Some(entry))
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

    /// Whether it may come from `address`, which is unmapped already.
    pub fn admits(&self, address: IpAddr) -> bool {
        self.from.is_empty() || self.from.iter().any(|network| network.contains(&address))
    }

    fn option(&mut self, at: usize, word: &str) -> Result<(), Wrong> {
        let Some(name) = word.strip_prefix(NAME) else {
            return Err(wrong(
                at,
                format!("{word:?} is not an option; expected \"{NAME}…\" or \"# comment\""),
            ));
        };
        if self.name.is_some() {
            return Err(wrong(at, "a second name; expected one at most".to_owned()));
        }
        check_name(name).map_err(|error| wrong(at + NAME.len() + error.at, error.text))?;
        self.name = Some(name.to_owned());
        Ok(())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pin)?;
        if let Some(name) = &self.name {
            write!(f, "  {NAME}{name}")?;
        }
        if let Some(comment) = &self.comment {
            write!(f, "  # {comment}")?;
        }
        Ok(())
    }
}

/// The grammar of a name; the error's place counts from the name's first byte.
pub(super) fn check_name(name: &str) -> Result<(), Wrong> {
    const EXPECTED: &str = "expected 1 to 64 of A-Z a-z 0-9 . _ -";
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name.char_indices().find(|(_, c)| !allowed(*c)) {
        Some((at, c)) => Err(wrong(at, format!("{c:?} in a name; {EXPECTED}"))),
        None if name.is_empty() => Err(wrong(0, format!("an empty name; {EXPECTED}"))),
        None if name.len() > 64 => Err(wrong(64, format!("a name of {} characters; {EXPECTED}", name.len()))),
        None => Ok(()),
    }
}

/// A comment begins with "#" at the line's start or after a space.
fn split_comment(text: &str) -> (&str, Option<&str>) {
    let begins = |at: usize| at == 0 || text[..at].ends_with([' ', '\t']);
    match text.match_indices('#').find(|(at, _)| begins(*at)) {
        Some((at, _)) => (&text[..at], Some(text[at + 1..].trim()).filter(|comment| !comment.is_empty())),
        None => (text, None),
    }
}

/// The words of a line, each with the byte at which it begins.
fn words_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split([' ', '\t']).filter_map(move |word| {
        let begins = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((begins, word))
    })
}

fn wrong(at: usize, text: String) -> Wrong {
    Wrong { at, text }
}

const NAME: &str = "name=";
