//! What a first `serve` needs and the home folder lacks is made here; what is there is never changed.

use std::path::Path;

use pinwire_client::{Address, Known, KnownServers};
use pinwire_server::proto::certificate::Certificate;
use pinwire_server::proto::identity::{Identity, KeyKind};
use pinwire_server::proto::trust::{Entry, Pin, Sha1, add};

use crate::exit::{Exit, Failure};
use crate::files::{self, Readers};
use crate::home::Home;
use crate::identity::{Files, There, YEARS};
use crate::keygen::{SERVER, user_name};
use crate::{output, trust};

/// Makes the server's identity if neither of its files is there.
pub(crate) fn server_identity(home: &Home) -> Result<(), Failure> {
    let files = home.server();
    match files.there() {
        There::Both => Ok(()),
        There::Neither => make(&files, KeyKind::P256, SERVER, "who the server is"),
        There::CertificateAlone => Err(half(&files.key, &files.certificate)),
        There::KeyAlone => Err(half(&files.certificate, &files.key)),
    }
}

/// Makes this user's identity if neither of its files is there; says whether it did.
pub(crate) fn client_identity(home: &Home) -> Result<bool, Failure> {
    let files = home.client();
    let is_lacking = files.there() == There::Neither;
    if is_lacking {
        make(&files, KeyKind::Ed25519, &user_name(), "who you are for it")?;
    }
    Ok(is_lacking)
}

/// Makes the home's trust file, which holds this user, if it is not there.
pub(crate) fn trust_file(home: &Home) -> Result<(), Failure> {
    let trusted = home.trusted();
    match trusted.symlink_metadata() {
        Ok(_) => Ok(()),
        Err(_) => make_trusted(&home.client(), &trusted),
    }
}

/// A new identity is not on an old list: whoever was taken out does not come back by a restart.
pub(crate) fn mention_trust(home: &Home, trusted: &Path, sha1: Sha1) -> Result<(), Failure> {
    let client = home.client();
    let identity = client.load()?;
    let digests = readable(&identity, &client)?.digests;
    if trust::read(trusted, sha1)?.find(&digests).is_none() {
        output::remark(format_args!(
            "{} was there and was not changed: it does not let you in; `pinwire trust add {}` does",
            trusted.display(),
            client.certificate.display()
        ));
    }
    Ok(())
}

/// Notes the server's own pin under the address at which this user will call it.
pub(crate) fn known_server(home: &Home, address: &Address, server: &Certificate) -> Result<(), Failure> {
    let file = home.known_servers();
    let text = files::read_text(&file)?;
    let known =
        KnownServers::parse(text.as_deref().unwrap_or_default()).map_err(|bad| Failure::file(&file, bad))?;
    match known.judge(address, &server.digests) {
        Known::Same => Ok(()),
        Known::Nothing => {
            add_known_server(&file, address, &Pin::Spki(server.digests.spki))?;
            output::say(format_args!("made in {}: the line of {address}", file.display()))
        }
        Known::Other(lines) => {
            let line = KnownServers::line(address, &Pin::Spki(server.digests.spki));
            output::remark(format_args!(
                "{}: line {} names another pin and was not changed; `pinwire call` will refuse this server \
                 until it is \"{line}\"",
                file.display(),
                lines.first().copied().unwrap_or_default()
            ));
            Ok(())
        }
    }
}

/// Adds a line to the known servers; the caller has looked that it is not there.
pub(crate) fn add_known_server(file: &Path, address: &Address, pin: &Pin) -> Result<(), Failure> {
    let _lock = files::lock_beside(file)?;
    match files::read_text(file)? {
        Some(text) => files::replace(file, KnownServers::add(&text, address, pin).as_bytes()),
        None => files::create(file, KnownServers::add("", address, pin).as_bytes(), Readers::All),
    }
}

fn make(files: &Files, kind: KeyKind, common_name: &str, what: &str) -> Result<(), Failure> {
    files.make(kind, common_name, YEARS)?;
    output::say(format_args!("made {} and {}: {what}", files.certificate.display(), files.key.display()))
}

fn make_trusted(client: &Files, trusted: &Path) -> Result<(), Failure> {
    let identity = client.load()?;
    let certificate = readable(&identity, client)?;
    let name = user_name();
    let pin = Pin::Spki(certificate.digests.spki);
    let entry = Entry { name: Some(name.clone()), comment: Some(OWN.to_owned()), ..Entry::of(pin) };
    let text = add(trust::PREAMBLE, &entry).map_err(|error| Failure::file(trusted, error))?;
    files::create(trusted, text.as_bytes(), Readers::All)?;
    output::say(format_args!("made {}: whom the server lets in, so far {name}", trusted.display()))
}

/// The certificate of an identity from these files.
pub(crate) fn readable<'a>(identity: &'a Identity, files: &Files) -> Result<&'a Certificate, Failure> {
    identity.certificate().map_err(|why| {
        Failure::file(&files.certificate, format_args!("the certificate cannot be read: {why}"))
    })
}

pub(crate) fn half(missing: &Path, there: &Path) -> Failure {
    let text = format!(
        "{} is missing, but {} is there; bring it back, or move the other away and both are made anew",
        missing.display(),
        there.display()
    );
    Failure::new(Exit::Failed, text)
}

/// The comment behind this user's own entry.
const OWN: &str = "made by the first `pinwire serve`";
