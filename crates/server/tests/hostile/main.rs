//! A thousand connections with commands under way, and beside them every kind of hostile or broken peer: each
//! kind alone, then all at once, at one server that is a process of its own. Nobody loses a reply, the server's
//! memory comes back, its descriptors do exactly.
//!
//! `cargo test -p pinwire-server --test hostile -- --nocapture` prints the figures. Linux only: they come from
//! `/proc`.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod attacks;
mod child;
mod field;
mod honest;
mod phase;
mod rounds;
mod rude;

use std::time::Instant;

use attacks::{Attack, KINDS};
use field::Field;
use phase::Phase;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn a_thousand_connections_outlive_every_kind_of_hostile_peer() {
    allow_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, story());
}

async fn story() {
    let began = Instant::now();
    let field = Field::new();
    let honest = honest::enter(&field);
    field.rounds.pass(1).await;
    println!("{} connections are in after {:.1?}\n{}", field::HONEST, began.elapsed(), Phase::HEADINGS);
    let all: Vec<Attack> = KINDS.iter().map(|(_, attack)| *attack).collect();
    // The first time costs memory that stays, and that no second time costs again: each worker's three buffers
    // grow to the half MiB that they keep, and glibc keeps free heap between what lives: malloc_stats() said 16.4 MB
    // taken and 9.3 MB in use here, and malloc_trim() gave 5.4 MB back. What grows with every wave is a leak.
    Phase::run(&field, "all, the first time", &all).await;
    let start = field.server.used();
    let mut phases = Vec::new();
    for (name, attack) in KINDS {
        phases.push(Phase::run(&field, name, &[*attack]).await);
    }
    phases.push(Phase::run(&field, "all at once", &all).await);
    let replies = honest.leave().await;
    println!("{replies} replies, none lost, in {:.1?}", began.elapsed());
    field.end();
    phases.iter().for_each(|phase| phase.judge(start));
}

/// Lets this process, and the server that it starts, have the thousands of sockets: the usual limit is 1,024.
fn allow_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}
