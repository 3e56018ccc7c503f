//! `pinwire keygen`: makes a key and its self-signed certificate, or a new certificate for the same key.

use std::path::PathBuf;

use clap::builder::ArgPredicate;
use clap::{ArgGroup, Args, ValueEnum};
use pinwire_server::proto::certificate::rfc3339;
use pinwire_server::proto::identity::KeyKind;
use pinwire_server::proto::trust::Pin;

use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::identity::{Files, Renewed, YEARS};
use crate::output;

/// Make a key and its certificate, or with --renew a new certificate for the same key
///
/// The certificate is self-signed: who trusts it says so by its pin, which is printed. A key is never
/// overwritten, and a certificate by --renew alone.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(group(ArgGroup::new("whose").args(["name", "server", "client"])))]
pub(crate) struct KeygenArgs {
    /// Make NAME.crt and NAME.key in the current folder, for a client of that name
    name: Option<String>,
    /// Make the home folder's server.crt and server.key
    #[arg(long)]
    server: bool,
    /// Make the home folder's client.crt and client.key; so does saying nothing
    #[arg(long)]
    client: bool,
    /// Make a new certificate for the key that is there, in place of the old one; the key stays as it is
    ///
    /// Its spki-sha256 pin stays, so nobody has to change a line that holds it; its sha256 and SHA-1 pins
    /// change. It is valid from 24 hours back, for clocks that are behind.
    #[arg(long, conflicts_with = "kind")]
    renew: bool,
    /// What kind of key [default: p256 for a server, ed25519 for a client]
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// Years for which the certificate is valid
    #[arg(long, value_name = "YEARS", default_value_t = YEARS, value_parser = clap::value_parser!(u32).range(1..))]
    years: u32,
    /// The folder for NAME.crt and NAME.key
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "name",
        default_value_if("name", ArgPredicate::IsPresent, ".")
    )]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    P256,
    Ed25519,
}

pub(crate) fn run(args: &KeygenArgs, home: &Home) -> Result<Exit, Failure> {
    let (files, kind, common_name) = plan(args, home)?;
    if args.renew {
        return renew(&files, &common_name, args.years);
    }
    if args.name.is_none() {
        home.create()?;
    }
    files.make(args.kind.map_or(kind, KeyKind::from), &common_name, args.years)?;
    let identity = files.load()?;
    output::remark(format_args!(
        "made {} and {} (keep this one to yourself); the pin:",
        files.certificate.display(),
        files.key.display()
    ));
    let certificate = identity.certificate().map_err(|why| Failure::file(&files.certificate, why))?;
    output::say(Pin::Spki(certificate.digests.spki))?;
    Ok(Exit::Done)
}

fn renew(files: &Files, fallback: &str, years: u32) -> Result<Exit, Failure> {
    let Renewed { old, new } = files.renew(fallback, years)?;
    let file = files.certificate.display();
    output::remark(format_args!(
        "{file}: a new certificate for the same key, valid until {}; the old one was until {}\n\
         lines with this pin stay good; what holds a sha256 or SHA-1 pin of the old one needs another\n\
         (`pinwire pin {}` prints them):",
        rfc3339(new.not_after),
        rfc3339(old.not_after),
        output::shell_word(&file.to_string())
    ));
    output::say(Pin::Spki(new.digests.spki))?;
    Ok(Exit::Done)
}

fn plan(args: &KeygenArgs, home: &Home) -> Result<(Files, KeyKind, String), Failure> {
    let Some(name) = &args.name else {
        return Ok(match args.server {
            true => (home.server(), KeyKind::P256, SERVER.to_owned()),
            false => (home.client(), KeyKind::Ed25519, user_name()),
        });
    };
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(Failure::usage(format!("{name:?} is not a name; for another folder say --out FOLDER")));
    }
    let file = |ending| args.out.clone().unwrap_or_default().join(format!("{name}.{ending}"));
    Ok((Files { certificate: file("crt"), key: file("key") }, KeyKind::Ed25519, name.clone()))
}

impl From<Kind> for KeyKind {
    fn from(kind: Kind) -> KeyKind {
        match kind {
            Kind::P256 => KeyKind::P256,
            Kind::Ed25519 => KeyKind::Ed25519,
        }
    }
}

/// The user's login name, as far as a trust file can hold it.
pub(crate) fn user_name() -> String {
    let known = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|variable| std::env::var(variable).ok());
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = known.unwrap_or_default().chars().filter(allowed).take(64).collect();
    if name.is_empty() { "me".to_owned() } else { name }
}

/// What a server's certificate is called: nobody reads it but people.
pub(crate) const SERVER: &str = "pinwire server";

const EXAMPLES: &str = "\
Examples:
  pinwire keygen                  makes this user's own, which `pinwire call` shows
  pinwire keygen alice            makes alice.crt and alice.key here
  pinwire keygen --server         makes the server's own, which `pinwire serve` shows
  pinwire keygen --renew alice    makes a new alice.crt for the key in alice.key
  pinwire keygen --renew --server

Then let the client in at the server: pinwire trust add alice.crt --name alice";
