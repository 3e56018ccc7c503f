//! The chores of the project. `cargo xtask ci` is all that CI checks; `cargo xtask tidy` is the part of
//! it that no other tool does: crate directions, versions, docs against code. Ships nothing.

mod archives;
mod bench;
mod ci;
mod fuzz;
mod manifest;
mod markdown;
mod repo;
mod rust_text;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask ci [--allow-dirty]   all that CI checks; --allow-dirty packages what is not committed
       cargo xtask tidy                 crate directions, versions, docs against code
       cargo xtask bench [--quick]      what a request, a handshake and an idle connection cost the server
       cargo xtask bench idle           what an idle connection costs the program in memory
       cargo xtask bench documents      durable PUTs a second, and what a GET costs the server
       cargo xtask bench fairness       how long others wait beside a connection that asks for much
       cargo xtask bench layers         a request over each record layer, and without one
       cargo xtask bench storm          what clients feel of 2,000 connections a second of strangers
       cargo xtask bench trust          how long a removal takes to cut 5,000 of 10,000 busy connections
       cargo xtask guards [--print]     instructions, allocations and system calls, against what is committed
       cargo xtask fuzz TARGET [--seconds N | --runs N] [--keep]
                                        searches for bytes that break a target, 60 s unless told otherwise";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["ci"] => ci::ci(&root(), ci::Tree::Committed),
        ["ci", "--allow-dirty"] => ci::ci(&root(), ci::Tree::Dirty),
        ["tidy"] => tidy::run(&root()),
        ["bench", ref options @ ..] => bench::run(&root(), options),
        ["guards", ref options @ ..] => bench::guards(&root(), options),
        ["fuzz", ref options @ ..] => fuzz::fuzz(&root(), options),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder: the one above this crate's.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
