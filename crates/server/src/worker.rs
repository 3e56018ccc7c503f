//! A worker: a thread with its own runtime, listener, buffers and connections. Nothing of it is shared but
//! its inbox.

use std::cell::{Cell, RefCell};
use std::io;
use std::net;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use pinwire_proto::code::Code;
use pinwire_proto::limits::Limits;
use pinwire_proto::session::{Buffers, Now};
use pinwire_proto::tls::ServerTls;
use pinwire_proto::trust::TrustList;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tracing::warn;

use crate::accept::Newcomer;
use crate::alarms::{Alarm, Alarms};
use crate::connection::{Connection, Judge, Progress, Station, Turn, unpanicked};
use crate::current::{Copied, Current};
use crate::doubles::Doubles;
use crate::handler::Handler;
use crate::handshakes::Handshakes;
use crate::inbox::{Address, Inbox, Post};
use crate::members::{Members, excess};
use crate::refusing::Refusing;
use crate::rounds::Rounds;
use crate::shortage::{Minute, Scarcity};
use crate::slab::Slab;
use crate::stats::Counts;
use crate::totals::{Kept, Totals};

/// What all workers share.
pub(crate) struct Shared<H> {
    pub(crate) handler: H,
    pub(crate) tls: Arc<Current<ServerTls>>,
    pub(crate) trust: Arc<Current<TrustList>>,
    pub(crate) limits: Arc<Limits>,
    /// How many there are.
    pub(crate) workers: usize,
    pub(crate) connections: AtomicUsize,
    /// Who is in, by entry.
    pub(crate) members: Members,
    pub(crate) doubles: Doubles,
    pub(crate) scarcity: Mutex<Scarcity>,
    /// Held while a worker accepts.
    pub(crate) accepting: Mutex<()>,
    pub(crate) refusing: Arc<Refusing>,
}

/// One worker, on its own thread.
pub(crate) struct Worker<H: Handler> {
    pub(crate) shared: Arc<Shared<H>>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) floor: RefCell<Floor<H>>,
    /// When the drain ends, once the server stops.
    pub(crate) drain: Cell<Option<Instant>>,
    /// Whether it has ended: everyone was told.
    pub(crate) is_drained: Cell<bool>,
    /// The last list by which everybody was judged.
    judged: Cell<u32>,
    /// When the lobby was last said to be full.
    pub(crate) full: RefCell<Minute>,
    /// Told when a connection has ended: its descriptor is free.
    pub(crate) room: Notify,
}

/// What a turn works with: borrowed for one turn, never across an await.
pub(crate) struct Floor<H: Handler> {
    // Boxed: a connection's address never changes, and an empty place costs a word.
    pub(crate) slab: Slab<Box<Connection<H::State>>>,
    io: Buffers,
    pub(crate) alarms: Alarms,
    rounds: Rounds,
    totals: Totals,
    pub(crate) handshakes: Handshakes<Newcomer>,
    pub(crate) tls: Copied<ServerTls>,
    trust: Copied<TrustList>,
}

impl<H: Handler> Worker<H> {
    pub(crate) fn new(shared: Arc<Shared<H>>, inbox: Arc<Inbox>, counts: Arc<Counts>) -> Rc<Self> {
        let floor = Floor {
            slab: Slab::new(),
            io: Buffers::default(),
            alarms: Alarms::default(),
            rounds: Rounds::new(Instant::now()),
            totals: Totals::new(&shared.limits, shared.workers),
            handshakes: Handshakes::new(&shared.limits),
            tls: shared.tls.copy(),
            trust: shared.trust.copy(),
        };
        Rc::new(Worker {
            shared,
            inbox,
            counts,
            floor: RefCell::new(floor),
            drain: Cell::new(None),
            is_drained: Cell::new(false),
            judged: Cell::new(0),
            full: RefCell::default(),
            room: Notify::new(),
        })
    }

