//! Storms, colleagues behind the same address, and the log, with times as arguments.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;

fn penalties() -> Penalties {
    Penalties::new(&Limits::default())
}

fn source(number: u32) -> Source {
    Source::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
}

fn fail(penalties: &mut Penalties, now: Instant, times: usize) {
    (0..times).for_each(|_| {
        penalties.failed(now, source(1));
    });
}

#[test]
fn ten_failures_are_free_and_the_next_waits_for_a_token() {
    let (mut penalties, now) = (penalties(), Instant::now());
    fail(&mut penalties, now, 9);
    assert_eq!(penalties.delay(now, source(1)), Duration::ZERO);
    assert!(!penalties.failed(now, source(1)).is_spent, "the tenth");
    assert_eq!(penalties.delay(now, source(1)), SECOND);
    assert_eq!(penalties.delay(now + SECOND, source(1)), Duration::ZERO);
    assert!(penalties.failed(now, source(1)).is_spent, "it was under way already");
    assert_eq!(penalties.delay(now, source(2)), Duration::ZERO, "another source");
}

#[test]
fn whoever_tries_once_a_second_is_never_delayed() {
    let (mut penalties, start) = (penalties(), Instant::now());
    for second in 0..10_000 {
        let now = start + second * SECOND;
        assert_eq!(penalties.delay(now, source(1)), Duration::ZERO);
        penalties.failed(now, source(1));
    }
}

#[test]
fn a_storm_is_delayed_five_seconds_and_colleagues_of_it_one() {
    let (mut penalties, now) = (penalties(), Instant::now());
    fail(&mut penalties, now, 1_000);
    assert_eq!(penalties.delay(now, source(1)), LONGEST);
    penalties.admitted(now, source(1));
    assert_eq!(penalties.delay(now, source(1)), LONGEST_KNOWN);
    let tomorrow = now + DAY;
    fail(&mut penalties, tomorrow, 1_000);
    assert_eq!(penalties.delay(tomorrow - SECOND, source(1)), LONGEST_KNOWN);
    assert_eq!(penalties.delay(tomorrow, source(1)), LONGEST, "the client came a day ago");
}

#[test]
fn a_source_that_is_cleared_begins_again_and_its_colleagues_stay_known() {
    let (mut penalties, now) = (penalties(), Instant::now());
    penalties.admitted(now, source(1));
    fail(&mut penalties, now, 1_000);
    penalties.clear(source(1));
    penalties.clear(source(2));
    assert_eq!(penalties.delay(now, source(1)), Duration::ZERO);
    fail(&mut penalties, now, 1_000);
    assert_eq!(penalties.delay(now, source(1)), LONGEST_KNOWN);
    assert_eq!(penalties.sources.len(), 1, "who is not remembered is not cleared");
}

#[test]
fn a_server_behind_a_proxy_can_do_without() {
    let mut penalties = Penalties::new(&Limits { failures: u32::MAX, ..Limits::default() });
    let now = Instant::now();
    fail(&mut penalties, now, 10_000);
    assert_eq!(penalties.delay(now, source(1)), Duration::ZERO);
}

#[test]
fn the_log_hears_ten_lines_a_minute_of_a_source_and_then_how_many_more() {
    let (mut penalties, now) = (penalties(), Instant::now());
    let said = (0..100).filter(|_| penalties.failed(now, source(1)).is_said).count();
    assert_eq!(said, 10);
    assert!(!penalties.refused(now, source(1)) && penalties.refused(now, source(2)));
    assert_eq!(penalties.unsaid(now + MINUTE - SECOND), None);
    assert_eq!(penalties.unsaid(now + MINUTE), Some(Unsaid { source: source(1), ended: 91, closed: 0 }));
    assert_eq!(penalties.unsaid(now + MINUTE), None);
    assert!(penalties.failed(now + MINUTE, source(1)).is_said);
}

