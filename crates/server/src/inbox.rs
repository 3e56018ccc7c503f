//! All that concerns a worker's connections and does not come from their sockets: posts, in one inbox.

use std::fmt;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pinwire_proto::code::Code;
use pinwire_proto::session::ReplyTo;
use pinwire_proto::wire::Reply;
use tokio::sync::Notify;

/// A connection's place in its worker's slab, with the place's generation: a late answer cannot reach the
/// connection that came into the place afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) place: u32,
    pub(crate) generation: u32,
}

/// Something for a worker to apply to its slab.
#[derive(Debug)]
pub(crate) enum Post {
    /// A command's answer.
    Reply(Address, ReplyTo, Reply),
    /// A command's handler panicked.
    Panicked(Address, ReplyTo),
    /// A socket that another worker accepted.
    Accepted(TcpStream, SocketAddr),
    /// This connection ends, with these words.
    Close(Address, Code, String),
    /// The trust list was replaced: everybody is judged again.
    Trust,
    /// No new connections; end the others once they are answered.
    Stop,
    /// End them now.
    StopNow,
    /// An alarm was set that is earlier than the one the worker sleeps for.
    Alarm,
}

/// Any thread posts, the worker takes.
pub(crate) struct Inbox {
    /// None once the worker has ended: what is posted then is dropped, a socket closed.
    posts: Mutex<Option<Vec<Post>>>,
    bell: Notify,
}

impl Default for Inbox {
    fn default() -> Self {
        Inbox { posts: Mutex::new(Some(Vec::new())), bell: Notify::new() }
    }
}

impl Inbox {
    pub(crate) fn post(&self, post: Post) {
        if let Some(posts) = &mut *self.lock() {
            posts.push(post);
        }
        self.bell.notify_one();
    }

    /// Everything that was posted; empty if nothing was.
    pub(crate) fn take(&self) -> Vec<Post> {
        self.lock().as_mut().map(mem::take).unwrap_or_default()
    }

    /// What was posted and not taken; nothing is posted any more.
    pub(crate) fn close(&self) -> Vec<Post> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Post>>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once something was posted since the last return.
    pub(crate) async fn wait(&self) {
        self.bell.notified().await;
    }
}

/// Stoppers and deferred replies hold it and may be logged: other clients' replies are in it.
impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn an_inbox_is_printed_without_what_is_in_it() {
        let inbox = Arc::new(Inbox::default());
        let (address, to) =
            (Address { place: 0, generation: 0 }, ReplyTo { sequence: None, flight: 0, deadline: None });
        inbox.post(Post::Reply(address, to, Reply::error(pinwire_proto::code::Code::Failed, "SECRET")));
        assert!(
            !format!("{inbox:?}").contains("SECRET"),
            "a Stopper and a Deferred hold it, and may be logged"
        );
    }

    #[test]
    fn a_closed_inbox_keeps_nothing() {
        let inbox = Inbox::default();
        inbox.post(Post::Stop);
        assert_eq!(inbox.close().len(), 1);
        inbox.post(Post::Stop);
        assert!(inbox.take().is_empty(), "its worker has ended: a socket would stay open for ever");
    }
}
