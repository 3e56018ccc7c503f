//! Who proved possession of a key, was refused because nobody knows it, and is remembered until an operator
//! decides. Trusts nobody. Knows no file, no clock and no lock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use pinwire_proto::certificate::Digests;
use pinwire_proto::session::Now;
use pinwire_proto::trust::{Pin, TrustList};

use crate::beside::Stranger;
use crate::handshakes::Source;
use crate::tokens::{Rate, Tokens};

/// Those who are remembered. At most `MOST` of them, so each may be looked at, but only for one that is new.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    known: HashMap<Key, Known>,
    /// The last number given: numbers tell who came later, within a second too.
    number: u64,
    tokens: Tokens,
    is_changed: bool,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remembered {
    /// It waits for an operator.
    Pending,
    /// There is no room for it.
    Not,
}

/// SHA-256 of a SubjectPublicKeyInfo.
type Key = [u8; 32];

#[derive(Debug)]
struct Known {
    stranger: Stranger,
    /// None of one that an earlier run saw.
    digests: Option<Digests>,
    seen: u64,
}

impl Stranger {
    /// One who came from `sources` (newest first) `times` times, between `first` and `last` (unix seconds).
    pub fn new(
        pin: Pin,
        subject: String,
        (first, last): (i64, i64),
        times: u64,
        sources: Vec<IpAddr>,
    ) -> Self {
        Stranger { pin, subject, first, last, times, sources }
    }

    fn holder(&self) -> Option<Source> {
        self.sources.first().map(|address| Source::of(*address))
    }

    fn came(&mut self, unix: i64, address: IpAddr) {
        self.last = unix;
        self.times = self.times.saturating_add(1);
        if self.sources.first() != Some(&address) {
            self.sources.retain(|before| *before != address);
            self.sources.truncate(ADDRESSES - 1);
            self.sources.insert(0, address);
        }
    }

    /// What a file said, as it could have been written; none if it could not.
    fn sound(mut self) -> Option<Self> {
        self.subject = printable(&self.subject);
        self.sources.truncate(ADDRESSES);
        let is_sound = matches!(self.pin, Pin::Spki(_))
            && !self.sources.is_empty()
            && (0..=self.last).contains(&self.first)
            && self.times > 0;
        is_sound.then_some(self)
    }
}

impl Strangers {
    /// A stranger was refused, and came from `address` (unmapped). One that is known costs no more than that;
    /// a new one needs a token, and its source to have had one (`is_spent`: it had not), so that nobody's flood
    /// keeps others out.
    pub(crate) fn remember(
        &mut self,
        now: Now,
        (digests, subject): (&Digests, &str),
        address: IpAddr,
        is_spent: bool,
    ) -> Remembered {
        let is_known = self.known.contains_key(&digests.spki);
        if !is_known && (is_spent || !self.tokens.try_take(now.instant, &FEED)) {
            return Remembered::Not;
        }
        let known = self.known.get(&digests.spki);
        let source = Source::of(address);
        if known.and_then(|known| known.stranger.holder()) != Some(source) {
            self.make_room(source, is_known);
        }
        self.number += 1;
        let known = self.known.entry(digests.spki).or_insert_with(|| Known {
            stranger: Stranger::new(
                Pin::Spki(digests.spki),
                subject.to_owned(),
                (now.unix, now.unix),
                0,
                vec![],
            ),
            digests: None,
            seen: 0,
        });
        (known.digests, known.seen) = (Some(*digests), self.number);
        known.stranger.came(now.unix, address);
        self.is_changed = true;
        Remembered::Pending
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Those whom the list knows now are strangers no more. Returns where they came from.
    pub(crate) fn forget_listed(&mut self, list: &TrustList) -> Vec<IpAddr> {
        self.forget(|known| list.find(&known.digests()).is_some())
    }

    /// An operator does not want this one. Says whether it was there.
    pub(crate) fn reject(&mut self, pin: &Pin) -> bool {
        !self.forget(|known| pin.matches(&known.digests())).is_empty()
    }

    /// All of them, who came last first, if there was a change since the last time.
    pub(crate) fn take_changed(&mut self) -> Option<Vec<Stranger>> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let mut all: Vec<_> = self.known.values().collect();
        all.sort_by_key(|known| std::cmp::Reverse(known.seen));
        Some(all.into_iter().map(|known| known.stranger.clone()).collect())
    }