    /// Serves until the server stops and the last connection has ended.
    pub(crate) async fn run(
        self: Rc<Self>,
        listener: Option<net::TcpListener>,
        others: Vec<Arc<Inbox>>,
    ) -> io::Result<()> {
        let listener = listener.map(TcpListener::from_std).transpose()?;
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
            self.admit();
            self.end_drain();
            self.sweep();
        }
        self.clear_out();
        Ok(())
    }

    /// A connection's task: its turns, until it waits for its socket or is gone.
    pub(crate) fn turn(self: &Rc<Self>, address: Address, cx: &mut Context<'_>) -> Poll<()> {
        let mut floor = self.floor.borrow_mut();
        let turned = self.take_turns(&mut floor, address, cx);
        match floor.slab.get_mut(address).map_or(Some(Progress::Over), |tenant| tenant.progress()) {
            None | Some(Progress::Silent) => {}
            Some(Progress::Heard) => floor.handshakes.heard(address),
            Some(Progress::Over) => {
                floor.handshakes.leave(address);
                drop(floor);
                self.admit(); // its place is free
            }
        }
        turned
    }

    /// A panic in here is not the handler's, which `Connection` sees to: it is ours, or comes of what logs. It ends
    /// this connection and no other.
    fn take_turns(&self, floor: &mut Floor<H>, address: Address, cx: &mut Context<'_>) -> Poll<()> {
        let Floor { slab, io, alarms, totals, trust, .. } = floor;
        trust.refresh(&self.shared.trust);
        let Some(connection) = slab.get_mut(address) else { return Poll::Ready(()) };
        connection.keep_waker(cx.waker());
        let mut station = Station {
            handler: &self.shared.handler,
            judge: self.judge(trust),
            limits: &self.shared.limits,
            inbox: &self.inbox,
            address,
            now: now(),
            alarms,
            connections: &self.shared.connections,
            counts: &self.counts,
            refusing: &self.shared.refusing,
        };
        io.trim();
        let turned = unpanicked(|| turns(connection, &mut station, io, totals, cx));
        let now = station.now.instant;
        if turned.is_none() {
            *io = Buffers::default(); // what the turn left must not reach the next connection
            connection.fail();
        }
        match connection.is_starved() {
            true => totals.starve(address, connection.kept(), now),
            false => totals.forget(address),
        }
        let poll = match turned.unwrap_or(Turn::Gone) {
            Turn::Wait => Poll::Pending,
            Turn::Again | Turn::Yield => {
                after_the_others(cx);
                Poll::Pending
            }
            Turn::Gone => {
                io.contexts.clear(address.place as usize);
                self.depart(slab, totals, address);
                Poll::Ready(())
            }
        };
        self.counts.keep(totals.used(), totals.starved());
        if let Some(fed) = totals.feed().and_then(|address| slab.get_mut(address)) {
            fed.wake();
        }
        poll
    }

    fn depart(&self, slab: &mut Slab<Box<Connection<H::State>>>, totals: &mut Totals, address: Address) {
        totals.forget(address);
        if let Some(connection) = slab.remove(address) {
            totals.recount(connection.kept(), Kept::default());
            connection.depart(&self.shared, &self.counts);
            self.room.notify_one();
        }
        self.counts.connections.set(slab.len());
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
                Ok(socket) => self.arrive(socket, remote),
                Err(error) => warn!(peer = %remote, %error, "cannot take a connection over"),
            },
            Post::Stop => self.stop(now().instant + self.shared.limits.drain),
            Post::StopNow => self.stop(now().instant),
            Post::Close(address, code, text) => {
                self.with(address, |connection| connection.close_with(code, &text));
            }
            Post::Trust => {
                self.judge_all();
                self.forgive_delayed();
            }
            Post::Alarm => {}
        }
    }

    fn with(&self, address: Address, act: impl FnOnce(&mut Connection<H::State>)) {
        if let Some(connection) = self.floor.borrow_mut().slab.get_mut(address) {
            act(connection);
        }
    }

    /// Another list: everybody is judged by it, who is served next and who is quiet.
    fn judge_all(&self) {
        let Floor { slab, trust, .. } = &mut *self.floor.borrow_mut();
        trust.refresh(&self.shared.trust);
        let (now, judge) = (now(), self.judge(trust));
        let places = slab.places();
        slab.range_mut(0..places).for_each(|connection| connection.keep_to(judge, now));
        if self.judged.replace(trust.generation) == trust.generation {
            return;
        }
        let named =
            slab.iter().filter_map(|(address, connection)| connection.named(&self.inbox, address)).collect();
        let Shared { members, workers, .. } = &*self.shared;
        // Those of other workers may stand under another entry still.
        let Some(named) = members.all_judged(trust.generation, *workers, named) else { return };
        for (member, most) in excess(&trust.value, named) {
            let text = format!("its entry may have {most} connections now");
            member.inbox.post(Post::Close(member.address, Code::TooManyConnections, text));
        }
    }

    fn judge<'w>(&'w self, trust: &'w Copied<TrustList>) -> Judge<'w> {
        let Shared { members, doubles, .. } = &*self.shared;
        Judge { list: &trust.value, generation: trust.generation, members, doubles }
    }

    fn stop(&self, until: Instant) {
        let until = self.drain.get().map_or(until, |before| before.min(until));
        self.drain.set(Some(until));
        self.clear_delayed();
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
        let round = if floor.slab.len() == 0 { now().instant + IDLE_LOOK } else { floor.rounds.next() };
        let drain = if self.is_drained.get() { self.last_moment() } else { self.drain.get() };
        [floor.alarms.earliest(), floor.handshakes.earliest(), drain]
            .into_iter()
            .flatten()
            .fold(round, Instant::min)
    }

    /// Sees to the alarms that are due.
    fn ring(&self) {
        let now = now();
        let Floor { slab, alarms, totals, trust, .. } = &mut *self.floor.borrow_mut();
        trust.refresh(&self.shared.trust);
        let judge = self.judge(trust);
        while let Some(alarm) = alarms.due(now.instant) {
            let (Alarm::Timeout(address, _) | Alarm::Connection(address)) = alarm;
            match (slab.get_mut(address), alarm) {
                (Some(connection), Alarm::Timeout(_, to)) => connection.time_out(&to),
                (Some(connection), Alarm::Connection(_)) => {
                    connection.look(now, &self.shared.limits, judge, totals.short());
                }
                (None, _) => {}
            }
        }
        alarms.forget_settled(|alarm| match alarm {
            Alarm::Timeout(address, to) => slab.get_mut(address).is_some_and(|tenant| tenant.owes(&to)),
            Alarm::Connection(address) => slab.get_mut(address).is_some(),
        });
    }

    /// The drain's time is up: what is still under way is told so, once.
    fn end_drain(&self) {
        let is_up = self.drain.get().is_some_and(|drain| now().instant >= drain);
        if is_up && !self.is_drained.replace(true) {
            self.everyone(|connection| connection.close_with(Code::ShuttingDown, ""));
            self.clear_lobby();
        }
    }

    /// Looks at the connections whose round it is.
    fn sweep(&self) {
        let now = now();
        let Floor { slab, rounds, totals, trust, .. } = &mut *self.floor.borrow_mut();
        trust.refresh(&self.shared.trust);
        let Some(part) = rounds.due(now.instant, slab.places()) else { return };
        let (short, judge) = (totals.short(), self.judge(trust));
        slab.range_mut(part).for_each(|connection| connection.look(now, &self.shared.limits, judge, short));
    }

    /// When nothing may be left any more: the last words have had their time.
    fn last_moment(&self) -> Option<Instant> {
        self.drain.get().map(|drain| drain + self.shared.limits.linger)
    }

    /// Whether the server stops and nothing is left, or nothing may be left any more.
    fn is_over(&self) -> bool {
        let Some(last) = self.last_moment() else { return false };
        let floor = self.floor.borrow();
        now().instant >= last || (floor.slab.len() == 0 && !floor.handshakes.has_waiting())
    }

    /// Whoever is left goes, and nobody comes any more.
    fn clear_out(&self) {
        drop(self.inbox.close());
        self.clear_lobby();
        let left = self.floor.borrow_mut().slab.take_all();
        for connection in left {
            connection.depart(&self.shared, &self.counts);
        }
        self.counts.connections.set(0);
        self.counts.keep(Kept::default(), 0);
    }
}

