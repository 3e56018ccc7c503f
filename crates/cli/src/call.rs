//! `pinwire call`: sends one command and prints its answer.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use pinwire_client::{Address, Answer, Client, Error, KnownServers, Outcome, Request};
use pinwire_server::proto::code::Code;
use pinwire_server::proto::identity::Identity;

use crate::exit::{self, Exit, Failure};
use crate::home::Home;
use crate::identity::There;
use crate::{files, output, strangers};

/// Send one command and print its answer
///
/// The answer's body goes to standard output; its status and headers go to standard error.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct CallArgs {
    /// The command and its arguments, each one word
    #[arg(required = true, value_name = "COMMAND")]
    words: Vec<String>,
    /// Where the server is
    #[arg(short, long, value_name = "HOST:PORT", env = "PINWIRE_SERVER", default_value = SERVER)]
    server: Address,
    /// A header of the command; may come again
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The command's body: the text itself, "@FILE" for a file's content, "-" for standard input
    #[arg(long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    body: Option<String>,
    /// Seconds until the answer must be here, connecting included; the server is told
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    timeout: Duration,
}

pub(crate) fn run(args: &CallArgs, home: &Home) -> Result<Exit, Failure> {
    let request = args.request()?;
    let identity = identity(home)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let answered = runtime.block_on(args.answer(&request, identity.as_ref(), home))?;
    match answered {
        Ok(answer) => show(&Status::Ok, &answer.headers, &answer.body),
        Err(Error::Reply { code, text, headers, body, .. }) => {
            show(&Status::Error(&code, &text), &headers, &body)
        }
        Err(error) => Err(failure(&error, &args.server)),
    }
}

impl CallArgs {
    fn request(&self) -> Result<Request, Failure> {
        let mut words = self.words.iter();
        let name = words.next().map(String::as_str).unwrap_or_default();
        let mut request = words.fold(Request::new(name), |request, word| request.arg(word));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &self.body {
            request = request.body(read_body(body)?);
        }
        if name.eq_ignore_ascii_case("CANCEL") {
            let text = "CANCEL takes back another command of the same connection, and a call has only its own; \
                        end a call with Ctrl-C";
            return Err(Failure::usage(text));
        }
        // Refused before anybody is asked anything.
        match request.check() {
            // Repeatable, so that it leaves a round trip sooner, with the handshake's last message. Nothing is
            // ever repeated: this client does not reconnect.
            Ok(()) => Ok(request.timeout(self.timeout).repeatable()),
            Err(misuse) => Err(Failure::usage(misuse.to_string())),
        }
    }

    /// Whoever is asked about a stranger may think longer than the stranger waits, so that connection is given
    /// up and made again.
    async fn answer(
        &self,
        request: &Request,
        identity: Option<&Identity>,
        home: &Home,
    ) -> Result<Result<Answer, Error>, Failure> {
        let file = home.known_servers();
        match self.call(request, identity, &file).await? {
            Err(Error::UnknownServer { address, shown }) => strangers::judge(&address, &shown, &file)?,
            Err(error @ Error::WrongServer { .. }) => return Err(strangers::wrong(&error, &file)),
            answered => return Ok(answered),
        }
        self.call(request, identity, &file).await
    }

    async fn call(
        &self,
        request: &Request,
        identity: Option<&Identity>,
        file: &Path,
    ) -> Result<Result<Answer, Error>, Failure> {
        let mut builder = Client::builder(self.server.clone()).timeout(self.timeout).reconnect(false);
        builder = builder.known_servers(known_servers(file)?);
        if let Some(identity) = identity {
            builder = builder.identity(identity.clone());
        }
        let client = builder.connect_lazy().map_err(|error| failure(&error, &self.server))?;
        let answered = client.call(request.clone()).await;
        // The answer is here: a goodbye that gets stuck changes nothing.
        let _ = tokio::time::timeout(GRACE, client.close()).await;
        Ok(answered)
    }
}

