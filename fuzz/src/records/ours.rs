//! Our record layer, as it is after a handshake: what it read, how it ended, and what it sealed.

use std::cell::RefCell;
use std::sync::Arc;

use pinwire_proto::tls::{Layer, RecordLayer, Slot};

use super::keys::{Keys, Suite};
use super::provider::{self, Tickets};
use super::replay::{Handshake, Side};
use super::sides::{End, Said, alert, open, open_worn};

/// Our layer.
pub(super) struct Ours {
    handled: Handled,
    slot: Slot,
    wire: Vec<u8>,
    pub(super) plain: Vec<u8>,
    pub(super) end: End,
    /// Whether this side said close_notify.
    pub(super) has_closed: bool,
    keys: Keys,
    /// Those of the layer's earlier stories.
    tickets_before: usize,
    /// What it sealed and the other end has not heard yet.
    pub(super) sealed: Vec<u8>,
    /// KeyUpdates of its last word that it owed nobody: their keys were worn out.
    pub(super) worn_out: usize,
}

/// A layer that has its handshake behind it.
pub(super) struct Handled {
    suite: Suite,
    side: Side,
    layer: Layer,
    tickets: Option<Arc<Tickets>>,
}

thread_local! {
    /// Layers of stories that are over: started again, they cost no handshake.
    static USED: RefCell<Vec<Handled>> = const { RefCell::new(Vec::new()) };
}

impl Handled {
    /// One that was used, or a new one.
    fn get(suite: Suite, side: Side) -> Handled {
        let used = USED.with_borrow_mut(|used| {
            let at = used.iter().position(|it| (it.suite, it.side) == (suite, side))?;
            Some(used.swap_remove(at))
        });
        used.unwrap_or_else(|| Handled::new(suite, side))
    }

    /// By a handshake with rustls's constant bytes.
    fn new(suite: Suite, side: Side) -> Handled {
        let handshake = Handshake::of(suite);
        let (layer, tickets) = match side {
            Side::Server => {
                let config = handshake.server(true).as_ref().clone();
                (Layer::with_server_config(config, RecordLayer::Compact), None)
            }
            Side::Client => {
                let (config, tickets) = provider::counting(&handshake.client);
                (Layer::with_client_config(config, RecordLayer::Compact), Some(tickets))
            }
        };
        let mut layer = layer.expect("a configuration");
        let said = shake_hands(&mut layer, &handshake.told(side));
        assert!(said == handshake.says(side), "other bytes than rustls's in the handshake");
        layer.reduce().expect("the handshake's secrets");
        let mut keys = handshake.keys(side);
        // A server's ticket was its first record.
        keys.sequence = u64::from(side == Side::Server);
        let mut sealed = Vec::new();
        layer.seal(&mut Slot::default(), b"word", &mut sealed).expect("a handshake that is complete");
        assert_eq!(open(&mut keys, &sealed), [(super::DATA, b"word".to_vec())]);
        Handled { suite, side, layer, tickets }
    }

    fn tickets(&self) -> usize {
        self.tickets.as_ref().map_or(0, |tickets| tickets.count())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // A thread that ends has no more stories.
        let Handled { suite, side, ref mut layer, ref mut tickets } = self.handled;
        let (layer, tickets) = (std::mem::replace(layer, Layer::clear(None)), tickets.take());
        let _ = USED.try_with(|used| used.borrow_mut().push(Handled { suite, side, layer, tickets }));
    }
}

impl Ours {
    pub(super) fn new(suite: Suite, side: Side) -> Ours {
        let handshake = Handshake::of(suite);
        let (opening, keys) = (handshake.keys(side.other()), handshake.keys(side));
        let mut handled = Handled::get(suite, side);
        handled.layer.restart(opening.secret(), keys.secret()).expect("secrets of the suite");
        Ours {
            slot: Slot::default(),
            wire: Vec::new(),
            plain: Vec::new(),
            end: End::Open,
            has_closed: false,
            keys,
            tickets_before: handled.tickets(),
            sealed: Vec::new(),
            worn_out: 0,
            handled,
        }
    }

