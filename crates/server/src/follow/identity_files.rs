//! A certificate and its key as files, which count together or not at all.

use std::fmt;
use std::path::PathBuf;

use pinwire_proto::identity::{Identity, IdentityError, Part};

use super::absolute;
use super::look::{Care, look};
use super::settle::{Seen, Version};

/// Where a certificate and its key are.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl IdentityFiles {
    /// PEM files; both may be the same.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        IdentityFiles { certificate: certificate.into(), key: key.into() }
    }

    /// The identity in them.
    ///
    /// # Errors
    /// If one is missing, unreadable or not what it should be, if others may read the key, or if the two do not
    /// belong together.
    pub fn read(&self) -> Result<Identity, IdentityFilesError> {
        self.judge(&self.look().map(|seen| seen.map(|content| content.bytes)))
    }

    pub(super) fn absolute(self) -> Self {
        IdentityFiles { certificate: absolute(&self.certificate), key: absolute(&self.key) }
    }

    pub(super) fn paths(&self) -> [&PathBuf; 2] {
        [&self.certificate, &self.key]
    }

    pub(super) fn look(&self) -> [Seen; 2] {
        [look(&self.certificate, Care::Certificate), look(&self.key, Care::Key)]
    }

    pub(super) fn judge(&self, files: &Version<2>) -> Result<Identity, IdentityFilesError> {
        let [Ok(certificate), Ok(key)] = files else {
            let seen = self.paths().into_iter().zip(files);
            let unusable = |(path, file): (&PathBuf, &Result<_, _>)| {
                file.as_ref().err().map(|why| format!("{}: {why}", path.display()))
            };
            return Err(IdentityFilesError(seen.filter_map(unusable).collect()));
        };
        let identity = Identity::from_pem(certificate, key);
        let identity = identity.and_then(|identity| identity.readable().map(|()| identity));
        identity.map_err(|error| IdentityFilesError(vec![self.blame(&error)]))
    }

    /// The error behind the name of the file that is at fault.
    fn blame(&self, error: &IdentityError) -> String {
        use IdentityError as E;
        let [certificate, key] = self.paths().map(|path| path.display());
        match error {
            E::NotPem(Part::Certificate)
            | E::BrokenPem(Part::Certificate)
            | E::KeyForCertificate
            | E::Unreadable(_) => format!("{certificate}: {error}"),
            E::Mismatch => format!("{key}: {error} in {certificate}"),
            _ => format!("{key}: {error}"),
        }
    }
}

/// Why a certificate and a key are not used. `Display`: each file's path and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFilesError(Vec<String>);

impl IdentityFilesError {
    pub(super) fn words(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for IdentityFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for IdentityFilesError {}
