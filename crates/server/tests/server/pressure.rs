//! Back-pressure over real sockets: a connection that was not read for a while is read again.

use crate::common::{Client, Running, config, now, router, trusting};
use pinwire_server::proto::wire::Request;
use pinwire_server::{Limits, Sequence};
use pinwire_testkit::certificates;

fn ok(sequence: u64, body: &[u8]) -> (String, String, Vec<u8>) {
    (sequence.to_string(), "OK".to_owned(), body.to_vec())
}

#[test]
fn what_was_held_back_is_answered_and_reading_goes_on() {
    let client = certificates::good(now());
    let limits = Limits { unsent: 64, ..Limits::default() };
    let server = Running::start(config(trusting(&[&client])).limits(limits), router());
    let mut client = Client::enter(server.address, &client);
    for round in 0..3 {
        // One flush: the bound is reached many times within one turn's bytes.
        for number in 0..50 {
            let sequence = Sequence::from(number);
            client.session.send(&Request::new("PING"), Some(&sequence), None).unwrap();
        }
        client.flush();
        for number in 0..50 {
            assert_eq!(client.answer(), ok(number, b""), "round {round}");
        }
    }
}

#[test]
fn reading_goes_on_once_a_long_tail_has_left_at_a_stroke() {
    let client = certificates::good(now());
    let body = vec![b'x'; 16 * 1024 * 1024]; // more than the sockets of both sides hold
    let limits = Limits { unsent: 1, body: body.len() as u64, ..Limits::default() };
    let server = Running::start(config(trusting(&[&client])).limits(limits), router());
    let mut client = Client::enter(server.address, &client);
    client.send("ECHO", "1", Some(&body));
    assert!(client.answer() == ok(1, &body));
    client.send("PING", "2", None);
    assert_eq!(client.answer(), ok(2, b""));
}

#[test]
fn one_way_commands_wait_for_those_in_flight_and_all_are_run() {
    let client = certificates::good(now());
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let server = Running::start(config(trusting(&[&client])).limits(limits), router());
    let mut client = Client::enter(server.address, &client);
    for _ in 0..20 {
        client.session.send(&Request::new("LATER"), None, None).unwrap();
    }
    client.flush();
    // Behind them, so that they have ended or one of them has: told in words while it has not.
    loop {
        client.send("PING", "1", None);
        match client.answer().1.as_str() {
            "OK" => break,
            code => assert_eq!(code, "overloaded"),
        }
    }
}
