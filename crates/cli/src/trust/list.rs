//! `pinwire trust list`: shows who is let in.

use std::path::Path;

use clap::Args;
use pinwire_server::proto::trust::{Entry, TrustList};
use serde::Serialize;

use super::entries;
use crate::exit::{Exit, Failure};
use crate::identity::now_unix;
use crate::output;

/// Show who is let in: name, pin, what it may do, comment
///
/// In the file's order, and of entries that have expired this is said. Whether a server takes the file,
/// `pinwire trust check` says.
#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// Print each entry as a line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ListArgs, file: &Path) -> Result<Exit, Failure> {
    let Some(list) = entries(file)? else {
        let text = "it is not there, so nobody is let in; `pinwire trust add` makes it";
        return Err(Failure::file(file, text));
    };
    if list.is_empty() {
        output::remark(format_args!("{}: nobody is let in", file.display()));
        return Ok(Exit::Done);
    }
    let now = now_unix();
    let text = if args.json { json(&list, now) } else { table(&list, now) };
    output::print(text.as_bytes())?;
    Ok(Exit::Done)
}

/// Whether its time is over.
pub(super) fn has_expired(entry: &Entry, now: i64) -> bool {
    entry.expires.as_ref().is_some_and(|expires| expires.at <= now)
}

fn table(list: &TrustList, now: i64) -> String {
    let rows: Vec<[String; 4]> = list.entries().iter().map(|entry| row(entry, now)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (name, pin, options) = (width(0), width(1), width(2));
    let line = |row: &[String; 4]| {
        let line = format!("{:name$}  {:pin$}  {:options$}  {}", row[0], row[1], row[2], row[3]);
        line.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn row(entry: &Entry, now: i64) -> [String; 4] {
    let expired = if has_expired(entry, now) { "  (expired)" } else { "" };
    [
        entry.name.clone().unwrap_or_else(|| "-".to_owned()),
        entry.pin.to_string(),
        options(entry) + expired,
        entry.comment.as_ref().map_or_else(String::new, |comment| format!("# {comment}")),
    ]
}

/// All that stands between name and comment, as the file has it.
fn options(entry: &Entry) -> String {
    let bare = Entry { name: None, comment: None, ..entry.clone() };
    let (pin, line) = (bare.pin.to_string(), bare.to_string());
    line[pin.len()..].trim_start().to_owned()
}

fn json(list: &TrustList, now: i64) -> String {
    let line = |entry: &Entry| {
        let line = Line {
            line: entry.line,
            pin: entry.pin.to_string(),
            name: entry.name.as_deref(),
            commands: entry.commands.as_deref(),
            admin: entry.admin,
            from: from(entry),
            expires: entry.expires.as_ref().map(ToString::to_string),
            expired: has_expired(entry, now),
            connections: entry.connections,
            comment: entry.comment.as_deref(),
        };
        serde_json::to_string(&line).expect("nothing but text, numbers and lists of them") + "\n"
    };
    list.entries().iter().map(|entry| line(entry)).collect()
}

/// As the file has them.
fn from(entry: &Entry) -> Vec<String> {
    let write = |alone: bool, whole: String| match whole.split_once('/') {
        Some((address, _)) if alone => address.to_owned(),
        _ => whole,
    };
    let networks = entry.from.iter();
    networks.map(|net| write(net.prefix_len() == net.max_prefix_len(), net.to_string())).collect()
}

#[derive(Serialize)]
struct Line<'a> {
    line: usize,
    pin: String,
    name: Option<&'a str>,
    commands: Option<&'a [String]>,
    admin: bool,
    from: Vec<String>,
    expires: Option<String>,
    expired: bool,
    connections: Option<u32>,
    comment: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinwire_server::proto::trust::Sha1;

    #[test]
    fn columns_stand_under_one_another() {
        let (one, two) = (format!("spki-sha256:{}", "1".repeat(64)), format!("sha256:{}", "2".repeat(64)));
        let text = format!(
            "{one}  name=alice  commands=GET,LIST  admin  # since May\n\
             {two}  expires=2027-01-31\n"
        );
        let list = TrustList::parse(text.as_bytes(), Sha1::Refuse).unwrap();
        let ends = list.entries()[1].expires.as_ref().unwrap().at;
        assert_eq!(
            table(&list, ends - 1),
            format!(
                "alice  {one}  commands=GET,LIST  admin  # since May\n-      {two}       expires=2027-01-31\n"
            )
        );
        assert!(table(&list, ends).contains("expires=2027-01-31  (expired)\n"));
        let last = json(&list, ends);
        assert!(last.contains(r#""expires":"2027-01-31","expired":true,"connections":null"#), "{last}");
    }
}
