//! What a line of the trust file may say of its client, as options of the command line.

use clap::Args;
use pinwire_server::proto::trust::{Entry, Pin};

use crate::exit::Failure;

/// What `add` and `approve` take alike.
#[derive(Args, Debug)]
pub(super) struct OptionArgs {
    /// Words for whoever reads the file
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Only these commands, with commas between them [default: all that are not administration]
    #[arg(long, value_name = "COMMAND,...")]
    commands: Option<String>,
    /// Administration too
    #[arg(long)]
    admin: bool,
    /// Only from these addresses and networks, with commas between them [default: from anywhere]
    #[arg(long, value_name = "ADDRESS,...")]
    from: Option<String>,
    /// Until the end of this day, UTC, or until this time: 2027-01-31, 2027-01-31T12:00:00+02:00
    #[arg(long, value_name = "DATE|TIME")]
    expires: Option<String>,
    /// At most so many connections at a time [default: any number]
    #[arg(long, value_name = "COUNT")]
    connections: Option<String>,
}

impl OptionArgs {
    /// The entry that lets `pin` in and says this.
    pub(super) fn entry(&self, pin: Pin, name: Option<&str>) -> Result<Entry, Failure> {
        let words = self.words(name);
        let entry = Entry::with(pin, &words).map_err(|error| {
            let option = words.get(error.word).map(String::as_str).unwrap_or_default();
            Failure::usage(format!("--{}: {error}", option.split('=').next().unwrap_or_default()))
        })?;
        if self.comment.as_ref().is_some_and(|comment| comment.contains(char::is_control)) {
            return Err(Failure::usage("--comment: a comment is one line without control characters"));
        }
        Ok(Entry { comment: self.comment.clone(), ..entry })
    }

    /// As the file has them.
    fn words(&self, name: Option<&str>) -> Vec<String> {
        let values = [
            ("name", name),
            ("commands", self.commands.as_deref()),
            ("from", self.from.as_deref()),
            ("expires", self.expires.as_deref()),
            ("connections", self.connections.as_deref()),
        ];
        let words = values.into_iter().filter_map(|(option, value)| Some(format!("{option}={}", value?)));
        words.chain(self.admin.then(|| "admin".to_owned())).collect()
    }
}
