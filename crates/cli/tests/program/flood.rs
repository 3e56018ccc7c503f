//! Strangers, one after the other or ten thousand at once: what is remembered of them, and for how long.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use pinwire_client::Pin;
use pinwire_server::Identity;
use pinwire_testkit::certificates::{self, Pair};
use serde_json::Value;

use crate::bench::{Place, Serving, now, until};
use crate::peer::Peer;

#[test]
fn who_waits_still_waits_after_a_restart_and_a_kill() {
    let place = Place::new();
    let stranger = certificates::called("bob", now());
    let knock = |server: &Serving| Peer::knock([127, 0, 0, 4], &server.address, &stranger).refusal().unwrap();
    let server = place.serve();
    assert_eq!(knock(&server), "unfamiliar-certificate");
    until(|| place.home("trusted.pending").exists());
    drop(server); // killed
    let first = &pending(&place)[0]["first"];

    let server = place.serve();
    assert!(place.ok(&["trust", "pending"]).starts_with(&pin(&stranger)), "before it comes again");
    // Whoever comes before the server has read its file begins anew.
    let follows = format!("process {},", server.process());
    until(|| place.run(&["trust", "status"]).out().contains(&follows));
    assert_eq!(knock(&server), "unfamiliar-certificate");
    assert_eq!(server.terminate().0, Some(0)); // less than a second after

    let server = place.serve();
    let strangers = pending(&place);
    assert_eq!(strangers.len(), 1);
    assert_eq!((&strangers[0]["times"], &strangers[0]["first"]), (&2.into(), first));
    assert_eq!(strangers[0]["sources"], serde_json::json!(["127.0.0.4"]));
    assert_eq!(knock(&server), "unfamiliar-certificate", "nobody is trusted by being remembered");
    place.ok(&["trust", "approve", &beginning(&stranger), "--name", "bob"]);
    server.wait_for("trust list replaced");
    assert_eq!(place.visitor(Some(stranger)).run(&["call", "PING", "-s", &server.address]).status, 0);
    until(|| pending(&place).is_empty());
}

/// `PINWIRE_STRANGERS=10000 cargo test -p pinwire-cli --test program flood -- --nocapture` tells what became of them:
/// some 12 s, and minutes on a machine with more to do than it can.
#[test]
fn a_flood_of_strangers_from_one_source_hides_nobody_and_fills_nothing() {
    let place = Place::new();
    let server = place.serve_with_one_worker(&["--listen", "127.0.0.1:0"]);
    let [before, after] = ["before", "after"].map(|name| certificates::called(name, now()));
    let honest = |client: &Pair| Peer::knock([127, 0, 0, 4], &server.address, client).refusal();
    assert_eq!(honest(&before).as_deref(), Some("unfamiliar-certificate"));
    let (begin, calm) = (Instant::now(), resident(&server));

    let count = strangers();
    let (refused, closed) = flood(&server.address, count);
    assert_eq!(refused + closed, count);
    assert_eq!(honest(&after).as_deref(), Some("unfamiliar-certificate"));
    place.ok(&["call", "PING", "-s", &server.address]);
    let grown = resident(&server).saturating_sub(calm);

    let is_there = |client: &Pair| place.ok(&["trust", "pending"]).contains(&pin(client));
    until(|| is_there(&before) && is_there(&after));
    let strangers = pending(&place);
    let floods = strangers.iter().filter(|stranger| stranger["sources"][0] == "127.0.0.3").count();
    assert_eq!((floods, strangers.len()), (8, 10), "eight of a source");
    let minutes = begin.elapsed().as_secs() / 60 + 2;
    let log = server.terminate().1;
    let lines = log.lines().filter(|line| line.contains("127.0.0.3")).count();
    println!(
        "{count} strangers in {:?}: {refused} read why, {closed} closed at accept; {floods} remembered; \
         {grown} KiB more; {lines} log lines\n{}",
        begin.elapsed(),
        log.lines().last().unwrap()
    );
    // A minute: ten that are refused and one that is closed; the next says how many more, of both.
    assert!(u64::try_from(lines).unwrap() <= 13 * minutes, "{log}");
    assert!(u64::try_from(log.lines().count()).unwrap() <= 13 * minutes + 8, "{log}");
    assert!(grown < 64 * 1_024, "{grown} KiB");
    let last = log.lines().last().unwrap();
    assert!(last.contains(&format!("unfamiliar-certificate {},", refused + 2)), "{refused}: {last}");
    // Whoever is slow with its hello makes way for others of its source: under load that may be one of these.
    let wordless =
        ["source-penalised", "handshakes dropped"].map(|what| counted(last, what)).iter().sum::<u64>();
    assert_eq!(wordless, closed, "{last}");
}

/// The number beside these words in the last log line.
fn counted(last: &str, what: &str) -> u64 {
    let words = last.split([';', ',']).find(|words| words.contains(what)).unwrap_or_default();
    words.split(' ').find_map(|word| word.parse().ok()).unwrap_or(0)
}

/// So many strangers from 127.0.0.3, each with a key of its own, more at a time than the server delays of one source.
/// How many read why they are refused, and how many are closed without words.
fn flood(address: &str, count: u64) -> (u64, u64) {
    let [next, refused, closed] = [0; 3].map(AtomicU64::new);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    let stranger = certificates::stranger(now());
                    let ended = match Peer::knock([127, 0, 0, 3], address, &stranger).refusal() {
                        Some(code) => {
                            assert_eq!(code, "unfamiliar-certificate");
                            &refused
                        }
                        None => &closed,
                    };
                    ended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    (refused.into_inner(), closed.into_inner())
}

fn strangers() -> u64 {
    std::env::var("PINWIRE_STRANGERS").map_or(1_000, |strangers| strangers.parse().unwrap())
}

/// Of one source 256 are delayed, and 64 are in their handshake.
const AT_A_TIME: usize = 360;

fn pending(place: &Place) -> Vec<Value> {
    let text = fs::read_to_string(place.home("trusted.pending")).unwrap();
    let pending: Value = serde_json::from_str(&text).unwrap();
    pending["strangers"].as_array().unwrap().clone()
}

/// KiB of memory that a server holds.
fn resident(server: &Serving) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

fn pin(client: &Pair) -> String {
    let identity = Identity::from_pem(client.0.as_bytes(), client.1.as_bytes()).unwrap();
    Pin::Spki(identity.certificate().unwrap().digests.spki).to_string()
}

fn beginning(client: &Pair) -> String {
    pin(client)["spki-sha256:".len()..][..16].to_owned()
}
