//! Accepting: new sockets wait in the lobby for a place, then become connections, each with a task and an alarm
//! for its handshake. Who comes when is `handshakes`'s to say, and what is done without descriptors `shortage`'s.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pinwire_proto::session::{Now, ServerSession};
use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, error, info, warn};

use crate::alarms::Alarm;
use crate::connection::Connection;
use crate::handler::{Handler, unmapped};
use crate::handshakes::{Source, Step};
use crate::inbox::{Inbox, Post};
use crate::shortage::Shortage;
use crate::stats::Counts;
use crate::worker::{Worker, now};

/// A socket that was accepted, and nothing more: no TLS, no task.
#[derive(Debug)]
pub(crate) struct Newcomer {
    socket: TcpStream,
    remote: SocketAddr,
}

/// The listener, and what is given up for a moment when there is nothing left to accept with.
struct Door {
    listener: TcpListener,
    spare: Option<Socket>,
}

impl<H: Handler> Worker<H> {
    /// Accepts; with `others`, hands the sockets out in turn.
    pub(crate) async fn accept(self: Rc<Self>, listener: TcpListener, others: Vec<Arc<Inbox>>) {
        let mut door = Door::new(listener);
        let mut shortage = Shortage::new(self.shared.limits.handshake);
        let mut turn = 0;
        loop {
            match poll_fn(|cx| self.poll_accept(&door, &mut shortage, cx)).await {
                Ok((socket, remote)) => {
                    shortage.accepted();
                    turn = (turn + 1) % (others.len() + 1);
                    match turn.checked_sub(1) {
                        None => self.arrive(socket, remote),
                        Some(other) => hand_over(&others[other], socket, remote),
                    }
                }
                Err(error) if is_the_peers(&error) => {
                    debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => self.run_short(&error, &mut door, &mut shortage).await,
            }
        }
    }

    fn poll_accept(
        &self,
        door: &Door,
        shortage: &mut Shortage,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = {
            let _alone = self.shared.accepting.lock().unwrap_or_else(PoisonError::into_inner);
            door.listener.poll_accept(cx)
        };
        if accepted.is_pending() && shortage.nobody_waits() {
            let mut scarcity = self.shared.scarcity.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(lasted) = scarcity.ends(now().instant) {
                info!(?lasted, "accepting goes on again");
            }
        }
        accepted
    }

    /// The machine has nothing left for one more connection: a pause, in which others may end theirs.
    async fn run_short(&self, error: &io::Error, door: &mut Door, shortage: &mut Shortage) {
        let now = now().instant;
        self.counts.accepts_failed.one();
        shortage.failed(now);
        if self.shared.scarcity.lock().unwrap_or_else(PoisonError::into_inner).begins(now) {
            warn!(%error, "cannot accept: {}", advice(error));
        }
        if shortage.is_hopeless(now) {
            // Alone: another worker's newcomer would get the spare, and keep it.
            let _alone = self.shared.accepting.lock().unwrap_or_else(PoisonError::into_inner);
            if door.turn_away(&self.counts) {
                shortage.all_closed();
            }
        }
        // Either way it is tried again.
        let _ = tokio::time::timeout(shortage.pause(), self.room.notified()).await;
    }

    /// A socket that was accepted: into the lobby, and out of it at once if there is a place.
    pub(crate) fn arrive(self: &Rc<Self>, socket: TcpStream, remote: SocketAddr) {
        self.counts.accepted.one();
        if self.is_drained.get() {
            return self.counts.turned_away.one(); // another worker accepted it; no time is left to tell it
        }
        let (now, remote) = (now().instant, unmapped(remote));
        let newcomer = Newcomer { socket, remote };
        let source = Source::of(remote.ip());
        match self.shared.refusing.delay(now, source) {
            Duration::ZERO => {
                let closed = self.floor.borrow_mut().handshakes.arrive(now, source, newcomer);
                if let Some(closed) = closed {
                    self.close_at_accept(&closed, now);
                }
            }
            delay => self.delay(now, now + delay, source, newcomer),
        }
        self.admit();
    }

    /// Its source fails too often: it waits until then, or is closed.
    fn delay(&self, now: Instant, until: Instant, source: Source, newcomer: Newcomer) {
        if self.drain.get().is_some() {
            return self.counts.turned_away.one(); // as `clear_delayed` does
        }
        self.counts.delayed.one();
        let mut floor = self.floor.borrow_mut();
        let closed = floor.handshakes.delay(until, source, newcomer);
        if floor.handshakes.earliest() == Some(until) {
            self.inbox.post(Post::Alarm); // the worker may sleep longer than that
        }
        drop(floor);
        if let Some((source, newcomer)) = closed {
            self.counts.penalised();
            self.shared.refusing.penalised(now, source, newcomer.remote);
        }
    }

    fn close_at_accept(&self, newcomer: &Newcomer, now: Instant) {
        self.counts.turned_away.one();
        debug!(peer = %newcomer.remote, "closed at accept: the lobby is full");
        if self.full.borrow_mut().is_due(now) {
            let closed = self.counts.turned_away.get();
            warn!(peer = %newcomer.remote, closed, "closed at accept: too many wait for their handshake");
        }
    }

    /// Sees to the lobby: who has a place begins, who had none in time is closed.
    pub(crate) fn admit(self: &Rc<Self>) {
        loop {
            let now = now();
            let mut floor = self.floor.borrow_mut();
            if !floor.handshakes.has_waiting() {
                return;
            }
            let Some(step) = floor.handshakes.next(now.instant) else { return };
            match step {
                Step::Begin(source, newcomer, accepted) => {
                    drop(floor);
                    self.adopt(source, newcomer, Now { instant: accepted, ..now });
                }
                Step::Drop(address) => {
                    if let Some(connection) = floor.slab.get_mut(address) {
                        connection.drop_handshake();
                    }
                }
                Step::Full(newcomer) => self.close_at_accept(&newcomer, now.instant),
                Step::Late(newcomer) => {
                    self.counts.turned_away.one();
                    info!(peer = %newcomer.remote, "no place for its handshake in time");
                }
            }
        }
    }

    /// Whom the list lets in now has waited long enough, and so have those of its source: their failures are forgiven.
    pub(crate) fn forgive_delayed(&self) {
        let now = now().instant;
        self.floor.borrow_mut().handshakes.forgive(now, |source| self.shared.refusing.is_free(now, source));
    }

    /// Whoever is delayed does not delay the stop: that would be a way to put it off.
    pub(crate) fn clear_delayed(&self) {
        let delayed = self.floor.borrow_mut().handshakes.clear_delayed();
        self.counts.turned_away.add(delayed.len() as u64);
    }

    /// Nobody waits for a place any more.
    pub(crate) fn clear_lobby(&self) {
        let waiting = self.floor.borrow_mut().handshakes.clear_lobby();
        self.counts.turned_away.add(waiting.len() as u64);
    }

    /// A new connection: a place, a task, an alarm for its handshake, whose time runs since `accepted`.
    fn adopt(self: &Rc<Self>, source: Source, newcomer: Newcomer, accepted: Now) {
        let (Newcomer { socket, remote }, limits) = (newcomer, &self.shared.limits);
        if let Err(error) = tune(&socket) {
            self.counts.turned_away.one();
            return warn!(peer = %remote, %error, "cannot tune a new connection's socket");
        }
        let tls = {
            let mut floor = self.floor.borrow_mut();
            floor.tls.refresh(&self.shared.tls);
            Arc::clone(&floor.tls.value)
        };
        let mut session = match ServerSession::new(&tls, Arc::clone(limits), accepted) {
            Ok(session) => session,
            Err(failure) => {
                self.counts.turned_away.one();
                return error!(peer = %remote, %failure, "cannot begin a connection");
            }
        };
        session.count_in(Arc::clone(&self.counts.tally));
        let mut connection = Box::new(Connection::new(session, socket, remote));
        if self.drain.get().is_some() {
            connection.stop(); // it waited, or another worker accepted it, before the server stopped
        }
        let mut floor = self.floor.borrow_mut();
        let address = floor.slab.insert(connection);
        self.counts.connections.set(floor.slab.len());
        floor.handshakes.began(now().instant, source, address);
        floor.alarms.set(accepted.instant + limits.handshake, Alarm::Connection(address));
        if floor.slab.len() == 1 {
            self.inbox.post(Post::Alarm); // a worker without connections sleeps long
        }
        drop(floor);
        let worker = Rc::clone(self);
        tokio::task::spawn_local(poll_fn(move |cx| worker.turn(address, cx)));
    }
}

impl Door {
    fn new(listener: TcpListener) -> Self {
        let spare = spare(&listener);
        Door { listener, spare }
    }

