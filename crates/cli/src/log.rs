//! The log on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::exit::Failure;

/// Writes events that `filter` lets through ("info", "pinwire_server=debug,warn") to standard error.
pub(crate) fn start(filter: &str) -> Result<(), Failure> {
    // A lone word that is no level would be taken for a target, and silence everything else.
    if !filter.contains(['=', ',', '[', ':']) && filter.parse::<LevelFilter>().is_err() {
        let text = format!("--log {filter:?} is none of off, error, warn, info, debug and trace");
        return Err(Failure::usage(text));
    }
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!("--log {filter:?}: {error}; say for example info, or pinwire_server=debug"))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        // It would say on standard error that standard error cannot be written: a panic, in the midst of a turn.
        .log_internal_errors(false)
        .init();
    Ok(())
}
