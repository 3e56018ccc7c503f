//! A bucket of tokens, kept as one moment: when it is full again. Counts nothing and knows no clock.

use std::time::{Duration, Instant};

/// How many tokens a bucket holds, and how fast they come back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// At least one.
    pub(crate) burst: u32,
    /// In which one token comes back.
    pub(crate) every: Duration,
    /// What may be taken that is not there yet, as the time in which it comes.
    pub(crate) ahead: Duration,
}

/// One bucket; a new one is full.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tokens {
    full: Option<Instant>,
}

impl Tokens {
    /// How long until there is a token; zero if there is one.
    pub(crate) fn wait(&self, now: Instant, rate: &Rate) -> Duration {
        self.lacks(now).saturating_sub(rate.room())
    }

    /// Takes one, there or not. What is owed never comes to more than `Rate::ahead`.
    pub(crate) fn take(&mut self, now: Instant, rate: &Rate) {
        let most = rate.room() + rate.every + rate.ahead;
        self.full = Some(now + (self.lacks(now) + rate.every).min(most));
    }

    /// Takes one if it is there.
    pub(crate) fn try_take(&mut self, now: Instant, rate: &Rate) -> bool {
        let is_there = self.wait(now, rate).is_zero();
        if is_there {
            self.take(now, rate);
        }
        is_there
    }

    /// When it is full; none: it has been since its beginning.
    pub(crate) fn full(&self) -> Option<Instant> {
        self.full
    }

    /// The time in which what lacks comes.
    fn lacks(&self, now: Instant) -> Duration {
        self.full.map_or(Duration::ZERO, |full| full.saturating_duration_since(now))
    }
}

impl Rate {
    /// The most that may lack while a token is left.
    fn room(&self) -> Duration {
        self.every.saturating_mul(self.burst.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, every: SECOND, ahead: Duration::from_secs(2) };
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_there_at_once_and_then_one_in_its_time() {
        let (mut tokens, now) = (Tokens::default(), Instant::now());
        assert_eq!([(); 4].map(|()| tokens.try_take(now, &RATE)), [true, true, true, false]);
        assert_eq!(tokens.wait(now, &RATE), SECOND);
        assert!(tokens.try_take(now + SECOND, &RATE) && !tokens.try_take(now + SECOND, &RATE));
        let later = now + 100 * SECOND;
        assert_eq!([(); 4].map(|()| tokens.try_take(later, &RATE)), [true, true, true, false]);
    }

    #[test]
    fn what_is_owed_has_its_bound() {
        let (mut tokens, now) = (Tokens::default(), Instant::now());
        (0..100).for_each(|_| tokens.take(now, &RATE));
        assert_eq!(tokens.wait(now, &RATE), 3 * SECOND, "two that are owed, and the next");
        assert_eq!(tokens.wait(now + 3 * SECOND, &RATE), Duration::ZERO);
    }
}
