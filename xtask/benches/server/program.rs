//! The program itself as the server: `pinwire serve`, started as a user starts it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::words;

/// Where the program is, built for release: `cargo xtask bench` says it in the environment.
pub(crate) fn path() -> Result<PathBuf, String> {
    let path = std::env::var_os("PINWIRE_PROGRAM").ok_or("`cargo xtask bench` says where the program is")?;
    Ok(path.into())
}

/// `pinwire serve`, in a home that is gone with it.
pub(crate) struct Server {
    program: PathBuf,
    home: PathBuf,
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(program: &Path, trusted: &str) -> Result<Server, String> {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("program-{}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        words(fs::create_dir_all(&home))?;
        words(fs::write(home.join("trusted"), trusted))?;
        let mut child = pinwire(program, &home, ["serve", "--listen", "127.0.0.1:0", "--store", "memory"])
            .args(["--log", "error"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| format!("the program cannot be started: {why}"))?;
        let lines = BufReader::new(child.stdout.take().ok_or("the program has no pipe")?).lines();
        let mut server = Server {
            program: program.to_owned(),
            home,
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        server.address = listening(lines)?;
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Runs `pinwire trust remove`: how long it took.
    pub(crate) fn remove(&self, name: &str) -> thread::JoinHandle<Result<Duration, String>> {
        let mut command = pinwire(&self.program, &self.home, ["trust", "remove", name]);
        thread::spawn(move || {
            let began = Instant::now();
            let done = words(command.stderr(Stdio::null()).stdout(Stdio::null()).status())?;
            if done.success() { Ok(began.elapsed()) } else { Err(format!("`pinwire trust remove`: {done}")) }
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn pinwire<const N: usize>(program: &Path, home: &Path, words: [&str; N]) -> Command {
    let mut command = Command::new(program);
    command.args(words).args([OsStr::new("--home"), home.as_os_str()]);
    command
}

/// Where it says that it listens; what else it says is read over, so that its pipe is never full.
fn listening(
    mut lines: impl Iterator<Item = std::io::Result<String>> + Send + 'static,
) -> Result<SocketAddr, String> {
    let address = lines.by_ref().find_map(|line| line.ok()?.strip_prefix("listening on ")?.parse().ok());
    thread::spawn(move || lines.for_each(drop));
    address.ok_or_else(|| "the program ended before it listened".to_owned())
}
