//! The sessions of README and the other pages, typed at a real terminal with the real program, show what the
//! pages say.
//!
//! A page has a server of its own, in a fresh home folder. Its ```console blocks are typed in their order; a
//! comment `<!-- restart -->` between them stops the server and starts it again. `…` stands for whatever it
//! is that differs from one run to the next.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

#[test]
fn the_sessions_of_all_pages_are_true() {
    let mut played = Vec::new();
    for page in pages() {
        let steps = steps(&fs::read_to_string(&page).unwrap());
        if steps.iter().any(|step| matches!(step, Step::Type(_))) {
            play(&page, &steps);
            played.push(page.file_name().unwrap().to_owned());
        }
    }
    assert!(played.iter().any(|page| page == "README.md"), "{played:?}");
}

/// What a page asks for.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Type(String),
    Restart,
}

/// README and its like, and the folder of docs: the pages of which `cargo xtask tidy` takes such blocks.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = [root.clone(), root.join("docs")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut pages: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    pages
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines() {
        match &mut block {
            Some(_) if line == "```" => steps.extend(block.take().map(Step::Type)),
            Some(text) => *text += &format!("{line}\n"),
            None if line == "```console" => block = Some(String::new()),
            None if line == "<!-- restart -->" => steps.push(Step::Restart),
            None => {}
        }
    }
    steps
}

fn play(page: &Path, steps: &[Step]) {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut server = Server::start(home.path(), "127.0.0.1:0");
    for step in steps {
        match step {
            Step::Type(block) => {
                let shown = typed(block, &server.address, home.path(), folder.path());
                assert!(
                    same(block, &shown),
                    "{} says:\n{block}\nand this was shown:\n{shown}",
                    page.display()
                );
            }
            Step::Restart => {
                let address = server.address.clone();
                server.stop();
                server = Server::start(home.path(), &address);
            }
        }
    }
}

fn typed(block: &str, server: &str, home: &Path, folder: &Path) -> String {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(block.as_bytes()).and_then(|()| input.rewind()).unwrap();
    let shown = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions.py"))
        .args([env!("CARGO_BIN_EXE_pinwire"), server])
        .env("PINWIRE_HOME", home)
        .current_dir(folder)
        .stdin(input)
        .output()
        .unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    String::from_utf8(shown.stdout).unwrap()
}

/// Line by line.
fn same(says: &str, shown: &str) -> bool {
    let fits = says.lines().zip(shown.lines()).all(|(says, shown)| line_fits(says, shown));
    fits && says.lines().count() == shown.lines().count()
}

fn line_fits(says: &str, mut shown: &str) -> bool {
    let Some((first, rest)) = says.split_once('…') else { return says == shown };
    let Some(behind) = shown.strip_prefix(first) else { return false };
    shown = behind;
    let (between, last) = rest.rsplit_once('…').map_or((None, rest), |(between, last)| (Some(between), last));
    for part in between.into_iter().flat_map(|between| between.split('…')) {
        let Some(at) = shown.find(part) else { return false };
        shown = &shown[at + part.len()..];
    }
    shown.ends_with(last)
}

/// A server that is killed when it goes.
struct Server {
    child: Child,
    address: String,
    /// Kept open: what else it says must find a reader.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start(home: &Path, listen: &str) -> Server {
        let mut program = Command::new(env!("CARGO_BIN_EXE_pinwire"));
        program.args(["serve", "--listen", listen]).env("PINWIRE_HOME", home);
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = said.find_map(|line| line.unwrap().strip_prefix("listening on ").map(str::to_owned));
        Server { child, address: address.expect("the server says where it listens"), _said: said }
    }

    /// As an operator does it.
    fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pages_are_taken_apart() {
    let page = "```console\n$ a\n```\n<!-- restart -->\n```sh\n$ not\n```\n```console\n$ b\nc\n```\n";
    let typed = |text: &str| Step::Type(text.to_owned());
    assert_eq!(steps(page), [typed("$ a\n"), Step::Restart, typed("$ b\nc\n")]);
}

#[test]
fn dots_stand_for_anything() {
    assert!(line_fits("a…c", "abbc") && line_fits("…", "") && line_fits("a…b…c…", "a1b2c3"));
    assert!(!line_fits("a…c", "abcd") && !line_fits("a…b…c", "ac") && !line_fits("a", "ab"));
    assert!(same("a\nb…\n", "a\nbc\n") && !same("a\n", "a\nb\n"));
}
