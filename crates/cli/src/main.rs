//! The program `pinwire`: one file per subcommand, and here nothing but the way to it and back.

mod approval;
mod body;
mod call;
mod delete;
mod exit;
mod files;
mod get;
mod home;
mod identity;
mod keygen;
mod list;
mod log;
mod output;
mod pin;
mod put;
mod reach;
mod said;
mod serve;
mod setup;
mod store;
mod strangers;
mod trust;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, Failure};
use home::HomeArgs;

/// A connection keeps a few small blocks, two of them aligned, and a handshake thousands of bytes for a moment. What
/// glibc's malloc leaves unused between them is a fifth of an idle connection: `cargo xtask bench idle`.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Commands behind mutual TLS: every client is known by its key.
///
/// A server answers text commands ("GET employees/1-A") of clients whose certificates are pinned, one by
/// one, in a file. Start one with `pinwire serve`; from another terminal give it a document with `pinwire put`,
/// and send any command with `pinwire call`.
#[derive(Parser, Debug)]
#[command(name = "pinwire", version, after_help = EXAMPLES, after_long_help = long_help())]
struct Program {
    #[command(flatten)]
    home: HomeArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Serve(serve::ServeArgs),
    Get(get::GetArgs),
    Put(put::PutArgs),
    Delete(delete::DeleteArgs),
    List(list::ListArgs),
    Watch(watch::WatchArgs),
    Call(call::CallArgs),
    Keygen(keygen::KeygenArgs),
    Pin(pin::PinArgs),
    Trust(trust::TrustArgs),
}

fn main() -> ExitCode {
    match run(Program::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::complain(&failure);
            failure.exit.into()
        }
    }
}

fn run(program: Program) -> Result<Exit, Failure> {
    let home = program.home.locate()?;
    match program.command {
        Command::Serve(args) => serve::run(&args, &home),
        Command::Get(args) => get::run(&args, &home),
        Command::Put(args) => put::run(&args, &home),
        Command::Delete(args) => delete::run(&args, &home),
        Command::List(args) => list::run(&args, &home),
        Command::Watch(args) => watch::run(&args, &home),
        Command::Call(args) => call::run(&args, &home),
        Command::Keygen(args) => keygen::run(&args, &home),
        Command::Pin(args) => pin::run(&args, &home),
        Command::Trust(args) => trust::run(&args, &home),
    }
}

const EXAMPLES: &str = "\
Examples:
  pinwire serve
  pinwire put employees/1-A --body 'Ada Lovelace'
  pinwire get employees/1-A
  pinwire call WHOAMI
  pinwire trust add alice.crt --name alice";

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::help())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Program::command().debug_assert();
    }
}
