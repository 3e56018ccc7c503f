//! Starts the benchmark, which is built for release and apart from the chores: `benches/server`.

use std::path::Path;
use std::process::Command;

/// Runs it with these options; it reads and explains them itself.
pub(crate) fn run(root: &Path, options: &[&str]) -> Result<(), String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--quiet", "--package", "xtask", "--bench", "server", "--"]);
    match cargo.args(options).current_dir(root).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the benchmark failed: {status}")),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
    }
}
