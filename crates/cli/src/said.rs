//! What a server said to a command, as people read it and as programs do.

use std::collections::BTreeMap;

use pinwire_client::Outcome;
use pinwire_server::proto::code::Code;
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output;

/// An answer: OK, or an error's code and text.
pub(crate) struct Said {
    pub(crate) status: Result<(), (String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the error leaves open what became of a command that may have changed something.
    pub(crate) is_in_doubt: bool,
}

impl Said {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    /// Puts this header in the place of those of its name.
    pub(crate) fn replace_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn exit(&self) -> Exit {
        match &self.status {
            Ok(()) => Exit::Done,
            Err((code, _)) => Exit::of(code),
        }
    }

    /// The version of a document, as the answer has it.
    pub(crate) fn version(&self) -> Result<&str, Failure> {
        self.header("Version").ok_or_else(|| {
            let text = "the answer has no header Version: this is no server of documents";
            Failure::new(Exit::Failed, text)
        })
    }

    /// For programs: status and headers in one line, and the body's ids where they are asked for.
    pub(crate) fn json(&self, ids: Option<&[&str]>) -> String {
        let (status, code, text) = match &self.status {
            Ok(()) => ("OK", None, None),
            Err((code, text)) => ("ERR", Some(code.as_str()), Some(text.as_str())),
        };
        let line = Line { status, code, text, headers: self.by_name(), ids };
        serde_json::to_string(&line).expect("nothing but text, and keys that are text")
    }

    /// For people: the server's line, if it is an error.
    pub(crate) fn complain(&self) {
        if let Err((code, text)) = &self.status {
            error_line(code, text);
        }
        if self.is_in_doubt {
            output::remark(Outcome::Unknown);
        }
    }

    /// For people: what is to be done about a conflict, if it is one, knowing the current version ("0": there
    /// is no document).
    pub(crate) fn conflict(&self, advice: impl FnOnce(&str) -> String) {
        let is_conflict = matches!(&self.status, Err((code, _)) if code == Code::Conflict.as_str());
        if let Some(version) = self.header("Version").filter(|_| is_conflict) {
            output::remark(advice(version));
        }
    }

    /// Names match without regard to case: the first spelling stands for all.
    fn by_name(&self) -> BTreeMap<&str, Values<'_>> {
        let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in &self.headers {
            let spelt = headers.keys().find(|other| other.eq_ignore_ascii_case(name)).copied();
            headers.entry(spelt.unwrap_or(name)).or_default().push(value);
        }
        headers.into_iter().map(|(name, values)| (name, Values::from(values))).collect()
    }
}

/// The server's line as it came: the first thing that a reader, or a script, looks for.
pub(crate) fn error_line(code: &str, text: &str) {
    let gap = if text.is_empty() { "" } else { ": " };
    output::remark(format_args!("ERR: {code}{gap}{text}"));
}

#[derive(Serialize)]
struct Line<'a> {
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    headers: BTreeMap<&'a str, Values<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<&'a [&'a str]>,
}

/// Of a header that came once, a text; of one that came again, an array.
#[derive(Serialize)]
#[serde(untagged)]
enum Values<'a> {
    One(&'a str),
    Many(Vec<&'a str>),
}

impl<'a> From<Vec<&'a str>> for Values<'a> {
    fn from(values: Vec<&'a str>) -> Values<'a> {
        match values[..] {
            [value] => Values::One(value),
            _ => Values::Many(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: Result<(), (&str, &str)>, headers: &[(&str, &str)]) -> Said {
        let owned = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
        let headers = headers.iter().copied().map(owned).collect();
        Said { status: status.map_err(owned), headers, body: b"body".to_vec(), is_in_doubt: false }
    }

    #[test]
    fn json_is_one_line() {
        let ok = said(Ok(()), &[("Version", "3"), ("Id", "a\"b")]);
        assert_eq!(ok.json(None), r#"{"status":"OK","headers":{"Id":"a\"b","Version":"3"}}"#);
        let err = said(Err(("conflict", "it is 7")), &[("Version", "7")]);
        let line = r#"{"status":"ERR","code":"conflict","text":"it is 7","headers":{"Version":"7"}}"#;
        assert_eq!(err.json(None), line);
        let page = said(Ok(()), &[]);
        assert_eq!(page.json(Some(&["a", "b"])), r#"{"status":"OK","headers":{},"ids":["a","b"]}"#);
    }

    #[test]
    fn a_header_that_comes_again_is_an_array() {
        let twice = said(Ok(()), &[("Tag", "a"), ("Other", "x"), ("tag", "b")]);
        assert_eq!(twice.json(None), r#"{"status":"OK","headers":{"Other":"x","Tag":["a","b"]}}"#);
        assert_eq!(twice.header("TAG"), Some("a"));
    }
}
