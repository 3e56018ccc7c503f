//! A server as its user sees it: configured, bound, run, stopped.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use pinwire_proto::limits::Limits;
use pinwire_proto::tls::ServerTls;
use pinwire_proto::trust::TrustList;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::current::Current;
use crate::doubles::Doubles;
use crate::follow::{Following, IdentityFiles, Parts, PendingSource, TrustFile};
use crate::handler::Handler;
use crate::inbox::{Inbox, Post};
use crate::listener::{self, BindError};
use crate::members::Members;
use crate::memory;
use crate::refusing::{Approvals, Refusals, Refusing};
use crate::signals;
use crate::stats::Stats;
use crate::worker::{Shared, Worker};

/// What a server is to be. The address, the identity and the trust list have no default; the rest has.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    listen: SocketAddr,
    tls: ServerTls,
    trust: TrustList,
    limits: Limits,
    workers: usize,
    reuse_port: bool,
    refusals: Refusals,
}

impl ServerConfig {
    /// Listens on `listen` (port 0: a free one), and lets in whom `trust` holds.
    pub fn new(listen: SocketAddr, tls: ServerTls, trust: TrustList) -> Self {
        ServerConfig {
            listen,
            tls,
            trust,
            limits: Limits::default(),
            workers: thread::available_parallelism().map_or(1, usize::from),
            // Elsewhere the system has the option too, but does not spread connections by it.
            reuse_port: cfg!(target_os = "linux"),
            refusals: Refusals::Full,
        }
    }

    /// Other limits than the defaults. A `Duration` above a century counts as one: `Duration::MAX` lifts a
    /// limit.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many worker threads; at least one. The default is one a core.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Whether each worker has a listener of its own (SO_REUSEPORT) or one hands its sockets out.
    #[must_use]
    pub fn reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// What a client reads that is not let in. The log has it all whatever is said here. The default is
    /// [`Refusals::Full`].
    #[must_use]
    pub fn refusals(mut self, refusals: Refusals) -> Self {
        self.refusals = refusals;
        self
    }
}

/// A server that listens. It serves once it is [run](Server::run).
pub struct Server<H: Handler> {
    shared: Arc<Shared<H>>,
    listeners: Vec<TcpListener>,
    inboxes: Vec<Arc<Inbox>>,
    stats: Stats,
    address: SocketAddr,
    following: Option<Following>,
}

/// Stops a server from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(Vec<Arc<Inbox>>);

impl Stopper {
    /// No new connections; commands under way are answered, everyone is told `shutting-down`. Ends
    /// `Limits::drain` and `Limits::linger` later at the latest.
    pub fn stop(&self) {
        self.0.iter().for_each(|inbox| inbox.post(Post::Stop));
    }

    /// The same without waiting for commands under way: their outcome is unknown to their clients. Ends
    /// `Limits::linger` later at the latest.
    pub fn stop_now(&self) {
        self.0.iter().for_each(|inbox| inbox.post(Post::StopNow));
    }
}

/// Replaces a server's trust list from any thread, while it runs.
#[derive(Clone, Debug)]
pub struct Trust {
    current: Arc<Current<TrustList>>,
    inboxes: Vec<Arc<Inbox>>,
    approvals: Approvals,
}

impl Trust {
    /// From now on `list` judges: who comes, and at once everybody who is in. Whoever it approves waits no longer.
    pub fn replace(&self, list: TrustList) {
        self.current.replace(list);
        self.approvals.forget_listed(&self.list());
        self.inboxes.iter().for_each(|inbox| inbox.post(Post::Trust));
    }

    /// The list that judges now.
    pub fn list(&self) -> Arc<TrustList> {
        self.current.copy().value
    }
}

/// Replaces a server's certificate and key from any thread, while it runs.
#[derive(Clone, Debug)]
pub struct Shown(Arc<Current<ServerTls>>);

impl Shown {
    /// From now on this is shown to newcomers; connections go on. Sessions are resumed across it if it was made
    /// with the same [`Tickets`](crate::Tickets).
    pub fn replace(&self, tls: ServerTls) {
        self.0.replace(tls);
    }

    /// What is shown now.
    pub fn tls(&self) -> Arc<ServerTls> {
        self.0.copy().value
    }
}

impl<H: Handler> Server<H> {
    /// Listens.
    ///
    /// # Errors
    /// [`BindError`] if the port is taken, the address is not this machine's or permission is missing.
    pub fn bind(config: ServerConfig, handler: H) -> Result<Self, BindError> {
        const { assert!(size_of::<H::State>() <= 64, "Handler::State has more than 64 bytes: put it in a Box") };
        let ServerConfig { listen, tls, trust, limits, workers, reuse_port, refusals } = config;
        let listeners = listener::bind(listen, workers, reuse_port)?;
        let address = listeners.first().and_then(|listener| listener.local_addr().ok()).unwrap_or(listen);
        let mut limits = within_a_century(limits);
        if limits.total == 0 {
            limits.total = memory::quarter();
        }
        let (limits, connections) = (Arc::new(limits), AtomicUsize::new(0));
        let stats = Stats::new(workers);
        let refusing = Arc::new(Refusing::new(&limits, refusals, stats.strangers()));
        let scarcity = Mutex::default();
        let shared = Arc::new(Shared {
            handler,
            tls: Arc::new(Current::new(tls)),
            trust: Arc::new(Current::new(trust)),
            limits,
            workers,
            connections,
            members: Members::default(),
            doubles: Doubles::default(),
            scarcity,
            accepting: Mutex::default(),
            refusing,
        });
        let inboxes = (0..workers).map(|_| Arc::default()).collect();
        Ok(Server { shared, listeners, inboxes, stats, address, following: None })
    }

