//! README's session, typed at a real terminal with the real program, shows what README says.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn the_session_in_the_readme_is_true() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let program = env!("CARGO_BIN_EXE_pinwire");
    let home = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("PINWIRE_HOME", home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Server)
        .unwrap();
    let said = BufReader::new(server.0.stdout.take().unwrap());
    let address = said
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("listening on ").map(str::to_owned))
        .expect("the server says where it listens");

    let shown = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readme.py"))
        .args([&readme, Path::new(program)])
        .arg(&address)
        .env("PINWIRE_HOME", home.path())
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));

    let readme = std::fs::read_to_string(readme).unwrap();
    let block = readme.split("<!-- session -->").nth(1).unwrap().split("```console\n").nth(1).unwrap();
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), block.split("```").next().unwrap());
}
