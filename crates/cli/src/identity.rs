//! Identities in files: a certificate and its key, read with care and made once.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pinwire_server::proto::certificate::Certificate;
use pinwire_server::proto::identity::{Identity, IdentityError, KeyKind, check_key_mode, generate, renew};

use crate::exit::{Exit, Failure};
use crate::files::{self, Readers};

/// A certificate's file and its key's.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Which of an identity's files are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum There {
    Both,
    Neither,
    CertificateAlone,
    KeyAlone,
}

/// The certificate before a renewal and the one after it.
pub(crate) struct Renewed {
    pub(crate) old: Certificate,
    pub(crate) new: Certificate,
}

impl Files {
    pub(crate) fn there(&self) -> There {
        // A dangling link is there too: nothing may be written through it.
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        match (is_there(&self.certificate), is_there(&self.key)) {
            (true, true) => There::Both,
            (false, false) => There::Neither,
            (true, false) => There::CertificateAlone,
            (false, true) => There::KeyAlone,
        }
    }

    /// Reads both; a key that others may read is refused.
    pub(crate) fn load(&self) -> Result<Identity, Failure> {
        let certificate = files::read(&self.certificate)?;
        let key = files::read(&self.key)?;
        let identity = Identity::from_pem(&certificate, &key).map_err(|error| self.blame(&error))?;
        // Last: of a file that holds no key at all, its mode is not what is wrong.
        self.check_mode()?;
        Ok(identity)
    }

    /// Makes both; neither may be there.
    pub(crate) fn make(&self, kind: KeyKind, common_name: &str, years: u32) -> Result<(), Failure> {
        if let Some(there) =
            [&self.key, &self.certificate].into_iter().find(|path| path.symlink_metadata().is_ok())
        {
            return Err(Failure::file(there, "it is there already; nothing was overwritten"));
        }
        let made = generate(kind, common_name, now_unix(), years)
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        files::create(&self.key, made.key_pem.as_bytes(), Readers::Owner)?;
        files::create(&self.certificate, made.certificate_pem.as_bytes(), Readers::All)
    }

    /// Makes a new certificate for the same key, at once and whole; the file's mode stays.
    pub(crate) fn renew(&self, fallback: &str, years: u32) -> Result<Renewed, Failure> {
        let old = self.read_certificate(&self.load()?)?;
        let (certificate, key) = (files::read(&self.certificate)?, files::read(&self.key)?);
        if Identity::from_pem(&certificate, &certificate).is_ok() {
            return Err(Failure::file(&self.certificate, KEY_TOO));
        }
        let made = renew(&certificate, &key, fallback, now_unix(), years);
        let made = made.map_err(|error| self.blame(&error))?;
        let identity = Identity::from_pem(made.as_bytes(), &key).map_err(|error| self.blame(&error))?;
        let new = self.read_certificate(&identity)?;
        files::replace(&self.certificate, made.as_bytes())?;
        Ok(Renewed { old, new })
    }

    fn read_certificate(&self, identity: &Identity) -> Result<Certificate, Failure> {
        let read = identity.certificate().cloned();
        read.map_err(|why| self.blame(&IdentityError::Unreadable(*why)))
    }

    #[cfg(unix)]
    fn check_mode(&self) -> Result<(), Failure> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(&self.key).map_err(|error| Failure::file(&self.key, error))?;
        check_key_mode(metadata.mode()).map_err(|error| self.blame(&error))
    }

    #[cfg(not(unix))]
    fn check_mode(&self) -> Result<(), Failure> {
        let _ = check_key_mode;
        Ok(())
    }

    /// Puts the name of the file that is at fault before the error.
    fn blame(&self, error: &IdentityError) -> Failure {
        use IdentityError as E;
        use pinwire_server::proto::identity::Part;
        match error {
            E::NotPem(Part::Certificate)
            | E::BrokenPem(Part::Certificate)
            | E::KeyForCertificate
            | E::Unreadable(_) => Failure::file(&self.certificate, error),
            E::Mismatch => Failure::file(
                &self.key,
                format!(
                    "{error} in {}; bring back the two files that belong together",
                    self.certificate.display()
                ),
            ),
            _ => Failure::file(&self.key, error),
        }
    }
}

/// Seconds since 1970-01-01T00:00:00Z.
pub(crate) fn now_unix() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Years for which a certificate that is made here is good: it is pinned, and nobody else vouches for it.
pub(crate) const YEARS: u32 = 20;

const KEY_TOO: &str =
    "it holds the key too, which a new certificate in its place would take away; keep them in two files";
