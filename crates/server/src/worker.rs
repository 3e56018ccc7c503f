//! A worker: a thread with its own runtime, listener, buffers and connections. Nothing of it is shared but
//! its inbox.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{self, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use pinwire_proto::code::Code;
use pinwire_proto::limits::Limits;
use pinwire_proto::session::{Buffers, Now, ServerSession};
use pinwire_proto::tls::ServerTls;
use pinwire_proto::trust::TrustList;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tracing::{error, warn};

use crate::alarms::{Alarm, Alarms};
use crate::connection::{Connection, Station, Turn};
use crate::handler::{Handler, unmapped};
use crate::inbox::{Address, Inbox, Post};
use crate::slab::Slab;

/// What all workers share, and none changes but the count.
pub(crate) struct Shared<H> {
    pub(crate) handler: H,
    pub(crate) tls: ServerTls,
    pub(crate) trust: TrustList,
    pub(crate) limits: Arc<Limits>,
    pub(crate) connections: AtomicUsize,
}

/// One worker, on its own thread.
pub(crate) struct Worker<H: Handler> {
    shared: Arc<Shared<H>>,
    inbox: Arc<Inbox>,
    floor: RefCell<Floor<H>>,
    /// When the drain ends, once the server stops.
    drain: Cell<Option<Instant>>,
    swept: Cell<usize>,
}

/// What a turn works with: borrowed for one turn, never across an await.
struct Floor<H: Handler> {
    // Boxed: a connection's address never changes, and an empty place costs a word.
    slab: Slab<Box<Connection<H::State>>>,
    io: Buffers,
    alarms: Alarms,
    /// Connections that began their handshake, the oldest first; some have ended it since.
    handshakes: VecDeque<Address>,
}

impl<H: Handler> Worker<H> {
    pub(crate) fn new(shared: Arc<Shared<H>>, inbox: Arc<Inbox>) -> Rc<Self> {
        let floor = Floor {
            slab: Slab::new(),
            io: Buffers::default(),
            alarms: Alarms::default(),
            handshakes: VecDeque::new(),
        };
        Rc::new(Worker {
            shared,
            inbox,
            floor: RefCell::new(floor),
            drain: Cell::new(None),
            swept: Cell::new(0),
        })
    }

    /// Serves until the server stops and the last connection has ended.
    pub(crate) async fn run(self: Rc<Self>, listener: Option<net::TcpListener>, others: Vec<Arc<Inbox>>) {
        let accept =
            listener.map(|listener| tokio::task::spawn_local(Rc::clone(&self).accept(listener, others)));
        while !self.is_over() {
            let wake = tokio::time::Instant::from_std(self.next_look());
            // Either way there may be something to do.
            let _ = tokio::time::timeout_at(wake, self.inbox.wait()).await;
            self.inbox.take().into_iter().for_each(|post| self.apply(post));
            if self.drain.get().is_some()
                && let Some(accept) = &accept
            {
                accept.abort();
            }
            self.ring();
            self.sweep();
        }
    }

