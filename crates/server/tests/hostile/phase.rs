//! One measured part of the story: attacks for some rounds of those who work, then the wait for the server to
//! be as it was.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::attacks::Attack;
use crate::child::Used;
use crate::field::Field;
use crate::rude::Rude;

/// What was measured.
pub(crate) struct Phase {
    name: String,
    after: Used,
}

impl Phase {
    /// Attacks, waits until the server has let go of everything, and says what it saw.
    pub(crate) async fn run(field: &Field, name: &str, attacks: &[Attack]) -> Phase {
        let (began, before) = (Instant::now(), field.server.used());
        let (round, replies) = (field.rounds.over(), field.rounds.replies());
        let most = Rc::new(Cell::new(before));
        let watching = tokio::task::spawn_local(watch(field.clone(), Rc::clone(&most)));
        let mut fighting = JoinSet::new();
        for attack in attacks {
            fighting.spawn_local(fight(field.clone(), *attack));
        }
        let staying = fighting.join_all().await;
        settle(field, name, before.descriptors).await;
        watching.abort();
        drop(staying);
        let after = calm(field, before).await;
        let (rounds, replies) = (field.rounds.over() - round, field.rounds.replies() - replies);
        println!(
            "{name:<20} {:>6.1?} {rounds:>6} {replies:>8}  {}  {}  {}",
            began.elapsed(),
            text(before),
            text(most.get()),
            text(after)
        );
        Phase { name: name.to_owned(), after }
    }

    /// Of what [`run`](Phase::run) says; memory in KiB, and what of it is no file's.
    pub(crate) const HEADINGS: &str =
        "kind, time, rounds, replies; memory (its own) and descriptors before, at most, after";

    /// The promise, against what the server used at its start.
    pub(crate) fn judge(&self, start: Used) {
        let Phase { name, after } = self;
        assert_eq!(after.descriptors, start.descriptors, "{name}");
        assert!(!is_more(start, *after), "{name}: {after:?}, and {start:?} at the start");
    }
}

/// Keeps the most that the server uses.
async fn watch(field: Field, most: Rc<Cell<Used>>) {
    loop {
        most.set(most.get().max(field.server.used()));
        field.rounds.pass(1).await;
    }
}

/// Again and again until the rounds are over; the last wave's connections that stay.
async fn fight(field: Field, attack: Attack) -> Vec<Rude> {
    let until = field.rounds.over() + ROUNDS;
    loop {
        let staying = attack(field.clone()).await;
        if field.rounds.over() >= until {
            return staying;
        }
    }
}

/// Waits until the server has as many descriptors as before.
async fn settle(field: &Field, name: &str, descriptors: usize) {
    let began = Instant::now();
    while field.server.descriptors() != descriptors {
        field.rounds.pass(1).await;
        let now = field.server.descriptors();
        assert!(began.elapsed() < HANG, "{name}: {now} descriptors, and it began with {descriptors}");
    }
}

/// What the server uses once its memory is back, or a few rounds later.
async fn calm(field: &Field, before: Used) -> Used {
    for _ in 0..CALM {
        let used = field.server.used();
        if !is_more(before, used) {
            return used;
        }
        field.rounds.pass(1).await;
    }
    field.server.used()
}

/// More than 5 %.
fn is_more(before: Used, after: Used) -> bool {
    after.resident > before.resident + before.resident / 20
}

fn text(used: Used) -> String {
    format!("{:>7} ({:>6}) {:>4} fds", used.resident / 1_024, used.own / 1_024, used.descriptors)
}

/// How long an attack lasts at least.
const ROUNDS: usize = 3;
/// Rounds in which memory may come back.
const CALM: usize = 10;
/// Only catches a hang.
const HANG: Duration = Duration::from_secs(120);