    /// Where it listens; a port 0 has become the real one.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it has done and what it holds, in numbers; readable while it runs, and after.
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// What replaces its trust list.
    pub fn trust(&self) -> Trust {
        Trust {
            current: Arc::clone(&self.shared.trust),
            inboxes: self.inboxes.clone(),
            approvals: self.approvals(),
        }
    }

    /// What replaces its certificate and key.
    pub fn shown(&self) -> Shown {
        Shown(Arc::clone(&self.shared.tls))
    }

    /// From its return on, and until it has ended, the server follows these files: a change is in force within a
    /// second of it. A version that is bad is told of in the log, in the numbers and in `F.status` beside the trust
    /// file `F`, and what is in use stays. The list and the identity that it was bound with are those in use first.
    /// The strangers that wait for approval are kept in `F.pending`.
    /// Followed before, it follows these from now on in place of those.
    ///
    /// # Errors
    /// If the system gives no thread. Files that are missing or bad are none.
    pub fn follow(&mut self, trust: TrustFile, identity: Option<IdentityFiles>) -> io::Result<()> {
        self.follow_with(trust, identity, Arc::new(self.approvals()))
    }

    pub(crate) fn follow_with(
        &mut self,
        trust: TrustFile,
        identity: Option<IdentityFiles>,
        pending: Arc<dyn PendingSource>,
    ) -> io::Result<()> {
        // One at a time: the next one needs the lock.
        self.following = None;
        let parts = Parts {
            trust: self.trust(),
            shown: self.shown(),
            listening: self.address,
            versions: self.stats.versions(),
            pending,
            stopper: self.stopper(),
        };
        self.following = Some(Following::start(parts, trust, identity)?);
        Ok(())
    }

    /// The strangers that wait for an operator.
    pub fn approvals(&self) -> Approvals {
        Approvals::new(Arc::clone(&self.shared.refusing))
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.inboxes.clone())
    }

    /// From its return on, the process's SIGINT and SIGTERM (elsewhere Ctrl-C) stop this server: the first
    /// drains it, a second one ends it at once. If it [follows](Server::follow) files by now, SIGHUP makes it look
    /// at them. The thread that waits for them lives as long as the process.
    ///
    /// # Errors
    /// If the system gives no thread, no event queue or no signals.
    pub fn stop_on_signals(&self) -> io::Result<()> {
        signals::catch(self.stopper(), self.following.as_ref().map(Following::looker))
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// If the system gives no threads or no event queues. A worker that fails, or panics, stops the others: a
    /// server with a part missing would look alive.
    pub fn run(self) -> io::Result<()> {
        let stopper = self.stopper();
        // It follows until the last worker has ended.
        let _following = self.following;
        // One listener for all: the first worker hands the sockets out.
        let others = if self.listeners.len() < self.inboxes.len() { &self.inboxes[1..] } else { &[] };
        let mut listeners = self.listeners.into_iter();
        let mut threads = Vec::new();
        for (number, (inbox, counts)) in self.inboxes.iter().zip(self.stats.workers()).enumerate() {
            let (shared, inbox, listener) = (Arc::clone(&self.shared), Arc::clone(inbox), listeners.next());
            let others = if number == 0 { others.to_vec() } else { Vec::new() };
            let together = Together(stopper.clone());
            let work = move || -> io::Result<()> {
                let _together = together;
                runtime()?.block_on(Worker::new(shared, inbox, counts).run(listener, others))
            };
            // Unspawned, `work` is dropped, and stops those that run.
            threads.push(thread::Builder::new().name(format!("pinwire-{number}")).spawn(work));
        }
        let mut result = Ok(());
        for thread in threads {
            let ended = thread.and_then(|thread| {
                thread.join().unwrap_or_else(|_| Err(io::Error::other("a worker panicked")))
            });
            result = result.and(ended);
        }
        result
    }
}

/// A worker that ends, however it ends, stops the others. They stop already if it was told to.
struct Together(Stopper);

impl Drop for Together {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Moments are computed from these, and no clock reaches the end of time.
fn within_a_century(mut limits: Limits) -> Limits {
    let Limits { handshake, head, idle, slow_reader, pressed, linger, timeout, drain, .. } = &mut limits;
    for limit in [handshake, head, idle, slow_reader, pressed, linger, timeout, drain] {
        *limit = (*limit).min(CENTURY);
    }
    limits
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

pub(crate) fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_panics_stops_the_others() {
        let other: Arc<Inbox> = Arc::default();
        let together = Together(Stopper(vec![Arc::clone(&other)]));
        let worker = thread::spawn(move || {
            let _together = together;
            panic!("as the test wishes");
        });
        assert!(worker.join().is_err());
        assert!(matches!(other.take()[..], [Post::Stop]));
    }
}
