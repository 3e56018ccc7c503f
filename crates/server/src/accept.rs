//! Accepting: new sockets become connections, each with a place, a task and an alarm for its handshake.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pinwire_proto::session::ServerSession;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, error, warn};

use crate::alarms::Alarm;
use crate::connection::Connection;
use crate::handler::{Handler, unmapped};
use crate::inbox::{Inbox, Post};
use crate::worker::{Worker, now};

impl<H: Handler> Worker<H> {
    /// Accepts; with `others`, hands the sockets out in turn.
    pub(crate) async fn accept(self: Rc<Self>, listener: TcpListener, others: Vec<Arc<Inbox>>) {
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
                Err(error) if is_the_peers(&error) => {
                    debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A new connection: a place, a task, an alarm for its handshake.
    pub(crate) fn adopt(self: &Rc<Self>, socket: TcpStream, remote: SocketAddr) {
        let (now, limits) = (now(), &self.shared.limits);
        if let Err(error) = tune(&socket) {
            return warn!(peer = %remote, %error, "cannot tune a new connection's socket");
        }
        let session = match ServerSession::new(&self.shared.tls, Arc::clone(limits), now) {
            Ok(session) => session,
            Err(failure) => return error!(peer = %remote, %failure, "cannot begin a connection"),
        };
        let mut connection = Box::new(Connection::new(session, socket, unmapped(remote)));
        if self.drain.get().is_some() {
            connection.stop(); // another worker accepted it before the server stopped
        }
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
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    #[cfg(not(any(windows, target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
    let keepalive = keepalive.with_retries(KEEPALIVE_PROBES);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

/// After a failed accept: what fails is the machine, and it needs a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    }
}
