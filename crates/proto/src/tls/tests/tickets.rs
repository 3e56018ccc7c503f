//! Section 4.6.1: session tickets after the handshake, as our client takes them.

use aws_lc_rs::aead::Aad;
use rustls::SupportedCipherSuite;

use super::{Both, Connection, LIMIT, SERVER, SUITES, Slot, UNIX, client};
use crate::tls::compact::Keys;
use crate::tls::{ClientTls, Layer};

#[test]
fn a_session_is_resumed_with_a_ticket_that_the_compact_layer_took() {
    for suite in SUITES {
        let tls = client(suite);
        for round in 0..4 {
            let mut both = Both::of(&SERVER, &tls.at(UNIX + round));
            both.drive();
            both.talk();
            let is_later = round > 0;
            assert_eq!(
                (both.server.layer.is_resumed(), both.client.layer.is_resumed()),
                (is_later, is_later)
            );
        }
        tls.forget_sessions();
        let mut both = Both::of(&SERVER, &tls.at(UNIX));
        both.drive();
        assert!(!both.server.layer.is_resumed());
    }
}

/// Our client, after its handshake and the server's own ticket, and the keys to say anything to it.
struct Told {
    tls: ClientTls,
    layer: Layer,
    slot: Slot,
    hand: Keys,
}

impl Told {
    fn new(suite: SupportedCipherSuite) -> Told {
        let tls = client(suite);
        let (config, tap) = SERVER.of_connection(UNIX);
        let mut server = Connection::server(config, tap).unwrap();
        let (mut layer, mut up, mut down) = (Layer::client(&tls.at(UNIX)).unwrap(), Vec::new(), Vec::new());
        layer.handshake(&mut [], LIMIT, &mut up).unwrap();
        let used = server.handshake(&mut up, LIMIT, &mut down).unwrap();
        up.drain(..used);
        let used = layer.handshake(&mut down, LIMIT, &mut up).unwrap();
        assert_eq!((used, layer.is_handshaking()), (down.len(), false));
        down.clear();
        server.handshake(&mut up, LIMIT, &mut down).unwrap();
        // The ticket that the server made is on its way.
        let mut told = Told { tls, layer, slot: Slot::default(), hand: server.reduce().unwrap() };
        assert_eq!(told.hand.sealing.sequence(), 1);
        assert_eq!(told.hear(&down), Ok(vec![]));
        told
    }

    /// What comes of a handshake record with this content.
    fn tell(&mut self, content: &[u8]) -> Result<Vec<u8>, String> {
        let record = self.record(22, content);
        self.hear(&record)
    }

    fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut cipher = [content, &[kind]].concat();
        let [high, low] = u16::try_from(cipher.len() + 16).unwrap().to_be_bytes();
        let header = [23, 3, 3, high, low];
        let (key, nonce) = (self.hand.sealing.context(self.hand.suite).unwrap(), self.hand.sealing.nonce());
        key.seal_in_place_append_tag(nonce, Aad::from(header), &mut cipher).unwrap();
        self.hand.sealing.set_sequence(self.hand.sealing.sequence() + 1);
        [&header[..], &cipher].concat()
    }

    fn hear(&mut self, wire: &[u8]) -> Result<Vec<u8>, String> {
        let mut plain = Vec::new();
        let heard = self.layer.open(&mut self.slot, &mut wire.to_vec(), &mut plain);
        heard.map(|_| plain).map_err(|failure| failure.to_string())
    }

    /// The alert that follows a failure.
    fn alert(&mut self) -> u8 {
        let mut sealed = Vec::new();
        self.layer.alert(&mut self.slot, &mut sealed);
        let (header, cipher) = sealed.split_first_chunk_mut::<5>().unwrap();
        let (key, nonce) = (self.hand.opening.context(self.hand.suite).unwrap(), self.hand.opening.nonce());
        let plain = key.open_in_place(nonce, Aad::from(*header), cipher).unwrap();
        assert_eq!((plain[0], plain[2]), (2, 21));
        plain[1]
    }
}