    pub(super) fn tickets(&self) -> usize {
        self.handled.tickets() - self.tickets_before
    }

    /// More bytes of the peer.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        if let End::Failed(_) = self.end {
            return;
        }
        self.wire.extend_from_slice(bytes);
        match self.handled.layer.open(&mut self.slot, &mut self.wire, &mut self.plain) {
            Ok(used) => {
                self.wire.drain(..used);
                self.end = if self.handled.layer.peer_closed() { End::Closed } else { End::Open };
            }
            Err(_) => {
                let mut sealed = Vec::new();
                self.handled.layer.alert(&mut self.slot, &mut sealed);
                self.end = End::Failed(alert(&open(&mut self.keys, &sealed)));
                self.is_dead();
            }
        }
    }

    /// After a failure nothing is opened, sealed or said.
    fn is_dead(&mut self) {
        let (mut sealed, mut plain) = (Vec::new(), Vec::new());
        assert!(
            self.handled.layer.seal(&mut self.slot, b"after the end", &mut sealed).is_err(),
            "sealed after a failure"
        );
        assert!(self.handled.layer.close(&mut self.slot, &mut sealed).is_err(), "closed after a failure");
        assert!(
            self.handled.layer.open(&mut self.slot, &mut self.wire, &mut plain).is_err(),
            "opened after a failure"
        );
        self.handled.layer.alert(&mut self.slot, &mut sealed);
        assert!(sealed.is_empty() && plain.is_empty(), "something was said after a failure");
    }

    /// Seals application data, and what is owed to TLS.
    pub(super) fn say(&mut self, plain: &[u8]) -> Said {
        let mut sealed = Vec::new();
        let done = self.handled.layer.seal(&mut self.slot, plain, &mut sealed);
        let is_refused = self.has_closed && !plain.is_empty();
        assert_eq!(done.is_err(), is_refused, "{done:?}");
        self.sealed.extend_from_slice(&sealed);
        let (said, worn) = open_worn(&mut self.keys, &sealed);
        self.worn_out = worn;
        said
    }

    pub(super) fn refresh(&mut self) -> Said {
        let mut sealed = Vec::new();
        self.handled.layer.refresh(&mut self.slot, &mut sealed).expect("nothing failed before");
        self.sealed.extend_from_slice(&sealed);
        open(&mut self.keys, &sealed)
    }

    pub(super) fn close(&mut self) -> Said {
        let mut sealed = Vec::new();
        self.handled.layer.close(&mut self.slot, &mut sealed).expect("nothing failed before");
        self.has_closed = true;
        self.sealed.extend_from_slice(&sealed);
        open(&mut self.keys, &sealed)
    }

    /// Its key has sealed all records but `left` that it may.
    pub(super) fn wear(&mut self, left: u64) {
        self.handled.layer.wear(super::MOST_RECORDS - left).expect("the handshake's secrets");
        self.keys.sequence = super::MOST_RECORDS - left;
    }

    /// Another connection has driven its expanded keys out.
    pub(super) fn lose_contexts(&mut self) {
        self.slot = Slot::default();
    }
}

/// Returns what it said in the handshake.
fn shake_hands(layer: &mut Layer, flights: &[&[u8]]) -> Vec<u8> {
    let (mut wire, mut said) = (Vec::new(), Vec::new());
    layer.handshake(&mut wire, MOST_HANDSHAKE, &mut said).expect("its first word");
    for flight in flights {
        wire.extend_from_slice(flight);
        let used = layer.handshake(&mut wire, MOST_HANDSHAKE, &mut said).expect("the handshake's bytes");
        wire.drain(..used);
    }
    assert!(!layer.is_handshaking() && wire.is_empty(), "a handshake");
    said
}

/// As a client of ours has it.
const MOST_HANDSHAKE: usize = 64 * 1024;
