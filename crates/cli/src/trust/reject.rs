//! `pinwire trust reject`: forgets a stranger.

use std::path::Path;

use clap::Args;
use pinwire_server::beside::How;

use super::approve::find;
use super::editing::Editing;
use crate::exit::{Exit, Failure};
use crate::output;

/// Turn a stranger away for good, who waits in `pinwire trust pending`
///
/// It is not shown there until it comes again, and then with the date of today; to let it in all the same takes
/// `approve --again`.
#[derive(Args, Debug)]
pub(super) struct RejectArgs {
    /// The beginning of its pin's digits, 16 at least, that no other stranger's has
    #[arg(value_name = "BEGINNING")]
    beginning: String,
}

pub(super) fn run(args: &RejectArgs, file: &Path) -> Result<Exit, Failure> {
    let editing = Editing::begin(file)?;
    let stranger = find(&args.beginning, file)?.stranger;
    editing.note(stranger.pin, None, How::Rejected)?;
    output::remark(format_args!("{}: {} is rejected", file.display(), stranger.pin));
    Ok(Exit::Done)
}
