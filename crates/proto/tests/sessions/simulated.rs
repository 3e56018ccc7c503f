//! Schedules of a simulated network: whatever is said, cut, lost or late, each command with a sequence has
//! one final answer or the connection's end with its reason, and no byte of a body is read as a head.

use pinwire_testkit::simulator::run_many;

/// What CI plays; `PINWIRE_SCHEDULES` says otherwise, `PINWIRE_SEED` where to begin.
const SCHEDULES: u64 = 2_000;

#[test]
fn schedules_of_many_seeds() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("PINWIRE_SEED").unwrap_or(0);
    let count = number("PINWIRE_SCHEDULES").unwrap_or(SCHEDULES);
    let seen = run_many(first..first + count);
    println!("{seen:#?}");
}
