//! Which sources fail so often that they wait before their next handshake, and how much of it the log hears.
//! Knows no socket, no clock and no lock; remembers so many sources, and scans none of them.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use pinwire_proto::limits::Limits;

use crate::handshakes::Source;
use crate::tokens::{Rate, Tokens};

/// What the sources did that failed or were let in of late.
#[derive(Debug)]
pub(crate) struct Penalties {
    rate: Rate,
    sources: HashMap<Source, Account>,
    /// All of them, by when they were heard of.
    heard: BTreeSet<(Instant, Source)>,
    /// Those from which nobody was let in, by when their bucket is full: then there is nothing to remember.
    strange: BTreeSet<(Option<Instant>, Source)>,
    /// Those with a minute under way, by its end.
    minutes: BTreeSet<(Instant, Source)>,
}

/// What is done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Whether the log is to hear of it.
    pub(crate) is_said: bool,
    /// Whether its source had no token left for it.
    pub(crate) is_spent: bool,
}

/// What a source did and the log did not hear of, in a minute that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsaid {
    pub(crate) source: Source,
    /// Handshakes that failed, clients that were refused.
    pub(crate) ended: u64,
    /// Connections closed at accept.
    pub(crate) closed: u64,
}

/// One source's.
#[derive(Debug)]
struct Account {
    heard: Instant,
    tokens: Tokens,
    /// When a client was let in last.
    admitted: Option<Instant>,
    minute: Option<Minute>,
}

/// What the log heard of a source in the minute that ends then.
#[derive(Debug)]
struct Minute {
    end: Instant,
    lines: u32,
    /// Whether it heard of those that were closed.
    is_closing_said: bool,
    ended: u64,
    closed: u64,
}

impl Penalties {
    pub(crate) fn new(limits: &Limits) -> Self {
        Penalties {
            rate: Rate { burst: limits.failures.max(1), every: SECOND, ahead: LONGEST - SECOND },
            sources: HashMap::new(),
            heard: BTreeSet::new(),
            strange: BTreeSet::new(),
            minutes: BTreeSet::new(),
        }
    }

    /// How long a newcomer from `source` waits before its handshake; zero: it need not.
    pub(crate) fn delay(&self, now: Instant, source: Source) -> Duration {
        let Some(account) = self.sources.get(&source) else { return Duration::ZERO };
        let is_known = account.admitted.is_some_and(|at| now.saturating_duration_since(at) < DAY);
        account.tokens.wait(now, &self.rate).min(if is_known { LONGEST_KNOWN } else { LONGEST })
    }

    /// A handshake failed, or its client was refused for what it is: that costs a token.
    pub(crate) fn failed(&mut self, now: Instant, source: Source) -> Heard {
        let rate = self.rate;
        self.change(now, source, |account| {
            let is_spent = !account.tokens.wait(now, &rate).is_zero();
            account.tokens.take(now, &rate);
            Heard { is_said: account.minute(now).says_end(), is_spent }
        })
    }

    /// A client was refused for what is not its fault. Whether the log is to hear of it.
    pub(crate) fn refused(&mut self, now: Instant, source: Source) -> bool {
        self.change(now, source, |account| account.minute(now).says_end())
    }

    /// A connection was closed at accept. Whether the log is to hear of it.
    pub(crate) fn closed(&mut self, now: Instant, source: Source) -> bool {
        self.change(now, source, |account| account.minute(now).says_closing())
    }

    /// A client is let in, or was in until now. That costs nothing.
    pub(crate) fn admitted(&mut self, now: Instant, source: Source) {
        self.change(now, source, |account| account.admitted = Some(now));
    }

    /// Forgives all failures of a source.
    pub(crate) fn clear(&mut self, source: Source) {
        let Some(heard) = self.sources.get(&source).map(|account| account.heard) else { return };
        self.change(heard, source, |account| account.tokens = Tokens::default());
    }