/// A NewSessionTicket (RFC 8446 4.6.1): lifetime, age_add, nonce, ticket, no extensions.
fn ticket(nonce: u8) -> Vec<u8> {
    let body = [&[0, 0, 14, 16, 1, 2, 3, 4, 1, nonce, 0, 3][..], b"abc", &[0, 0]].concat();
    [&[4, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

const UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// 5.1: "Handshake messages MAY be coalesced into a single TLSPlaintext record".
#[test]
fn several_tickets_may_share_a_record_and_new_keys_end_it() {
    for suite in SUITES {
        let mut told = Told::new(suite);
        let tickets = [ticket(1), ticket(2), ticket(3)].concat();
        assert_eq!(told.tell(&tickets), Ok(vec![]));
        assert_eq!(told.tell(&[&ticket(4)[..], &UPDATE].concat()), Ok(vec![]));
        told.hand.sealing.update(told.hand.suite).unwrap();
        let data = told.record(23, b"with new keys");
        assert_eq!(told.hear(&data), Ok(b"with new keys".to_vec()));
        // They are kept: four at most, of five that came. All are gone once it is said so.
        let offered = || Layer::client(&told.tls.at(UNIX)).unwrap();
        let hello = |mut layer: Layer| {
            let mut up = Vec::new();
            layer.handshake(&mut [], LIMIT, &mut up).unwrap();
            up.len()
        };
        let with: Vec<usize> = (0..5).map(|_| hello(offered())).collect();
        assert!(with[..4].iter().all(|length| *length > with[4]), "{with:?}");
    }
}

#[test]
fn new_keys_before_a_ticket_in_its_record_are_unexpected() {
    let mut told = Told::new(SUITES[0]);
    told.tell(&[&UPDATE[..], &ticket(1)].concat()).unwrap_err();
    assert_eq!(told.alert(), 10, "unexpected_message");
}

#[test]
fn a_ticket_that_cannot_be_decoded_is_refused() {
    let whole = ticket(1);
    for length in 0..whole.len() - 4 {
        let mut told = Told::new(SUITES[0]);
        let cut = [&[4, 0, 0, u8::try_from(length).unwrap()][..], &whole[4..4 + length]].concat();
        told.tell(&cut).unwrap_err();
        assert_eq!(told.alert(), 50, "decode_error");
    }
}

/// 4.2: "There MUST NOT be more than one extension of the same type in a given extension block", a parameter that is
/// illegal rather than bytes that cannot be decoded; rustls says so too.
#[test]
fn a_ticket_with_an_extension_twice_is_illegal() {
    let mut told = Told::new(SUITES[0]);
    let whole = ticket(1);
    let body = [&whole[4..whole.len() - 2], &[0, 8, 0, 43, 0, 0, 0, 43, 0, 0]].concat();
    told.tell(&[&[4, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat()).unwrap_err();
    assert_eq!(told.alert(), 47, "illegal_parameter");
}

/// 5.1 allows pieces, and we have nothing to put them together in.
#[test]
fn a_ticket_in_pieces_is_refused() {
    let mut told = Told::new(SUITES[0]);
    let failure = told.tell(&ticket(1)[..9]).unwrap_err();
    assert!(failure.contains("in pieces"), "{failure}");
    assert_eq!(told.alert(), 10, "unexpected_message");
}

/// 4.6.2: a client that offered no post_handshake_auth must not be asked; 4: nor greeted again.
#[test]
fn every_other_message_to_a_client_is_unexpected() {
    for kind in (0..=255).filter(|kind| ![4, 24].contains(kind)) {
        let mut told = Told::new(SUITES[0]);
        told.tell(&[kind, 0, 0, 0]).unwrap_err();
        assert_eq!(told.alert(), 10, "unexpected_message");
    }
}

#[test]
fn tickets_come_32_times_in_a_row_without_data() {
    let mut told = Told::new(SUITES[0]);
    for number in 1..32 {
        told.tell(&ticket(number)).unwrap();
    }
    let data = told.record(23, b"data");
    told.hear(&data).unwrap();
    told.tell(&(0..32).flat_map(ticket).collect::<Vec<u8>>()).unwrap();
    told.tell(&ticket(99)).unwrap_err();
    assert_eq!(told.alert(), 10, "unexpected_message");
}
