//! Stories of one worker on the test's own thread.

use super::*;
use crate::Router;
use pinwire_proto::identity::Identity;
use pinwire_proto::session::{ClientEvent, ClientSession};
use pinwire_proto::tls::{ClientTls, Tickets};
use pinwire_proto::trust::{Pin, Sha1};
use pinwire_proto::wire::Greeting;
use pinwire_testkit::certificates;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// A worker of a server that trusts its own certificate, and that certificate.
fn worker() -> (Rc<Worker<Router>>, Identity) {
    let (certificate, key) = certificates::good(now().unix);
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let line = format!("{}\n", Pin::Spki(identity.certificate().unwrap().digests.spki));
    let shared = Shared {
        handler: Router::new(),
        tls: Arc::new(Current::new(
            ServerTls::new(&identity, Tickets::new().unwrap())
                .unwrap()
                .record_layer(pinwire_testkit::record_layer()),
        )),
        trust: Arc::new(Current::new(TrustList::parse(line.as_bytes(), Sha1::Refuse).unwrap())),
        limits: Arc::default(),
        workers: 1,
        connections: AtomicUsize::new(0),
        members: Members::default(),
        doubles: Doubles::default(),
        scarcity: Mutex::default(),
        accepting: Mutex::default(),
        refusing: Arc::default(),
    };
    (Worker::new(Arc::new(shared), Arc::default(), Arc::default()), identity)
}

fn greeting(mut socket: net::TcpStream, identity: &Identity) -> Greeting {
    let mut session = ClientSession::new(
        &ClientTls::new(Some(identity)).unwrap().record_layer(pinwire_testkit::record_layer()),
    )
    .unwrap();
    session.trust_server();
    loop {
        match session.next() {
            Some(ClientEvent::Greeting(greeting)) => return greeting,
            Some(ClientEvent::Handshaken { .. }) => {}
            Some(other) => panic!("{other:?}"),
            None => {
                socket.write_all(&session.take_output()).unwrap();
                let mut bytes = [0; 4_096];
                match socket.read(&mut bytes).unwrap() {
                    0 => session.end_of_input(),
                    length => session.receive(&bytes[..length]),
                }
            }
        }
    }
}

#[test]
fn a_worker_whose_drain_has_ended_sleeps_until_the_last_moment() {
    let (worker, _) = worker();
    worker.stop(now().instant);
    assert!(worker.next_look() <= now().instant, "the drain's end is due");
    worker.end_drain();
    assert!(worker.next_look() > now().instant, "it would spin");
    assert_eq!(worker.next_look(), worker.last_moment().unwrap());
}

/// Panics the first time that something is logged.
#[derive(Default)]
struct PanicsOnce(AtomicBool);

impl Subscriber for PanicsOnce {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn event(&self, event: &Event<'_>) {
        let is_ours = event.metadata().target().starts_with("pinwire");
        assert!(!is_ours || self.0.swap(true, Ordering::Relaxed), "as the test wishes");
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_turn_that_panics_ends_its_connection_and_touches_no_other() {
    let (worker, identity) = worker();
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, inbox) = (listener.local_addr().unwrap(), Arc::clone(&worker.inbox));
    let peer = std::thread::spawn(move || {
        let mut broken = net::TcpStream::connect(address).unwrap();
        broken.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut session = ClientSession::new(
            &ClientTls::new(Some(&identity)).unwrap().record_layer(pinwire_testkit::record_layer()),
        )
        .unwrap();
        session.trust_server();
        let mut bytes = [0; 4_096];
        while !matches!(session.next(), Some(ClientEvent::Greeting(_) | ClientEvent::End(_))) {
            let _ = broken.write_all(&session.take_output());
            match broken.read(&mut bytes) {
                Ok(length) if length > 0 => session.receive(&bytes[..length]),
                _ => session.end_of_input(),
            }
        }
        let greeted = greeting(net::TcpStream::connect(address).unwrap(), &identity);
        inbox.post(Post::StopNow);
        greeted
    });
    let (counts, shared) = (Arc::clone(&worker.counts), Arc::clone(&worker.shared));
    tracing::subscriber::with_default(PanicsOnce::default(), || {
        let served = async { worker.run(Some(listener), Vec::new()).await };
        crate::server::runtime().unwrap().block_on(served).unwrap();
    });
    assert_eq!(peer.join().unwrap(), Greeting::Ok);
    assert_eq!(counts.closed(Code::Failed), 1);
    assert_eq!(shared.connections.load(Ordering::Relaxed), 0, "nobody is in any more");
}

#[test]
fn a_socket_that_another_worker_hands_over_after_the_stop_is_told() {
    let (worker, identity) = worker();
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, remote) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    let client = std::thread::spawn(move || greeting(client, &identity));
    crate::server::runtime().unwrap().block_on(async {
        worker.apply(Post::Stop);
        worker.apply(Post::Accepted(socket, remote));
        worker.run(None, Vec::new()).await.unwrap();
    });
    let (code, text) = ("shutting-down".to_owned(), String::new());
    assert_eq!(client.join().unwrap(), Greeting::Refused { code, text });
}
