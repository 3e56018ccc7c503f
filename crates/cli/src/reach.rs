//! The way to a server that every command with an answer takes: which server, is it the right one, and what
//! is said when it cannot be asked.

use std::env;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use pinwire_client::blocking::{Builder, Client, Watch};
use pinwire_client::{
    Address, Answer, BadAddress, Error, Identity, KnownServers, Limits, Outcome, Pin, Request,
};
use pinwire_server::proto::code::Code;

use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::identity::There;
use crate::said::Said;
use crate::setup::half;
use crate::{approval, files, said, strangers};

/// Which server is asked, and for how long.
#[derive(Args, Debug)]
pub(crate) struct ServerArgs {
    /// Where the server is
    #[arg(short, long, value_name = "HOST:PORT", env = VARIABLE, default_value = SERVER, value_parser = server)]
    server: Address,
    /// Seconds that connecting, and then an answer, may take; the server is told
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    timeout: Duration,
    /// If the server does not know this client yet, wait until its operator approves it
    ///
    /// Says once that it waits, with the pin that the operator sees in `pinwire trust pending`, and tries again
    /// about once a second for as long as it takes: --timeout bounds each try, not the waiting. Ctrl-C ends
    /// it, and every other refusal does.
    #[arg(long)]
    wait: bool,
}

/// The right server, which let this client in.
pub(crate) struct Reached<'a> {
    client: Client,
    args: &'a ServerArgs,
}

impl ServerArgs {
    /// Connects. Whoever is asked about a stranger may think longer than the stranger waits, so that another
    /// connection is made then.
    pub(crate) fn reach(&self, home: &Home) -> Result<Reached<'_>, Failure> {
        self.reach_with(home, false)
    }

    /// The same, over a connection that comes back when it is lost.
    pub(crate) fn reach_lasting(&self, home: &Home) -> Result<Reached<'_>, Failure> {
        self.reach_with(home, true)
    }

    fn reach_with(&self, home: &Home, reconnects: bool) -> Result<Reached<'_>, Failure> {
        let (file, identity) = (home.known_servers(), identity(home)?);
        let connect = |limits: Limits| {
            let builder = self.builder(&file, identity.as_ref())?;
            Ok::<_, Failure>(builder.limits(limits).reconnect(reconnects).connect())
        };
        let mut connected = connect(Limits::default())?;
        if let Err(Error::UnknownServer { address, shown }) = &connected {
            strangers::judge(address, shown, home)?;
            connected = connect(Limits::default())?;
        }
        let pin = identity.as_ref().and_then(pin_of);
        if let Some(pin) = pin.as_ref().filter(|_| self.wait) {
            // One try a pause: a source that tries more often is made to wait by the server.
            connected = approval::wait(connected, &self.server, pin, || {
                connect(Limits { attempts: 1, ..Limits::default() })
            })?;
        }
        match connected {
            Ok(client) => Ok(Reached { client, args: self }),
            Err(Error::WrongServer { address, shown, .. }) => Err(strangers::wrong(&address, &shown, &file)),
            Err(Error::Refused { code, text }) => Err(self.refused(&code, &text, pin.as_ref())),
            Err(error) => Err(self.failure(&error, "no connection from")),
        }
    }

    fn refused(&self, code: &str, text: &str, pin: Option<&Pin>) -> Failure {
        said::error_line(code, text);
        let hint = match pin {
            Some(pin) if approval::is_unfamiliar(code) => approval::hint(pin),
            _ if code == Code::NoCertificate.as_str() => MAKE_ONE.to_owned(),
            _ => String::new(),
        };
        Failure::new(Exit::Refused, format!("{} does not let this client in{hint}", self.server))
    }

    fn builder(&self, known: &Path, identity: Option<&Identity>) -> Result<Builder, Failure> {
        let known = known_servers(known)?;
        let builder = Client::builder(self.server.clone()).known_servers(known);
        let builder = builder.timeout(self.timeout);
        Ok(match identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        })
    }

    /// Sorts what went wrong by exit status, and says what to do where the error does not. `awaited`: what
    /// did not come, if it is that.
    fn failure(&self, error: &Error, awaited: &str) -> Failure {
        let server = &self.server;
        match error {
            Error::Refused { code, text } => self.refused(code, text, None),
            Error::Closed { code, text } => {
                said::error_line(code, text);
                let text = format!("{server} closed the connection; {}", error.outcome());
                Failure::new(Exit::Refused, text)
            }
            Error::NotReachable { .. } => Failure::new(Exit::NotReachable, format!("{error}{START_ONE}")),
            Error::UnknownServer { .. } | Error::WrongServer { .. } => {
                Failure::new(Exit::WrongServer, error.to_string())
            }
            Error::TimedOut { limit, outcome, .. } => {
                let text = format!("{awaited} {server} within {limit:?}; {LONGER}");
                let effect =
                    if *outcome == Outcome::Unknown { format!("; {outcome}") } else { String::new() };
                Failure::new(Exit::NotReachable, text + &effect)
            }
            Error::Misuse(_) => Failure::usage(error.to_string()),
            Error::TooLarge { .. } | Error::Behind { .. } | Error::Unfit { .. } => {
                Failure::new(Exit::Failed, error.to_string())
            }
            _ => Failure::new(Exit::NotReachable, error.to_string()),
        }
    }
}

