//! A full disk: changes are answered `failed`, what was answered OK stays, GETs go on, and once there is room
//! changes are taken again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use pinwire_client::Outcome;
use pinwire_client::blocking::Client;

use crate::bench::Place;

const CLIENTS: usize = 16;
const ROOM: usize = 12 * 1024 * 1024;
/// What is taken away when room is made.
const BALLAST: usize = 4 * 1024 * 1024;

#[test]
fn a_full_disk_loses_nothing_and_ends_nothing() {
    let place = Place::new();
    let disk = match Disk::new(place.path("disk")) {
        Ok(disk) => disk,
        Err(why) => return println!("not tested, since no small disk can be mounted: {why}"),
    };
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![0; BALLAST]).unwrap();
    let store = disk.0.join("documents.redb").to_str().unwrap().to_owned();
    let serve = || place.serve_with(&["--listen", "127.0.0.1:0", "--store", &store]);

    let server = serve();
    let clients: Vec<Client> = (0..CLIENTS).map(|_| place.client(&server.address)).collect();
    let client = &clients[0];
    let mut there = fill(&clients);
    compare(client, &there);
    // Still full, and still answering.
    let again = client.put("again", vec![7; 500_000]).unwrap_err();
    assert_eq!((again.code(), again.outcome()), (Some("failed"), Outcome::Unknown), "{again}");
    compare(client, &there);
    fs::remove_file(&ballast).unwrap();
    let newest = there.values().map(|(version, _)| *version).max();
    for (number, client) in clients.iter().enumerate() {
        let id = format!("after/{number}");
        let version = client.put(&id, id.as_bytes()).unwrap();
        assert!(Some(version) > newest, "{version} after {newest:?}");
        there.insert(id.clone(), (version, id.into_bytes()));
    }
    compare(client, &there);
    drop(clients);
    let (status, said) = server.terminate();
    assert_eq!(status, Some(0), "{said}");
    // Behind a change that found no room a shorter one may: then it begins and ends more than once.
    let begins = said.matches("No space left on device").count();
    assert!((1..CLIENTS).contains(&begins), "it is said when it begins, not at each change: {said}");
    assert_eq!(said.matches("changes are written again").count(), begins, "{said}");

    let server = serve();
    compare(&place.client(&server.address), &there);
}

type There = BTreeMap<String, (u64, Vec<u8>)>;

/// All clients write until each was told that a change failed; what was answered OK.
fn fill(clients: &[Client]) -> There {
    thread::scope(|scope| {
        let streams: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(number, client)| scope.spawn(move || fill_one(number, client)))
            .collect();
        streams.into_iter().flat_map(|stream| stream.join().unwrap()).collect()
    })
}

fn fill_one(number: usize, client: &Client) -> There {
    let mut there = There::new();
    for count in 0..ROOM {
        let (id, body) = (format!("{number}/{count}"), vec![b'a' + number as u8; 1_000 + 997 * (count % 50)]);
        match client.put(&id, body.clone()) {
            Ok(version) => there.insert(id, (version, body)),
            Err(error) if error.code() == Some("failed") => return there,
            Err(error) => panic!("{id}: {error}"),
        };
    }
    panic!("the disk was never full");
}

fn compare(client: &Client, there: &There) {
    assert!(!there.is_empty());
    for (id, (version, body)) in there {
        let found = client.get(id).unwrap().unwrap_or_else(|| panic!("{id} is lost"));
        assert!(found.version == *version && found.body == *body, "{id}: version {}", found.version);
    }
}

/// A small disk in memory, unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn new(path: PathBuf) -> Result<Disk, String> {
        fs::create_dir(&path).unwrap();
        let size = format!("size={ROOM}");
        command("mount", &["-t", "tmpfs", "-o", &size, "pinwire-test"], &path).map(|()| Disk(path))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The server of a story that failed may still hold it.
        let _ = command("umount", &["--lazy"], &self.0);
    }
}

fn command(name: &str, args: &[&str], path: &Path) -> Result<(), String> {
    let ran = Command::new(name).args(args).arg(path).output().map_err(|error| format!("{name}: {error}"))?;
    if ran.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&ran.stderr).into_owned()) }
}
