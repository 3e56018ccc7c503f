//! `pinwire list`: prints the ids of documents, page by page.

use clap::Args;
use pinwire_client::Request;

use crate::exit::{self, Exit, Failure};
use crate::home::Home;
use crate::output;
use crate::reach::{Reached, ServerArgs, sayable};
use crate::said::Said;

/// Print the ids of documents
///
/// One a line, in their order, as the server's pages of ids come: all of them, unless --limit says fewer.
/// A document that is made or deleted meanwhile may be among them or not.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct ListArgs {
    /// Only ids that begin so; a prefix that begins with "-" stands behind "--"
    prefix: Option<String>,
    /// Only ids behind this one
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// At most so many ids
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Print each page as a line of JSON, with its status, headers and "ids"
    ///
    /// The header Next is there if more follow: --after goes on behind it.
    /// What fails before the server answers prints nothing on standard output: the exit status and standard
    /// error tell.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &ListArgs, home: &Home) -> Result<Exit, Failure> {
    args.page(args.after.as_deref())?;
    let server = args.server.reach(home)?;
    let mut place = Place { after: args.after.clone(), left: args.limit.unwrap_or(u64::MAX) };
    loop {
        match args.turn(&server, &mut place)? {
            Page::More => {}
            Page::Last(exit) => return Ok(exit),
        }
    }
}

/// How far the list has come.
struct Place {
    after: Option<String>,
    left: u64,
}

enum Page {
    More,
    Last(Exit),
}

impl ListArgs {
    fn page(&self, after: Option<&str>) -> Result<Request, Failure> {
        let mut request = Request::new("LIST").repeatable();
        if let Some(prefix) = self.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            request = request.arg(prefix);
        }
        if let Some(after) = after {
            request = request.header("After", after);
        }
        sayable(request)
    }

    fn turn(&self, server: &Reached<'_>, place: &mut Place) -> Result<Page, Failure> {
        let mut said = server.call(self.page(place.after.as_deref())?)?;
        let text = take_text(&mut said)?;
        let ids = cut(&mut said, text.lines().collect(), place.left);
        let is_read_on = self.print(&said, &ids)?;
        place.left -= ids.len() as u64;
        let next = said.header("Next").filter(|_| is_read_on && place.left > 0);
        let Some(next) = next else { return Ok(Page::Last(said.exit())) };
        // A server whose pages turn in a circle would never let this end.
        if place.after.as_deref().is_some_and(|after| next <= after) {
            let text =
                format!("the server's next page begins behind {next}, which is not behind the last one");
            return Err(Failure::new(Exit::Failed, text));
        }
        place.after = Some(next.to_owned());
        Ok(Page::More)
    }

    /// Whether anybody reads on: `| head` does not.
    fn print(&self, said: &Said, ids: &[&str]) -> Result<bool, Failure> {
        if self.json {
            let ids = said.status.is_ok().then_some(ids);
            return output::offer(format!("{}\n", said.json(ids)).as_bytes());
        }
        said.complain();
        let lines = ids.iter().fold(String::new(), |lines, id| lines + id + "\n");
        output::offer(lines.as_bytes())
    }
}

/// The page's lines; an error has none.
fn take_text(said: &mut Said) -> Result<String, Failure> {
    if said.status.is_err() {
        return Ok(String::new());
    }
    let text = String::from_utf8(std::mem::take(&mut said.body));
    text.map_err(|_| Failure::new(Exit::Failed, "the server's list of ids is not UTF-8 text"))
}

/// At most so many ids. The server's Next is behind those that are left out: whoever goes on there would
/// never see them.
fn cut<'a>(said: &mut Said, mut ids: Vec<&'a str>, most: u64) -> Vec<&'a str> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if ids.len() > most {
        ids.truncate(most);
        said.replace_header("Next", ids.last().copied().unwrap_or_default());
    }
    ids
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::help())
}

const EXAMPLES: &str = "\
Examples:
  pinwire list
  pinwire list employees/
  pinwire list employees/ --after employees/1-A --limit 10
  pinwire list --json | jq -r '.ids[]'";
