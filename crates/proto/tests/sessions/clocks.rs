//! Clocks that jump: the wall clock, which judges newcomers and nobody else, and the one that patience goes by,
//! after a machine was suspended.

use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::session::Disconnect;
use pinwire_testkit::Pair;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
/// Seconds.
const YEAR: i64 = 365 * 24 * 3_600;

/// The wall clock, set forth and back, and so far back that it stands before 1970.
const JUMPS: [i64; 4] = [30 * YEAR, -29 * YEAR, -80 * YEAR, 79 * YEAR];

fn holding(mut pair: Pair) -> Pair {
    pair.server.script.holds = vec!["HOLD"];
    pair.connect();
    pair
}

#[test]
fn the_wall_clock_means_nothing_to_whoever_is_in() {
    let mut pair = holding(Pair::new());
    pair.client.send("HOLD a", "held");
    pair.drive();
    for jump in JUMPS {
        pair.set_clock(jump);
        pair.wait(SECOND);
        pair.client.send("GET b", "1");
        pair.drive();
        assert_eq!(pair.client.take(), ["1: OK GET b"], "the clock was set by {jump} seconds");
    }
    pair.server.answer("HOLD a", "at last");
    pair.drive();
    assert_eq!(pair.client.read(), ["held: OK at last"]);
    assert_eq!(pair.server.ended(), None);
}

#[test]
fn the_wall_clock_ends_no_patience_and_lengthens_none() {
    let mut pair = Pair::clear();
    pair.server.script.holds = vec!["HOLD"];
    pair.connect();
    pair.client.raw("HOLD a\r\nSequence: 1\r\nTimeout: 9\r\n\r\nHALF a he");
    pair.drive();
    for jump in JUMPS {
        pair.set_clock(jump);
        pair.wait(2 * SECOND);
    }
    assert!(pair.client.read().is_empty(), "8 seconds");
    pair.wait(SECOND);
    assert_eq!(pair.client.take(), ["1: timed-out"]);
    pair.set_clock(-YEAR);
    pair.wait(20 * SECOND);
    assert_eq!(pair.server.ended(), None, "29 seconds");
    pair.wait(SECOND);
    assert_eq!(pair.client.take(), ["bad-command"]);
}

#[test]
fn the_wall_clock_of_the_judgement_is_the_one_that_counts() {
    for (jump, code) in [(2 * YEAR, Code::CertificateExpired), (-2 * YEAR, Code::CertificateNotYetValid)] {
        let mut pair = Pair::new();
        pair.step(); // the handshake is under way
        pair.set_clock(jump);
        pair.drive();
        assert_eq!(pair.server.closed_with(), Some(code));
        let greeting = pair.client.greeting().expect("it is told in words").to_owned();
        assert!(greeting.starts_with(&format!("{code}: ")), "{greeting}");
    }
}

#[test]
fn after_an_hour_asleep_a_handshake_is_over() {
    let mut pair = Pair::new();
    pair.up.is_held = true;
    pair.drive();
    pair.wait(HOUR);
    assert_eq!(pair.server.ended(), Some(&Disconnect::HandshakeTimeout));
}

#[test]
fn after_an_hour_asleep_who_owes_nothing_is_idle() {
    let mut pair = holding(Pair::new());
    pair.wait(HOUR);
    assert_eq!(pair.client.read(), ["idle"]);
    assert!(pair.client.heard_close_notify());
}

/// The machine falls asleep with an answer ready that no turn has sent. On waking the turn may come first, or the
/// sweep.
fn asleep(mut pair: Pair, sweep_first: bool) -> Pair {
    pair.server.answer("HOLD a", "ready");
    match sweep_first {
        true => pair.pass(HOUR),
        false => pair.drift(HOUR),
    }
    pair.drive();
    pair.pass(SECOND);
    pair.drive();
    pair
}

#[test]
fn an_hour_asleep_loses_no_answer_that_was_ready() {
    for sweep_first in [false, true] {
        let mut pair = holding(Pair::new());
        pair.client.send("HOLD a", "1");
        pair.drive();
        let mut pair = asleep(pair, sweep_first);
        assert_eq!(pair.client.take(), ["1: OK ready"]);
        assert_eq!(pair.server.ended(), None, "its ten minutes begin with the answer");
        pair.wait(HOUR);
        assert_eq!(pair.client.take(), ["idle"]);
    }
}

#[test]
fn an_answer_that_was_ready_comes_before_the_reason_for_the_end() {
    let endings = [
        ("GET b\r\nSequ", vec!["1: OK ready", "bad-command"]),
        ("PUT b\r\nSequence: 2\r\nSize: 9\r\nTimeout: 5\r\n\r\nhalf", vec!["1: OK ready", "2: timed-out"]),
    ];
    for (half, said) in endings {
        for sweep_first in [false, true] {
            let mut pair = holding(Pair::clear());
            pair.client.raw(format!("HOLD a\r\nSequence: 1\r\n\r\n{half}"));
            pair.drive();
            let pair = asleep(pair, sweep_first);
            assert_eq!(pair.client.read(), said, "{half:?}, sweep first: {sweep_first}");
            assert_eq!(pair.server.heard(), ["HOLD a"], "what is half there does not run");
        }
    }
}

#[test]
fn after_an_hour_asleep_a_body_that_stands_still_ends_its_connection() {
    let mut pair = Pair::clear();
    pair.connect();
    pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 9\r\n\r\nhalf");
    pair.drive();
    pair.wait(HOUR);
    assert_eq!(pair.client.read(), ["1: idle", "idle"]);
    assert!(pair.server.heard().is_empty());
}

#[test]
fn after_an_hour_asleep_a_timeout_is_up_unless_its_answer_was_ready() {
    for (is_ready, said) in [(true, "1: OK ready"), (false, "1: timed-out")] {
        let mut pair = holding(Pair::clear());
        pair.client.raw("HOLD a\r\nSequence: 1\r\nTimeout: 60\r\n\r\n");
        pair.drive();
        if is_ready {
            pair.server.answer("HOLD a", "ready");
        }
        pair.wait(HOUR);
        assert_eq!(pair.client.read(), [said]);
        assert_eq!(pair.server.ended(), None);
    }
}
