//! Records that no TLS library would make: sealed by hand, with a client's extracted secrets.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets as Secrets;
use rustls::client::ClientConnection;

/// What a client seals its records with.
pub(crate) struct Forge {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Forge {
    /// Takes a client over, whose configuration allows it.
    pub(crate) fn new(client: ClientConnection) -> Forge {
        let (sequence, secrets) = client.dangerous_extract_secrets().unwrap().tx;
        let (algorithm, key, iv) = match secrets {
            Secrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            Secrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            Secrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => panic!("a suite of TLS 1.3"),
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).unwrap());
        Forge { key, iv: iv.as_ref().try_into().unwrap(), sequence }
    }

    /// One record of this content type (RFC 8446, 5.2).
    pub(crate) fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len() + 1 + 16).unwrap().to_be_bytes();
        let header = [23, 3, 3, length[0], length[1]];
        let mut nonce = self.iv;
        for (byte, count) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= count;
        }
        self.sequence += 1;
        let mut sealed = [content, &[kind]].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(header), &mut sealed).unwrap();
        [&header[..], &sealed].concat()
    }
}

pub(crate) const HANDSHAKE: u8 = 22;
