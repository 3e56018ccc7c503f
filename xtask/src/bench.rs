//! Starts the benchmark, which is built for release and apart from the chores: `benches/server`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program `pinwire`, built as it is released.
fn program(root: &Path) -> Result<PathBuf, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--release", "--package", "pinwire-cli", "--message-format", "json"]);
    let built = cargo.current_dir(root).stderr(Stdio::inherit()).output();
    let built = built.map_err(|error| format!("cargo cannot be started: {error}"))?;
    let messages = String::from_utf8_lossy(&built.stdout);
    let path =
        messages.lines().rev().find_map(|line| line.split_once("\"executable\":\"")?.1.split('"').next());
    path.map(PathBuf::from).ok_or_else(|| format!("the program was not built: {}", built.status))
}

/// What no noise disturbs, against the figures that are committed.
pub(crate) fn guards(root: &Path, options: &[&str]) -> Result<(), String> {
    run(root, &[&["guards"], options].concat())
}

/// Runs it with these options; it reads and explains them itself.
pub(crate) fn run(root: &Path, options: &[&str]) -> Result<(), String> {
    let mut cargo = Command::new("cargo");
    if options.contains(&"trust") {
        cargo.env("PINWIRE_PROGRAM", program(root)?);
    }
    cargo.args(["bench", "--quiet", "--package", "xtask", "--bench", "server", "--"]);
    match cargo.args(options).current_dir(root).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the benchmark failed: {status}")),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
    }
}
