//! Traffic secrets, and what is derived from them: keys, IVs, nonces, the next secret (RFC 8446 5.3, 7.2, 7.3).
//!
//! Knows nothing of records. Everything is zeroised when it is dropped or replaced.

use std::fmt;

use aws_lc_rs::aead::{self, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf;
use zeroize::{Zeroize, Zeroizing};

/// The suites that are offered. None else is ever agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suite {
    Aes128Gcm,
    ChaCha20Poly1305,
    Aes256Gcm,
}

impl Suite {
    /// How many records one key may seal.
    pub(super) fn most_records(self) -> u64 {
        match self {
            // RFC 8446 5.5: "For AES-GCM, up to 2^24.5 full-size records (about 24 million) may be encrypted
            // on a given connection while keeping a safety margin of approximately 2^-57": a third of that.
            Suite::Aes128Gcm | Suite::Aes256Gcm => 1 << 23,
            // RFC 8446 5.5: "For ChaCha20/Poly1305, the record sequence number would wrap before the safety
            // limit is reached."
            Suite::ChaCha20Poly1305 => u64::MAX,
        }
    }

    fn aead(self) -> &'static aead::Algorithm {
        match self {
            Suite::Aes128Gcm => &aead::AES_128_GCM,
            Suite::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
            Suite::Aes256Gcm => &aead::AES_256_GCM,
        }
    }

    fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Suite::Aes128Gcm | Suite::ChaCha20Poly1305 => hkdf::HKDF_SHA256,
            Suite::Aes256Gcm => hkdf::HKDF_SHA384,
        }
    }

    fn secret_length(self) -> usize {
        match self {
            Suite::Aes128Gcm | Suite::ChaCha20Poly1305 => 32,
            Suite::Aes256Gcm => SECRET,
        }
    }
}

/// What protects one direction of a connection.
pub(super) struct Direction {
    secret: [u8; SECRET],
    key: [u8; KEY],
    iv: [u8; IV],
    /// The next record's, in network byte order: a `u64` would cost eight bytes of alignment a connection.
    sequence: [u8; 8],
}

impl Direction {
    /// From a traffic secret of `suite`, of the right length.
    pub(super) fn new(suite: Suite, secret: &[u8]) -> Result<Self, Unspecified> {
        let length = suite.secret_length();
        if secret.len() != length {
            return Err(Unspecified);
        }
        let mut direction = Direction::nothing();
        direction.secret[..length].copy_from_slice(secret);
        direction.derive(suite)?;
        Ok(direction)
    }

    /// What is left when everything is forgotten. It protects nothing.
    pub(super) fn nothing() -> Self {
        Direction { secret: [0; SECRET], key: [0; KEY], iv: [0; IV], sequence: [0; 8] }
    }

    /// The next generation (RFC 8446 7.2): "application_traffic_secret_N+1 =
    /// HKDF-Expand-Label(application_traffic_secret_N, "traffic upd", "", Hash.length)".
    pub(super) fn update(&mut self, suite: Suite) -> Result<(), Unspecified> {
        let mut next = Zeroizing::new([0; SECRET]);
        let length = suite.secret_length();
        expand_label(suite, &self.secret[..length], b"traffic upd", &mut next[..length])?;
        self.secret.copy_from_slice(&*next);
        self.derive(suite)?;
        // RFC 8446 5.3: "Each sequence number is set to zero at the beginning of a connection and whenever the
        // key is changed".
        self.set_sequence(0);
        Ok(())
    }

    /// RFC 8446 7.3: "[sender]_write_key = HKDF-Expand-Label(Secret, "key", "", key_length)", and "iv" likewise.
    fn derive(&mut self, suite: Suite) -> Result<(), Unspecified> {
        let secret = &self.secret[..suite.secret_length()];
        expand_label(suite, secret, b"key", &mut self.key[..suite.aead().key_len()])?;
        expand_label(suite, secret, b"iv", &mut self.iv)
    }

    /// Of the next record.
    pub(super) fn sequence(&self) -> u64 {
        u64::from_be_bytes(self.sequence)
    }

    pub(super) fn set_sequence(&mut self, sequence: u64) {
        self.sequence = sequence.to_be_bytes();
    }

