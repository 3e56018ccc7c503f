//! The other way round: our client, and OpenSSL's `s_server`, whose half of the talk the story types.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use super::talk::{Talk, body};
use super::{Files, SUITES, Suite, said_so};
use crate::common::{Client, Pair, now};
use pinwire_server::Identity;
use pinwire_server::proto::session::{ClientEnd, ClientEvent, ClientSession};
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::Greeting;
use pinwire_testkit::certificates;

struct Server {
    talk: Talk,
    address: SocketAddr,
    files: Files,
}

impl Server {
    /// It serves so many clients, one after the other, and ends.
    fn start(suite: &Suite, clients: u32, more: &[&str]) -> Server {
        let files = Files::of(&certificates::good(now()));
        let mut command = Command::new("openssl");
        command.args(["s_server", "-tls1_3", "-accept", "127.0.0.1:0", "-naccept", &clients.to_string()]);
        command.arg("-cert").arg(&files.certificate).arg("-key").arg(&files.key).args(["-Verify", "1"]);
        command.args(["-alpn", "pinwire/1", "-ciphersuites", suite.name]).args(more);
        command.args(["-msg", "-msgfile"]).arg(files.beside("messages"));
        let mut talk = Talk::start(&mut command, "openssl");
        talk.hear_until("ACCEPT 127.0.0.1:");
        let port = talk.hear_until("\n").trim().parse().unwrap();
        Server { talk, address: ([127, 0, 0, 1], port).into(), files }
    }

    /// A client whose handshake is complete and whose greeting is typed.
    fn greet(&mut self, tls: &ClientTls, suite: &Suite, resumed: bool) -> Client {
        let session = ClientSession::new(&tls.at(now())).unwrap();
        let mut client = Client::over(TcpStream::connect(self.address).unwrap(), session);
        while !matches!(client.session.next(), Some(ClientEvent::Handshaken { .. })) {
            client.exchange();
        }
        client.session.trust_server();
        client.flush();
        let told = self.talk.hear_until("Secure Renegotiation IS");
        assert!(told.contains(&format!("CIPHER is {}\n", suite.name)), "{told}");
        assert_eq!(told.contains("Reused session-id"), resumed, "{told}");
        assert_eq!(client.session.is_resumed(), resumed);
        self.talk.hear_until("\n");
        self.talk.say("OK\r\n");
        assert_eq!(client.event(), ClientEvent::Greeting(Greeting::Ok));
        client
    }

    fn converse(&mut self, client: &mut Client) {
        for size in [0, 1, 100, 20_000, 100_000] {
            let body = body(size);
            client.send("ECHO", "7", Some(&body));
            let expected = format!("ECHO\r\nSequence: 7\r\nSize: {size}\r\n\r\n");
            self.talk.hear(&[expected.as_bytes(), &body].concat());
            let head = format!("OK\r\nSequence: 7\r\nSize: {size}\r\n\r\n");
            self.talk.say([head.as_bytes(), &body].concat());
            assert_eq!(client.answer(), ("7".to_owned(), "OK".to_owned(), body));
        }
    }

    /// A command, whatever is printed before it: what it notes of a KeyUpdate comes
    /// with the data before it or behind it.
    fn ping(&mut self, client: &mut Client) {
        client.send("PING", "8", None);
        self.talk.hear_until("PING\r\nSequence: 8\r\n\r\n");
        self.talk.say("OK\r\nSequence: 8\r\nSize: 0\r\n\r\n");
        assert_eq!(client.answer(), ("8".to_owned(), "OK".to_owned(), Vec::new()));
    }

    /// Its end; what TLS said.
    fn end(self) -> String {
        self.talk.end();
        std::fs::read_to_string(self.files.beside("messages")).unwrap()
    }
}

/// Says close_notify, and hears it.
fn leave(mut client: Client) {
    client.session.close();
    assert_eq!(client.end(), ClientEnd::Closed);
}

fn client_tls() -> ClientTls {
    let pair: Pair = certificates::good(now());
    let identity = Identity::from_pem(pair.0.as_bytes(), pair.1.as_bytes()).unwrap();
    ClientTls::new(Some(&identity)).unwrap().record_layer(pinwire_testkit::record_layer())
}

#[test]
fn our_client_talks_to_s_server_and_follows_its_keys() {
    for suite in &SUITES {
        // Its tickets hold our certificate, and are longer than 512 bytes: cut in pieces they would be refused.
        let small = &["-max_send_frag", "512", "-num_tickets", "0"][..];
        for more in [&[], small, &["-record_padding", "4096"]] {
            let mut server = Server::start(suite, 1, more);
            let mut client = server.greet(&client_tls(), suite, false);
            server.converse(&mut client);
            for word in ["K\n", "k\n", "K\n"] {
                server.talk.say(word);
                client.exchange(); // nothing else is under way: its KeyUpdate is what comes
                server.ping(&mut client);
                server.ping(&mut client);
                server.converse(&mut client);
            }
            leave(client);
            let said = server.end();
            assert_eq!((said_so(&said, ">>>", "KeyUpdate"), said_so(&said, "<<<", "KeyUpdate")), (3, 2));
        }
    }
}

#[test]
fn our_client_resumes_a_session_with_s_server() {
    for suite in &SUITES {
        let mut server = Server::start(suite, 3, &[]);
        let tls = client_tls();
        for resumed in [false, true, true] {
            let mut client = server.greet(&tls, suite, resumed);
            server.converse(&mut client);
            leave(client);
        }
        let said = server.end();
        assert_eq!(said_so(&said, "<<<", "CertificateVerify"), 1);
        assert_eq!(said_so(&said, "<<<", "warning close_notify"), 3);
    }
}
