//! Schedules of a simulated network: whatever is said, cut, lost or late, each command with a sequence has
//! one final answer or the connection's end with its reason, and no byte of a body is read as a head.

use std::ops::Range;

use pinwire_testkit::simulator::{Command, Name, Schedule, Stage, Step, run_many};

/// What CI plays; `PINWIRE_SCHEDULES` says otherwise, `PINWIRE_SEED` where to begin.
const SCHEDULES: u64 = 2_000;

#[test]
fn schedules_of_many_seeds() {
    let seeds = seeds(SCHEDULES);
    let count = seeds.end - seeds.start;
    let seen = run_many(seeds);
    println!("{seen:#?}");
    let missing: Vec<_> = KINDS.iter().filter(|kind| !seen.contains_key(**kind)).collect();
    assert!(count < SCHEDULES || missing.is_empty(), "no schedule had {missing:?}: {seen:#?}");
}

/// So many seeds, or those that the environment asks for.
pub(crate) fn seeds(usual: u64) -> Range<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("PINWIRE_SEED").unwrap_or(0);
    first..first + number("PINWIRE_SCHEDULES").unwrap_or(usual)
}

/// Nine commands of which four may be in flight, and a FIN: what a failing run printed is played like this.
#[test]
fn a_schedule_is_played_as_it_is_printed() {
    let hold = |number, sequence| {
        let name = Name::Hold;
        Step::Say(Command { number, name, sequence, size: None, timeout: None, head: None })
    };
    let sequences = [Some(2), Some(3), Some(5), Some(8), None, Some(12), Some(13), Some(15), None];
    let mut steps = vec![Step::Reserve(0)];
    steps.extend((1..).zip(sequences).map(|(number, sequence)| hold(number, sequence)));
    steps.extend([Step::Write(usize::MAX), Step::Fin(0)]);
    let seen = Stage::new().play(&Schedule { is_tls: false, is_early: false, steps }).unwrap();
    assert_eq!(seen.get("end: of the client, cut off"), Some(&1));
}

/// What two thousand schedules must have come to, or they prove little.
const KINDS: &[&str] = &[
    "OK",
    "a command waits: its turn is over",
    "a command waits: there is no room",
    "a command waits: too much is owed",
    "a command waits: too much is unsent",
    "a head is too slow where room is short",
    "an answer is longer than what was reserved",
    "bad-command",
    "body-too-large",
    "cancelled",
    "duplicate-sequence",
    "failed",
    "message-too-large",
    "no-longer-trusted",
    "not-found",
    "not-permitted",
    "overloaded",
    "overloaded: its body is too slow where room is short",
    "overloaded: no room for its body",
    "removed",
    "shutting-down",
    "slow-reader",
    "timed-out",
    "end: Tls",
    "end: Tls, before the greeting",
    "end: bad-command",
    "end: body-too-large",
    "end: certificate-expired, before the greeting",
    "end: certificate-not-yet-valid, before the greeting",
    "end: duplicate-sequence",
    "end: failed",
    "end: idle",
    "end: message-too-large",
    "end: no handshake in time, before the greeting",
    "end: no-longer-trusted",
    "end: of the client, answered",
    "end: of the client, cut off",
    "end: of the client, cut off, before the greeting",
    "end: removed",
    "end: shutting-down",
    "end: shutting-down, before the greeting",
    "end: slow-reader",
    "read on behind the body of: CANCEL",
    "read on behind the body of: OK",
    "read on behind the body of: cancelled",
    "read on behind the body of: not-found",
    "read on behind the body of: not-permitted",
    "read on behind the body of: overloaded",
    "read on behind the body of: timed-out",
];
