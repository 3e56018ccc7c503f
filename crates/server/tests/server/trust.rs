//! The list is replaced, or time passes, while clients are in: who is cut, with which words, and who is not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};

use crate::common::{Client, Pair, Running, config, digests, named, now, router, trusting};
use pinwire_server::proto::certificate::rfc3339;
use pinwire_server::proto::session::{ClientEnd, ClientEvent, ClientSession};
use pinwire_server::proto::tls::ClientTls;
use pinwire_server::proto::wire::Greeting;
use pinwire_server::{
    Answered, Code, Command, Entry, Handler, Identity, Peer, Pin, Refusal, Responder, Sha1, Trust, TrustList,
};
use pinwire_testkit::certificates;

fn answer(sequence: &str, status: &str) -> (String, String) {
    (sequence.to_owned(), status.to_owned())
}

/// The next answer without its body.
fn heard(client: &mut Client) -> (String, String) {
    let (sequence, status, _) = client.answer();
    (sequence, status)
}

fn asks(client: &mut Client, line: &str) -> String {
    client.send(line, "ask", None);
    heard(client).1
}

/// What the server said to the connection as a whole, and that it closed it then.
fn last_words(client: &mut Client) -> String {
    let (sequence, code) = heard(client);
    assert_eq!(sequence, "", "words for the connection, not for a command");
    assert_eq!(client.end(), ClientEnd::Closed);
    code
}