    /// What the log did not hear of in a minute that has ended; to be asked until there is nothing. To be asked
    /// before anything else is told, for what is told begins the next minute.
    pub(crate) fn unsaid(&mut self, now: Instant) -> Option<Unsaid> {
        while let Some(&(end, source)) = self.minutes.first()
            && now >= end
        {
            let heard = self.sources.get(&source)?.heard;
            let minute = self.change(heard, source, |account| account.next_minute(now))?;
            if minute.ended + minute.closed > 0 {
                return Some(Unsaid { source, ended: minute.ended, closed: minute.closed });
            }
        }
        None
    }

    /// Changes what is known of a source, and where it stands by it. A new one may cost another its place.
    fn change<R>(&mut self, now: Instant, source: Source, act: impl FnOnce(&mut Account) -> R) -> R {
        let mut account = match self.take(source) {
            Some(account) => account,
            None => {
                self.make_room(now);
                Account { heard: now, tokens: Tokens::default(), admitted: None, minute: None }
            }
        };
        account.heard = account.heard.max(now);
        let result = act(&mut account);
        self.put(source, account);
        result
    }

    /// Who matters least goes: a stranger who owes nothing, else whoever was not heard of for longest.
    fn make_room(&mut self, now: Instant) {
        if self.sources.len() < SOURCES {
            return;
        }
        let harmless = self.strange.first().filter(|(full, _)| full.is_none_or(|full| full <= now));
        let least = harmless.map(|(_, source)| *source).or(self.heard.first().map(|(_, source)| *source));
        least.and_then(|source| self.take(source));
    }

    fn take(&mut self, source: Source) -> Option<Account> {
        let account = self.sources.remove(&source)?;
        self.heard.remove(&(account.heard, source));
        self.strange.remove(&(account.tokens.full(), source));
        if let Some(minute) = &account.minute {
            self.minutes.remove(&(minute.end, source));
        }
        Some(account)
    }

    fn put(&mut self, source: Source, account: Account) {
        self.heard.insert((account.heard, source));
        if account.admitted.is_none() {
            self.strange.insert((account.tokens.full(), source));
        }
        if let Some(minute) = &account.minute {
            self.minutes.insert((minute.end, source));
        }
        self.sources.insert(source, account);
    }
}

impl Default for Penalties {
    fn default() -> Self {
        Penalties::new(&Limits::default())
    }
}

impl Account {
    fn minute(&mut self, now: Instant) -> &mut Minute {
        self.minute.get_or_insert_with(|| Minute::begin(now))
    }

    /// Ends the minute. What is told of it now is told in the next one.
    fn next_minute(&mut self, now: Instant) -> Option<Minute> {
        let minute = self.minute.take()?;
        if minute.closed > 0 {
            self.minute = Some(Minute { is_closing_said: true, ..Minute::begin(now) });
        }
        Some(minute)
    }
}

impl Minute {
    fn begin(now: Instant) -> Minute {
        Minute { end: now + MINUTE, lines: 0, is_closing_said: false, ended: 0, closed: 0 }
    }

    fn says_end(&mut self) -> bool {
        let is_said = self.lines < LINES;
        match is_said {
            true => self.lines += 1,
            false => self.ended += 1,
        }
        is_said
    }

    fn says_closing(&mut self) -> bool {
        let is_said = !std::mem::replace(&mut self.is_closing_said, true);
        self.closed += u64::from(!is_said);
        is_said
    }
}

/// A token comes back: whoever tries once a second is never delayed.
const SECOND: Duration = Duration::from_secs(1);
/// The most that anybody is delayed: half of the handshake's time, so that whoever waits behind a NAT, beside one
/// who storms, is in before its own patience ends.
const LONGEST: Duration = Duration::from_secs(5);
/// The same where a client was let in within a `DAY`: behind that address sit colleagues.
const LONGEST_KNOWN: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Lines in the log about one source, in a `MINUTE`.
const LINES: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// Sources that are remembered: some 1.3 MB at most.
const SOURCES: usize = 4_096;

#[cfg(test)]
#[path = "penalties_tests.rs"]
mod tests;
