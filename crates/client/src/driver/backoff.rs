//! The pauses between connections: doubled by each that comes to nothing, and drawn by lot.

use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;

#[derive(Debug)]
pub(super) struct Backoff {
    least: Duration,
    most: Duration,
    /// Connections in a row that came to nothing.
    failures: u32,
    not_before: Instant,
}

impl Backoff {
    pub(super) fn new(limits: &Limits, now: Instant) -> Backoff {
        Backoff { least: limits.backoff, most: limits.backoff_most, failures: 0, not_before: now }
    }

    /// A connection is over; `was_good` if a command was answered over it. `lot` is from 0 to 1.
    pub(super) fn lost(&mut self, now: Instant, was_good: bool, lot: f64) {
        let before = if was_good { 0 } else { self.failures };
        let doubled = self.least.saturating_mul(2_u32.saturating_pow(before));
        self.not_before = now + doubled.min(self.most).mul_f64(lot);
        self.failures = if was_good { 0 } else { self.failures.saturating_add(1) };
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn not_before(&self) -> Instant {
        self.not_before
    }
}