fn refused(server: &Running, identity: &Pair) -> String {
    match Client::connect(server.address, Some(identity)).event() {
        ClientEvent::Greeting(Greeting::Refused { code, .. }) => code,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

fn two() -> (Pair, Pair) {
    (certificates::good(now()), certificates::good(now()))
}

#[test]
fn whoever_is_taken_off_the_list_is_told_and_cut_and_nobody_else_is() {
    let (alice, bob) = two();
    let server = Running::start(config(trusting(&[&alice, &bob])), router());
    let mut busy = Client::enter(server.address, &alice);
    let mut quiet = Client::enter(server.address, &alice);
    let mut other = Client::enter(server.address, &bob);
    busy.send("NEVER", "1", None);
    busy.send("PING", "2", None);
    assert_eq!(heard(&mut busy), answer("2", "OK"));
    server.trust.replace(trusting(&[&bob]));
    assert_eq!(heard(&mut busy), answer("1", "no-longer-trusted"), "its outcome is unknown");
    assert_eq!(last_words(&mut busy), "no-longer-trusted");
    assert_eq!(last_words(&mut quiet), "no-longer-trusted");
    assert_eq!(refused(&server, &alice), "unfamiliar-certificate");
    assert_eq!(asks(&mut other, "PING"), "OK");
    drop((busy, quiet));
    assert_eq!(asks(&mut other, "PING"), "OK");
    let stats = server.stats.clone();
    drop((other, server));
    assert_eq!(stats.snapshot().closed(Code::NoLongerTrusted), 2);
    assert_eq!(stats.snapshot().refused(Code::UnfamiliarCertificate), 1);
}

#[test]
fn commands_that_are_permitted_no_more_end_and_do_not_begin() {
    let (alice, _) = two();
    let server = Running::start(config(trusting(&[&alice])), router());
    let mut client = Client::enter(server.address, &alice);
    client.send("never", "1", None);
    assert_eq!(asks(&mut client, "GET employees/1-A"), "OK");
    let only = |commands: &[&str]| {
        let commands = Some(commands.iter().map(|name| (*name).to_owned()).collect());
        TrustList::of([Entry { commands, ..named(&alice, "alice") }])
    };
    server.trust.replace(only(&["ECHO", "LATER"]));
    assert_eq!(heard(&mut client), answer("1", "not-permitted"), "under way, and in the peer's spelling");
    assert_eq!(asks(&mut client, "get employees/1-A"), "not-permitted");
    assert_eq!(asks(&mut client, "NOTHING"), "not-permitted");
    client.send("GET employees/1-A", "2", Some(b"a body that is read over"));
    assert_eq!(heard(&mut client), answer("2", "not-permitted"));
    for everybodys in ["ping", "HELP", "WHOAMI", "ECHO"] {
        assert_eq!(asks(&mut client, everybodys), "OK");
    }
    client.send("HELP", "3", None);
    assert_eq!(client.answer().2, b"CANCEL\nECHO\nHELP\nLATER\nPING\nWHOAMI\n");
    server.trust.replace(trusting(&[&alice]));
    assert_eq!(asks(&mut client, "GET employees/1-A"), "OK", "the same connection");
}

#[test]
fn administration_is_for_those_whose_entry_says_so() {
    let (alice, root) = two();
    let admin = Entry { admin: true, ..named(&root, "root") };
    let list = TrustList::of([named(&alice, "alice"), admin]);
    let server = Running::start(config(list), router().admin("echo"));
    let mut client = Client::enter(server.address, &alice);
    assert_eq!(asks(&mut client, "ECHO"), "not-permitted");
    client.send("HELP", "1", None);
    let help = String::from_utf8(client.answer().2).unwrap();
    assert!(!help.contains("ECHO") && help.contains("GET"), "{help}");
    assert_eq!(asks(&mut Client::enter(server.address, &root), "ECHO"), "OK");
}

#[test]
fn whoever_is_elsewhere_than_its_entry_says_is_cut() {
    let (alice, _) = two();
    let from = |network: &str| {
        TrustList::of([Entry { from: vec![network.parse().unwrap()], ..named(&alice, "alice") }])
    };
    let server = Running::start(config(from("127.0.0.0/8")), router());
    let mut client = Client::enter(server.address, &alice);
    server.trust.replace(from("192.0.2.0/24"));
    assert_eq!(last_words(&mut client), "source-not-allowed");
    assert_eq!(refused(&server, &alice), "source-not-allowed");
    server.trust.replace(from("127.0.0.1/32"));
    assert_eq!(asks(&mut Client::enter(server.address, &alice), "PING"), "OK");
}

#[test]
fn an_entry_has_so_many_connections_and_the_newest_go_first() {
    let (alice, bob) = two();
    let most =
        |connections| TrustList::of([Entry { connections, ..named(&alice, "alice") }, named(&bob, "bob")]);
    let server = Running::start(config(most(Some(4))), router());
    let mut clients: Vec<_> = (0..4).map(|_| Client::enter(server.address, &alice)).collect();
    assert_eq!(refused(&server, &alice), "too-many-connections");
    let mut other = Client::enter(server.address, &bob);
    server.trust.replace(most(Some(2)));
    for mut newest in clients.split_off(2) {
        assert_eq!(last_words(&mut newest), "too-many-connections");
    }
    for client in &mut clients {
        assert_eq!(asks(client, "PING"), "OK");
    }
    assert_eq!(asks(&mut other, "PING"), "OK");
    assert_eq!(refused(&server, &alice), "too-many-connections");
    server.trust.replace(most(None));
    assert_eq!(asks(&mut Client::enter(server.address, &alice), "PING"), "OK");
}

#[test]
fn an_entry_that_expires_while_its_client_is_in_closes_it() {
    let (alice, bob) = two();
    let lines =
        format!("{} expires={}\n{}\n", named(&alice, "alice"), rfc3339(now() + 4), named(&bob, "bob"));
    let list = TrustList::parse(lines.as_bytes(), Sha1::Refuse).unwrap();
    let server = Running::start(config(list), router());
    let (mut client, mut other) =
        (Client::enter(server.address, &alice), Client::enter(server.address, &bob));
    client.send("NEVER", "1", None);
    assert_eq!(heard(&mut client), answer("1", "trust-expired"));
    assert_eq!(last_words(&mut client), "trust-expired");
    assert_eq!(refused(&server, &alice), "trust-expired");
    assert_eq!(asks(&mut other, "PING"), "OK");
}

#[test]
fn a_certificate_that_runs_out_while_its_client_is_in_closes_it() {
    let (short, lasting) = (certificates::until(now() + 4), certificates::good(now()));
    let server = Running::start(config(trusting(&[&short, &lasting])), router());
    let (mut client, mut other) =
        (Client::enter(server.address, &short), Client::enter(server.address, &lasting));
    assert_eq!(last_words(&mut client), "certificate-expired");
    assert_eq!(refused(&server, &short), "certificate-expired");
    assert_eq!(asks(&mut other, "PING"), "OK");
}

#[test]
fn another_form_of_the_same_keys_pin_cuts_nobody() {
    let (alice, bob) = two();
    let server = Running::start(config(trusting(&[&alice])), router());
    let mut client = Client::enter(server.address, &alice);
    client.send("NEVER", "1", None);
    let whole =
        Entry { name: Some("alice".to_owned()), ..Entry::of(Pin::Certificate(digests(&alice).certificate)) };
    server.trust.replace(TrustList::of([named(&bob, "bob"), whole]));
    client.send("WHOAMI", "2", None);
    let (sequence, status, who) = client.answer();
    assert_eq!(answer(&sequence, &status), answer("2", "OK"), "what was under way still is");
    let who = String::from_utf8(who).unwrap();
    assert!(who.starts_with("name: alice\npin: sha256:"), "{who}");
}

/// Takes everybody off the list between the judgement and the greeting.
#[derive(Clone, Default)]
struct Late(Arc<OnceLock<Trust>>);

impl Handler for Late {
    type State = ();

    fn connect(&self, _: &Peer) -> Result<(), Refusal> {
        self.0.wait().replace(TrustList::nobody());
        Ok(())
    }

    fn command(&self, (): &mut (), _: Command<'_>, to: Responder<'_>) -> Answered {
        to.ok("served")
    }
}

#[test]
fn a_removal_between_the_judgement_and_the_greeting_bites() {
    let (alice, _) = two();
    let late = Late::default();
    let server = Running::start(config(trusting(&[&alice])), late.clone());
    late.0.set(server.trust.clone()).unwrap();
    let mut client = Client::enter(server.address, &alice);
    assert_eq!(last_words(&mut client), "no-longer-trusted");
}

/// Sends the first `bytes` of what the client has to say, and keeps the rest.
fn send_some(client: &mut Client, output: &mut Vec<u8>, bytes: usize) {
    let rest = output.split_off(bytes);
    client.socket.write_all(output).unwrap();
    *output = rest;
}

#[test]
fn a_removal_at_any_step_of_a_handshake_bites() {
    let (alice, _) = two();
    let server = Running::start(config(trusting(&[&alice])), router());
    for step in 0..STEPS {
        server.trust.replace(trusting(&[&alice]));
        let mut client = Client::connect(server.address, Some(&alice));
        let remove_at = |now_at: usize| {
            if step == now_at {
                server.trust.replace(TrustList::nobody());
            }
        };
        remove_at(0);
        let mut output = client.session.take_output();
        let half = output.len() / 2;
        send_some(&mut client, &mut output, half);
        remove_at(1);
        client.socket.write_all(&output).unwrap();
        output = second_flight(&mut client);
        remove_at(2);
        let half = output.len() / 2;
        send_some(&mut client, &mut output, half);
        remove_at(3);
        let all_but_one = output.len() - 1;
        send_some(&mut client, &mut output, all_but_one);
        remove_at(4);
        client.socket.write_all(&output).unwrap();
        remove_at(5);
        match client.event() {
            ClientEvent::Greeting(Greeting::Refused { code, .. }) => {
                assert_eq!(code, "unfamiliar-certificate");
            }
            ClientEvent::Greeting(Greeting::Ok) if step == 5 => {
                assert_eq!(last_words(&mut client), "no-longer-trusted");
            }
            other => panic!("step {step}: {other:?}"),
        }
    }
}

/// What the client says once it has read the server's flight.
fn second_flight(client: &mut Client) -> Vec<u8> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let length = client.socket.read(&mut bytes).unwrap();
        assert!(length > 0, "the server closed in its handshake");
        client.session.receive(&bytes[..length]);
        while client.session.next().is_some() {}
        let output = client.session.take_output();
        if !output.is_empty() {
            return output;
        }
    }
}

