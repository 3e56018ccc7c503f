//! `pinwire trust add`: lets a client in.

use std::ffi::OsStr;
use std::path::Path;

use clap::Args;
use pinwire_server::proto::certificate::Digests;
use pinwire_server::proto::trust::{Pin, add};

use super::editing::Editing;
use super::options::OptionArgs;
use super::{FOLLOWS, show};
use crate::exit::{Exit, Failure};
use crate::{output, pin};

/// Let a client in
///
/// Of a certificate's file the pin of its key is taken, which stays when the certificate is renewed.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct AddArgs {
    /// Its pin, or the file of its certificate
    #[arg(value_name = "PIN|FILE")]
    client: String,
    /// What commands and logs call it: 1 to 64 of A-Z a-z 0-9 . _ -
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    options: OptionArgs,
    /// Take a SHA-1 thumbprint (40 hexadecimal digits) too, for a server that is started with --accept-sha1
    ///
    /// SHA-1 is weak: whoever can make two certificates of one thumbprint shows the other. Never with --admin.
    #[arg(long)]
    accept_sha1: bool,
}

/// Whom a word of the command line means.
pub(super) struct Client {
    pub(super) pin: Pin,
    /// If its certificate was there.
    pub(super) digests: Option<Digests>,
}

pub(super) fn run(args: &AddArgs, file: &Path) -> Result<Exit, Failure> {
    let client = client(&args.client)?;
    let entry = args.options.entry(client.pin, args.name.as_deref())?;
    let is_sha1 = matches!(client.pin, Pin::Sha1(_));
    if is_sha1 && !args.accept_sha1 {
        return Err(Failure::usage(SHA1_REFUSED));
    }
    let editing = Editing::begin(file)?;
    let after = add(editing.text(), &entry).map_err(|error| editing.blame(&error))?;
    let ruling = client.digests.and_then(|digests| editing.list().ok()?.find(&digests).cloned());
    editing.write(&after)?;
    output::remark(format_args!("{}: {} is let in; {FOLLOWS}", file.display(), client.pin));
    if let Some(ruling) = ruling {
        output::remark(format_args!(
            "line {} matches the same certificate, and being the first it rules alone: {ruling}",
            ruling.line
        ));
    }
    if let Ok(Some(gone)) = editing.forget(&client.pin) {
        output::remark(format_args!("it had been {}", show::gone(&gone)));
    }
    if is_sha1 {
        output::remark(SHA1);
    }
    Ok(Exit::Done)
}

/// A pin as it is, or the one of the key in a certificate's file.
pub(super) fn client(client: &str) -> Result<Client, Failure> {
    let bad_pin = match client.parse::<Pin>() {
        Ok(pin) => return Ok(Client { pin, digests: None }),
        Err(bad_pin) => bad_pin,
    };
    let file = Path::new(client);
    if client == "-" || file.exists() {
        let digests = pin::read(file)?.digests;
        return Ok(Client { pin: Pin::Spki(digests.spki), digests: Some(digests) });
    }
    if is_named_as_file(file) {
        return Err(Failure::file(file, "there is no such file"));
    }
    Err(Failure::usage(format!("{client:?} is neither a file nor a pin: {bad_pin}")))
}

/// No pin and no name looks so.
pub(super) fn is_named_as_file(client: &Path) -> bool {
    let is_certificate =
        |ending: &OsStr| ["crt", "pem", "cer"].iter().any(|known| ending.eq_ignore_ascii_case(known));
    client.components().count() > 1 || client.extension().is_some_and(is_certificate)
}

const SHA1_REFUSED: &str = "this is a SHA-1 thumbprint, which is weak; nothing was added\n\
     `pinwire pin alice.crt` prints, of the client's certificate, the spki-sha256 pin to use in its place\n\
     --accept-sha1 adds it all the same, for a server that is started with --accept-sha1";

const SHA1: &str = "it is a SHA-1 thumbprint: `pinwire serve` takes it only with --accept-sha1";

const EXAMPLES: &str = "\
Examples:
  pinwire trust add alice.crt --name alice --comment 'since May'
  pinwire trust add spki-sha256:4f0c... --name bob --expires 2027-01-31
  pinwire trust add reader.crt --name reader --commands GET,LIST --from 10.0.0.0/8,192.168.1.7
  pinwire trust add operator.crt --name operator --admin --connections 2";
