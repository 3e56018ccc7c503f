//! What a session keeps, by field: the table in ARCHITECTURE.md says the same.

use pinwire_testkit::table::{field, says};

use super::*;

#[test]
fn the_architecture_says_what_a_session_keeps() {
    // A field that is added fails here until it has its row.
    let _all = |ServerSession {
                    layer: _,
                    limits: _,
                    tally: _,
                    phase: _,
                    input: _,
                    scan: _,
                    left: _,
                    flights: _,
                    flown: _,
                    judged: _,
                    is_known: _,
                    held: _,
                    held_parts: _,
                    is_paused: _,
                    sealed: _,
                    sent: _,
                    active: _,
                    ended: _,
                }: ServerSession| {};
    let fields = [
        ("layer: keys apart, see below", field(|it: &ServerSession| &it.layer)),
        ("phase", field(|it: &ServerSession| &it.phase)),
        ("active", field(|it: &ServerSession| &it.active)),
        ("scan: how far a head is decoded", field(|it: &ServerSession| &it.scan)),
        (
            "limits, tally: shared",
            field(|it: &ServerSession| &it.limits) + field(|it: &ServerSession| &it.tally),
        ),
        ("sealed, sent: of the stream", 2 * field(|it: &ServerSession| &it.sealed)),
        ("left: what no turn could finish", field(|it: &ServerSession| &it.left)),
        ("flights", field(|it: &ServerSession| &it.flights) + field(|it: &ServerSession| &it.flown)),
        ("judged, until it is let in", field(|it: &ServerSession| &it.judged)),
        ("ended", field(|it: &ServerSession| &it.ended)),
        ("input, held, held_parts, is_known, is_paused", 5 * field(|it: &ServerSession| &it.is_known)),
    ];
    says("ServerSession", &fields, size_of::<ServerSession>());
}
