//! The option --body, which says the same to every command that has it.

use std::path::Path;

use clap::Args;

use crate::exit::Failure;
use crate::files;

/// What a command sends.
#[derive(Args, Debug)]
pub(crate) struct BodyArgs {
    /// The body: the text itself, "@FILE" for a file's content, "-" for standard input
    #[arg(long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    body: Option<String>,
}

impl BodyArgs {
    /// The bytes, if the option was given.
    pub(crate) fn read(&self) -> Result<Option<Vec<u8>>, Failure> {
        self.body.as_deref().map(read).transpose()
    }
}

fn read(body: &str) -> Result<Vec<u8>, Failure> {
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
