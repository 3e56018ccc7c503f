//! `pinwire serve`: serves documents to the clients of the trust file.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use pinwire_client::Address;
use pinwire_documents::{Store, commands};
use pinwire_server::proto::certificate::Certificate;
use pinwire_server::proto::identity::Identity;
use pinwire_server::{
    IdentityFiles, Limits, Pin, RecordLayer, Refusals, Router, Server, ServerConfig, ServerTls, Sha1,
    Tickets, TrustFile,
};

use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::identity::Files;
use crate::store::StoreArgs;
use crate::{files, log, output, setup, trust};

/// Serve documents to the clients of the trust file
///
/// What the home folder lacks is made first: who the server is, who you are for it, a trust file that lets
/// you in, the server's pin among your known servers, and an empty store. Nothing that is there is overwritten.
/// Changes of the trust file, and of the server's certificate and key, are in force within a second, for the
/// connections that are open too; `pinwire trust status` says what is used. SIGHUP looks at the files at once.
/// Ctrl-C ends it once the commands under way are answered, or 10 s later; a second Ctrl-C ends it at once.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4433", value_parser = listen_address)]
    listen: SocketAddr,
    /// The server's certificate, in place of the home folder's
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The trust file, in place of the home folder's
    #[arg(long, value_name = "FILE")]
    trusted: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
    /// Take SHA-1 thumbprints (40 hexadecimal digits) in the trust file too; SHA-1 is weak
    #[arg(long)]
    accept_sha1: bool,
    /// How many handshakes from one address may fail in a row before its next ones are delayed; 4294967295 delays
    /// nobody, for a server behind a proxy, to which all come from one address
    #[arg(long, value_name = "N", default_value_t = Limits::default().failures)]
    failures: u32,
    /// What a client reads that is not let in: the reason in words too, or its code alone
    #[arg(long, value_enum, value_name = "HOW", default_value = "full")]
    refusals: HowMuch,
    /// What makes TLS records once a handshake is complete
    #[arg(long, value_enum, value_name = "LAYER", default_value = "compact")]
    record_layer: Layer,
    /// What is logged to standard error: error, warn, info, debug, or a filter like pinwire_server=debug
    #[arg(long, value_name = "FILTER", env = "PINWIRE_LOG", hide_env_values = true, default_value = "info")]
    log: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HowMuch {
    /// Code and words, which say what to do about it
    Full,
    /// The code alone: who is not let in learns nothing more
    Code,
}