    /// Whether this is what rustls derived.
    pub(super) fn equals(&self, suite: Suite, key: &[u8], iv: &[u8]) -> bool {
        self.key[..suite.aead().key_len()] == *key && self.iv == *iv
    }

    /// Whether both hold the same.
    #[cfg(test)]
    pub(super) fn is_same(&self, other: &Direction) -> bool {
        (self.secret, self.key, self.iv, self.sequence) == (other.secret, other.key, other.iv, other.sequence)
    }

    /// The expanded key, some 600 bytes of heap.
    pub(super) fn context(&self, suite: Suite) -> Result<LessSafeKey, Unspecified> {
        let key = UnboundKey::new(suite.aead(), &self.key[..suite.aead().key_len()])?;
        Ok(LessSafeKey::new(key))
    }

    /// RFC 8446 5.3: "The 64-bit record sequence number is encoded in network byte order and padded to the left
    /// with zeros to iv_length", then "XORed with either the static client_write_iv or server_write_iv".
    pub(super) fn nonce(&self) -> Nonce {
        let mut nonce = self.iv;
        for (byte, count) in nonce[IV - 8..].iter_mut().zip(self.sequence) {
            *byte ^= count;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Drop for Direction {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.key.zeroize();
        self.iv.zeroize();
    }
}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direction").field("sequence", &self.sequence()).finish_non_exhaustive()
    }
}

/// RFC 8446 7.1: HKDF-Expand-Label with an empty context.
fn expand_label(suite: Suite, secret: &[u8], label: &[u8], out: &mut [u8]) -> Result<(), Unspecified> {
    const PREFIX: &[u8] = b"tls13 ";
    let length = u16::try_from(out.len()).map_err(|_| Unspecified)?.to_be_bytes();
    let label_length = u8::try_from(PREFIX.len() + label.len()).map_err(|_| Unspecified)?;
    let info = [&length[..], &[label_length], PREFIX, label, &[0]];
    let prk = hkdf::Prk::new_less_safe(suite.hkdf(), secret);
    prk.expand(&info, Length(out.len()))?.fill(out)
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Bytes of the longest traffic secret: SHA-384's. RFC 8446 7.1: as long as the suite's hash.
pub(super) const SECRET: usize = 48;

/// Bytes of the longest key.
const KEY: usize = 32;

/// RFC 8446 5.3: the larger of 8 and N_MIN, which is 12 in all three suites (RFC 5116 5.1, RFC 8439 2.8).
const IV: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: u128) -> [u8; 16] {
        hex.to_be_bytes()
    }

    /// RFC 8448 section 3: the server's first application traffic secret, and what follows from it.
    #[test]
    fn key_and_iv_are_those_of_rfc_8448_and_each_counts() {
        let secret = [
            bytes(0xa11a_f9f0_5531_f856_ad47_116b_45a9_5032),
            bytes(0x8204_b4f4_4bfb_6b3a_4b4f_1f3f_cb63_1643),
        ];
        let (suite, key) = (Suite::Aes128Gcm, bytes(0x9f02_283b_6c9c_07ef_c26b_b9f2_ac92_e356));
        let iv = &bytes(0xcf78_2b88_dd83_549a_adf1_e984)[4..];
        let direction = Direction::new(suite, &secret.concat()).unwrap();
        assert!(direction.equals(suite, &key, iv));
        for byte in 0..key.len() {
            let mut other = key;
            other[byte] ^= 1;
            assert!(!direction.equals(suite, &other, iv));
        }
        for byte in 0..iv.len() {
            let mut other = iv.to_vec();
            other[byte] ^= 1;
            assert!(!direction.equals(suite, &key, &other));
        }
        assert!(!direction.equals(suite, &key[..15], iv) && !direction.equals(suite, &key, &iv[..11]));
    }

    #[test]
    fn a_secret_has_the_length_of_its_suites_hash() {
        for (suite, right) in [(Suite::Aes128Gcm, 32), (Suite::ChaCha20Poly1305, 32), (Suite::Aes256Gcm, 48)]
        {
            for length in [0, 31, 32, 33, 47, 48, 49, 64] {
                assert_eq!(
                    Direction::new(suite, &vec![1; length]).is_ok(),
                    length == right,
                    "{suite:?}: {length}"
                );
            }
        }
    }
}