#[test]
fn whoever_comes_back_with_a_session_is_judged_again() {
    let (alice, _) = two();
    let server = Running::start(config(trusting(&[&alice])), router());
    let tls = client_tls(&alice);
    let mut first = Client::over(TcpStream::connect(server.address).unwrap(), over(&tls));
    assert_eq!(first.event(), ClientEvent::Greeting(Greeting::Ok));
    assert_eq!(asks(&mut first, "PING"), "OK", "the ticket has come with it");
    let mut again = Client::over(TcpStream::connect(server.address).unwrap(), over(&tls));
    assert_eq!(again.event(), ClientEvent::Greeting(Greeting::Ok));
    assert!(again.session.is_resumed());
    server.trust.replace(TrustList::nobody());
    assert_eq!(last_words(&mut again), "no-longer-trusted", "a resumed one is cut like any");
    assert_eq!(last_words(&mut first), "no-longer-trusted");
    let mut once_more = Client::over(TcpStream::connect(server.address).unwrap(), over(&tls));
    match once_more.event() {
        ClientEvent::Greeting(Greeting::Refused { code, .. }) => assert_eq!(code, "unfamiliar-certificate"),
        other => panic!("{other:?}"),
    }
    assert!(once_more.session.is_resumed());
}

fn client_tls(pair: &Pair) -> ClientTls {
    let identity = Identity::from_pem(pair.0.as_bytes(), pair.1.as_bytes()).unwrap();
    ClientTls::new(Some(&identity)).unwrap().record_layer(pinwire_testkit::record_layer())
}

fn over(tls: &ClientTls) -> ClientSession {
    let mut session = ClientSession::new(&tls.at(now())).unwrap();
    session.trust_server();
    session
}

/// Before anything is sent; in the ClientHello; behind it; in the client's second flight; before its last byte;
/// behind it.
const STEPS: usize = 6;
