//! The server of a page, and what it says.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// Lines that a process says, each as it comes.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(said: impl Read + Send + 'static) -> Lines {
        let (say, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(said).lines().map_while(Result::ok);
            // Read to the end: whoever says it must find a reader.
            lines.by_ref().take_while(|line| say.send(line.clone()).is_ok()).for_each(drop);
            lines.for_each(drop);
        });
        Lines(heard)
    }

    /// The next one; `None`: there is none, or none came for so long that something hangs.
    pub(crate) fn next(&self) -> Option<String> {
        self.0.recv_timeout(HANG).ok()
    }
}

/// A server that is killed when it goes.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    _said: Lines,
    log: Lines,
}

impl Server {
    pub(crate) fn start(home: &Path, listen: &str) -> Server {
        let mut program = Command::new(env!("CARGO_BIN_EXE_pinwire"));
        program.args(["serve", "--listen", listen]).env("PINWIRE_HOME", home).env("USER", "operator");
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Lines::of(child.stdout.take().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        let mut lines = std::iter::from_fn(|| said.next());
        let address = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        Server { child, address: address.expect("the server says where it listens"), _said: said, log }
    }

    /// As an operator does it.
    pub(crate) fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }

    /// Reads the log up to a line that `is_meant`.
    pub(crate) fn hear(&self, heard: &mut Vec<String>, mut is_meant: impl FnMut(&str) -> bool) -> bool {
        while let Some(line) = self.log.next() {
            heard.push(line);
            if heard.last().is_some_and(|line| is_meant(line)) {
                return true;
            }
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ten times what a server or a command may take on a busy machine.
const HANG: Duration = Duration::from_secs(30);
