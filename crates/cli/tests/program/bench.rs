//! What every story needs: a home folder of its own, the program run in it, a server that is up.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use pinwire_client::blocking::{Builder, Client};
use pinwire_client::{Identity, KnownServers};
use pinwire_server::proto::tls::RecordLayer;
use pinwire_testkit::record_layer;
use tempfile::TempDir;

/// A folder that is gone with the test. The home folder in it is not there yet.
pub(crate) struct Place(TempDir);

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

/// A server that listens; killed when dropped.
pub(crate) struct Serving {
    child: Child,
    /// Host and port.
    pub(crate) address: String,
    /// What it said on standard output until it listened.
    pub(crate) said: String,
    err: Option<JoinHandle<String>>,
    /// The same line by line, as it comes.
    #[cfg_attr(not(unix), expect(dead_code, reason = "for stories of Unix"))]
    errs: mpsc::Receiver<String>,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn home(&self, file: &str) -> PathBuf {
        self.path("home").join(file)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.home(file)).unwrap()
    }

    /// The program in this place, with nothing of the developer's own environment that could matter.
    pub(crate) fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_pinwire"));
        program.current_dir(self.0.path()).env("PINWIRE_HOME", self.path("home")).env("USER", "ada");
        program.env_remove("PINWIRE_LOG").env_remove("PINWIRE_SERVER").stdin(Stdio::null());
        program
    }

    /// A shell that runs `script` as the program would be run, which is its `$0`.
    #[cfg(target_os = "linux")]
    pub(crate) fn shell(&self, script: &str) -> Command {
        let program = self.program();
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(program.get_program()).current_dir(self.0.path()).stdin(Stdio::null());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.program().args(args).output().unwrap().into()
    }

    pub(crate) fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut program = self.program();
        program.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// Runs a command that must succeed; its standard output.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.status, 0, "{args:?}: {}", ran.err);
        ran.out()
    }

    /// The program with SIGINT as at a terminal: started by a job in the background, it would be ignored.
    pub(crate) fn interruptible(&self) -> Command {
        let program = self.program();
        if cfg!(not(target_os = "linux")) {
            return program;
        }
        let mut env = Command::new("env");
        env.arg("--default-signal=INT").arg(program.get_program()).stdin(Stdio::null());
        env.current_dir(program.get_current_dir().unwrap());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => env.env(name, value),
                None => env.env_remove(name),
            };
        }
        env
    }

    pub(crate) fn serve(&self) -> Serving {
        self.serve_with(&["--listen", "127.0.0.1:0"])
    }

    pub(crate) fn serve_with(&self, args: &[&str]) -> Serving {
        let mut program = self.program();
        program.arg("serve").args(args);
        if record_layer() == RecordLayer::Rustls {
            program.args(["--record-layer", "rustls"]);
        }
        Serving::start(program)
    }

    /// A server with one worker, whatever this machine has: what workers have a share of has its limits once.
    #[cfg(target_os = "linux")]
    pub(crate) fn serve_with_one_worker(&self, args: &[&str]) -> Serving {
        let first = "$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')";
        let mut shell = self.shell(&format!("exec taskset -c {first} \"$0\" serve \"$@\""));
        shell.args(args);
        Serving::start(shell)
    }

    /// The library's client of the server at this address, as the program would be.
    pub(crate) fn builder(&self, address: &str) -> Builder {
        Client::builder(address.parse().unwrap()).known_servers(self.known()).identity(self.identity())
    }

    /// The same for async code.
    pub(crate) fn async_builder(&self, address: &str) -> pinwire_client::Builder {
        let builder = pinwire_client::Client::builder(address.parse().unwrap());
        builder.known_servers(self.known()).identity(self.identity())
    }

    fn known(&self) -> KnownServers {
        KnownServers::parse(&self.read("known_servers")).unwrap()
    }

    pub(crate) fn identity(&self) -> Identity {
        let (certificate, key) = (self.read("client.crt"), self.read("client.key"));
        Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
    }

    pub(crate) fn client(&self, address: &str) -> Client {
        self.builder(address).connect().unwrap()
    }

    /// A home beside this one whose known servers are the same, and whose client is this one, if any.
    pub(crate) fn visitor(&self, client: Option<(String, String)>) -> Place {
        let place = Place::new();
        fs::create_dir(place.path("home")).unwrap();
        fs::copy(self.home("known_servers"), place.home("known_servers")).unwrap();
        if let Some((certificate, key)) = client {
            fs::write(place.home("client.crt"), certificate).unwrap();
            write_private(&place.home("client.key"), &key);
        }
        place
    }
}

impl Serving {
    /// Waits for the line with the address; no clock is asked.
    pub(crate) fn start(mut program: Command) -> Serving {
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (say, errs) = mpsc::channel();
        let err = std::thread::spawn(move || {
            let mut text = String::new();
            for line in stderr.lines().map_while(Result::ok) {
                text += &line;
                text.push('\n');
                let _ = say.send(line); // the story may not listen
            }
            text
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let (mut said, mut address) = (String::new(), None);
        for line in lines.by_ref() {
            said += &line;
            said.push('\n');
            address = address.or(line.strip_prefix("listening on ").map(str::to_owned));
            if line.ends_with(" greetings/1") {
                break;
            }
        }
        let mut serving = Serving { child, address: String::new(), said, err: Some(err), errs };
        match address {
            Some(address) => serving.address = address,
            None => {
                let (_, err) = serving.stop();
                panic!("it does not listen: {}{err}", serving.said)
            }
        }
        serving
    }

    /// Waits for its end; the exit status and what it said on standard error.
    fn stop(&mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (status.code(), self.err.take().unwrap().join().unwrap())
    }

    /// Waits for a line on standard error that has these words.
    #[cfg(unix)]
    pub(crate) fn wait_for(&self, words: &str) -> String {
        loop {
            let line = self.errs.recv_timeout(HANG).unwrap();
            if line.contains(words) {
                return line;
            }
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to end as an operator does, and waits for it.
    #[cfg(unix)]
    pub(crate) fn terminate(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        self.stop()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.out.clone()).unwrap()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            status: output.status.code().expect("it was not killed"),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// `script` of util-linux runs a program at a terminal of its own.
pub(crate) fn has_script() -> bool {
    let version = Command::new("script").arg("--version").stdin(Stdio::null()).output();
    version.is_ok_and(|ran| String::from_utf8_lossy(&ran.stdout).contains("util-linux"))
}

/// The program with these words, at a terminal where `typed` is typed.
pub(crate) fn at_terminal(place: &Place, words: &str, typed: &str) -> Ran {
    let line = format!("'{}' {words}", env!("CARGO_BIN_EXE_pinwire"));
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &line, "/dev/null"]).env("PINWIRE_HOME", place.path("home"));
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Asks, each time by a program of its own, until it is so.
pub(crate) fn until(is_so: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < HANG, "it is never so");
    }
}

/// Only catches a hang.
pub(crate) const HANG: std::time::Duration = std::time::Duration::from_secs(120);

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}
