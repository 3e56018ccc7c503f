//! The sessions of README and the other pages, typed at a real terminal with the real program, show what the
//! pages say.
//!
//! A page has a server of its own, in a fresh home folder. Its ```console blocks are typed in their order, `$ …`
//! by the server's operator and `alice$ …` by somebody with a home folder of her own, both in one folder. A
//! comment of its own before a block says more:
//!
//! - `<!-- restart -->`: the server stops and starts.
//! - `<!-- runs -->`: the block's last line still runs when it has shown that.
//! - `<!-- goes on -->`: what it shows then, to its end; `<!-- goes on and runs -->`: and it still runs.
//! - `<!-- log -->`: what the server's log says, in this order, other lines aside.
//!
//! `…` stands for whatever it is that differs from one run to the next, and as a line of its own for lines that do
//! not matter there; sixteen hexadecimal digits stand for those of a pin, the same everywhere on the page. 127.0.0.1:4433 is the server, 127.0.0.1:4434 is free.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod fits;
mod page;
mod player;
mod server;

use std::fs;
use std::path::{Path, PathBuf};

use page::Step;
use player::Player;

#[test]
fn the_sessions_of_all_pages_are_true() {
    let mut played = Vec::new();
    for page in pages() {
        let steps = page::steps(&fs::read_to_string(&page).unwrap());
        if steps.iter().any(|step| matches!(step, Step::Type { .. })) {
            let mut player = Player::new(page.file_name().unwrap().to_string_lossy().into_owned());
            steps.iter().for_each(|step| player.play(step));
            played.push(page.file_name().unwrap().to_owned());
        }
    }
    for page in ["README.md", "trust.md"] {
        assert!(played.iter().any(|other| other == page), "{played:?}");
    }
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
