//! A server whose control group gives it little memory: clients that ask for much and read nothing do not end it,
//! and whoever reads is served meanwhile.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use pinwire_server::Sequence;
use pinwire_server::proto::session::{ClientEvent, ClientSession};
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::{Greeting, Request};

use crate::bench::{HANG, Place, Serving};

/// Bytes that the server may have: a quarter of them is what may wait for clients.
const LIMIT: u64 = 192 * 1024 * 1024;
/// What each of them asks for is more than that by itself.
const GREEDY: usize = 64;
const EACH: u64 = 200;

#[test]
fn little_memory_is_enough_whoever_asks_for_much() {
    let place = Place::new();
    place.ok(&["keygen"]);
    let group = match Group::new() {
        Ok(group) => group,
        Err(why) => return println!("not tested, since no control group can be made: {why}"),
    };
    let server = serve(&place, &group);
    let honest = place.client(&server.address);
    honest.put("large", vec![b'x'; 1_000_000]).unwrap();
    honest.put("small", "small").unwrap();
    let greedy: Vec<_> = (0..GREEDY).map(|_| ask_and_never_read(&place, &server)).collect();
    for round in 0..200 {
        let large = if round % 10 == 0 { honest.get("large") } else { honest.get("small") };
        assert!(large.unwrap().is_some(), "round {round}");
    }
    assert!(group.most() <= LIMIT);
    drop(greedy);
    let (status, said) = server.terminate();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("commands wait for room"), "the bound was reached: {said}");
}

/// Runs the program in the group.
fn serve(place: &Place, group: &Group) -> Serving {
    let mut shell = place.shell("echo $$ > \"$1\"; exec \"$0\" serve --listen 127.0.0.1:0 --cache 8");
    shell.arg(group.folder.join("cgroup.procs"));
    Serving::start(shell)
}

/// A client that is let in, pipelines its commands and leaves the rest to the server.
fn ask_and_never_read(place: &Place, server: &Serving) -> (TcpStream, ClientSession) {
    let mut session = ClientSession::new(&ClientTls::new(Some(&place.identity())).unwrap()).unwrap();
    session.trust_server();
    let mut socket = TcpStream::connect(&server.address).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    let mut bytes = [0; 4_096];
    loop {
        match session.next() {
            Some(ClientEvent::Greeting(greeting)) => break assert_eq!(greeting, Greeting::Ok),
            Some(_) => {}
            None => {
                socket.write_all(&session.take_output()).unwrap();
                let length = socket.read(&mut bytes).unwrap();
                session.receive(&bytes[..length]);
            }
        }
    }
    for number in 0..EACH {
        session.send(&Request::line("GET large"), Some(&Sequence::from(number)), None).unwrap();
    }
    socket.write_all(&session.take_output()).unwrap();
    (socket, session)
}

/// A control group of this test's own, gone with it.
struct Group {
    folder: PathBuf,
    /// The file that says the most memory that was used.
    most: &'static str,
}

impl Group {
    fn new() -> std::io::Result<Group> {
        let name = format!("pinwire-test-{}", std::process::id());
        let version_1 = Path::new("/sys/fs/cgroup/memory");
        if version_1.is_dir() {
            let folder = version_1.join(name);
            fs::create_dir(&folder)?;
            let group = Group { folder, most: "memory.max_usage_in_bytes" };
            fs::write(group.folder.join("memory.limit_in_bytes"), LIMIT.to_string())?;
            return Ok(group);
        }
        let folder = Path::new("/sys/fs/cgroup").join(name);
        fs::create_dir(&folder)?;
        let group = Group { folder, most: "memory.peak" };
        fs::write(group.folder.join("memory.max"), LIMIT.to_string())?;
        Ok(group)
    }

    fn most(&self) -> u64 {
        let most = fs::read_to_string(self.folder.join(self.most)).unwrap();
        println!("at most {} bytes of {LIMIT} were used", most.trim());
        most.trim().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its last process has ended; if the test failed before, the folder stays.
        let _ = fs::remove_dir(&self.folder);
    }
}