#[test]
fn a_closing_at_accept_is_said_once_a_minute() {
    let (mut penalties, now) = (penalties(), Instant::now());
    assert!(penalties.closed(now, source(1)));
    assert!(!penalties.closed(now, source(1)) && !penalties.closed(now, source(1)));
    let unsaid = Some(Unsaid { source: source(1), ended: 0, closed: 2 });
    assert_eq!(penalties.unsaid(now + MINUTE), unsaid);
    assert!(!penalties.closed(now + MINUTE, source(1)), "this minute's line was that");
    let unsaid = Some(Unsaid { source: source(1), ended: 0, closed: 1 });
    assert_eq!(penalties.unsaid(now + 2 * MINUTE), unsaid);
    assert_eq!(penalties.unsaid(now + 3 * MINUTE), None);
    assert!(penalties.closed(now + 3 * MINUTE, source(1)));
}

#[test]
fn of_too_many_sources_the_one_goes_that_matters_least() {
    let (mut penalties, start) = (penalties(), Instant::now());
    let all = u32::try_from(SOURCES).unwrap();
    penalties.admitted(start, source(0));
    fail(&mut penalties, start, 10);
    (2..all).for_each(|number| {
        penalties.failed(start + SECOND, source(number));
    });
    let remembers = |penalties: &Penalties, number| penalties.sources.contains_key(&source(number));
    penalties.failed(start + 3 * SECOND, source(all));
    assert!(
        !remembers(&penalties, 2) && remembers(&penalties, 1) && remembers(&penalties, 0),
        "it owes nothing"
    );
    (3..all).for_each(|number| fail_of(&mut penalties, start + 4 * SECOND, number));
    fail_of(&mut penalties, start + 4 * SECOND, all);
    penalties.failed(start + 4 * SECOND, source(all + 1));
    assert!(
        !remembers(&penalties, 0) && remembers(&penalties, 1),
        "all owe: who was not heard of for longest"
    );
    assert_eq!(penalties.sources.len(), SOURCES);
}

fn fail_of(penalties: &mut Penalties, now: Instant, number: u32) {
    (0..5).for_each(|_| {
        penalties.failed(now, source(number));
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order: bounds hold, and the orders agree with what is known.
    #[test]
    fn the_bounds_hold(steps in prop::collection::vec((0..6u8, 0..2 * SOURCES as u32, 0..3_000u64), 1..400)) {
        let (mut penalties, mut now) = (penalties(), Instant::now());
        (0..SOURCES as u32 - 50).for_each(|number| { penalties.failed(now, source(number)); });
        for (what, number, milliseconds) in steps {
            now += Duration::from_millis(milliseconds);
            while penalties.unsaid(now).is_some() {}
            match what {
                0..3 => fail_of(&mut penalties, now, number),
                3 => penalties.admitted(now, source(number)),
                4 => { penalties.closed(now, source(number)); },
                _ => penalties.clear(source(number)),
            }
            let delay = penalties.delay(now, source(number));
            let longest = if what == 3 { LONGEST_KNOWN } else { LONGEST };
            prop_assert!(delay <= longest);
            let Penalties { sources, heard, strange, minutes, .. } = &penalties;
            prop_assert!(sources.len() <= SOURCES && heard.len() == sources.len());
            prop_assert!(strange.len() <= sources.len() && minutes.len() <= sources.len());
        }
        let Penalties { sources, strange, minutes, .. } = &penalties;
        prop_assert_eq!(strange.len(), sources.values().filter(|account| account.admitted.is_none()).count());
        prop_assert_eq!(minutes.len(), sources.values().filter(|account| account.minute.is_some()).count());
    }

    #[test]
    fn one_try_a_second_is_never_delayed(gaps in prop::collection::vec(1_000..5_000u64, 1..100)) {
        let (mut penalties, mut now) = (penalties(), Instant::now());
        for gap in gaps {
            prop_assert_eq!(penalties.delay(now, source(1)), Duration::ZERO);
            penalties.failed(now, source(1));
            now += Duration::from_millis(gap);
        }
    }
}

#[test]
fn the_page_says_how_long_a_source_is_delayed() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/trust.md")).unwrap();
    let (longest, known, day) = (LONGEST.as_secs(), LONGEST_KNOWN.as_secs(), DAY.as_secs() / 3_600);
    let words = format!(
        "at most {longest} s, and at most {known} s where a client was let in within the last {day} hours"
    );
    assert!(page.contains(&words), "{words}");
}