pub(crate) fn now() -> Now {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now { instant: Instant::now(), unix: i64::try_from(unix.as_secs()).unwrap_or(i64::MAX) }
}

/// A few turns in a row, while there is more to do at once.
fn turns<H: Handler>(
    connection: &mut Connection<H::State>,
    station: &mut Station<'_, H>,
    io: &mut Buffers,
    totals: &mut Totals,
    cx: &mut Context<'_>,
) -> Turn {
    for _ in 0..TURNS {
        io.room = totals.room(connection.kept());
        let turn = connection.turn(station, io, cx);
        let (before, after) = connection.recount();
        totals.recount(before, after);
        if turn != Turn::Again {
            return turn;
        }
    }
    Turn::Again
}

/// Wakes this task once all others that are ready have run, those among them whose sockets are: a waker alone
/// would put it before the sockets that the runtime has not looked at, which it does every 61 tasks.
fn after_the_others(cx: &mut Context<'_>) {
    let is_pending = pin!(tokio::task::yield_now()).poll(cx).is_pending();
    debug_assert!(is_pending, "tokio wakes it once it has looked at the sockets");
}

/// Turns that a connection may have in a row before the others have theirs.
const TURNS: usize = 4;

/// A worker without connections sleeps longer.
const IDLE_LOOK: Duration = Duration::from_secs(60);

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
