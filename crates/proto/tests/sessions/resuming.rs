//! Our own client's session tickets: when they are used, and when not.

use std::time::{Duration, Instant};

use pinwire_proto::session::Now;
use pinwire_proto::tls::{ClientTls, Tickets};
use pinwire_testkit::Pair;
use pinwire_testkit::pair::{Setup, UNIX};

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// A connection that begins this many seconds into the story.
fn connect(setup: &Setup, tls: &ClientTls, second: i64) -> Pair {
    let time = Duration::from_secs(second.unsigned_abs());
    let now = Now { instant: Instant::now() + time, unix: UNIX + second };
    let mut pair = Setup { now, ..setup.clone() }.ours(&tls.at(UNIX + second));
    pair.connect();
    assert_eq!(pair.client.is_resumed(), pair.server.session.is_resumed());
    pair
}

/// A server that keeps its tickets valid forever, so that the client's own date is what counts.
fn story() -> (Setup, ClientTls) {
    let setup = Setup { tickets: Tickets::new().unwrap(), ..Setup::default() };
    let tls = setup.client_tls();
    (setup, tls)
}

#[test]
fn the_second_connection_is_resumed_and_each_brings_one_ticket() {
    let (setup, tls) = story();
    assert!(!connect(&setup, &tls, 0).client.is_resumed());
    for second in 1..4 {
        assert!(connect(&setup, &tls, second).client.is_resumed(), "{second}");
    }
}

#[test]
fn a_ticket_is_used_once() {
    let (setup, tls) = story();
    connect(&setup, &tls, 0);
    // It offers the one ticket and never hears of the server: no new one comes.
    let lost = setup.ours(&tls.at(UNIX));
    drop(lost);
    assert!(!connect(&setup, &tls, 1).client.is_resumed());
}

#[test]
fn only_a_few_tickets_are_kept() {
    let (setup, tls) = story();
    // All are under way before the first ticket comes.
    let mut pairs: Vec<Pair> = (0..6).map(|_| setup.ours(&tls.at(UNIX))).collect();
    pairs.iter_mut().for_each(Pair::connect);
    let mut later: Vec<Pair> = (0..6).map(|_| setup.ours(&tls.at(UNIX))).collect();
    later.iter_mut().for_each(Pair::connect);
    assert_eq!(later.iter().filter(|pair| pair.client.is_resumed()).count(), 4);
}

#[test]
fn a_day_after_the_full_handshake_nothing_is_resumed_however_often_it_was_before() {
    let (setup, tls) = story();
    connect(&setup, &tls, 0);
    for hours in [8, 16, 24] {
        assert!(connect(&setup, &tls, hours * 3_600).client.is_resumed(), "{hours} h");
    }
    assert!(!connect(&setup, &tls, DAY + 1).client.is_resumed());
    assert!(connect(&setup, &tls, DAY + 2).client.is_resumed(), "and a new day begins");
}

#[test]
fn forgotten_sessions_stay_forgotten() {
    let (setup, tls) = story();
    connect(&setup, &tls, 0);
    let mut under_way = setup.ours(&tls.at(UNIX + 1));
    tls.forget_sessions();
    under_way.connect();
    assert!(!connect(&setup, &tls, 2).client.is_resumed(), "its ticket came afterwards");
}

#[test]
fn without_a_date_nothing_is_kept() {
    let (setup, tls) = story();
    for _ in 0..2 {
        let mut pair = setup.ours(&tls);
        pair.connect();
        assert!(!pair.client.is_resumed());
    }
}

#[test]
fn another_servers_ticket_is_of_no_use_and_no_harm() {
    let (setup, tls) = story();
    connect(&setup, &tls, 0);
    let (other, _) = story();
    let client = setup.client.as_ref().unwrap();
    let other = Setup { list: pinwire_testkit::pair::list(&[client]), ..other };
    assert!(!connect(&other, &tls, 1).client.is_resumed());
}
