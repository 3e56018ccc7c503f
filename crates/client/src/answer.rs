//! What a command that went well brought.

/// A server's OK: headers and a body. An answer in parts is joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Its headers, without those of the protocol itself.
    pub headers: Vec<(String, String)>,
    /// Its body; empty if it had none.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the first header of this name, without regard to ASCII case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

pub(crate) fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}