    /// Those of an earlier run, believed in nothing: who cannot have been written is dropped, the bounds hold, and
    /// who came meanwhile stays as it is.
    pub(crate) fn restore(&mut self, strangers: Vec<Stranger>) {
        let mut sound: Vec<_> = strangers.into_iter().filter_map(Stranger::sound).collect();
        sound.sort_by_key(|stranger| stranger.last);
        for stranger in sound {
            let (Pin::Spki(key), Some(source)) = (stranger.pin, stranger.holder()) else { continue };
            if !self.known.contains_key(&key) {
                self.make_room(source, false);
                self.number += 1;
                self.known.insert(key, Known { stranger, digests: None, seen: self.number });
                self.is_changed = true;
            }
        }
    }

    /// One more of this source comes: its own oldest goes if it has its share; else, if one more (`is_known`: no
    /// more) would be too many of all, the oldest of the source that has the most.
    fn make_room(&mut self, source: Source, is_known: bool) {
        let mut shares: HashMap<Source, (usize, u64)> = HashMap::new();
        for known in self.known.values() {
            let Some(holder) = known.stranger.holder() else { continue };
            let (count, oldest) = shares.entry(holder).or_insert((0, u64::MAX));
            (*count, *oldest) = (*count + 1, known.seen.min(*oldest));
        }
        let own = shares.get(&source).filter(|(count, _)| *count >= A_SOURCE);
        let crowded = || shares.values().max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(*oldest)));
        let is_full = !is_known && self.known.len() >= MOST;
        let goes = own.or_else(|| if is_full { crowded() } else { None });
        if let Some(&(_, seen)) = goes {
            self.known.retain(|_, known| known.seen != seen);
        }
    }

    fn forget(&mut self, is_wanted: impl Fn(&Known) -> bool) -> Vec<IpAddr> {
        let forgotten = self.known.extract_if(|_, known| is_wanted(known));
        let sources: Vec<_> = forgotten.flat_map(|(_, known)| known.stranger.sources).collect();
        self.is_changed |= !sources.is_empty();
        sources
    }
}

impl Known {
    /// Of one that an earlier run saw the key alone is known: no pin of a certificate is its.
    fn digests(&self) -> Digests {
        let spki = if let Pin::Spki(spki) = self.stranger.pin { spki } else { Key::default() };
        self.digests.unwrap_or(Digests { spki, certificate: Key::default(), sha1: [0; 20] })
    }
}

/// What a `Certificate` made it, whatever a file made of that. (It escapes, so only graphic ASCII and spaces are
/// in it.)
fn printable(subject: &str) -> String {
    let is_printable = |c: &char| *c == ' ' || c.is_ascii_graphic();
    subject.chars().map(|c| if is_printable(&c) { c } else { '?' }).take(SUBJECT).collect()
}

/// What an operator can look through, and what a file holds in some 100 KB.
const MOST: usize = 256;
/// Of one IPv4 address or IPv6 /64.
const A_SOURCE: usize = 8;
const ADDRESSES: usize = 4;
/// As `Certificate::subject` has it.
const SUBJECT: usize = 64;
/// New ones of all sources together: four seconds of nothing but new ones displace everybody, no less.
const FEED: Rate = Rate { burst: 64, every: Duration::from_nanos(1_000_000_000 / 64), ahead: Duration::ZERO };

#[cfg(test)]
#[path = "strangers_tests.rs"]
mod tests;
