//! The rules of RFC 8446, each kept once and broken once, by records that are made by hand with known keys.

mod alerts;
mod cuts;
mod messages;
mod records;

use aws_lc_rs::aead::{Aad, LessSafeKey};
use rustls::AlertDescription;

use super::{ALERT, Compact, DATA, HANDSHAKE, HEADER, Keys, TAG};
use crate::tls::contexts::Slot;
use crate::tls::secrets::{Direction, Suite};

pub(super) const SUITES: [Suite; 3] = [Suite::Aes128Gcm, Suite::ChaCha20Poly1305, Suite::Aes256Gcm];

/// A server's layer, and the peer that makes its records by hand.
pub(super) struct Story {
    suite: Suite,
    layer: Compact,
    slot: Slot,
    hand: Direction,
    ear: Direction,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl Story {
    fn new(suite: Suite) -> Story {
        let (up, down) = (|| direction(suite, 1), || direction(suite, 2));
        let keys = Keys { suite, opening: up(), sealing: down(), is_resumed: false, tickets: None };
        Story {
            suite,
            layer: Compact::new(keys),
            slot: Slot::default(),
            hand: up(),
            ear: down(),
            plain: Vec::new(),
            sealed: Vec::new(),
        }
    }

    /// A record by the book.
    fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        self.inner(&[content, &[kind]].concat())
    }

    /// A record around any TLSInnerPlaintext.
    fn inner(&mut self, inner: &[u8]) -> Vec<u8> {
        let length = u16::try_from(inner.len() + TAG).unwrap().to_be_bytes();
        self.under([DATA, 3, 3, length[0], length[1]], inner)
    }

    /// A record with any header, which is what its tag protects.
    fn under(&mut self, header: [u8; HEADER], inner: &[u8]) -> Vec<u8> {
        let mut cipher = inner.to_vec();
        let (key, nonce) = (self.hand.context(self.suite).unwrap(), self.hand.nonce());
        key.seal_in_place_append_tag(nonce, Aad::from(header), &mut cipher).unwrap();
        self.hand.set_sequence(self.hand.sequence() + 1);
        [&header[..], &cipher].concat()
    }

    fn hear(&mut self, wire: &[u8]) -> Result<usize, String> {
        let heard = self.layer.open(&mut self.slot, wire, &mut self.plain);
        heard.map_err(|failure| failure.to_string())
    }

    /// It takes all of `wire`.
    fn takes(&mut self, wire: &[u8]) {
        assert_eq!(self.hear(wire), Ok(wire.len()));
    }

    fn takes_record(&mut self, kind: u8, content: &[u8]) {
        let record = self.record(kind, content);
        self.takes(&record);
    }

    fn updates(&mut self, message: &[u8]) {
        self.takes_record(HANDSHAKE, message);
        self.hand.update(self.suite).unwrap();
    }

    /// It fails over `wire`: nothing of it comes in, this alert goes out, and then nothing is said or heard.
    #[track_caller]
    fn refuses(&mut self, wire: &[u8], alert: Option<AlertDescription>) -> String {
        let (before, follower) = (self.plain.clone(), self.record(DATA, b"behind it"));
        let failure = self.hear(&[wire, &follower].concat()).expect_err("refused");
        assert_eq!(self.plain, before, "nothing of a record that failed is left");
        self.layer.alert(&mut self.slot, &mut self.sealed);
        let said = self.said();
        let expected: Vec<_> = alert.into_iter().map(|alert| (ALERT, vec![2, alert.into()])).collect();
        assert_eq!(said, expected, "{failure}");
        self.is_silent(&follower);
        failure
    }

    #[track_caller]
    fn refuses_record(&mut self, kind: u8, content: &[u8], alert: AlertDescription) -> String {
        let record = self.record(kind, content);
        self.refuses(&record, Some(alert))
    }

    #[track_caller]
    fn is_silent(&mut self, record: &[u8]) {
        assert!(self.hear(record).is_err() && self.hear(b"").is_err());
        assert!(self.layer.seal(&mut self.slot, b"reply", &mut self.sealed).is_err());
        assert!(self.layer.seal(&mut self.slot, b"", &mut self.sealed).is_err());
        assert!(self.layer.close(&mut self.slot, &mut self.sealed).is_err());
        self.layer.alert(&mut self.slot, &mut self.sealed);
        assert!(self.sealed.is_empty(), "after a failure nothing follows the alert");
    }

    fn says(&mut self, replies: &[u8]) {
        self.layer.seal(&mut self.slot, replies, &mut self.sealed).unwrap();
    }

    /// What it sealed since this was asked last, opened: content types and contents.
    #[track_caller]
    fn said(&mut self) -> Vec<(u8, Vec<u8>)> {
        let sealed = std::mem::take(&mut self.sealed);
        let (mut rest, mut said) = (&sealed[..], Vec::new());
        while let Some((header, behind)) = rest.split_first_chunk::<HEADER>() {
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            assert_eq!(header[..3], [DATA, 3, 3], "RFC 8446 5.2");
            let (cipher, behind) = behind.split_at(length);
            let (mut inner, key) = (cipher.to_vec(), self.key());
            let (nonce, aad) = (self.ear.nonce(), Aad::from(header));
            let inner =
                key.open_in_place(nonce, aad, &mut inner).expect("sealed with the key in force").to_vec();
            self.ear.set_sequence(self.ear.sequence() + 1);
            let (kind, content) = inner.split_last().unwrap();
            if *kind == HANDSHAKE {
                assert_eq!(content[..4], [24, 0, 0, 1], "a KeyUpdate");
                self.ear.update(self.suite).unwrap();
            }
            said.push((*kind, content.to_vec()));
            rest = behind;
        }
        assert!(rest.is_empty());
        said
    }

    fn key(&self) -> LessSafeKey {
        self.ear.context(self.suite).unwrap()
    }
}

fn direction(suite: Suite, fill: u8) -> Direction {
    let length = if suite == Suite::Aes256Gcm { 48 } else { 32 };
    Direction::new(suite, &vec![fill; length]).unwrap()
}

fn told(rest: &str) -> Vec<(u8, Vec<u8>)> {
    vec![(DATA, rest.as_bytes().to_vec())]
}

#[test]
fn the_architecture_says_what_a_connections_keys_take() {
    use pinwire_testkit::table::{field, says};
    // A field that is added fails here until it has its row.
    let _all = |Compact {
                    opening: _,
                    sealing: _,
                    owner: _,
                    tickets: _,
                    suite: _,
                    input: _,
                    output: _,
                    owes_update: _,
                    is_resumed: _,
                    empties: _,
                    messages: _,
                    warnings: _,
                }: Compact| {};
    let fields = [
        ("opening: secret, key, IV, sequence number", field(|it: &Compact| &it.opening)),
        ("sealing: the same", field(|it: &Compact| &it.sealing)),
        ("owner: of its AEAD contexts", field(|it: &Compact| &it.owner)),
        ("tickets: a client's", field(|it: &Compact| &it.tickets)),
        ("suite", field(|it: &Compact| &it.suite)),
        ("input, output", field(|it: &Compact| &it.input) + field(|it: &Compact| &it.output)),
        ("owes_update, is_resumed", 2 * field(|it: &Compact| &it.owes_update)),
        ("empties, messages, warnings: bounds", 3 * field(|it: &Compact| &it.empties)),
    ];
    says("Compact", &fields, size_of::<Compact>());
}
