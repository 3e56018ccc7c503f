//! Crowds, stallers and the patient, with times as arguments.

use super::*;

/// The lobby's people are numbers, and so are the places that they get.
struct Hall {
    handshakes: Handshakes<u32>,
    begun: Vec<u32>,
    dropped: Vec<u32>,
    late: Vec<u32>,
    closed: Vec<u32>,
}

impl Hall {
    fn new(handshakes: usize, lobby: usize) -> Hall {
        let limits = Limits { handshakes, lobby, handshake: PATIENCE, penalised: 4, ..Limits::default() };
        let handshakes = Handshakes::new(&limits);
        Hall { handshakes, begun: vec![], dropped: vec![], late: vec![], closed: vec![] }
    }

    fn arrive(&mut self, now: Instant, from: u8, who: u32) {
        self.closed.extend(self.handshakes.arrive(now, source(from), who));
        self.go_on(now);
    }

    fn go_on(&mut self, now: Instant) {
        while let Some(step) = self.handshakes.next(now) {
            match step {
                Step::Begin(source, who, _) => {
                    self.begun.push(who);
                    self.handshakes.began(now, source, at(who));
                }
                Step::Drop(address) => self.dropped.push(address.place),
                Step::Late(who) => self.late.push(who),
                Step::Full(who) => self.closed.push(who),
            }
        }
    }

    fn delay(&mut self, until: Instant, from: u8, who: u32) {
        self.closed.extend(self.handshakes.delay(until, source(from), who).map(|(_, who)| who));
    }

    fn heard(&mut self, who: u32) {
        self.handshakes.heard(at(who));
    }

    fn leave(&mut self, now: Instant, who: u32) {
        self.handshakes.leave(at(who));
        self.go_on(now);
    }

    fn remembers_nobody(&self) -> bool {
        let Handshakes { tenants, silent, waiting, sources, ready, stuck, crowds, .. } = &self.handshakes;
        tenants.is_empty()
            && silent.is_empty()
            && waiting.is_empty()
            && sources.is_empty()
            && ready.is_empty()
            && stuck.is_empty()
            && crowds.is_empty()
            && self.handshakes.earliest().is_none()
    }
}

fn source(number: u8) -> Source {
    Source::of(IpAddr::from([192, 0, 2, number]))
}

fn at(who: u32) -> Address {
    Address { place: who, generation: 0 }
}

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_source_is_an_address_or_a_network_of_64_bits() {
    let of = |text: &str| Source::of(text.parse().unwrap());
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
}

#[test]
fn a_crowd_from_one_source_gets_in_one_after_the_other_and_nobody_is_lost() {
    let (mut hall, now) = (Hall::new(16, 400), Instant::now());
    (0..100).for_each(|who| hall.arrive(now, 1, who));
    assert_eq!(hall.begun, [0, 1], "an eighth");
    for who in 0..100 {
        hall.heard(who);
        hall.leave(now, who);
    }
    assert_eq!(hall.begun, (0..100).collect::<Vec<_>>());
    assert!(hall.dropped.is_empty() && hall.closed.is_empty() && hall.late.is_empty());
    assert!(hall.remembers_nobody());
}

#[test]
fn a_source_that_stalls_keeps_nobody_else_out() {
    let (mut hall, now) = (Hall::new(16, 400), Instant::now());
    (0..50).for_each(|who| hall.arrive(now, 1, who));
    hall.arrive(now, 2, 100);
    assert_eq!(hall.begun, [0, 1, 100]);
}

#[test]
fn sources_take_turns() {
    let (mut hall, now) = (Hall::new(1, 400), Instant::now());
    hall.arrive(now, 9, 9);
    [10, 11, 12].into_iter().for_each(|who| hall.arrive(now, 1, who));
    [20, 21].into_iter().for_each(|who| hall.arrive(now, 2, who));
    hall.arrive(now, 3, 30);
    for who in [9, 10, 20, 30, 11, 21, 12] {
        assert_eq!(hall.begun.last(), Some(&who));
        hall.leave(now, who);
    }
    assert!(hall.remembers_nobody());
}