/// Sorts what went wrong by exit status, and says what to do where the error does not.
fn failure(error: &Error, server: &Address) -> Failure {
    match error {
        Error::Refused { code, text } => {
            error_line(code, text);
            let hint = if code == Code::NoCertificate.as_str() { MAKE_ONE } else { "" };
            Failure::new(Exit::Refused, format!("{server} does not let this client in{hint}"))
        }
        Error::Closed { code, text } => {
            error_line(code, text);
            Failure::new(Exit::Refused, format!("{server} closed the connection"))
        }
        Error::NotReachable { .. } => Failure::new(Exit::NotReachable, format!("{error}{START_ONE}")),
        Error::UnknownServer { .. } | Error::WrongServer { .. } => {
            Failure::new(Exit::WrongServer, error.to_string())
        }
        Error::TimedOut { limit, outcome, .. } => {
            let what = if *outcome == Outcome::NotBegun { "no connection" } else { "no answer" };
            let text = format!("{what} from {server} within {limit:?}; --timeout waits longer");
            Failure::new(Exit::NotReachable, text)
        }
        Error::Misuse(_) => Failure::usage(error.to_string()),
        _ => Failure::new(Exit::NotReachable, error.to_string()),
    }
}

/// The server's line as it came: the first thing that a reader, or a script, looks for.
fn error_line(code: &str, text: &str) {
    let gap = if text.is_empty() { "" } else { ": " };
    output::remark(format_args!("ERR: {code}{gap}{text}"));
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
        _ => files.load().map(Some),
    }
}

fn read_body(body: &str) -> Result<Vec<u8>, Failure> {
    match body.strip_prefix('@') {
        Some("") => {
            Err(Failure::usage("--body @ names no file; write --body @FILE, or --body - for standard input"))
        }
        Some("-") => files::read_or_stdin(Path::new("-")),
        Some(file) => files::read(Path::new(file)),
        None if body == "-" => files::read_or_stdin(Path::new(body)),
        None => Ok(body.as_bytes().to_vec()),
    }
}

enum Status<'a> {
    Ok,
    Error(&'a str, &'a str),
}

fn show(status: &Status<'_>, headers: &[(String, String)], body: &[u8]) -> Result<Exit, Failure> {
    let exit = match status {
        Status::Ok => {
            output::remark("OK");
            Exit::Done
        }
        Status::Error(code, text) => {
            error_line(code, text);
            Exit::ErrorReply
        }
    };
    for (name, value) in headers {
        output::remark(format_args!("{name}: {value}"));
    }
    output::print(body)?;
    output::end_line(body)?;
    Ok(exit)
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is 'Name: value'")?;
    Ok((name.to_owned(), value.trim_matches(' ').to_owned()))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let bounds = Duration::from_millis(1)..=Duration::from_secs(LONGEST);
    seconds.filter(|seconds| bounds.contains(seconds)).ok_or(format!("seconds, from 0.001 to {LONGEST}"))
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::help())
}

/// The server that is called unless another is named: where `serve` listens unless told otherwise.
pub(crate) const SERVER: &str = "127.0.0.1:4433";
const START_ONE: &str = "\nis it running? `pinwire serve` starts one, -s HOST:PORT names another";
const MAKE_ONE: &str =
    "\n`pinwire keygen --client` makes what it asks for, and `pinwire pin` says what its operator adds";
/// For the goodbye.
const GRACE: Duration = Duration::from_secs(2);
/// A day: longer than any server's `Limits::timeout`.
const LONGEST: u64 = 86_400;

const EXAMPLES: &str = "\
Examples:
  pinwire call PUT employees/1-A --body 'Ada Lovelace'
  pinwire call PUT employees/1-A --body @ada.json
  pinwire call GET employees/1-A -s example.org:4433 > ada.json
  pinwire call WHOAMI
  pinwire call HELP

A server is called by its pin: the known_servers file of the home folder says which one is right at which
address. At a terminal you are asked about a server that is not in it.";