impl From<HowMuch> for Refusals {
    fn from(how: HowMuch) -> Refusals {
        match how {
            HowMuch::Full => Refusals::Full,
            HowMuch::Code => Refusals::Code,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Layer {
    /// pinwire's own: some 230 bytes a connection
    Compact,
    /// rustls's: some 5 KB a connection
    Rustls,
}

impl From<Layer> for RecordLayer {
    fn from(layer: Layer) -> RecordLayer {
        match layer {
            Layer::Compact => RecordLayer::Compact,
            Layer::Rustls => RecordLayer::Rustls,
        }
    }
}

pub(crate) fn run(args: &ServeArgs, home: &Home) -> Result<Exit, Failure> {
    log::start(&args.log)?;
    make_what_lacks(args, home)?;
    let identity_files = args.identity(home);
    let identity = identity_files.load()?;
    let certificate = setup::readable(&identity, &identity_files)?;
    let documents = args.store.open(home)?;
    let mut server = bind(args, home, &identity, Arc::clone(&documents.store))?;
    let address = callable(server.local_addr());
    setup::known_server(home, &address, certificate)?;
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, error.to_string());
    let Files { certificate: file, key } = &identity_files;
    let trusted = TrustFile::new(args.trusted(home), args.sha1());
    // Before the signals: SIGHUP looks at these files.
    server.follow(trusted, Some(IdentityFiles::new(file, key))).map_err(failed)?;
    server.stop_on_signals().map_err(failed)?;
    output::say(format_args!("documents are in {}", documents.place))?;
    announce(server.local_addr(), &address, certificate, home)?;
    let stats = server.stats();
    let ran = server.run().map_err(failed);
    tracing::info!("stopped: {}", stats.snapshot());
    // The last one: what waits is written, and the file closed, before the program ends.
    let closed = documents.close();
    ran.and(closed)?;
    Ok(Exit::Done)
}

impl ServeArgs {
    fn sha1(&self) -> Sha1 {
        if self.accept_sha1 { Sha1::Accept } else { Sha1::Refuse }
    }

    fn identity(&self, home: &Home) -> Files {
        match (&self.cert, &self.key) {
            (Some(certificate), Some(key)) => Files { certificate: certificate.clone(), key: key.clone() },
            _ => home.server(),
        }
    }

    fn trusted(&self, home: &Home) -> PathBuf {
        self.trusted.clone().unwrap_or_else(|| home.trusted())
    }
}

/// Of two first starts at once, the second finds what the first has made.
fn make_what_lacks(args: &ServeArgs, home: &Home) -> Result<(), Failure> {
    home.create()?;
    let _lock = files::lock_beside(&home.trusted())?;
    if args.cert.is_none() {
        setup::server_identity(home)?;
    }
    let is_new = setup::client_identity(home)?;
    if args.trusted.is_none() {
        setup::trust_file(home)?;
    }
    if is_new { setup::mention_trust(home, &args.trusted(home), args.sha1()) } else { Ok(()) }
}

fn bind(
    args: &ServeArgs,
    home: &Home,
    identity: &Identity,
    store: Arc<dyn Store>,
) -> Result<Server<Router>, Failure> {
    let trusted = args.trusted(home);
    let trust = trust::read(&trusted, args.sha1())?;
    if trust.is_empty() {
        output::remark(format_args!(
            "{}: nobody is let in; `pinwire trust add` lets them",
            trusted.display()
        ));
    }
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error.to_string());
    let tls = Tickets::new().and_then(|tickets| ServerTls::new(identity, tickets));
    let tls = tls.map(|tls| tls.record_layer(args.record_layer.into()));
    let limits = Limits { failures: args.failures, ..Limits::default() };
    let config = ServerConfig::new(args.listen, tls.map_err(|error| failed(&error))?, trust).limits(limits);
    let config = config.refusals(args.refusals.into());
    Server::bind(config, commands(Router::new(), store)).map_err(|error| failed(&error))
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let form = "write an address of this machine and a port, like 127.0.0.1:4433, 0.0.0.0:4433 or [::1]:4433";
    text.parse().map_err(|_| form.to_owned())
}

/// Says that it listens, and how to call it.
fn announce(
    bound: SocketAddr,
    address: &Address,
    certificate: &Certificate,
    home: &Home,
) -> Result<(), Failure> {
    let pin = Pin::Spki(certificate.digests.spki);
    let mut program = program();
    if !home.is_default {
        program += &format!(" --home {}", output::shell_word(&home.folder().to_string_lossy()));
    }
    let is_usual = address.to_string() == crate::reach::SERVER;
    let at = if is_usual { String::new() } else { format!(" -s {address}") };
    output::say(format_args!(
        "the server's pin: {pin}\nlistening on {bound}\nfrom another terminal:\n  \
         {program} put{at} greetings/1 --body 'hello, world'\n  {program} get{at} greetings/1"
    ))
}

/// The program as it was started, so that the line can be pasted.
fn program() -> String {
    let typed = std::env::args().next().filter(|typed| typed.contains(['/', '\\']));
    typed.map_or_else(|| "pinwire".to_owned(), |typed| output::shell_word(&typed))
}

/// Where this machine can call what listens on `bound`: "all addresses" is none that can be called.
fn callable(bound: SocketAddr) -> Address {
    let mut at = bound;
    if bound.ip().is_unspecified() {
        at.set_ip(if bound.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    Address::from(at)
}

const EXAMPLES: &str = "\
Examples:
  pinwire serve
  pinwire serve --listen 0.0.0.0:4433
  pinwire serve --store /var/lib/pinwire/documents.redb --history 1000000
  pinwire serve --store memory
  pinwire serve --cert /etc/pinwire/server.crt --key /etc/pinwire/server.key";
