//! Records once more, slow and plain: seals them from parts that need not fit together, and opens what others
//! sealed. Its key schedule is its own (RFC 8446 5.2, 5.3, 7.2, 7.3); nothing here is shared with what is tested.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suite {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

impl Suite {
    pub(super) const ALL: [Suite; 3] = [Suite::Aes128Gcm, Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

    fn algorithms(self) -> (&'static aead::Algorithm, hkdf::Algorithm) {
        match self {
            Suite::Aes128Gcm => (&aead::AES_128_GCM, hkdf::HKDF_SHA256),
            Suite::Aes256Gcm => (&aead::AES_256_GCM, hkdf::HKDF_SHA384),
            Suite::ChaCha20Poly1305 => (&aead::CHACHA20_POLY1305, hkdf::HKDF_SHA256),
        }
    }
}

/// One direction's keys, and how far they are used.
pub(super) struct Keys {
    suite: Suite,
    generation: Arc<Generation>,
    pub(super) sequence: u64,
}

/// What one traffic secret gives.
struct Generation {
    secret: Vec<u8>,
    key: LessSafeKey,
    iv: [u8; 12],
    next: OnceLock<Arc<Generation>>,
}

impl Generation {
    fn new(suite: Suite, secret: Vec<u8>) -> Generation {
        let (algorithm, _) = suite.algorithms();
        let key = expand(suite, &secret, "key", algorithm.key_len());
        let key = LessSafeKey::new(UnboundKey::new(algorithm, &key).expect("a key's length"));
        let iv = expand(suite, &secret, "iv", 12).try_into().expect("12 bytes");
        Generation { secret, key, iv, next: OnceLock::new() }
    }

    /// Derived once: all handshakes of a suite have the same secrets.
    fn next(&self, suite: Suite) -> Arc<Generation> {
        let next = || expand(suite, &self.secret, "traffic upd", self.secret.len());
        Arc::clone(self.next.get_or_init(|| Arc::new(Generation::new(suite, next()))))
    }
}

impl Keys {
    pub(super) fn new(suite: Suite, secret: Vec<u8>) -> Keys {
        Keys { suite, generation: Arc::new(Generation::new(suite, secret)), sequence: 0 }
    }

    /// The same keys, unused.
    pub(super) fn unused(&self) -> Keys {
        Keys { suite: self.suite, generation: Arc::clone(&self.generation), sequence: 0 }
    }

    /// The traffic secret behind them.
    pub(super) fn secret(&self) -> &[u8] {
        &self.generation.secret
    }

    /// The next generation.
    pub(super) fn update(&mut self) {
        (self.generation, self.sequence) = (self.generation.next(self.suite), 0);
    }

    /// Whether it has not opened more than a key of AES-GCM may seal.
    pub(super) fn is_fresh(&self) -> bool {
        self.suite == Suite::ChaCha20Poly1305 || self.sequence <= super::MOST_RECORDS
    }

    /// A TLSCiphertext around `inner`, a TLSInnerPlaintext of any kind, under `sequence`; the header is authenticated
    /// as it is.
    pub(super) fn seal(&self, header: [u8; 5], sequence: u64, mut inner: Vec<u8>, out: &mut Vec<u8>) {
        let sealed =
            self.generation.key.seal_in_place_append_tag(self.nonce(sequence), Aad::from(header), &mut inner);
        sealed.expect("less than 2^36 bytes");
        out.extend_from_slice(&header);
        out.extend_from_slice(&inner);
    }

    /// The type and content of the next record; none if it is not one of these keys.
    pub(super) fn open(&mut self, record: &[u8]) -> Option<(u8, Vec<u8>)> {
        Some(unpadded(self.open_inner(record)?))
    }

    /// The TLSInnerPlaintext of the next record, whatever its outer type.
    pub(super) fn open_inner(&mut self, record: &[u8]) -> Option<Vec<u8>> {
        let (header, cipher) = record.split_first_chunk::<5>()?;
        let mut inner = cipher.to_vec();
        let plain =
            self.generation.key.open_in_place(self.nonce(self.sequence), Aad::from(*header), &mut inner);
        let length = plain.ok()?.len();
        self.sequence += 1;
        inner.truncate(length);
        Some(inner)
    }

    fn nonce(&self, sequence: u64) -> Nonce {
        let mut nonce = self.generation.iv;
        for (byte, count) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
            *byte ^= count;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Type and content; type 0 if there is none.
fn unpadded(mut inner: Vec<u8>) -> (u8, Vec<u8>) {
    while let Some(last) = inner.pop() {
        if last != 0 {
            return (last, inner);
        }
    }
    (0, inner)
}

/// HKDF-Expand-Label (RFC 8446 7.1) with an empty context.
fn expand(suite: Suite, secret: &[u8], label: &str, length: usize) -> Vec<u8> {
    let (_, hash) = suite.algorithms();
    let label = format!("tls13 {label}");
    let info = [&(length as u16).to_be_bytes()[..], &[label.len() as u8], label.as_bytes(), &[0]];
    let mut out = vec![0; length];
    let okm = hkdf::Prk::new_less_safe(hash, secret);
    let okm = okm.expand(&info, Length(length)).expect("less than 255 hashes");
    okm.fill(&mut out).expect("the length that was asked for");
    out
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
