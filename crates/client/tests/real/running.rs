// A server in this process, on a free port, for tests and for the examples of the documentation, which include
// this file. It lets one client in, and knows a few commands besides those of a small store of documents.

/// A running server; stops when it goes.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: pinwire_client::Address,
    /// Its pin.
    pub(crate) pin: pinwire_client::Pin,
    /// The client that it lets in.
    pub(crate) identity: pinwire_client::Identity,
    setup: Setup,
    stopper: pinwire_server::Stopper,
    thread: Option<std::thread::JoinHandle<std::io::Result<()>>>,
}

/// What stays the same when a server comes back.
#[derive(Clone)]
pub(crate) struct Setup {
    server: pinwire_client::Identity,
    client: pinwire_client::Identity,
    tickets: pinwire_server::Tickets,
    /// The server's limits.
    pub(crate) limits: pinwire_server::Limits,
}

impl Setup {
    /// New keys, the default limits.
    pub(crate) fn new() -> Setup {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let identity = |(certificate, key): (String, String)| {
            pinwire_client::Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
        };
        let good = || identity(pinwire_testkit::certificates::good(now as i64));
        Setup {
            server: good(),
            client: good(),
            tickets: pinwire_server::Tickets::new().unwrap(),
            limits: pinwire_server::Limits::default(),
        }
    }

    /// Serves these commands at this address.
    pub(crate) fn serve(self, address: std::net::SocketAddr, router: pinwire_server::Router) -> Running {
        let pin = |identity: &pinwire_client::Identity| {
            pinwire_client::Pin::Spki(identity.certificate().unwrap().digests.spki)
        };
        let list = format!("{}\n", pin(&self.client));
        let list = pinwire_server::TrustList::parse(list.as_bytes(), pinwire_server::Sha1::Refuse).unwrap();
        let tls = pinwire_server::ServerTls::new(&self.server, self.tickets.clone())
            .unwrap()
            .record_layer(pinwire_testkit::record_layer());
        let config =
            pinwire_server::ServerConfig::new(address, tls, list).limits(self.limits.clone()).workers(2);
        let server = pinwire_server::Server::bind(config, router).unwrap();
        Running {
            address: server.local_addr().into(),
            pin: pin(&self.server),
            identity: self.client.clone(),
            setup: self,
            stopper: server.stopper(),
            thread: Some(std::thread::spawn(move || server.run())),
        }
    }
}

impl Running {
    /// A server with the small store of documents, on a free port.
    pub(crate) fn start() -> Running {
        Setup::new().serve("127.0.0.1:0".parse().unwrap(), documents())
    }

    /// A client of it, not connected yet.
    pub(crate) fn client(&self) -> pinwire_client::Builder {
        let builder = pinwire_client::Client::builder(self.address.clone());
        builder.identity(self.identity.clone()).server_pin(self.pin)
    }

    /// Commands under way are answered, everybody is told `shutting-down`; returns when all is over.
    pub(crate) fn stop(mut self) -> Setup {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap().unwrap();
        self.setup.clone()
    }

    /// The same, without waiting for commands under way.
    pub(crate) fn stop_now(mut self) -> Setup {
        self.stopper.stop_now();
        self.thread.take().unwrap().join().unwrap().unwrap();
        self.setup.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopper.stop_now();
            thread.join().unwrap().unwrap();
        }
    }
}

/// `ECHO`, and PUT, GET, DELETE and LIST over a map.
pub(crate) fn documents() -> pinwire_server::Router {
    use pinwire_server::{Code, Command, Responder, Router};
    type Store = std::sync::Mutex<(u64, std::collections::BTreeMap<String, (u64, Vec<u8>)>)>;
    let store: [std::sync::Arc<Store>; 4] = std::array::from_fn({
        let store = std::sync::Arc::<Store>::default();
        move |_| store.clone()
    });
    let [putting, getting, deleting, listing] = store;
    let versioned = |to: Responder<'_>, version: u64, body: &[u8]| {
        to.write(|encoder| {
            encoder.header("Version", &version.to_string())?;
            encoder.body(body);
            Ok(())
        })
    };
    Router::new()
        .command("ECHO", |command: Command<'_>, to: Responder<'_>| to.ok(command.body()))
        .command("PUT", move |command, to| {
            let (id, mut store) = (command.args().next().unwrap_or_default(), putting.lock().unwrap());
            let now = store.1.get(id).map_or(0, |document| document.0);
            if command.header("If-Version").is_some_and(|expected| expected != now.to_string()) {
                return to.error(Code::Conflict, "another version");
            }
            store.0 += 1;
            let version = store.0;
            store.1.insert(id.to_owned(), (version, command.body().to_vec()));
            versioned(to, version, b"")
        })
        .command("GET", move |command, to| {
            let store = getting.lock().unwrap();
            match command.args().next().and_then(|id| store.1.get(id)) {
                Some((version, body)) => versioned(to, *version, body),
                None => to.error(Code::NotFound, "there is no such document"),
            }
        })
        .command("DELETE", move |command, to| {
            let mut store = deleting.lock().unwrap();
            if command.args().next().and_then(|id| store.1.remove(id)).is_none() {
                return to.error(Code::NotFound, "there is no such document");
            }
            store.0 += 1;
            versioned(to, store.0, b"")
        })
        .command("LIST", move |command, to| {
            let (prefix, store) = (command.args().next().unwrap_or_default(), listing.lock().unwrap());
            let after = command.header("After").unwrap_or_default();
            let mut ids = store.1.keys().filter(|id| id.starts_with(prefix) && id.as_str() > after);
            let page: Vec<&str> = ids.by_ref().take(2).map(String::as_str).collect();
            let (more, last) = (ids.next().is_some(), page.last().copied().unwrap_or_default());
            to.write(|encoder| {
                if more {
                    encoder.header("Next", last)?;
                }
                encoder.body(page.iter().map(|id| format!("{id}\n")).collect::<String>().as_bytes());
                Ok(())
            })
        })
}
