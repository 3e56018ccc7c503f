//! `pinwire pin`: every form of a certificate's pin.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use pinwire_server::proto::certificate::{Certificate, rfc3339};
use pinwire_server::proto::identity::{IdentityError, Part};
use pinwire_server::proto::trust::Pin;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::identity::There;
use crate::{files, output};

/// Print every form of a certificate's pin
///
/// Any of them can stand in a trust file. The first is of the key alone and stays when the certificate is
/// renewed with the same key: use it unless there is a reason not to.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PinArgs {
    /// A certificate, PEM or DER; "-" is standard input [default: the home folder's client.crt]
    file: Option<PathBuf>,
    /// The home folder's server.crt: what clients compare before they trust this server
    #[arg(long, conflicts_with = "file")]
    server: bool,
    /// Print this form only
    #[arg(long, value_enum, value_name = "FORM")]
    form: Option<Form>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// SHA-256 of the key
    SpkiSha256,
    /// SHA-256 of the certificate
    Sha256,
    /// SHA-1 of the certificate: a server takes it only where its operator accepts SHA-1
    Sha1,
}

pub(crate) fn run(args: &PinArgs, home: &Home) -> Result<Exit, Failure> {
    let file = match &args.file {
        Some(file) => file.clone(),
        None => own(args.server, home)?,
    };
    let certificate = read(&file)?;
    let Certificate { subject, not_before, not_after, .. } = &certificate;
    let (from, until) = (rfc3339(*not_before), rfc3339(*not_after));
    output::remark(format_args!("{}: {subject}, valid from {from} until {until}", file.display()));
    let [spki, whole, sha1] = Pin::all_of(&certificate.digests);
    output::say(match args.form {
        Some(Form::SpkiSha256) => spki.to_string(),
        Some(Form::Sha256) => whole.to_string(),
        Some(Form::Sha1) => sha1.to_string(),
        None => format!("{spki}\n{whole}\n{sha1}"),
    })?;
    Ok(Exit::Done)
}

/// The home's certificate; of a new user there is none.
fn own(is_server: bool, home: &Home) -> Result<PathBuf, Failure> {
    let (files, option) = if is_server { (home.server(), "--server") } else { (home.client(), "--client") };
    match files.there() {
        There::Neither => {
            let text = format!("it is not there; `pinwire keygen {option}` makes it and its key");
            Err(Failure::file(&files.certificate, text))
        }
        _ => Ok(files.certificate),
    }
}

/// The first certificate of a file.
pub(crate) fn read(file: &Path) -> Result<Certificate, Failure> {
    let bytes = files::read_or_stdin(file)?;
    // DER: a SEQUENCE of more than 127 bytes. No text begins with these two.
    let is_der = matches!(bytes.as_slice(), [0x30, 0x80..=0xff, ..]);
    let der = if is_der { bytes } else { from_pem(&bytes).map_err(|why| Failure::file(file, why))? };
    Certificate::parse(&der)
        .map_err(|why| Failure::file(file, format_args!("the certificate cannot be read: {why}")))
}

fn from_pem(bytes: &[u8]) -> Result<Vec<u8>, IdentityError> {
    CertificateDer::from_pem_slice(bytes).map(|der| der.to_vec()).map_err(|error| match error {
        pem::Error::NoItemsFound if PrivateKeyDer::from_pem_slice(bytes).is_ok() => {
            IdentityError::KeyForCertificate
        }
        pem::Error::NoItemsFound => IdentityError::NotPem(Part::Certificate),
        _ => IdentityError::BrokenPem(Part::Certificate),
    })
}

const EXAMPLES: &str = "\
Examples:
  pinwire pin alice.crt
  pinwire pin --form spki-sha256 alice.crt
  pinwire pin                     this user's own, for the server's operator to add
  pinwire pin --server            the server's own, for its clients to compare";
