//! The compact record layer and rustls's own, given the same bytes.

mod keys;
mod provider;
mod replay;
mod schedule;

use std::sync::Arc;

use pinwire_proto::tls::Layer;

use crate::choices::Choices;
use keys::Suite;
use replay::{Config, Handshake, Side};

/// See the module.
///
/// # Panics
/// At a finding.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let suite = choices.pick(&Suite::ALL);
    let side = choices.pick(&[Side::Server, Side::Client]);
    let what = choices.byte();
    let handshake = Handshake::of(suite);
    let (client, tickets) = provider::counting(&handshake.client);
    if what & 1 == 0 {
        let config = match side {
            Side::Server => Config::Server(Arc::clone(&handshake.server)),
            Side::Client => Config::Client(Arc::new(client.clone())),
        };
        let (_theirs, _said) = replay::connected(handshake, side, config);
    }
    if what & 2 == 0 {
        let mut ours = match side {
            Side::Server => Layer::with_server_config(Arc::new((*handshake.server).clone())),
            Side::Client => Layer::with_client_config(Arc::new(client)),
        }
        .expect("a configuration");
        let mut sealed = Vec::new();
        let mut wire = Vec::new();
        ours.handshake(&mut [], 65536, &mut sealed).expect("h");
        for flight in handshake.told(side) {
            wire.extend_from_slice(flight);
            let used = ours.handshake(&mut wire, 65536, &mut sealed).expect("the handshake's bytes");
            wire.drain(..used);
        }
        assert!(!ours.is_handshaking() && wire.is_empty());
    }
    assert_eq!(tickets.count(), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed() {
        for input in [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 1], [0, 1, 2], [1, 0, 2], [2, 0, 2], [0, 0, 3]] {
            let start = std::time::Instant::now();
            for _ in 0..1000 {
                run(&input);
            }
            println!("{input:?} {:?}", start.elapsed() / 1000);
        }
    }
}
