//! The options of a line of the trust file: what stands between its pin and its comment. Each reads a word and
//! each writes one; what lines and comments are stands in `entry.rs`.

use std::collections::HashSet;
use std::hash::Hash;

use super::entry::{Entry, Wrong, wrong};
use super::expiry::Expiry;
use super::network;
use super::pin::Pin;

impl Entry {
    /// Takes one option in; the error's place counts from the word's first byte.
    pub(super) fn option(&mut self, word: &str) -> Result<(), Wrong> {
        let (option, value) =
            word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        let Some((_, example)) = OPTIONS.iter().find(|(known, _)| *known == option) else {
            return Err(wrong(0, format!("{word:?} is not an option; {EXPECTED}")));
        };
        if self.holds(option) {
            return Err(wrong(0, format!("a second {option}; expected one at most")));
        }
        match (option, value) {
            (ADMIN, None) => self.make_admin(),
            (ADMIN, Some(_)) => Err(wrong(option.len(), format!("a value; expected {ADMIN:?} alone"))),
            (_, None) => {
                Err(wrong(option.len(), format!("{option:?} without a value; expected {example:?}")))
            }
            (_, Some(value)) => self.set(option, value).map_err(|wrong| wrong.behind(option.len() + 1)),
        }
    }

    /// The words that [`Entry::option`] makes it of.
    pub(super) fn options(&self) -> impl Iterator<Item = String> {
        let word = |option: &str, value: Option<String>| value.map(|value| format!("{option}={value}"));
        let networks: Vec<String> = self.from.iter().map(network::write).collect();
        [
            word(NAME, self.name.clone()),
            word(COMMANDS, self.commands.as_ref().map(|commands| commands.join(","))),
            self.admin.then(|| ADMIN.to_owned()),
            word(FROM, Some(networks.join(",")).filter(|_| !networks.is_empty())),
            word(EXPIRES, self.expires.as_ref().map(ToString::to_string)),
            word(CONNECTIONS, self.connections.as_ref().map(ToString::to_string)),
        ]
        .into_iter()
        .flatten()
    }

    fn holds(&self, option: &str) -> bool {
        match option {
            NAME => self.name.is_some(),
            COMMANDS => self.commands.is_some(),
            ADMIN => self.admin,
            FROM => !self.from.is_empty(),
            EXPIRES => self.expires.is_some(),
            _ => self.connections.is_some(),
        }
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), Wrong> {
        match option {
            NAME => self.name = Some(name(value)?),
            COMMANDS => self.commands = Some(list(value, "command", command)?),
            FROM => self.from = list(value, "address", network::parse)?,
            EXPIRES => self.expires = Some(Expiry::parse(value)?),
            _ => self.connections = Some(connections(value)?),
        }
        Ok(())
    }

    /// Collisions of SHA-1 can be made: whoever makes one could show the half that an operator never saw.
    fn make_admin(&mut self) -> Result<(), Wrong> {
        if matches!(self.pin, Pin::Sha1(_)) {
            return Err(wrong(0, format!("{ADMIN:?} with a SHA-1 pin; expected one with \"spki-sha256:…\"")));
        }
        self.admin = true;
        Ok(())
    }
}

fn name(text: &str) -> Result<String, Wrong> {
    const EXPECTED: &str = "expected 1 to 64 of A-Z a-z 0-9 . _ -";
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match text.char_indices().find(|(_, c)| !allowed(*c)) {
        Some((at, c)) => Err(wrong(at, format!("{c:?} in a name; {EXPECTED}"))),
        None if text.is_empty() => Err(wrong(0, format!("an empty name; {EXPECTED}"))),
        None if text.len() > 64 => Err(wrong(64, format!("a name of {} characters; {EXPECTED}", text.len()))),
        None => Ok(text.to_owned()),
    }
}

/// Items between commas, each once, in their order.
fn list<T: Clone + Eq + Hash>(
    text: &str,
    what: &str,
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> Result<Vec<T>, Wrong> {
    let (mut items, mut seen) = (Vec::new(), HashSet::new());
    let mut at = 0;
    for part in text.split(',') {
        let item = read(part).map_err(|wrong| wrong.behind(at))?;
        if !seen.insert(item.clone()) {
            return Err(wrong(at, format!("{part:?} a second time; expected each {what} once")));
        }
        items.push(item);
        at += part.len() + 1;
    }
    Ok(items)
}

/// In upper case, as names are compared without regard to it.
fn command(text: &str) -> Result<String, Wrong> {
    const EXPECTED: &str = "expected 1 to 64 visible ASCII characters";
    match text.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
        Some((at, c)) => Err(wrong(at, format!("{c:?} in a command's name; {EXPECTED}"))),
        None if text.is_empty() => Err(wrong(0, format!("an empty command's name; {EXPECTED}"))),
        None if text.len() > 64 => {
            Err(wrong(64, format!("a command's name of {} characters; {EXPECTED}", text.len())))
        }
        None => Ok(text.to_ascii_uppercase()),
    }
}

fn connections(text: &str) -> Result<u32, Wrong> {
    const EXPECTED: &str = "expected 1 to 4294967295";
    match text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        Some((at, c)) => Err(wrong(at, format!("{c:?} in a number; {EXPECTED}"))),
        None if text.is_empty() => Err(wrong(0, format!("an empty number; {EXPECTED}"))),
        None if text.starts_with('0') => Err(wrong(0, format!("a number that begins with 0; {EXPECTED}"))),
        None => text.parse().map_err(|_| wrong(0, format!("a number that is too large; {EXPECTED}"))),
    }
}

pub(super) const NAME: &str = "name";
const COMMANDS: &str = "commands";
const ADMIN: &str = "admin";
const FROM: &str = "from";
const EXPIRES: &str = "expires";
const CONNECTIONS: &str = "connections";

/// Every option, and how one looks.
const OPTIONS: [(&str, &str); 6] = [
    (NAME, "name=alice"),
    (COMMANDS, "commands=GET,LIST"),
    (ADMIN, "admin"),
    (FROM, "from=10.0.0.0/8,192.168.1.7"),
    (EXPIRES, "expires=2027-01-31"),
    (CONNECTIONS, "connections=20"),
];

const EXPECTED: &str = "expected \"name=…\", \"commands=…\", \"admin\", \"from=…\", \"expires=…\", \"connections=…\" or \"# comment\"";