    /// Accepts; with `others`, hands the sockets out in turn.
    async fn accept(self: Rc<Self>, listener: net::TcpListener, others: Vec<Arc<Inbox>>) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return error!(%error, "cannot accept connections"),
        };
        let mut turn = 0;
        loop {
            match listener.accept().await {
                Ok((socket, remote)) => {
                    turn = (turn + 1) % (others.len() + 1);
                    match turn.checked_sub(1) {
                        None => self.adopt(socket, remote),
                        Some(other) => hand_over(&others[other], socket, remote),
                    }
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A new connection: a place, a task, an alarm for its handshake.
    fn adopt(self: &Rc<Self>, socket: TcpStream, remote: SocketAddr) {
        let (now, limits) = (now(), &self.shared.limits);
        if let Err(error) = tune(&socket) {
            return warn!(peer = %remote, %error, "cannot tune a new connection's socket");
        }
        let session = match ServerSession::new(&self.shared.tls, Arc::clone(limits), now) {
            Ok(session) => session,
            Err(failure) => return error!(peer = %remote, %failure, "cannot begin a connection"),
        };
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        let connection = Box::new(Connection::new(session, socket, unmapped(remote)));
        let mut floor = self.floor.borrow_mut();
        floor.make_room_for_handshake(limits.handshakes);
        let address = floor.slab.insert(connection);
        floor.handshakes.push_back(address);
        floor.alarms.set(now.instant + limits.handshake, Alarm::Connection(address));
        if floor.slab.len() == 1 {
            self.inbox.post(Post::Alarm); // a worker without connections sleeps long
        }
        drop(floor);
        let worker = Rc::clone(self);
        tokio::task::spawn_local(std::future::poll_fn(move |cx| worker.turn(address, cx)));
    }

    /// A connection's task: its turns, until it waits for its socket or is gone.
    fn turn(&self, address: Address, cx: &mut Context<'_>) -> Poll<()> {
        let Floor { slab, io, alarms, .. } = &mut *self.floor.borrow_mut();
        let Some(connection) = slab.get_mut(address) else { return Poll::Ready(()) };
        connection.keep_waker(cx.waker());
        let mut station = Station {
            handler: &self.shared.handler,
            trust: &self.shared.trust,
            limits: &self.shared.limits,
            inbox: &self.inbox,
            address,
            now: now(),
            alarms,
            is_full: self.shared.connections.load(Ordering::Relaxed) > self.shared.limits.connections,
        };
        for _ in 0..TURNS {
            match connection.turn(&mut station, io, cx) {
                Turn::Again => {}
                Turn::Wait => return Poll::Pending,
                Turn::Gone => {
                    self.depart(slab, address);
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref(); // the others first
        Poll::Pending
    }

    fn depart(&self, slab: &mut Slab<Box<Connection<H::State>>>, address: Address) {
        if let Some(connection) = slab.remove(address) {
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            connection.depart(&self.shared.handler);
        }
        if slab.len() == 0 && self.drain.get().is_some() {
            self.inbox.post(Post::Alarm); // the last one: the worker may end
        }
    }

    fn apply(self: &Rc<Self>, post: Post) {
        match post {
            Post::Reply(address, to, reply) => {
                self.with(address, |connection| connection.answer(&to, &reply));
            }
            Post::Panicked(address, to) => {
                self.with(address, |connection| connection.panicked(&to));
            }
            Post::Accepted(socket, remote) => match TcpStream::from_std(socket) {
                Ok(socket) => self.adopt(socket, remote),
                Err(error) => warn!(peer = %remote, %error, "cannot take a connection over"),
            },
            Post::Stop => self.stop(now().instant + self.shared.limits.drain),
            Post::StopNow => self.stop(now().instant),
            Post::Alarm => {}
        }
    }

    fn with(&self, address: Address, act: impl FnOnce(&mut Connection<H::State>)) {
        if let Some(connection) = self.floor.borrow_mut().slab.get_mut(address) {
            act(connection);
        }
    }

    fn stop(&self, until: Instant) {
        let until = self.drain.get().map_or(until, |before| before.min(until));
        self.drain.set(Some(until));
        self.everyone(Connection::stop);
    }

    fn everyone(&self, mut act: impl FnMut(&mut Connection<H::State>)) {
        let slab = &mut self.floor.borrow_mut().slab;
        let places = slab.places();
        slab.range_mut(0..places).for_each(|connection| act(connection));
    }

    /// When the worker looks after its connections next.
    fn next_look(&self) -> Instant {
        let floor = self.floor.borrow();
        let sweep = now().instant + if floor.slab.len() == 0 { IDLE_LOOK } else { LOOK };
        [floor.alarms.earliest(), self.drain.get()].into_iter().flatten().fold(sweep, Instant::min)
    }

    /// Sees to the alarms that are due.
    fn ring(&self) {
        let now = now();
        let Floor { slab, alarms, .. } = &mut *self.floor.borrow_mut();
        while let Some(alarm) = alarms.due(now.instant) {
            let (Alarm::Timeout(address, _) | Alarm::Connection(address)) = alarm;
            match (slab.get_mut(address), alarm) {
                (Some(connection), Alarm::Timeout(_, to)) => connection.time_out(&to),
                (Some(connection), Alarm::Connection(_)) => connection.look(now, &self.shared.limits),
                (None, _) => {}
            }
        }
    }

    /// Looks at a tenth of the places, so that every connection is looked at once in [`SWEEP`].
    fn sweep(&self) {
        let now = now();
        if self.drain.get().is_some_and(|until| now.instant >= until) {
            self.everyone(|connection| connection.close_with(Code::ShuttingDown, ""));
        }
        let slab = &mut self.floor.borrow_mut().slab;
        let (start, step) = (self.swept.get(), slab.places().div_ceil(PARTS));
        let range = start..start + step;
        self.swept.set(if range.end >= slab.places() { 0 } else { range.end });
        slab.range_mut(range).for_each(|connection| connection.look(now, &self.shared.limits));
    }

    /// Whether the server stops and nothing is left, or nothing may be left any more.
    fn is_over(&self) -> bool {
        let Some(drain) = self.drain.get() else { return false };
        let is_past = now().instant >= drain + self.shared.limits.linger;
        is_past || self.floor.borrow().slab.len() == 0
    }
}

impl<H: Handler> Floor<H> {
    /// When as many as may be are in their handshake, the oldest of them makes way: it had the most time.
    fn make_room_for_handshake(&mut self, limit: usize) {
        if self.handshakes.len() < limit {
            return;
        }
        let Floor { slab, handshakes, .. } = self;
        handshakes.retain(|address| slab.get_mut(*address).is_some_and(|tenant| tenant.is_handshaking()));
        if handshakes.len() >= limit
            && let Some(oldest) = handshakes.pop_front().and_then(|oldest| slab.get_mut(oldest))
        {
            oldest.abandon();
        }
    }
}

fn hand_over(inbox: &Inbox, socket: TcpStream, remote: SocketAddr) {
    match socket.into_std() {
        Ok(socket) => inbox.post(Post::Accepted(socket, remote)),
        Err(error) => warn!(peer = %remote, %error, "cannot hand a connection over"),
    }
}

/// No waiting to fill packets: replies are batched already. Dead peers are found by keepalive.
fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    #[cfg(not(any(windows, target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
    let keepalive = keepalive.with_retries(KEEPALIVE_PROBES);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

fn now() -> Now {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now { instant: Instant::now(), unix: i64::try_from(unix.as_secs()).unwrap_or(i64::MAX) }
}

/// Turns that a connection may have in a row before the others have theirs.
const TURNS: usize = 4;

/// Every connection is looked at once in a second, in ten parts.
const PARTS: usize = 10;
const LOOK: Duration = Duration::from_millis(100);
/// A worker without connections sleeps longer.
const IDLE_LOOK: Duration = Duration::from_secs(60);

/// After a failed accept: what fails is the machine, and it needs a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_PROBES: u32 = 3;