    /// Gives the spare descriptor up, closes those who wait, and takes it back. Says whether it was all of them.
    fn turn_away(&mut self, counts: &Counts) -> bool {
        self.spare = None;
        let mut cx = Context::from_waker(Waker::noop());
        let mut is_all = false;
        for _ in 0..AT_ONCE {
            match self.listener.poll_accept(&mut cx) {
                Poll::Ready(Ok(_)) => {
                    counts.accepted.one();
                    counts.turned_away.one();
                }
                Poll::Ready(Err(error)) if is_the_peers(&error) => {}
                Poll::Ready(Err(_)) => break, // another thread was faster
                Poll::Pending => {
                    is_all = true;
                    break;
                }
            }
        }
        self.spare = spare(&self.listener);
        is_all
    }
}

/// A second descriptor of the listener does nothing but be there.
fn spare(listener: &TcpListener) -> Option<Socket> {
    SockRef::from(listener).try_clone().ok()
}

/// What an operator can do about it.
fn advice(error: &io::Error) -> &'static str {
    match is_out_of_descriptors(error) {
        true => {
            "this process or the system has its last file open; newcomers wait. Raise the limit: \
                 `ulimit -n` in a shell, LimitNOFILE in a systemd unit"
        }
        false => "newcomers wait until the system has what it takes",
    }
}

/// EMFILE and ENFILE, the same numbers on every Unix; WSAEMFILE.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(23 | 24) => cfg!(unix),
        Some(10_024) => cfg!(windows),
        _ => false,
    }
}

/// Whether accept failed for this one connection alone: pausing for it would let peers slow the others down.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
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
    // What a client does not read waits here, where it is counted, rather than in the kernel. Some that pass for
    // Linux do not know the option: no reason to let nobody in.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = SockRef::from(socket).set_tcp_notsent_lowat(NOT_SENT);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    #[cfg(not(any(windows, target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
    let keepalive = keepalive.with_retries(KEEPALIVE_PROBES);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

/// Sockets closed in a row while descriptors are lacking: accept and close take some 10 µs, so 3 ms.
const AT_ONCE: usize = 256;

/// Bytes that the kernel takes beyond what it can send: enough to be refilled in time, and no megabytes.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NOT_SENT: u32 = 128 * 1024;

const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_PROBES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_gives_up_before_it_is_accepted_makes_nobody_wait() {
        assert!(is_the_peers(&io::ErrorKind::ConnectionAborted.into()));
        let out_of_files = io::Error::from_raw_os_error(24);
        assert!(!is_the_peers(&out_of_files), "a pause lets others close theirs");
        assert_eq!(advice(&out_of_files).contains("ulimit -n"), cfg!(unix));
        assert!(!advice(&io::ErrorKind::OutOfMemory.into()).contains("ulimit"));
    }
}
