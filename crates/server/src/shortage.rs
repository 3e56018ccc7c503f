//! What accepting does when the machine has no descriptor, or no memory, for one more connection: when to try
//! again, when to close those who wait, when to say so. Touches no socket and no clock.

use std::time::{Duration, Instant};

/// One worker's shortage. Its newcomers wait in the kernel's queue.
#[derive(Debug)]
pub(crate) struct Shortage {
    /// How long nobody is closed for it.
    patience: Duration,
    pause: Duration,
    short: Option<Short>,
}

#[derive(Debug, Default)]
struct Short {
    /// When those who wait have waited long enough; none while nobody does.
    until: Option<Instant>,
    /// Whether the last try succeeded.
    is_easing: bool,
}

impl Shortage {
    pub(crate) fn new(patience: Duration) -> Self {
        Shortage { patience, pause: SHORTEST, short: None }
    }

    /// Accept failed: somebody waits.
    pub(crate) fn failed(&mut self, now: Instant) {
        let short = self.short.get_or_insert_default();
        short.until.get_or_insert(now + self.patience);
        short.is_easing = false;
    }

    /// How long to wait before the next try, unless a connection ends before.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        pause
    }

    /// Whether those who wait have waited long enough.
    pub(crate) fn is_hopeless(&self, now: Instant) -> bool {
        self.short.as_ref().and_then(|short| short.until).is_some_and(|until| now >= until)
    }

    /// All of those who waited were closed. Those who come now may wait as long.
    pub(crate) fn all_closed(&mut self) {
        if let Some(short) = &mut self.short {
            short.until = None;
        }
    }

    /// Accept succeeded. While others wait behind it, that does not end the shortage.
    pub(crate) fn accepted(&mut self) {
        self.pause = SHORTEST;
        if let Some(short) = &mut self.short {
            short.is_easing = true;
        }
    }

    /// Nobody waits. Says whether that ends a shortage: not if the last one did not get in.
    pub(crate) fn nobody_waits(&mut self) -> bool {
        self.all_closed();
        self.short.take_if(|short| short.is_easing).is_some()
    }
}

/// The shortage as the log has it: one for all workers, since the machine is one.
#[derive(Debug, Default)]
pub(crate) struct Scarcity {
    since: Option<Instant>,
    /// Whether its beginning was said.
    is_said: bool,
    minute: Minute,
}

impl Scarcity {
    /// A worker could not accept. Whether that is to be said: it comes and goes, and that is said once a minute.
    pub(crate) fn begins(&mut self, now: Instant) -> bool {
        if self.since.is_some() {
            return false;
        }
        self.since = Some(now);
        self.is_said = self.minute.is_due(now);
        self.is_said
    }

    /// A worker is short no more: there is room, for the others too. How long it lasted, if that is to be said.
    pub(crate) fn ends(&mut self, now: Instant) -> Option<Duration> {
        let since = self.since.take()?;
        self.is_said.then(|| now.saturating_duration_since(since))
    }
}

/// For what is said once a minute at most, however often it happens.
#[derive(Debug, Default)]
pub(crate) struct Minute(Option<Instant>);

impl Minute {
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|before| now.saturating_duration_since(before) >= MINUTE);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

/// What fails is the machine, and others than this worker may give something back.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn the_pauses_double_up_to_a_second_and_begin_again() {
        let mut shortage = Shortage::new(PATIENCE);
        let pauses: Vec<_> = (0..9).map(|_| shortage.pause().as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
        shortage.accepted();
        assert_eq!(shortage.pause(), SHORTEST);
    }

    #[test]
    fn nobody_is_closed_before_patience_ends_and_those_who_come_then_have_as_much() {
        let (mut shortage, start) = (Shortage::new(PATIENCE), Instant::now());
        shortage.failed(start);
        shortage.failed(start + PATIENCE / 2);
        assert!(!shortage.is_hopeless(start + PATIENCE - MILLISECOND));
        shortage.accepted();
        assert!(shortage.is_hopeless(start + PATIENCE), "one got in; the others waited");
        shortage.all_closed();
        let later = start + 2 * PATIENCE;
        shortage.failed(later);
        assert!(!shortage.is_hopeless(later + PATIENCE - MILLISECOND));
        assert!(shortage.is_hopeless(later + PATIENCE));
    }

    #[test]
    fn it_ends_when_the_last_who_waits_gets_in() {
        let (mut shortage, now) = (Shortage::new(PATIENCE), Instant::now());
        assert!(!shortage.nobody_waits());
        shortage.failed(now);
        assert!(!shortage.nobody_waits(), "they gave up, or were closed");
        assert!(!shortage.is_hopeless(now + PATIENCE), "whoever comes then has its time");
        shortage.failed(now + PATIENCE);
        shortage.accepted();
        shortage.failed(now + PATIENCE); // the next one did not
        shortage.accepted();
        assert!(shortage.nobody_waits());
        assert!(!shortage.nobody_waits());
    }

    #[test]
    fn it_is_said_once_for_all_workers_and_once_a_minute() {
        let (mut scarcity, start) = (Scarcity::default(), Instant::now());
        assert!(scarcity.begins(start));
        assert!(!scarcity.begins(start), "another worker");
        assert_eq!(scarcity.ends(start + PATIENCE), Some(PATIENCE));
        assert_eq!(scarcity.ends(start + PATIENCE), None, "the other worker");
        assert!(!scarcity.begins(start + MINUTE - MILLISECOND));
        assert_eq!(scarcity.ends(start + MINUTE), None, "its beginning was not said either");
        assert!(scarcity.begins(start + MINUTE));
    }

    const MILLISECOND: Duration = Duration::from_millis(1);
}
