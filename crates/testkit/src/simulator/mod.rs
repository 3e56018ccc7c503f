//! Plays schedules: a client, a server with a scripted handler, a network that splits, delays, cuts and ends,
//! the room that other connections leave, and a clock, all moved by the steps of a [`Schedule`]; after each the model is asked whether the
//! protocol allows what came of it.
//!
//! [`run_many`] is for tests: a schedule that fails is made small and printed as the Rust that plays it again.

mod model;
mod network;
mod room;
mod said;
mod schedule;
mod shrink;
mod text;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

pub use schedule::{Command, Name, Schedule, Step};
pub use shrink::shrink;
pub use text::{BREACHES, breach};

use crate::pair::Setup;
use pinwire_proto::limits::Limits;
use world::World;

/// How often each final answer and each end came about.
pub type Seen = BTreeMap<String, u64>;

/// Plays the schedules of these seeds.
///
/// # Panics
/// With the first schedule that fails, made small.
pub fn run_many(seeds: Range<u64>) -> Seen {
    let (stage, mut seen) = (Stage::new(), Seen::new());
    for seed in seeds {
        let schedule = Schedule::from_seed(seed);
        match stage.play(&schedule) {
            Ok(found) => found.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count),
            Err(_) => panic!("{}", stage.report(seed, schedule)),
        }
    }
    seen
}

/// Where schedules are played: what they share, made once.
#[derive(Debug)]
pub struct Stage {
    setup: Setup,
}

impl Default for Stage {
    fn default() -> Self {
        Stage::new()
    }
}

impl Stage {
    /// A server with small limits, so that schedules reach them.
    pub fn new() -> Stage {
        Stage { setup: Setup::default().limits(limit) }
    }

    /// Plays one schedule.
    ///
    /// # Errors
    /// What the protocol does not allow; a panic counts as such.
    pub fn play(&self, schedule: &Schedule) -> Result<Seen, String> {
        let played = catch_unwind(AssertUnwindSafe(|| World::new(&self.setup, schedule).play(schedule)));
        played.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Err(format!("panicked: {}", text.unwrap_or_default()))
        })
    }

    fn report(&self, seed: u64, schedule: Schedule) -> String {
        let small = shrink(schedule, |schedule| self.play(schedule).is_err());
        let why = self.play(&small).err().unwrap_or_default();
        format!("seed {seed}: {why}\nThe least that fails so:\n{small}")
    }
}

fn limit(limits: &mut Limits) {
    (limits.body, limits.in_flight, limits.unsent, limits.timeout) = (BODY, IN_FLIGHT, UNSENT, TIMEOUT);
    // A reply may have as much as what was taken, and no more.
    (limits.owed, limits.reply, limits.events_per_turn) = (OWED, 0, EVENTS);
    limits.pressed = PRESSED;
}

/// Bytes of a body: more than one record holds.
const BODY: u64 = 20_000;
const IN_FLIGHT: usize = 4;
/// Bytes of unsent replies: one body, and a little.
const UNSENT: usize = 25_000;
/// Bytes unsent or owed: two of the longest replies are reserved, or each of those that may be in flight has the
/// least that is reserved.
const OWED: usize = 40_000;
/// Commands that a turn may run.
const EVENTS: usize = 3;
/// The patience where there is no room.
const PRESSED: Duration = Duration::from_secs(1);
/// The longest `Timeout`.
const TIMEOUT: Duration = Duration::from_secs(60);
