//! `pinwire call`: sends one command and prints its answer.

use clap::Args;
use pinwire_client::Request;

use crate::body::BodyArgs;
use crate::exit::{self, Exit, Failure};
use crate::home::Home;
use crate::output;
use crate::reach::{ServerArgs, sayable};
use crate::said::Said;

/// Send one command and print its answer
///
/// The answer's body goes to standard output, of an answer in parts each as it comes; status and headers go to
/// standard error.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct CallArgs {
    /// The command and its arguments, each one word
    #[arg(required = true, value_name = "COMMAND")]
    words: Vec<String>,
    /// A header of the command; may come again
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    #[command(flatten)]
    body: BodyArgs,
    /// Print status and headers as a line of JSON on standard output, before the body
    ///
    /// An answer in parts is printed as a whole, at its end.
    /// What fails before the server answers prints nothing on standard output: the exit status and standard
    /// error tell.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &CallArgs, home: &Home) -> Result<Exit, Failure> {
    let request = args.request()?;
    let server = args.server.reach(home)?;
    if args.json {
        return whole(&server.call(request)?);
    }
    let mut printed = Printed::default();
    let end = server.stream(request, |part| printed.part(&part))?;
    printed.end(&end)
}

/// What is printed before the body is known only when all of the answer is.
fn whole(said: &Said) -> Result<Exit, Failure> {
    output::say(said.json(None))?;
    output::print(&said.body)?;
    output::end_line(&said.body)?;
    Ok(said.exit())
}

/// How far an answer is printed.
#[derive(Default)]
struct Printed {
    is_begun: bool,
    /// Its last byte.
    last: Option<u8>,
}

impl Printed {
    /// Whether anybody reads on: `| head` does not.
    fn part(&mut self, part: &Said) -> Result<bool, Failure> {
        self.remark(part);
        self.body(&part.body)
    }

    fn end(&mut self, end: &Said) -> Result<Exit, Failure> {
        if end.status.is_err() || !self.is_begun {
            self.is_begun = false;
            self.remark(end);
        }
        self.body(&end.body)?;
        output::end_line(self.last.as_slice())?;
        Ok(end.exit())
    }

    /// The status once, and each part's headers.
    fn remark(&mut self, said: &Said) {
        match said.status {
            Ok(()) if self.is_begun => {}
            Ok(()) => output::remark("OK"),
            Err(_) => said.complain(),
        }
        self.is_begun = true;
        for (name, value) in &said.headers {
            output::remark(format_args!("{name}: {value}"));
        }
    }

    fn body(&mut self, body: &[u8]) -> Result<bool, Failure> {
        self.last = body.last().copied().or(self.last);
        if body.is_empty() { Ok(true) } else { output::offer(body) }
    }
}

impl CallArgs {
    fn request(&self) -> Result<Request, Failure> {
        let mut words = self.words.iter();
        let name = words.next().map(String::as_str).unwrap_or_default();
        if name.eq_ignore_ascii_case("CANCEL") {
            let text = "CANCEL takes back another command of the same connection, and a call has only its own; \
                        end a call with Ctrl-C";
            return Err(Failure::usage(text));
        }
        let mut request = words.fold(Request::new(name), |request, word| request.arg(word));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match self.body.read()? {
            Some(body) => sayable(request.body(body)),
            None => sayable(request),
        }
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is 'Name: value'")?;
    Ok((name.to_owned(), value.trim_matches(' ').to_owned()))
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::help())
}

const EXAMPLES: &str = "\
Examples:
  pinwire call PUT employees/1-A --body 'Ada Lovelace'
  pinwire call PUT employees/1-A --body @ada.json -H 'If-Version: 3'
  pinwire call GET employees/1-A -s example.org:4433 > ada.json
  pinwire call WHOAMI
  pinwire call HELP

A server is called by its pin: the known_servers file of the home folder says which one is right at which
address. At a terminal you are asked about a server that is not in it.";
