//! Section 7.2: our update of traffic secrets against that of rustls's `kernel` module.

use rustls::ConnectionTrafficSecrets;

use super::{Side, TICKETS, Tap, keys};
use crate::tls::secrets::{Direction, Suite};
use crate::tls::tests::{SUITES, connections};

#[test]
fn secrets_are_updated_as_rustls_updates_them() {
    for suite in SUITES {
        let (server, _) = connections(suite);
        let tapped = server.tap.as_deref().map(Tap::take).unwrap();
        let Side::Server(server) = server.side else { panic!("the server's") };
        let (extracted, mut kernel) = server.dangerous_into_kernel_connection().unwrap();
        let keys = keys(extracted, (tapped.client, tapped.server), TICKETS).unwrap();
        compare(keys.suite, keys.opening, || kernel.update_rx_secret());
        compare(keys.suite, keys.sealing, || kernel.update_tx_secret());
    }
}

fn compare(
    suite: Suite,
    mut ours: Direction,
    mut theirs: impl FnMut() -> Result<(u64, ConnectionTrafficSecrets), rustls::Error>,
) {
    for _ in 0..5 {
        ours.set_sequence(7);
        ours.update(suite).unwrap();
        let (sequence, secrets) = theirs().unwrap();
        assert_eq!(ours.sequence(), sequence);
        let (same, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (Suite::Aes128Gcm, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (Suite::ChaCha20Poly1305, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (Suite::Aes256Gcm, key, iv),
            _ => panic!("a suite that is offered"),
        };
        assert_eq!(same, suite);
        assert!(ours.equals(suite, key.as_ref(), iv.as_ref()));
    }
}
