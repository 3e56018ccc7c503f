//! A client that is not trusted any more: what it hears, and what it does not.

use pinwire_proto::code::Code;
use pinwire_proto::session::Disconnect;
use pinwire_testkit::Pair;

fn holding() -> Pair {
    let mut pair = Pair::new();
    pair.server.script.holds = vec!["HOLD"];
    pair.connect();
    pair
}

fn cut(pair: &mut Pair) {
    pair.server.cut(Code::NoLongerTrusted, "taken off the list");
}

#[test]
fn what_is_under_way_ends_with_the_code_and_then_the_connection_does() {
    let mut pair = holding();
    pair.client.send("HOLD a", "1");
    pair.client.send("HOLD b", "2");
    pair.client.send_one_way("HOLD c");
    pair.drive();
    cut(&mut pair);
    pair.drive();
    assert_eq!(pair.client.read(), ["1: no-longer-trusted", "2: no-longer-trusted", "no-longer-trusted"]);
    assert!(pair.client.heard_close_notify());
    let text = "taken off the list".to_owned();
    assert_eq!(pair.server.session.ended(), Some(&Disconnect::Closed { code: Code::NoLongerTrusted, text }));
}

#[test]
fn an_answer_that_is_not_sealed_stays_here() {
    let mut pair = holding();
    for sequence in ["1", "2", "3"] {
        pair.client.send("HOLD a", sequence);
    }
    pair.drive();
    pair.server.answer("HOLD a", "sealed");
    pair.drive();
    pair.server.answer("HOLD a", "a secret");
    cut(&mut pair);
    pair.drive();
    let wanted = ["1: OK sealed", "2: no-longer-trusted", "3: no-longer-trusted", "no-longer-trusted"];
    assert_eq!(pair.client.read(), wanted);
}

#[test]
fn what_is_sealed_and_waits_for_the_socket_goes_first() {
    let mut pair = holding();
    pair.down.room = 0;
    pair.client.send("GET a", "1");
    pair.drive();
    assert!(pair.server.unsent() > 0);
    cut(&mut pair);
    pair.drive();
    pair.down.room = usize::MAX;
    pair.drive();
    assert_eq!(pair.client.read(), ["1: OK GET a", "no-longer-trusted"]);
}

#[test]
fn nothing_that_comes_afterwards_is_begun() {
    let mut pair = holding();
    pair.client.send("GET a", "1");
    pair.client_turn(usize::MAX);
    cut(&mut pair);
    pair.drive();
    assert_eq!(pair.client.read(), ["no-longer-trusted"], "it was not begun, and may be sent again");
    assert!(pair.server.heard().is_empty());
}

#[test]
fn it_is_said_once() {
    let mut pair = holding();
    cut(&mut pair);
    pair.server.cut(Code::TrustExpired, "later");
    pair.drive();
    assert_eq!(pair.client.read(), ["no-longer-trusted"]);
    assert!(pair.server.session.owns_nothing());
}
