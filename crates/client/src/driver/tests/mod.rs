//! Stories of the driver over sockets in memory, under a clock that moves only when everybody waits.

mod connecting;
mod ending;
mod net;
mod reconnecting;
mod watching;

use std::time::Duration;

use super::backoff::Backoff;
use crate::Limits;

#[test]
fn pauses_double_from_the_least_to_the_most_and_begin_anew_after_a_good_connection() {
    let now = tokio::time::Instant::now();
    let mut backoff = Backoff::new(&Limits::default(), now);
    assert_eq!(backoff.not_before(), now, "the first connection waits for nothing");
    let mut pause = |was_good, lot| {
        backoff.lost(now, was_good, lot);
        backoff.not_before() - now
    };
    let millis = Duration::from_millis;
    for expected in [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
        assert_eq!(pause(false, 1.0), millis(expected));
    }
    assert_eq!(pause(false, 0.5), millis(2_500), "drawn by lot");
    assert_eq!(pause(false, 0.0), millis(0));
    assert_eq!(pause(true, 1.0), millis(50));
    (0..1_000).for_each(|_| assert!(pause(false, 1.0) <= millis(5_000)));
}
