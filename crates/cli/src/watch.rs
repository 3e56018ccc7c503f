//! `pinwire watch`: prints each change of the documents, as it is made, in a line of its own.

use clap::Args;
use pinwire_client::{Change, Error};

use crate::exit::{self, Exit, Failure};
use crate::home::Home;
use crate::output;
use crate::reach::{Reached, ServerArgs, sayable};
use crate::said::Said;

/// Print the changes of documents as they are made
///
/// A line a change: its version, "put" or "delete", the document's id and what was put. What would not stand as
/// text in one line is escaped: \n, \r, \t, \\ for a backslash, \xHH for a byte; printf %b of bash undoes it.
///
/// It goes on until Ctrl-C. A connection that is lost comes back, and no change is left out or printed twice.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct WatchArgs {
    /// Only documents whose ids begin so; a prefix that begins with "-" stands behind "--"
    prefix: Option<String>,
    /// Print the changes from this version on first, as far back as the server keeps them
    ///
    /// Without it, only what is changed from now on.
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u64).range(..=MOST))]
    from: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &WatchArgs, home: &Home) -> Result<Exit, Failure> {
    let prefix = args.prefix.as_deref().unwrap_or_default();
    if !prefix.is_empty() {
        sayable(pinwire_client::Request::new("WATCH").arg(prefix))?;
    }
    let server = args.server.reach_lasting(home)?;
    let watch = match server.watch(prefix, args.from) {
        Ok(watch) => watch.on_lost(|error| output::remark(format_args!("{}; trying again", reason(error)))),
        Err(error) => return over(&server, error),
    };
    output::remark(format_args!("watching from version {} on", watch.version().saturating_add(1)));
    for change in watch {
        match change {
            Ok(change) if output::offer(line(&change).as_bytes())? => {}
            // `| head` has seen enough.
            Ok(_) => break,
            Err(error) => return over(&server, error),
        }
    }
    Ok(Exit::Done)
}

/// Says why it is over, and what can be done.
fn over(server: &Reached<'_>, error: Error) -> Result<Exit, Failure> {
    // A watch changes nothing: that its end is all that is known of it leaves nothing in doubt.
    let said = server.said(Err(error), true)?;
    said.complain();
    if is_history_gone(&said) {
        output::remark(GONE);
    }
    Ok(said.exit())
}

/// Why it has to begin again, without what became of the command: it changes nothing.
fn reason(error: &Error) -> String {
    match error {
        Error::Lost { why, .. } => why.clone(),
        Error::Reply { code, .. } | Error::Closed { code, .. } => format!("the server ended it: {code}"),
        other => other.to_string(),
    }
}

fn is_history_gone(said: &Said) -> bool {
    matches!(&said.status, Err((code, _)) if code == "history-gone")
}

fn line(change: &Change) -> String {
    let Change { version, id, body } = change;
    let id = escaped(id.as_bytes());
    match body {
        Some(body) => format!("{version} put {id} {}\n", escaped(body)),
        None => format!("{version} delete {id}\n"),
    }
}

/// What may stand in a line as it is, and escapes for the rest; it can be undone.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push(&mut text, c));
        chunk.invalid().iter().for_each(|byte| push_byte(&mut text, *byte));
    }
    text
}

fn push(text: &mut String, c: char) {
    match c {
        '\\' => text.push_str(r"\\"),
        '\n' => text.push_str(r"\n"),
        '\r' => text.push_str(r"\r"),
        '\t' => text.push_str(r"\t"),
        _ if c.is_control() || breaks_lines(c) => {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_byte(text, byte));
        }
        _ => text.push(c),
    }
}

fn push_byte(text: &mut String, byte: u8) {
    text.push_str(&format!(r"\x{byte:02x}"));
}

/// Unicode's own ends of lines, and what turns the direction of the text that follows: no control characters by
/// their class, and yet a line would not be read as it is.
fn breaks_lines(c: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'];
    matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') || turns.contains(&c)
}

/// The largest version that the protocol has digits for.
const MOST: u64 = 9_999_999_999_999_999_999;

const GONE: &str = "the server does not keep changes so old: --from with the version that it names begins at the \
                    oldest, and some were missed; `pinwire list` and `pinwire get` show what is there now";

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::help())
}

const EXAMPLES: &str = "\
Examples:
  pinwire watch
  pinwire watch employees/
  pinwire watch employees/ --from 1
  pinwire watch | while read -r version change id body; do echo \"$id\"; done";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line_whatever_is_in_it() {
        let put = |body: &[u8]| line(&Change { version: 7, id: "a".to_owned(), body: Some(body.to_vec()) });
        assert_eq!(put(br#"{"name":"Ann"}"#), "7 put a {\"name\":\"Ann\"}\n");
        assert_eq!(put("größer ☃".as_bytes()), "7 put a größer ☃\n");
        assert_eq!(put(b"a\r\n\tb\\n"), "7 put a a\\r\\n\\tb\\\\n\n");
        assert_eq!(put(b"\x1b[2J\0\x7f"), "7 put a \\x1b[2J\\x00\\x7f\n");
        assert_eq!(put(b"\xff\xe2\x82ok"), "7 put a \\xff\\xe2\\x82ok\n");
        assert_eq!(put("\u{9b}31m\u{2028}\u{202e}".as_bytes()), {
            "7 put a \\xc2\\x9b31m\\xe2\\x80\\xa8\\xe2\\x80\\xae\n"
        });
        assert_eq!(put(b""), "7 put a \n");
        let gone = Change { version: 8, id: "\u{202e}".to_owned(), body: None };
        assert_eq!(line(&gone), "8 delete \\xe2\\x80\\xae\n");
    }
}
