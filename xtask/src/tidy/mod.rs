//! The checks that no other tool makes. Each is a function from the project's files to what is wrong
//! with them, one line a problem, and has tests that show it failing.

mod blocks;
mod codes;
mod directions;
mod limits;
mod links;
mod sources;
mod versions;

use crate::repo::Repo;
use std::path::Path;

/// What is wrong, a line each: where, what, and what to do about it.
type Problems = Vec<String>;

/// A check that can go no further ends with the problem that stopped it.
type Check = fn(&Repo) -> Result<Problems, String>;

const CHECKS: &[(&str, Check)] = &[
    ("crate directions", directions::check),
    ("versions", versions::check),
    ("codes", codes::check),
    ("limits", limits::check),
    ("links", links::check),
    ("blocks", blocks::check),
    ("sources", sources::check),
];

/// Runs every check and prints every problem.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let repo = Repo::read(root)?;
    let mut count = 0;
    for (name, check) in CHECKS {
        for problem in check(&repo).unwrap_or_else(|problem| vec![problem]) {
            println!("tidy: {name}: {problem}");
            count += 1;
        }
    }
    match count {
        0 => Ok(()),
        1 => Err("1 problem".to_owned()),
        _ => Err(format!("{count} problems")),
    }
}

/// For tests: the one problem that this project has.
#[cfg(test)]
#[track_caller]
fn one_problem(check: Check, files: &[(&str, &str)]) -> String {
    let mut problems = check(&Repo::of(files)).unwrap_or_else(|problem| vec![problem]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.remove(0)
}