#[test]
fn a_hello_has_a_second_while_others_of_its_source_wait() {
    let (mut hall, now) = (Hall::new(16, 400), Instant::now());
    (0..4).for_each(|who| hall.arrive(now, 1, who));
    hall.heard(0);
    hall.go_on(now + HELLO - Duration::from_millis(1));
    assert_eq!((hall.begun.as_slice(), hall.dropped.as_slice()), (&[0, 1][..], &[][..]));
    hall.go_on(now + HELLO);
    assert_eq!((hall.begun.as_slice(), hall.dropped.as_slice()), (&[0, 1, 2][..], &[1][..]), "0 was heard");
    hall.go_on(now + 2 * HELLO);
    assert_eq!((hall.begun.as_slice(), hall.dropped.as_slice()), (&[0, 1, 2, 3][..], &[1, 2][..]));
    hall.go_on(now + 4 * HELLO);
    assert_eq!(hall.dropped, [1, 2], "nobody waits any more");
}

#[test]
fn when_all_places_are_taken_the_oldest_silent_one_goes() {
    let (mut hall, now) = (Hall::new(8, 400), Instant::now());
    (0..8).for_each(|who| hall.arrive(now, who as u8, who));
    hall.heard(0);
    hall.arrive(now, 100, 100);
    assert_eq!(hall.begun.len(), 8);
    hall.go_on(now + HELLO);
    assert_eq!((hall.begun.last(), hall.dropped.as_slice()), (Some(&100), &[1][..]));
}

#[test]
fn nobody_is_dropped_for_one_that_could_not_have_the_place() {
    let (mut hall, now) = (Hall::new(8, 400), Instant::now());
    (0..8).for_each(|who| hall.arrive(now, who as u8, who));
    hall.heard(0);
    hall.arrive(now, 0, 100); // its source has its share, and that one was heard
    hall.go_on(now + 2 * HELLO);
    assert_eq!((hall.begun.len(), hall.dropped.len()), (8, 0));
    hall.leave(now + 2 * HELLO, 1);
    assert_eq!(hall.begun.len(), 8, "nor has it that one");
    hall.leave(now + 2 * HELLO, 0);
    assert_eq!(hall.begun.last(), Some(&100));
}

#[test]
fn patience_runs_in_the_lobby_too() {
    let (mut hall, now) = (Hall::new(8, 400), Instant::now());
    hall.arrive(now, 1, 0);
    hall.heard(0);
    hall.arrive(now, 1, 1);
    hall.arrive(now + HELLO, 1, 2);
    hall.go_on(now + PATIENCE - Duration::from_millis(1));
    assert!(hall.late.is_empty());
    hall.go_on(now + PATIENCE);
    assert_eq!(hall.late, [1]);
    hall.leave(now + PATIENCE, 0);
    assert_eq!(hall.begun, [0, 2]);
    hall.arrive(now, 1, 3);
    assert_eq!(hall.handshakes.clear_lobby(), [3]);
    hall.leave(now + PATIENCE, 2);
    assert!(hall.remembers_nobody());
}

#[test]
fn a_source_has_a_quarter_of_the_lobby() {
    let (mut hall, now) = (Hall::new(8, 16), Instant::now());
    (0..7).for_each(|who| hall.arrive(now, 1, who));
    assert_eq!((hall.begun.as_slice(), hall.closed.as_slice()), (&[0][..], &[5, 6][..]));
}

#[test]
fn in_a_full_lobby_the_largest_crowd_makes_way() {
    let (mut hall, now) = (Hall::new(8, 8), Instant::now());
    (0..8).for_each(|who| hall.arrive(now, who as u8 + 1, who));
    (8..16).for_each(|who| hall.arrive(now, who as u8 % 4 + 1, who));
    assert!(hall.closed.is_empty(), "two of each of four sources");
    hall.arrive(now, 200, 100);
    assert_eq!(hall.closed, [15], "the last of a crowd of two");
    hall.arrive(now, 1, 101);
    assert_eq!(hall.closed, [15, 101], "it has more there than others");
    for from in 201..=203 {
        hall.arrive(now, from, u32::from(from));
    }
    hall.arrive(now, 204, 204);
    assert_eq!(hall.closed.last(), Some(&204), "one each: nobody makes way");
}

