//! Floods, restarts and approvals, with times as arguments.

use std::net::Ipv4Addr;
use std::time::Instant;

use pinwire_proto::trust::Sha1;
use proptest::prelude::*;

use super::*;

/// Strangers are numbers; the time is at which they come.
struct Story {
    strangers: Strangers,
    start: Instant,
}

impl Story {
    fn new() -> Story {
        Story { strangers: Strangers::default(), start: Instant::now() }
    }

    fn comes(&mut self, second: i64, who: u32, from: u32) -> Remembered {
        self.strangers.remember(self.at(second), (&digests(who), "CN=x"), address(from), false)
    }

    fn at(&self, second: i64) -> Now {
        let instant = self.start + Duration::from_secs(second.unsigned_abs());
        Now { instant, unix: 1_000 + second }
    }

    /// Who is remembered, the last first.
    fn all(&mut self) -> Vec<u32> {
        self.strangers.is_changed = true;
        let all = self.strangers.take_changed().unwrap();
        all.iter().map(|stranger| number(&stranger.pin)).collect()
    }
}

fn digests(who: u32) -> Digests {
    let key = |kind: u8| std::array::from_fn(|i| if i < 4 { who.to_be_bytes()[i] } else { kind });
    Digests { spki: key(1), certificate: key(2), sha1: [3; 20] }
}

fn number(pin: &Pin) -> u32 {
    match pin {
        Pin::Spki(key) => u32::from_be_bytes(key[..4].try_into().unwrap()),
        other => panic!("{other}"),
    }
}

fn address(from: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(from))
}

fn list(lines: &str) -> TrustList {
    TrustList::parse(lines.as_bytes(), Sha1::Refuse).unwrap()
}

fn restored(who: u32, last: i64, from: u32) -> Stranger {
    Stranger::new(Pin::Spki(digests(who).spki), "CN=x".to_owned(), (1, last), 1, vec![address(from)])
}

#[test]
fn it_is_remembered_when_where_and_how_often_it_came() {
    let mut story = Story::new();
    assert_eq!(story.strangers.take_changed(), None);
    for (second, from) in [(1, 1), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (7, 1), (8, 4)] {
        assert_eq!(story.comes(second, 7, from), Remembered::Pending);
    }
    let sources = [4, 1, 5, 3].map(address).to_vec();
    let pin = Pin::Spki(digests(7).spki);
    let wanted = Stranger { pin, subject: "CN=x".to_owned(), first: 1_001, last: 1_008, times: 8, sources };
    assert_eq!(story.strangers.take_changed(), Some(vec![wanted]));
    assert_eq!(story.strangers.take_changed(), None);
}

#[test]
fn a_source_has_eight_and_its_oldest_goes() {
    let mut story = Story::new();
    story.comes(0, 100, 2);
    (0..8).for_each(|who| assert_eq!(story.comes(0, who, 1), Remembered::Pending));
    story.comes(0, 0, 1);
    story.comes(0, 8, 1);
    assert_eq!(story.all(), [8, 0, 7, 6, 5, 4, 3, 2, 100]);
    story.comes(0, 100, 1);
    assert_eq!(story.all(), [100, 8, 0, 7, 6, 5, 4, 3], "it has moved");
}

#[test]
fn when_all_places_are_taken_the_source_goes_that_has_the_most() {
    let mut story = Story::new();
    let full = u32::try_from(MOST).unwrap();
    (0..full - 3).for_each(|who| {
        story.comes(i64::from(who), who, 10 + who);
    });
    (0..3).for_each(|who| {
        story.comes(300, 1_000 + who, 1);
    });
    story.comes(301, 2_000, 2);
    assert_eq!(story.strangers.len(), MOST);
    assert!(!story.all().contains(&1_000));
    story.comes(302, 2_001, 3);
    assert!(!story.all().contains(&1_001));
    story.comes(303, 2_002, 4);
    assert!(!story.all().contains(&0), "one each: the oldest");
}

#[test]
fn a_flood_feeds_it_at_a_bounded_rate_and_known_ones_are_free() {
    let mut story = Story::new();
    let fed = (0..1_000).filter(|who| story.comes(0, *who, *who) == Remembered::Pending).count();
    assert_eq!(fed, 64);
    assert_eq!(story.comes(0, 5, 99), Remembered::Pending);
    let fed = (1_000..2_000).filter(|who| story.comes(1, *who, *who) == Remembered::Pending).count();
    assert_eq!(fed, 64);
}

