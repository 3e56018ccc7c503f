//! What was answered OK is on disk: the server is killed (SIGKILL) in the middle of streams of changes, and
//! started again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use pinwire_client::blocking::Client;
use pinwire_client::{Document, Outcome};

use crate::bench::{Place, Serving};

/// Times that the server is killed.
const CRASHES: u64 = 200;
const CLIENTS: usize = 16;
/// Documents of each client: few, so that each is written and deleted again and again.
const IDS: usize = 8;
/// A kill comes after so many answers at most, over all clients.
const MOST_ANSWERS: u64 = 300;

/// What may be found under an id.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The version of the newest change that was answered OK.
    version: u64,
    /// What that change left; none after a DELETE.
    body: Option<Vec<u8>>,
    /// What the change that was not answered would have left.
    unanswered: Option<Option<Vec<u8>>>,
}

/// One client's documents by their ids. Nobody else writes them.
type Own = BTreeMap<String, Known>;

#[test]
fn what_was_answered_survives_200_kills() {
    let seed = fastrand::u64(..);
    println!("seed: {seed}");
    fastrand::seed(seed);
    let place = Place::new();
    let mut clients: Vec<Own> = (0..CLIENTS).map(own).collect();
    let mut newest = 0;
    for _ in 0..CRASHES {
        let server = place.serve();
        newest = check(&place, &server, &mut clients, newest);
        stream(&place, server, &mut clients, newest);
    }
    let server = place.serve();
    newest = check(&place, &server, &mut clients, newest);
    println!("{newest} changes, {CRASHES} kills");
    assert!(newest > 10 * CRASHES, "hardly anything was written: {newest} changes");
}

/// Every client changes its documents until the server is killed: after some answers, in the middle of others.
fn stream(place: &Place, server: Serving, clients: &mut [Own], newest: u64) {
    let (answered, answers) = mpsc::channel();
    let is_killed = AtomicBool::new(false);
    thread::scope(|scope| {
        for own in clients {
            let client = connect(place, &server);
            let (random, is_killed, answered) =
                (fastrand::Rng::with_seed(fastrand::u64(..)), &is_killed, answered.clone());
            scope.spawn(move || Stream { own, newest, random, is_killed, answered }.run(&client));
        }
        for _ in 0..fastrand::u64(..=MOST_ANSWERS) {
            answers.recv().expect("a stream ends at the kill alone");
        }
        is_killed.store(true, Ordering::SeqCst);
        drop(server);
    });
}

struct Stream<'s> {
    own: &'s mut Own,
    /// The newest version of before: every change of this stream is newer.
    newest: u64,
    random: fastrand::Rng,
    is_killed: &'s AtomicBool,
    answered: mpsc::Sender<()>,
}

impl Stream<'_> {
    fn run(mut self, client: &Client) {
        while self.change(client) {
            let _ = self.answered.send(());
        }
    }

    /// One change; false once the server is gone.
    fn change(&mut self, client: &Client) -> bool {
        let (id, known) = self.own.iter_mut().nth(self.random.usize(..IDS)).expect("there are so many");
        let body = (self.random.u8(..4) > 0).then(|| body(&mut self.random));
        known.unanswered = Some(body.clone());
        let changed = match &body {
            Some(body) => client.put(id, body.clone()).map(Some),
            None => client.delete(id),
        };
        match changed {
            Ok(version) => {
                // A DELETE of nothing changes nothing.
                let version = version.unwrap_or(known.version);
                assert!(
                    version > self.newest || known.body.is_none(),
                    "version {version} after {}",
                    self.newest
                );
                *known = Known { version, body, unanswered: None };
                true
            }
            Err(error) => {
                assert!(self.is_killed.load(Ordering::SeqCst), "before the kill: {error}");
                match error.outcome() {
                    Outcome::NotBegun => known.unanswered = None,
                    Outcome::Unknown => {}
                    Outcome::Answered => panic!("it was not killed: {error}"),
                }
                false
            }
        }
    }
}

/// Compares every document with what is known of it; returns a version above all that there are.
fn check(place: &Place, server: &Serving, clients: &mut [Own], newest: u64) -> u64 {
    let client = connect(place, server);
    for (id, known) in clients.iter_mut().flatten() {
        let found = client.get(id).unwrap();
        *known = settle(known, found.as_ref())
            .unwrap_or_else(|| panic!("{id}: {known:?}, but found was {found:?}"));
    }
    let there: Vec<&String> =
        clients.iter().flatten().filter(|(_, known)| known.body.is_some()).map(|(id, _)| id).collect();
    assert!(client.list("client-", None).unwrap().ids.iter().eq(there));
    let highest = clients.iter().flatten().map(|(_, known)| known.version).max();
    let next = client.put("check", "").unwrap();
    assert!(next > newest.max(highest.unwrap_or(0)), "{next} after {newest} and {highest:?}");
    next
}

/// A connection of its own, that is gone when it is lost.
fn connect(place: &Place, server: &Serving) -> Client {
    place.builder(&server.address).reconnect(false).connect().unwrap()
}

/// What is known after `found` was found; none if that cannot be.
fn settle(known: &Known, found: Option<&Document>) -> Option<Known> {
    let body = found.map(|found| found.body.to_vec());
    let version = found.map_or(known.version, |found| found.version);
    let stayed = body == known.body && version == known.version;
    let changed = known.unanswered.as_ref() == Some(&body) && (body.is_none() || version > known.version);
    (stayed || changed).then_some(Known { version, body, unanswered: None })
}

fn own(client: usize) -> Own {
    (0..IDS).map(|id| (format!("client-{client:02}/{id}"), Known::default())).collect()
}

/// No two are alike; most are small, some take many pages of the store.
fn body(random: &mut fastrand::Rng) -> Vec<u8> {
    let most = if random.u8(..32) == 0 { 40_000 } else { 400 };
    let length = 8 + random.usize(..most);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}
