//! The trust file is edited again and again, with bad versions among the good ones, while two hundred clients come
//! and go: nobody who is on the list is refused or cut, nobody who is off it stays or gets in, and the server says of
//! each version what it did with it, once.
//!
//! Nothing is waited for but the server's own word. What holds once it was said is asked of everything begun after
//! it; what begins while an edit is under way may go either way.
//!
//! `PINWIRE_EDITS=1000 cargo test -p pinwire-server --test edits -- --nocapture` makes a thousand edits in place of
//! 250, and prints the figures. A program of its own, for it reads the log of its whole process. Linux only: each
//! client has a loopback address of its own, and the server's looks at the file are seen by inotify.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod crowd;
mod editor;
mod file;
mod log;
mod member;
mod news;
mod peer;
mod roll;

use std::time::Instant;

use editor::Editor;
use roll::{Bad, CUTS, KINDS};

#[test]
fn nobody_is_wronged_by_an_edit_good_or_bad() {
    let wanted = std::env::var("PINWIRE_EDITS").map_or(EDITS, |edits| edits.parse().unwrap());
    let began = Instant::now();
    let mut editor = Editor::begin();
    let mut cuts = (1..=CUTS).cycle();
    let mut cut = || Bad::Cut(cuts.next().unwrap());
    for round in 0.. {
        match round % 8 {
            2 => editor.replace_in_place(),
            5 => editor.replace_in_halves(),
            _ => editor.replace(),
        }
        editor.spoil(cut());
        let kind = if round % 4 == 3 { KINDS[round / 4 % KINDS.len()] } else { cut() };
        editor.spoil(kind);
        // Once each, and of a file as of what is none.
        let is_first = round < 4 * KINDS.len();
        if round == 0 || (is_first && matches!(kind, Bad::Empty | Bad::Folder | Bad::Itself)) {
            editor.linger();
        }
        if kind == Bad::Half || round % 5 == 0 {
            editor.mend();
        }
        if editor.edits() >= wanted {
            break;
        }
    }
    let figures = editor.end();
    println!("{figures}, in {:.1?}", began.elapsed());
}

/// Enough to cut a line at each of its bytes and to see every kind of bad version twice.
const EDITS: usize = 250;
