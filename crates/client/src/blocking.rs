//! The same client for programs without tokio: every call blocks its thread until it ends. The connection's
//! work is done by a thread of its own.
//!
//! Not for async code, whose other tasks would wait meanwhile: use [`crate::Client`] there.
//!
//! ```
//! use pinwire_client::{Address, Error, Identity, Pin, blocking::Client};
//!
//! fn greet(server: Address, pin: Pin, identity: Identity) -> Result<(), Error> {
//!     let client = Client::builder(server).identity(identity).server_pin(pin).connect()?;
//!     client.put("greetings/1", "hello")?;
//!     assert_eq!(client.list("greetings/", None)?.ids, ["greetings/1"]);
//!     Ok(())
//! }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/running.rs"));
//! # fn main() -> Result<(), Error> {
//! #     let server = Running::start();
//! #     greet(server.address.clone(), server.pin, server.identity.clone())
//! # }
//! ```

mod streams;
mod wait;

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pinwire_proto::wire::Request;
use tokio::sync::oneshot;

use crate::{Address, Answer, Certificate, Document, Error, Identity, KnownServers, Limits, Page, Pin};
pub use streams::{Answers, Watch};
use wait::wait;

/// Calls a server's commands. Clones share the connection, and may be used from many threads at once; it is
/// closed with the last of them.
#[derive(Clone, Debug)]
pub struct Client {
    client: crate::Client,
    background: Arc<Background>,
}

/// Says what a [`Client`] is to be, as [`crate::Builder`] does.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before connect()"]
pub struct Builder(crate::Builder);

/// The thread of the connection. It ends with the last client.
#[derive(Debug)]
struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Begins to say what a client of the server at `address` is to be.
    pub fn builder(address: Address) -> Builder {
        Builder(crate::Client::builder(address))
    }

    /// As [`crate::Client::call`].
    ///
    /// # Errors
    /// Every [`Error`]; [`Error::outcome`] says what became of the command.
    pub fn call(&self, request: Request) -> Result<Answer, Error> {
        wait(self.client.call(request))
    }

    /// As [`crate::Client::get`].
    ///
    /// # Errors
    /// As [`call`](Client::call).
    pub fn get(&self, id: &str) -> Result<Option<Document>, Error> {
        wait(self.client.get(id))
    }

    /// As [`crate::Client::put`].
    ///
    /// # Errors
    /// As [`call`](Client::call).
    pub fn put(&self, id: &str, body: impl Into<Vec<u8>>) -> Result<u64, Error> {
        wait(self.client.put(id, body))
    }

    /// As [`crate::Client::put_if`].
    ///
    /// # Errors
    /// As [`call`](Client::call); [`Error::conflict`] says the current version if it is another.
    pub fn put_if(&self, id: &str, body: impl Into<Vec<u8>>, expected: u64) -> Result<u64, Error> {
        wait(self.client.put_if(id, body, expected))
    }

    /// As [`crate::Client::delete`].
    ///
    /// # Errors
    /// As [`call`](Client::call).
    pub fn delete(&self, id: &str) -> Result<Option<u64>, Error> {
        wait(self.client.delete(id))
    }

    /// As [`crate::Client::delete_if`].
    ///
    /// # Errors
    /// As [`call`](Client::call); [`Error::conflict`] says the current version if it is another.
    pub fn delete_if(&self, id: &str, expected: u64) -> Result<u64, Error> {
        wait(self.client.delete_if(id, expected))
    }

    /// As [`crate::Client::list`].
    ///
    /// # Errors
    /// As [`call`](Client::call).
    pub fn list(&self, prefix: &str, after: Option<&str>) -> Result<Page, Error> {
        wait(self.client.list(prefix, after))
    }

    /// As [`crate::Client::stream`].
    ///
    /// # Errors
    /// As there.
    pub fn stream(&self, request: Request) -> Result<Answers, Error> {
        let answers = wait(self.client.stream(request))?;
        Ok(Answers::new(answers, &self.background))
    }

    /// As [`crate::Client::watch`].
    ///
    /// # Errors
    /// As there.
    pub fn watch(&self, prefix: &str, from: Option<u64>) -> Result<Watch, Error> {
        let watch = wait(self.client.watch(prefix, from))?;
        Ok(Watch::new(watch, &self.background))
    }

    /// As [`crate::Client::certificate`].
    pub fn certificate(&self) -> Option<Certificate> {
        self.client.certificate()
    }

    /// As [`crate::Client::is_resumed`].
    pub fn is_resumed(&self) -> bool {
        self.client.is_resumed()
    }

    /// As [`crate::Client::address`].
    pub fn address(&self) -> &Address {
        self.client.address()
    }

    /// As [`crate::Client::close`].
    pub fn close(&self) {
        wait(self.client.close());
    }
}

impl Builder {
    /// As [`crate::Builder::identity`].
    pub fn identity(self, identity: Identity) -> Builder {
        Builder(self.0.identity(identity))
    }

    /// As [`crate::Builder::known_servers`].
    pub fn known_servers(self, known: KnownServers) -> Builder {
        Builder(self.0.known_servers(known))
    }

    /// As [`crate::Builder::server_pin`].
    pub fn server_pin(self, pin: Pin) -> Builder {
        Builder(self.0.server_pin(pin))
    }

    /// As [`crate::Builder::timeout`].
    pub fn timeout(self, timeout: Duration) -> Builder {
        Builder(self.0.timeout(timeout))
    }

    /// As [`crate::Builder::limits`].
    pub fn limits(self, limits: Limits) -> Builder {
        Builder(self.0.limits(limits))
    }

    /// As [`crate::Builder::reconnect`].
    pub fn reconnect(self, reconnect: bool) -> Builder {
        Builder(self.0.reconnect(reconnect))
    }

    /// As [`crate::Builder::connect`].
    ///
    /// # Errors
    /// As there; [`NotReachable`](Error::NotReachable) too if the system gives no thread or no event queue.
    pub fn connect(self) -> Result<Client, Error> {
        self.start(false)
    }

    /// As [`crate::Builder::connect_lazy`].
    ///
    /// # Errors
    /// As there; [`NotReachable`](Error::NotReachable) too if the system gives no thread or no event queue.
    pub fn connect_lazy(self) -> Result<Client, Error> {
        self.start(true)
    }

    fn start(self, is_lazy: bool) -> Result<Client, Error> {
        let address = self.0.address().clone();
        let failed =
            |error: io::Error| Error::NotReachable { address: address.clone(), error: Arc::new(error) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (started, is_started) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let work = async move {
            let client = if is_lazy { self.0.connect_lazy() } else { self.0.connect().await };
            let driven = client.clone();
            // Whoever asked waits for it.
            let _ = started.send(client);
            if let Ok(client) = driven {
                // Its error is what stops: the last client is gone.
                let _ = stopped.await;
                client.close().await;
            }
        };
        let thread = thread::Builder::new().name("pinwire-client".to_owned());
        let thread = thread
            .spawn(move || {
                runtime.block_on(work);
                // A name that is still being looked up would else be waited for.
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        let background = Background { stop: Some(stop), thread: Some(thread) };
        let client =
            is_started.recv().map_err(|_| failed(io::Error::other("the client's thread has ended")))??;
        Ok(Client { client, background: Arc::new(background) })
    }
}

impl Drop for Background {
    /// Waits for the goodbye, which has its limit.
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}
