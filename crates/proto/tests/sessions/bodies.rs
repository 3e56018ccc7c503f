//! Bodies: by their Size and nothing else; whole, refused, too large.

use pinwire_proto::code::Code;
use pinwire_testkit::Pair;
use pinwire_testkit::pair::Setup;

#[test]
fn a_body_at_every_cut() {
    let text =
        b"PUT a\r\nSequence: 1\r\nSize: 19\r\n\r\nGET x\r\n\r\nGET y\r\n\r\n!GET b\r\nSequence: 2\r\n\r\n";
    for cut in 1..text.len() {
        for mut pair in [Pair::rustls(), Pair::clear()] {
            pair.connect();
            pair.client.raw(&text[..cut]);
            pair.drive();
            pair.client.raw(&text[cut..]);
            pair.drive();
            assert_eq!(pair.server.heard(), ["PUT a", "GET b"], "cut at {cut}");
            assert_eq!(pair.server.bodies(), [&b"GET x\r\n\r\nGET y\r\n\r\n!"[..], b""]);
            assert_eq!(pair.client.read().len(), 2);
            assert!(pair.server.session.owns_nothing());
        }
    }
}

#[test]
fn bodies_around_the_limit() {
    for mut pair in [Setup::default().pair(), Setup::default().clear()] {
        for (sequence, size) in [("1", 1_048_575), ("2", 1_048_576)] {
            pair.client.send_body("PUT a", sequence, vec![b'x'; size]);
            pair.drive();
            assert_eq!(pair.server.bodies().last().unwrap().len(), size);
            assert_eq!(pair.client.take().len(), 1);
        }
        assert!(pair.server.session.owns_nothing());
        pair.client.send_body("PUT a", "3", vec![b'x'; 1_048_577]);
        pair.client.send("GET never", "4");
        pair.drive();
        assert_eq!(pair.client.read(), ["3: body-too-large"]);
        assert_eq!(pair.server.heard().len(), 2);
        assert_eq!(pair.server.closed_with(), Some(Code::BodyTooLarge));
    }
}

#[test]
fn a_body_far_over_the_limit_is_refused_from_its_head() {
    for size in ["4294967296", "9223372036854775808", "9999999999999999999"] {
        let mut pair = Pair::rustls();
        pair.client.raw(format!("PUT a\r\nSequence: 1\r\nSize: {size}\r\n\r\n"));
        pair.drive();
        assert_eq!(pair.client.read(), ["1: body-too-large"]);
        assert!(pair.client.heard_close_notify());
    }
}

#[test]
fn a_one_way_body_over_the_limit_is_told_to_the_connection() {
    let mut pair = Pair::rustls();
    pair.client.raw("PUT a\r\nSize: 1048577\r\n\r\n");
    pair.drive();
    assert_eq!(pair.client.read(), ["body-too-large"]);
}

#[test]
fn an_empty_body_is_one() {
    let mut pair = Pair::new();
    pair.client.send_body("PUT a", "1", "");
    pair.client.send("GET b", "2");
    pair.drive();
    assert_eq!(pair.server.heard(), ["PUT a", "GET b"]);
}

#[test]
fn a_refused_body_is_read_over_at_every_cut() {
    let text = b"PUT a\r\nSequence: 1\r\nSize: 14\r\n\r\nGET x\r\n\r\nGET yGET b\r\nSequence: 2\r\n\r\n";
    for cut in 1..text.len() {
        let mut pair = Pair::clear();
        pair.connect();
        pair.server.script.refuses_bodies = vec!["PUT"];
        pair.client.raw(&text[..cut]);
        pair.drive();
        if cut > 32 {
            assert_eq!(pair.client.read(), ["1: not-permitted"], "at once, cut at {cut}");
        }
        pair.client.raw(&text[cut..]);
        pair.drive();
        assert_eq!(pair.server.heard(), ["GET b"]);
        assert_eq!(pair.client.read(), ["1: not-permitted", "2: OK GET b"]);
        assert!(pair.server.session.owns_nothing());
    }
}

#[test]
fn an_incomplete_body_is_never_seen() {
    for (notify, bytes) in [(true, 0), (true, 5), (false, 0), (false, 5)] {
        let mut pair = Pair::rustls();
        pair.client.raw("PUT a\r\nSequence: 1\r\nSize: 6\r\n\r\n");
        pair.client.raw(&b"12345"[..bytes]);
        pair.drive();
        match notify {
            true => pair.client.close(),
            false => pair.up.end(),
        }
        pair.drive();
        assert!(pair.server.heard().is_empty());
        assert!(pair.server.session.is_closed(), "close_notify {notify}, {bytes} bytes");
        assert_eq!(pair.client.heard_close_notify(), notify);
    }
}

#[test]
fn memory_follows_what_arrived() {
    let mut pair = Pair::rustls();
    pair.connect();
    for sequence in 0..3 {
        pair.client.raw(format!("PUT a\r\nSequence: {sequence}\r\nSize: 100000\r\n\r\n"));
        for _ in 0..100 {
            pair.client.raw([b'x'; 1_000]);
            pair.drive();
        }
    }
    assert_eq!(pair.client.answers().len(), 3);
    assert!(pair.server.session.owns_nothing());
}
