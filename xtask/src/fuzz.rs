//! Builds a fuzz target with libFuzzer and lets it search for a while. With stable Rust: coverage is asked of
//! LLVM itself, as cargo-fuzz does. There is no address sanitizer, because there is no unsafe code.

use crate::ci::run;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// Searches with a target: `TARGET [--seconds N | --runs N] [--keep]`.
pub(crate) fn fuzz(root: &Path, options: &[&str]) -> Result<(), String> {
    let (options, keeps) = match options {
        [options @ .., "--keep"] => (options, true),
        _ => (options, false),
    };
    let (target, end) = match *options {
        [target] => (target, format!("-max_total_time={SECONDS}")),
        [target, "--seconds", seconds] => (target, format!("-max_total_time={seconds}")),
        [target, "--runs", runs] => (target, format!("-runs={runs}")),
        _ => return Err("usage: cargo xtask fuzz TARGET [--seconds N | --runs N] [--keep]".to_owned()),
    };
    if !root.join("fuzz/fuzz_targets").join(format!("{target}.rs")).is_file() {
        return Err(format!("fuzz/fuzz_targets has no {target}.rs"));
    }
    let binary = build(root, target)?;
    let corpus = root.join("fuzz/corpus").join(target);
    // Apart from the corpus, and kept from one search to the next.
    let found = binary.with_extension("found");
    make(&found)?;
    search(root, target, &binary, &[&found, &corpus], end)?;
    if keeps { keep(root, &binary, &corpus, &found) } else { Ok(()) }
}

/// The target's binary, and a folder of its own for it: its flags would rebuild everything else.
fn build(root: &Path, target: &str) -> Result<PathBuf, String> {
    let host = host()?;
    let folder = crate::archives::target(root).join("fuzz");
    let status = Command::new("cargo")
        .args(["build", "--release", "--package", "pinwire-fuzz", "--bin", target])
        // Named, so that build scripts and macros are not searched as well.
        .args(["--target", &host])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", FLAGS.join(" "))
        .envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")])
        .current_dir(root)
        .status();
    match status {
        Ok(status) if status.success() => Ok(folder.join(host).join("release").join(target)),
        Ok(status) => Err(format!("cargo ended with {status}")),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
    }
}

fn search(root: &Path, target: &str, binary: &Path, corpora: &[&Path], end: String) -> Result<(), String> {
    let artifacts = root.join("fuzz/artifacts").join(target);
    make(&artifacts)?;
    let mut options = vec![
        end,
        format!("-artifact_prefix={}/", artifacts.display()),
        format!("-dict={}", root.join("fuzz/words.dict").display()),
    ];
    options.extend(LIMITS.iter().map(|limit| (*limit).to_owned()));
    start(root, binary, options, corpora)
}

/// The fewest inputs that reach all that was reached become the corpus.
fn keep(root: &Path, binary: &Path, corpus: &Path, found: &Path) -> Result<(), String> {
    let fewest = binary.with_extension("fewest");
    let wrong = |error: io::Error| format!("{}: {error}", corpus.display());
    empty(&fewest)?;
    start(root, binary, MERGE.map(str::to_owned).into(), &[&fewest, corpus, found])?;
    empty(corpus)?;
    let files: Result<Vec<_>, _> = fs::read_dir(&fewest).map_err(wrong)?.collect();
    let mut files = files.map_err(wrong)?;
    // Where they are too many, the longest reach most.
    files.sort_by_key(|file| (file.metadata().map_or(0, |it| it.len()), file.file_name()));
    for file in files.iter().rev().take(MOST_FILES) {
        fs::copy(file.path(), corpus.join(file.file_name())).map_err(wrong)?;
    }
    Ok(())
}

fn start(root: &Path, binary: &Path, options: Vec<String>, folders: &[&Path]) -> Result<(), String> {
    let folders = folders.iter().map(|folder| folder.display().to_string());
    let words: Vec<String> =
        std::iter::once(binary.display().to_string()).chain(options).chain(folders).collect();
    run(root, &words.iter().map(String::as_str).collect::<Vec<_>>(), None)
}

fn make(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn empty(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => make(folder),
    }
}

fn host() -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("-vV").output().map_err(|error| format!("rustc: {error}"))?;
    let said = String::from_utf8_lossy(&said.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say its host".to_owned())
}

/// What makes a binary libFuzzer's: its edges counted, its comparisons seen, its assertions kept.
const FLAGS: &[&str] = &[
    "--cfg fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "-Coverflow-checks",
];

const SECONDS: &str = "60";

/// An input's most bytes is what the corpus may hold; one that takes seconds is a finding too.
const LIMITS: &[&str] = &["-max_len=4000", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"];

/// By the edges that they reach, however often: a corpus is for replaying, not for searching on.
const MERGE: [&str; 2] = ["-set_cover_merge=1", "-use_counters=0"];

/// As the test of the corpora has it.
const MOST_FILES: usize = 100;
