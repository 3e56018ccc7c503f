//! What the commands take: their words and headers, checked. An error says what was wrong and what was
//! expected.

use pinwire_server::Command;

use crate::{Id, LIST, Listing, Version};

/// PUT's id and `If-Version`.
pub(crate) fn put<'a>(command: &Command<'a>) -> Result<(Id<'a>, Option<Version>), String> {
    let id = only_id(command, "PUT")?;
    if !command.has_body() {
        let want =
            "PUT takes the document as its body: send one (with `pinwire call`: --body), be it an empty one";
        return Err(want.to_owned());
    }
    Ok((id, if_version(command)?))
}

/// GET's id.
pub(crate) fn get<'a>(command: &Command<'a>) -> Result<Id<'a>, String> {
    let id = only_id(command, "GET")?;
    no_body(command, "GET")?;
    Ok(id)
}

/// DELETE's id and `If-Version`.
pub(crate) fn delete<'a>(command: &Command<'a>) -> Result<(Id<'a>, Option<Version>), String> {
    let id = only_id(command, "DELETE")?;
    no_body(command, "DELETE")?;
    match if_version(command)? {
        Some(0) => {
            Err("If-Version: 0 means that there is no document; DELETE takes the version of one".into())
        }
        expected => Ok((id, expected)),
    }
}

/// LIST's prefix and `After`.
pub(crate) fn list<'a>(command: &Command<'a>) -> Result<Listing<'a>, String> {
    let prefix = prefix(command, "LIST")?;
    Ok(Listing { prefix, after: after(command)?, at_most: LIST })
}

/// WATCH's prefix and `From`.
pub(crate) fn watch<'a>(command: &Command<'a>) -> Result<(&'a str, Option<Version>), String> {
    let prefix = prefix(command, "WATCH")?;
    Ok((prefix, version(command, "From", "")?))
}

/// The command's one argument, if it has one; and no body.
fn prefix<'a>(command: &Command<'a>, name: &str) -> Result<&'a str, String> {
    no_body(command, name)?;
    let mut args = command.args();
    let prefix = args.next().unwrap_or_default();
    match args.count() {
        0 => Ok(prefix),
        more => Err(format!("{name} takes at most one argument, the beginning of the ids, not {}", more + 1)),
    }
}

/// The command's one argument.
fn only_id<'a>(command: &Command<'a>, name: &str) -> Result<Id<'a>, String> {
    let mut args = command.args();
    match (args.next(), args.count()) {
        (Some(id), 0) => Id::parse(id).map_err(|bad| bad.to_string()),
        (None, _) => Err(format!("{name} takes one argument, the document's id")),
        (Some(_), more) => Err(format!("{name} takes one argument, the document's id, not {}", more + 1)),
    }
}

// A client that says `Size: 0` with every command has sent none.
fn no_body(command: &Command<'_>, name: &str) -> Result<(), String> {
    match command.body().len() {
        0 => Ok(()),
        bytes => Err(format!("{name} takes no body; {bytes} bytes came")),
    }
}

fn if_version(command: &Command<'_>) -> Result<Option<Version>, String> {
    version(command, "If-Version", " (0: there is no document)")
}

/// A header that holds a version; `note` is what else is to be said of one.
fn version(command: &Command<'_>, name: &str, note: &str) -> Result<Option<Version>, String> {
    let Some(value) = only_header(command, name)? else { return Ok(None) };
    // "1*19DIGIT": `parse` alone would take a sign, and a twentieth digit.
    let is_number = (1..=19).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse() {
        Ok(version) if is_number => Ok(Some(version)),
        _ => Err(format!("{name} takes a version, 1 to 19 digits{note}, not {value:?}")),
    }
}

fn after<'a>(command: &Command<'a>) -> Result<Option<Id<'a>>, String> {
    let value = only_header(command, "After")?;
    value.map(Id::parse).transpose().map_err(|bad| format!("After takes the id behind which to go on: {bad}"))
}

fn only_header<'a>(command: &Command<'a>, name: &str) -> Result<Option<&'a str>, String> {
    let mut values = command.headers().filter(|header| header.0.eq_ignore_ascii_case(name));
    match (values.next(), values.count()) {
        (first, 0) => Ok(first.map(|header| header.1)),
        (_, more) => Err(format!("{name} comes {} times; it is taken once", more + 1)),
    }
}