impl Reached<'_> {
    /// Calls a command. An answer that is an error is an answer.
    pub(crate) fn call(&self, request: Request) -> Result<Said, Failure> {
        let changes_nothing = request.is_repeatable();
        let result = self.client.call(request.timeout(self.args.timeout));
        self.said(result, changes_nothing)
    }

    /// The same, part by part as they come; `take` says of each whether there is interest in more. The end: an
    /// error, or an OK without anything.
    pub(crate) fn stream(
        &self,
        request: Request,
        mut take: impl FnMut(Said) -> Result<bool, Failure>,
    ) -> Result<Said, Failure> {
        let changes_nothing = request.is_repeatable();
        let parts = self.client.stream(request.timeout(self.args.timeout));
        for part in parts.map_err(|error| self.failure(&error))? {
            let said = self.said(part, changes_nothing)?;
            if said.status.is_err() {
                return Ok(said);
            }
            if !take(said)? {
                break;
            }
        }
        self.said(Ok(Answer::default()), changes_nothing)
    }

    /// Watches documents.
    pub(crate) fn watch(&self, prefix: &str, from: Option<u64>) -> Result<Watch, Error> {
        self.client.watch(prefix, from)
    }

    /// An error that is an answer is one, but for `timed-out`: who of the two notices first that the time is
    /// over is chance, and no exit status depends on that.
    pub(crate) fn said(&self, result: Result<Answer, Error>, changes_nothing: bool) -> Result<Said, Failure> {
        match result {
            Ok(Answer { headers, body, .. }) => {
                Ok(Said { status: Ok(()), headers, body, is_in_doubt: false })
            }
            Err(Error::Reply { code, outcome, .. }) if code == Code::TimedOut.as_str() => {
                let text = format!(
                    "no answer from {} in time; {LONGER}, as far as the server does; {outcome}",
                    self.args.server
                );
                Err(Failure::new(Exit::NotReachable, text))
            }
            Err(Error::Reply { code, text, headers, body, outcome }) => {
                let is_in_doubt = outcome == Outcome::Unknown && !changes_nothing;
                Ok(Said { status: Err((code, text)), headers, body, is_in_doubt })
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn failure(&self, error: &Error) -> Failure {
        self.args.failure(error, "no answer from")
    }
}

/// Refuses what the protocol cannot say before anybody is asked anything.
pub(crate) fn sayable(request: Request) -> Result<Request, Failure> {
    match request.check() {
        Ok(()) => Ok(request),
        Err(misuse) => Err(Failure::usage(misuse.to_string())),
    }
}

fn known_servers(file: &Path) -> Result<KnownServers, Failure> {
    let text = files::read_text(file)?.unwrap_or_default();
    KnownServers::parse(&text).map_err(|bad| Failure::file(file, bad))
}

/// Without a certificate the server says that it wants one, and that is the answer the user needs.
fn identity(home: &Home) -> Result<Option<Identity>, Failure> {
    let files = home.client();
    match files.there() {
        There::Neither => Ok(None),
        There::Both => files.load().map(Some),
        There::CertificateAlone => Err(half(&files.key, &files.certificate)),
        There::KeyAlone => Err(half(&files.certificate, &files.key)),
    }
}

/// The pin by which a server can know it; of a certificate that cannot be read there is none.
fn pin_of(identity: &Identity) -> Option<Pin> {
    identity.certificate().ok().map(|certificate| Pin::Spki(certificate.digests.spki))
}

/// An empty variable is one that is not set.
fn server(text: &str) -> Result<Address, BadAddress> {
    let is_unset = text.is_empty() && env::var_os(VARIABLE).is_some_and(|value| value.is_empty());
    if is_unset { SERVER.parse() } else { text.parse() }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let bounds = Duration::from_millis(1)..=Duration::from_secs(LONGEST);
    seconds.filter(|seconds| bounds.contains(seconds)).ok_or(format!("seconds, from 0.001 to {LONGEST}"))
}

/// Names the server in the environment.
const VARIABLE: &str = "PINWIRE_SERVER";
/// The server that is called unless another is named: where `serve` listens unless told otherwise.
pub(crate) const SERVER: &str = "127.0.0.1:4433";
const START_ONE: &str = "\nis it running? `pinwire serve` starts one, -s HOST:PORT names another";
const MAKE_ONE: &str =
    "\n`pinwire keygen --client` makes what it asks for, and `pinwire pin` says what its operator adds";
const LONGER: &str = "--timeout waits longer";
/// A day: longer than any server's `Limits::timeout`.
const LONGEST: u64 = 86_400;
