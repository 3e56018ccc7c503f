//! What a connection keeps, by field: the table in ARCHITECTURE.md says the same.

use pinwire_testkit::table::{field, says};

use super::*;

type Whole = Connection<[u64; 8]>;

#[test]
fn the_architecture_says_what_a_connection_keeps() {
    // A field that is added fails here until it has its row.
    let _all = |Whole {
                    session: _,
                    socket: _,
                    outbox: _,
                    linger: _,
                    tasks: _,
                    who: _,
                    state: _,
                    waker: _,
                    generation: _,
                    kept: _,
                    progress: _,
                    is_member: _,
                    is_refused: _,
                    is_forbidding_said: _,
                }: Whole| {};
    let fields = [
        ("session", field(|it: &Whole| &it.session)),
        ("state: the user's", field(|it: &Whole| &it.state)),
        ("socket: tokio's handle, with its features", SOCKET),
        ("who: the peer, or its address", field(|it: &Whole| &it.who)),
        ("waker", field(|it: &Whole| &it.waker)),
        ("kept: its part of the worker's totals", field(|it: &Whole| &it.kept)),
        ("outbox", field(|it: &Whole| &it.outbox)),
        ("linger", field(|it: &Whole| &it.linger)),
        ("tasks", field(|it: &Whole| &it.tasks)),
        ("generation", field(|it: &Whole| &it.generation)),
        ("progress", field(|it: &Whole| &it.progress)),
        ("is_member, is_refused, is_forbidding_said", 3 * field(|it: &Whole| &it.is_member)),
    ];
    let less = SOCKET - field(|it: &Whole| &it.socket);
    says("Connection", &fields, size_of::<Whole>() + less);
}

/// With tokio's feature `rt-multi-thread`; without it, eight bytes less. Who builds it decides.
const SOCKET: usize = 40;
