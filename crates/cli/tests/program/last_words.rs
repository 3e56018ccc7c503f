//! A server that closes with each of the protocol's reasons, and the program that hears it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use pinwire_client::{Address, KnownServers, Pin};
use pinwire_server::proto::code::Code;
use pinwire_server::proto::tls::{Layer, Slot};
use pinwire_server::{Identity, ServerTls, Tickets};
use pinwire_testkit::certificates;

use crate::bench::{Place, Ran, now};

#[test]
fn what_has_no_answer_when_the_server_closes_was_not_begun() {
    let scripted = Scripted::new();
    for code in of_connection() {
        let ran = scripted.put(|_| format!("ERR: {code}: as it happens\r\nSize: 0\r\n\r\n"));
        let words = format!(
            "ERR: {code}: as it happens\npinwire: {} closed the connection; the command was not begun\n",
            scripted.address
        );
        assert_eq!((ran.status, ran.out().as_str(), ran.err), (3, "", words));
    }
}

#[test]
fn what_is_broken_off_when_the_server_closes_is_in_doubt() {
    let scripted = Scripted::new();
    for code in of_connection().chain([Code::Failed, Code::Cancelled]) {
        let ran = scripted.put(|sequence| {
            format!("ERR: {code}\r\nSequence: {sequence}\r\nSize: 0\r\n\r\nERR: {code}\r\nSize: 0\r\n\r\n")
        });
        let words = format!("ERR: {code}\nwhether the command took effect is unknown\n");
        let status = i32::from(code.exit_status());
        assert_eq!((ran.status, ran.out().as_str(), ran.err), (status, "", words));
    }
}

#[test]
fn what_has_no_answer_when_the_connection_ends_is_in_doubt() {
    let scripted = Scripted::new();
    for cut in ["", "OK\r\n", "OK\r\nSequence: 1\r\nSize: 1\r\nVersion: 1\r\n\r\n"] {
        let ran = scripted.put(|_| cut.to_owned());
        assert_eq!(ran.status, 4);
        assert!(ran.err.ends_with("; whether the command took effect is unknown\n"), "{}", ran.err);
    }
}

fn of_connection() -> impl Iterator<Item = Code> {
    Code::all().filter(|code| code.is_of_connection())
}

/// A server that lets everybody in, and says to the first command what the story wants; and a home whose known
/// server it is.
struct Scripted {
    place: Place,
    listener: TcpListener,
    tls: ServerTls,
    address: Address,
}

impl Scripted {
    fn new() -> Scripted {
        let place = Place::new();
        place.ok(&["keygen", "--client"]);
        let (certificate, key) = certificates::good(now());
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::from(listener.local_addr().unwrap());
        let pin = Pin::Spki(identity.certificate().unwrap().digests.spki);
        std::fs::write(place.home("known_servers"), KnownServers::line(&address, &pin)).unwrap();
        let tls = ServerTls::new(&identity, Tickets::new().unwrap()).unwrap();
        Scripted { place, listener, tls, address }
    }

    /// `pinwire put` against a server that answers so, knowing the command's sequence, and closes.
    fn put(&self, answer: impl FnOnce(&str) -> String + Send) -> Ran {
        thread::scope(|scope| {
            scope.spawn(|| self.serve(answer));
            self.place.run(&["put", "a", "--body", "x", "-s", &self.address.to_string()])
        })
    }

    fn serve(&self, answer: impl FnOnce(&str) -> String) {
        let (socket, _) = self.listener.accept().unwrap();
        let layer = Layer::server(&self.tls, now()).unwrap();
        let mut line = Line { socket, layer, slot: Slot::default(), wire: Vec::new(), plain: Vec::new() };
        while line.layer.is_handshaking() {
            line.read();
        }
        line.say("OK\r\n");
        while !line.plain.ends_with(b"\r\n\r\nx") {
            line.read();
        }
        let command = String::from_utf8_lossy(&line.plain).into_owned();
        let sequence = command.lines().find_map(|line| line.strip_prefix("Sequence: ")).unwrap();
        line.say(&answer(sequence));
        line.close();
    }
}

/// The server's end of a connection.
struct Line {
    socket: TcpStream,
    layer: Layer,
    slot: Slot,
    wire: Vec<u8>,
    plain: Vec<u8>,
}

impl Line {
    fn read(&mut self) {
        let mut bytes = [0; 16_384];
        let length = self.socket.read(&mut bytes).unwrap();
        assert!(length > 0, "the program has gone");
        self.wire.extend_from_slice(&bytes[..length]);
        let (mut sealed, mut used) = (Vec::new(), 0);
        if self.layer.is_handshaking() {
            used = self.layer.handshake(&mut self.wire, 64 * 1024, &mut sealed).unwrap();
        }
        if !self.layer.is_handshaking() {
            used += self.layer.open(&mut self.slot, &mut self.wire[used..], &mut self.plain).unwrap();
        }
        self.wire.drain(..used);
        self.socket.write_all(&sealed).unwrap();
    }

    fn say(&mut self, text: &str) {
        let mut sealed = Vec::new();
        self.layer.seal(&mut self.slot, text.as_bytes(), &mut sealed).unwrap();
        self.socket.write_all(&sealed).unwrap();
    }

    /// With a goodbye, and not before the client has gone: its unread bytes would make the kernel reset.
    fn close(mut self) {
        let mut sealed = Vec::new();
        self.layer.close(&mut self.slot, &mut sealed).unwrap();
        // Who has heard the last word may be gone.
        let _ = self.socket.write_all(&sealed).and_then(|()| self.socket.shutdown(Shutdown::Write));
        let _ = self.socket.read_to_end(&mut Vec::new());
    }
}
