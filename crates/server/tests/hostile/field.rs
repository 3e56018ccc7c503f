//! What all peers of the story share: the server, who they are, the clock.

use std::rc::Rc;

use pinwire_server::proto::tls::ClientTls;
use pinwire_server::{Identity, Pin};
use pinwire_testkit::certificates;

use tokio::sync::Semaphore;

use crate::child::{Served, unix};
use crate::rounds::Rounds;

/// Where they meet. Clones are the same place.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) server: Rc<Served>,
    pub(crate) tls: ClientTls,
    pub(crate) rounds: Rc<Rounds>,
    /// Whoever completes a handshake holds a permit meanwhile: a server takes so many at a time.
    pub(crate) door: Rc<Semaphore>,
}

impl Field {
    pub(crate) fn new() -> Field {
        let (certificate, key) = certificates::good(unix());
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let pin = Pin::Spki(identity.certificate().unwrap().digests.spki);
        Field {
            server: Rc::new(Served::start(&pin.to_string())),
            tls: ClientTls::new(Some(&identity)).unwrap().record_layer(pinwire_testkit::record_layer()),
            rounds: Rc::new(Rounds::new(HONEST)),
            door: Rc::new(Semaphore::new(AT_THE_DOOR)),
        }
    }

    /// Ends the server, which must end well.
    pub(crate) fn end(&self) {
        self.server.end();
    }
}

/// Connections that only work.
pub(crate) const HONEST: usize = 1_000;
/// Handshakes at one time: far below the server's limit of 512 a worker, even beside those that never end.
const AT_THE_DOOR: usize = 128;