/// Whatever happens in whatever order, the bounds hold, nobody is lost, and in the end nobody is remembered.
#[test]
fn any_order_of_events_keeps_the_bounds() {
    let (mut hall, start) = (Hall::new(16, 32), Instant::now());
    let (mut random, mut now, mut arrived) = (0x2545_F491_4F6C_DD1D_u64, start, 0);
    for _ in 0..20_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let anyone = hall.handshakes.tenants.keys().nth(random as usize % 16).map(|tenant| tenant.place);
        match (random >> 32) % 9 {
            8 => {
                let until = now + Duration::from_millis((random >> 48) % 5_000);
                hall.delay(until, (random >> 40) as u8 % 12, arrived);
                arrived += 1;
            }
            0..4 => {
                hall.arrive(now, (random >> 40) as u8 % 12, arrived);
                arrived += 1;
            }
            4 => anyone.into_iter().for_each(|who| hall.heard(who)),
            5 => anyone.into_iter().for_each(|who| hall.leave(now, who)),
            _ => {
                now += if (random >> 40) % 64 == 0 { PATIENCE / 2 } else { Duration::from_millis(50) };
                hall.go_on(now);
            }
        }
        let Handshakes { tenants, waiting, sources, ready, .. } = &hall.handshakes;
        assert!(tenants.len() <= 16 && waiting.len() <= 32 && sources.len() <= 16 + 32);
        assert!(sources.values().all(|crowd| crowd.tenants <= 2 && crowd.waiting.len() <= 8));
        assert!(tenants.len() == 16 || ready.is_empty(), "a place is free, and somebody could have it");
    }
    let all = hall.handshakes.tenants.keys().copied().collect::<Vec<_>>();
    assert!(!all.is_empty() && !hall.dropped.is_empty() && !hall.late.is_empty() && !hall.closed.is_empty());
    hall.handshakes.clear_lobby();
    all.into_iter().for_each(|address| hall.handshakes.leave(address));
    assert!(hall.remembers_nobody());
}

#[test]
fn whoever_is_delayed_arrives_at_its_moment_and_others_do_not_wait_for_it() {
    let (mut hall, now) = (Hall::new(16, 400), Instant::now());
    hall.delay(now + HELLO, 1, 10);
    hall.delay(now + HELLO / 2, 2, 20);
    assert_eq!(hall.handshakes.earliest(), Some(now + HELLO / 2));
    hall.arrive(now, 3, 30);
    hall.arrive(now, 1, 11);
    assert_eq!(hall.begun, [30, 11], "nor does its own source, once it need not");
    hall.go_on(now + HELLO / 2);
    hall.go_on(now + HELLO - Duration::from_millis(1));
    assert_eq!(hall.begun, [30, 11, 20]);
    hall.go_on(now + HELLO);
    assert_eq!((hall.begun.last(), hall.handshakes.earliest()), (Some(&10), None));
    [30, 11, 20, 10].into_iter().for_each(|who| hall.leave(now, who));
    assert!(hall.remembers_nobody());
}

#[test]
fn the_time_in_which_it_was_delayed_is_not_its_handshakes() {
    let (mut hall, now) = (Hall::new(8, 400), Instant::now());
    hall.arrive(now, 1, 0);
    hall.heard(0);
    let moment = now + PATIENCE;
    hall.delay(moment, 1, 1);
    hall.go_on(moment);
    hall.go_on(moment + PATIENCE - Duration::from_millis(1));
    assert!(hall.late.is_empty());
    hall.go_on(moment + PATIENCE);
    assert_eq!(hall.late, [1]);
}

#[test]
fn so_many_of_a_source_are_delayed_and_the_lobby_has_its_bounds_then_too() {
    let (mut hall, now) = (Hall::new(8, 8), Instant::now());
    (0..5).for_each(|who| hall.delay(now + HELLO, 1, who));
    assert_eq!(hall.closed, [4], "four are a source's");
    assert!(hall.handshakes.has_waiting());
    hall.go_on(now + HELLO);
    assert_eq!(
        (hall.begun.as_slice(), hall.closed.as_slice()),
        (&[0][..], &[4, 3][..]),
        "one place, two wait"
    );
    hall.delay(now + 2 * HELLO, 1, 5);
    assert_eq!(hall.handshakes.clear_delayed(), [5]);
}
