//! The suites, with a key schedule that costs nothing in the handshake: transcripts are not hashed, and each secret
//! is a constant that depends on its label alone. What records are protected with is real: keys, IVs and the next
//! secrets of KeyUpdates are derived from those constants as RFC 8446 7.2 and 7.3 say.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use rustls::crypto::CipherSuiteCommon;
use rustls::crypto::aws_lc_rs::cipher_suite;
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::crypto::hmac::Tag;
use rustls::crypto::tls13::{Hkdf, HkdfExpander, OkmBlock, OutputLengthError};
use rustls::{SupportedCipherSuite, Tls13CipherSuite};

use super::keys::Suite;

/// `suite` for a handshake of constants.
pub(super) fn suite(suite: Suite) -> SupportedCipherSuite {
    static ALL: LazyLock<[Tls13CipherSuite; 3]> = LazyLock::new(|| Suite::ALL.map(cheap));
    SupportedCipherSuite::Tls13(&ALL[suite as usize])
}

fn cheap(suite: Suite) -> Tls13CipherSuite {
    let (real, hash): (_, &Constants) = match suite {
        Suite::Aes128Gcm => (cipher_suite::TLS13_AES_128_GCM_SHA256, &Constants(HashAlgorithm::SHA256, 32)),
        Suite::Aes256Gcm => (cipher_suite::TLS13_AES_256_GCM_SHA384, &Constants(HashAlgorithm::SHA384, 48)),
        Suite::ChaCha20Poly1305 => {
            (cipher_suite::TLS13_CHACHA20_POLY1305_SHA256, &Constants(HashAlgorithm::SHA256, 32))
        }
    };
    let SupportedCipherSuite::Tls13(real) = real;
    let common = CipherSuiteCommon {
        suite: real.common.suite,
        hash_provider: hash,
        confidentiality_limit: real.common.confidentiality_limit,
    };
    let schedule: &Schedule =
        Box::leak(Box::new(Schedule { real: real.hkdf_provider, length: hash.1, derived: Mutex::default() }));
    let hkdf_provider = Box::leak(Box::new(Shared(schedule)));
    Tls13CipherSuite { common, hkdf_provider, aead_alg: real.aead_alg, quic: None }
}

/// A hash of every transcript: zeros.
#[derive(Clone, Copy)]
struct Constants(HashAlgorithm, usize);

impl Hash for Constants {
    fn start(&self) -> Box<dyn Context> {
        Box::new(*self)
    }

    fn hash(&self, _: &[u8]) -> Output {
        self.fork_finish()
    }

    fn output_len(&self) -> usize {
        self.1
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.0
    }
}

impl Context for Constants {
    fn fork_finish(&self) -> Output {
        Output::new(&[0; 48][..self.1])
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(*self)
    }

    fn finish(self: Box<Self>) -> Output {
        self.fork_finish()
    }

    fn update(&mut self, _: &[u8]) {}
}

/// Extracts nothing, and expands for real what records are protected with.
struct Schedule {
    real: &'static dyn Hkdf,
    length: usize,
    /// What was derived before, by secret and label: it is the same in each handshake.
    derived: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
}

impl Schedule {
    fn derive(&self, secret: &OkmBlock, info: &[&[u8]], output: &mut [u8]) -> Result<(), OutputLengthError> {
        let name = [secret.as_ref(), &info.concat()].concat();
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = derived.get(&name) {
            output.copy_from_slice(before);
            return Ok(());
        }
        self.real.expander_for_okm(secret).expand_slice(info, output)?;
        if derived.len() < MOST_DERIVED {
            derived.insert(name, output.to_vec());
        }
        Ok(())
    }
}

/// A schedule that its expanders can keep.
struct Shared(&'static Schedule);

impl Hkdf for Shared {
    fn extract_from_zero_ikm(&self, _: Option<&[u8]>) -> Box<dyn HkdfExpander> {
        Box::new(Expander { schedule: self.0, secret: None })
    }

    fn extract_from_secret(&self, _: Option<&[u8]>, _: &[u8]) -> Box<dyn HkdfExpander> {
        Box::new(Expander { schedule: self.0, secret: None })
    }

    fn expander_for_okm(&self, okm: &OkmBlock) -> Box<dyn HkdfExpander> {
        Box::new(Expander { schedule: self.0, secret: Some(okm.clone()) })
    }

    fn hmac_sign(&self, _: &OkmBlock, _: &[u8]) -> Tag {
        Tag::new(&[0; 48][..self.0.length])
    }
}

struct Expander {
    schedule: &'static Schedule,
    secret: Option<OkmBlock>,
}

impl HkdfExpander for Expander {
    fn expand_slice(&self, info: &[&[u8]], output: &mut [u8]) -> Result<(), OutputLengthError> {
        let Some(secret) = &self.secret else {
            output.copy_from_slice(&constant(info)[..output.len()]);
            return Ok(());
        };
        self.schedule.derive(secret, info, output)
    }

    fn expand_block(&self, info: &[&[u8]]) -> OkmBlock {
        match &self.secret {
            Some(secret) if info.contains(&&b"traffic upd"[..]) => {
                let mut next = [0; 48];
                let next = &mut next[..self.schedule.length];
                self.schedule.derive(secret, info, next).expect("as long as a hash");
                OkmBlock::new(next)
            }
            _ => OkmBlock::new(&constant(info)[..self.schedule.length]),
        }
    }

    fn hash_len(&self) -> usize {
        self.schedule.length
    }
}

/// The length, label and context over and over.
fn constant(info: &[&[u8]]) -> [u8; 64] {
    let mut constant = [0; 64];
    let all = info.iter().flat_map(|part| part.iter());
    for (to, from) in constant.iter_mut().zip(all) {
        *to = *from;
    }
    constant
}

/// Some generations of keys: who updates more often waits a little longer.
const MOST_DERIVED: usize = 1_000;