#[test]
fn a_source_without_tokens_takes_none_of_the_others() {
    let mut story = Story::new();
    story.comes(0, 1, 1);
    let now = story.at(0);
    let mut flood = |who| story.strangers.remember(now, (&digests(who), ""), address(1), true);
    assert!((10..1_000).all(|who| flood(who) == Remembered::Not));
    assert_eq!(flood(1), Remembered::Pending, "it is known");
    assert_eq!(story.comes(0, 2, 2), Remembered::Pending, "an honest one from elsewhere");
}

#[test]
fn those_on_the_list_leave_by_whatever_pin_it_has() {
    let mut story = Story::new();
    (1..4).for_each(|who| {
        story.comes(0, who, who);
    });
    story.comes(1, 1, 9);
    let by_key = format!("{}\n", Pin::Spki(digests(1).spki));
    assert_eq!(story.strangers.forget_listed(&list(&by_key)), [9, 1].map(address));
    let by_certificate = format!("{}\n", Pin::Certificate(digests(2).certificate));
    assert_eq!(story.strangers.forget_listed(&list(&by_certificate)), [address(2)]);
    assert!(story.strangers.take_changed().is_some());
    assert!(story.strangers.forget_listed(&list(&by_key)).is_empty());
    assert_eq!(story.strangers.take_changed(), None);
    assert!(story.strangers.reject(&Pin::Spki(digests(3).spki)));
    assert!(!story.strangers.reject(&Pin::Spki(digests(3).spki)));
    assert!(story.all().is_empty());
}

#[test]
fn restored_ones_go_on_and_those_who_came_meanwhile_stay() {
    let mut story = Story::new();
    story.comes(0, 1, 1);
    story.strangers.restore(vec![restored(3, 30, 3), restored(1, 10, 9), restored(2, 20, 2)]);
    assert_eq!(story.all(), [3, 2, 1]);
    story.comes(5, 2, 4);
    let all = story.strangers.take_changed().unwrap();
    assert_eq!((all[0].first, all[0].last, all[0].times), (1, 1_005, 2));
    assert_eq!(all[0].sources, [4, 2].map(address));
    assert_eq!(all[2].sources, [address(1)]);
    let listed = format!("{}\n", Pin::Spki(digests(3).spki));
    assert_eq!(story.strangers.forget_listed(&list(&listed)), [address(3)]);
}

#[test]
fn what_is_restored_is_believed_in_nothing() {
    let mut story = Story::new();
    let good = restored(1, 10, 1);
    let subject = format!("\u{1b}[31m\n{}", "é".repeat(100_000));
    let bad = [
        Stranger { pin: Pin::Certificate([1; 32]), ..good.clone() },
        Stranger { sources: vec![], ..good.clone() },
        Stranger { first: 11, ..good.clone() },
        Stranger { first: -1, ..good.clone() },
        Stranger { times: 0, ..good.clone() },
    ];
    story.strangers.restore(bad.to_vec());
    assert_eq!(story.strangers.take_changed(), None);
    let sources = (0..100).map(address).collect();
    story.strangers.restore(vec![Stranger { subject, sources, ..good.clone() }, good]);
    let all = story.strangers.take_changed().unwrap();
    assert_eq!(all[0].subject, format!("?[31m?{}", "?".repeat(58)));
    assert_eq!((all.len(), all[0].sources.len()), (1, 4));
    story.strangers.restore((0..1_000).map(|who| restored(who, 50, who % 500)).collect());
    assert_eq!(story.strangers.len(), MOST);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_bounds_hold(steps in prop::collection::vec((0..8u8, 0..600u32, 0..60u32), 1..900)) {
        let mut story = Story::new();
        for (second, (what, who, from)) in steps.into_iter().enumerate() {
            match what {
                0 => story.strangers.restore((who..who + 20).map(|who| restored(who, 5, from)).collect()),
                1 => { story.strangers.reject(&Pin::Spki(digests(who).spki)); },
                _ => { story.comes(second as i64, who, from); },
            }
            let known = &story.strangers.known;
            prop_assert!(known.len() <= MOST);
            let mut holders: HashMap<Source, usize> = HashMap::new();
            for known in known.values() {
                *holders.entry(known.stranger.holder().unwrap()).or_default() += 1;
                prop_assert!((1..=ADDRESSES).contains(&known.stranger.sources.len()));
            }
            prop_assert!(holders.values().all(|count| *count <= A_SOURCE));
        }
    }
}

#[test]
fn the_page_says_how_many_are_kept() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/trust.md")).unwrap();
    let words = format!("keeps {MOST} strangers, {A_SOURCE} of one source");
    assert!(page.contains(&words), "{words}");
}
