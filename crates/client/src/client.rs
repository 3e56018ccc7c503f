//! A client as its user sees it: any number of calls at once over one connection. The work is the driver's.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pinwire_proto::certificate::Certificate;
use pinwire_proto::wire::{Misuse, Request};
use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot};
use tokio::time::Instant;

use crate::answers::Answers;
use crate::builder::Builder;
use crate::calls::{Deadline, Feed, Wanted, feed};
use crate::dial::Dial;
use crate::driver::{Caller, Driver, Post, Settings};
use crate::{Address, Answer, Error, Outcome};

/// Calls a server's commands. Clones share the connection; it is closed with the last of them.
#[derive(Clone)]
pub struct Client {
    posts: mpsc::UnboundedSender<Post>,
    shared: Arc<Shared>,
}

/// What the handles and the driver share.
#[derive(Debug)]
pub(crate) struct Shared {
    address: Address,
    timeout: Duration,
    reconnects: bool,
    /// The number of the next call.
    next: AtomicU64,
    /// One permit a call, from before it is posted until the driver has ended it: nothing that is posted is
    /// without bounds. The driver closes it when it ends.
    pub(crate) room: Arc<Semaphore>,
    /// The driver's; its clock serves callers that are not on it.
    runtime: Handle,
    pub(crate) server: Mutex<Option<Server>>,
}

/// Whom the latest connection reached.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) certificate: Certificate,
    pub(crate) is_resumed: bool,
}

impl Client {
    /// Begins to say what a client of the server at `address` is to be.
    pub fn builder(address: Address) -> Builder {
        Builder::new(address)
    }

    /// Calls a command and waits for its answer. The deadline, the request's own or the client's, counts from
    /// here on, waiting in line and reconnecting included, and the server is told what is left of it. Dropped,
    /// the future takes the command back: unsent it is forgotten, sent it is cancelled at the server.
    ///
    /// ```
    /// use pinwire_client::{Client, Outcome, Request};
    ///
    /// async fn rename(client: &Client) {
    ///     match client.call(Request::new("RENAME").arg("a").arg("b")).await {
    ///         Ok(answer) => println!("{}", String::from_utf8_lossy(&answer.body)),
    ///         Err(error) if error.code() == Some("unknown-command") => println!("an older server"),
    ///         Err(error) if error.outcome() == Outcome::Unknown => println!("look before you repeat: {error}"),
    ///         Err(error) => println!("nothing was renamed: {error}"),
    ///     }
    /// }
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/running.rs"));
    /// # fn main() -> Result<(), pinwire_client::Error> {
    /// #     let server = Running::start();
    /// #     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// #     runtime.block_on(async {
    /// #         let client = server.client().connect().await?;
    /// #         rename(&client).await;
    /// #         Ok(())
    /// #     })
    /// # }
    /// ```
    ///
    /// # Errors
    /// Every [`Error`]; [`Error::outcome`] says what became of the command.
    pub async fn call(&self, request: Request) -> Result<Answer, Error> {
        let deadline = Deadline::after(request.time_limit().unwrap_or(self.shared.timeout));
        let (number, answer) = self.begin(request, Some(deadline), None).await?;
        Waiting { posts: &self.posts, number, answer: Some(answer) }.answer().await
    }

    /// Calls a command whose answer comes in parts, each to be taken as it comes. It has no deadline but the
    /// request's own, which is for all of it. Parts that are not taken wait, up to [`Limits::untaken`], and hold up
    /// no other call.
    ///
    /// ```
    /// use pinwire_client::{Client, Error, Request};
    ///
    /// async fn follow(client: &Client) -> Result<(), Error> {
    ///     let mut parts = client.stream(Request::new("FOLLOW").arg("log")).await?;
    ///     while let Some(part) = parts.next().await? {
    ///         print!("{}", String::from_utf8_lossy(&part.body));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse), [`TimedOut`](Error::TimedOut) and [`Lost`](Error::Lost), of a command that was
    /// not begun; [`Answers::next`] says the others.
    ///
    /// [`Limits::untaken`]: crate::Limits::untaken
    pub async fn stream(&self, request: Request) -> Result<Answers, Error> {
        let deadline = request.time_limit().map(Deadline::after);
        self.begin_stream(request, deadline).await
    }

    /// The same, with the client's timeout for its first part.
    pub(crate) async fn stream_soon(&self, request: Request) -> Result<Answers, Error> {
        let deadline = Deadline { is_for_first_part: true, ..Deadline::after(self.shared.timeout) };
        self.begin_stream(request, Some(deadline)).await
    }

    async fn begin_stream(&self, request: Request, deadline: Option<Deadline>) -> Result<Answers, Error> {
        let (feed, fed) = feed();
        let (number, end) = self.begin(request, deadline, Some(feed)).await?;
        Ok(Answers::new(self.clone(), number, fed, end))
    }

    /// Posts a call as soon as there is room for it; its number, and where its end will be told.
    async fn begin(
        &self,
        request: Request,
        deadline: Option<Deadline>,
        feed: Option<Feed>,
    ) -> Result<(u64, oneshot::Receiver<Result<Answer, Error>>), Error> {
        check(&request)?;
        let room = self.room(deadline).await?;
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (reply, end) = oneshot::channel();
        let wanted = Wanted { caller: Caller { reply, _room: room }, request, deadline, feed };
        self.posts.send(Post::Call(number, wanted)).map_err(|_| over(Outcome::NotBegun))?;
        Ok((number, end))
    }

    /// What the server of the latest connection showed and proved; none before the first handshake.
    pub fn certificate(&self) -> Option<Certificate> {
        self.shared.server().map(|server| server.certificate)
    }

    /// Whether the latest connection resumed the TLS session of an earlier one.
    pub fn is_resumed(&self) -> bool {
        self.shared.server().is_some_and(|server| server.is_resumed)
    }

    /// Where the server is.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Takes no more calls, on any clone, takes streams back, waits until the other calls that were made have
    /// ended, each in its own way, and says goodbye to the server.
    pub async fn close(&self) {
        let (done, is_done) = oneshot::channel();
        if self.posts.send(Post::Close(done)).is_ok() {
            // Its error says that the driver has ended, which is what is waited for.
            let _ = is_done.await;
        }
    }

    async fn room(&self, deadline: Option<Deadline>) -> Result<OwnedSemaphorePermit, Error> {
        match Arc::clone(&self.shared.room).try_acquire_owned() {
            Ok(room) => Ok(room),
            Err(TryAcquireError::Closed) => Err(over(Outcome::NotBegun)),
            Err(TryAcquireError::NoPermits) => self.wait_for_room(deadline).await,
        }
    }

    async fn wait_for_room(&self, deadline: Option<Deadline>) -> Result<OwnedSemaphorePermit, Error> {
        let room = Arc::clone(&self.shared.room).acquire_owned();
        let Some(Deadline { at, limit, .. }) = deadline else {
            return room.await.map_err(|_: AcquireError| over(Outcome::NotBegun));
        };
        let timer = {
            // The driver's clock: the caller may have none.
            let _context = self.shared.runtime.enter();
            tokio::time::timeout_at(at.into(), room)
        };
        let room = timer.await.map_err(|_| Error::TimedOut {
            limit,
            outcome: Outcome::NotBegun,
            why: Some("as many calls are made already as Limits::calls allows".to_owned()),
        })?;
        room.map_err(|_: AcquireError| over(Outcome::NotBegun))
    }

    /// Tells the driver. One that has ended has nothing to do.
    pub(crate) fn post(&self, post: Post) {
        let _ = self.posts.send(post);
    }

    /// Whether a new connection is made after one was lost.
    pub(crate) fn reconnects(&self) -> bool {
        self.shared.reconnects
    }
}

impl Deadline {
    /// From now on.
    fn after(limit: Duration) -> Deadline {
        let limit = within_reason(limit);
        Deadline { at: (Instant::now() + limit).into_std(), limit, is_for_first_part: false }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

impl Shared {
    fn server(&self) -> Option<Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Connects, and waits until the server has let this client in.
pub(crate) async fn connect(dial: impl Dial, settings: Settings) -> Result<Client, Error> {
    let (first, connected) = oneshot::channel();
    let client = start(dial, settings, Some(first));
    match connected.await {
        Ok(result) => result.map(|()| client),
        Err(_) => Err(over(Outcome::NotBegun)),
    }
}

/// Starts the driver on the current runtime.
pub(crate) fn start(
    dial: impl Dial,
    settings: Settings,
    first: Option<oneshot::Sender<Result<(), Error>>>,
) -> Client {
    let (posts, inbox) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        address: settings.right.address.clone(),
        timeout: settings.timeout,
        reconnects: settings.reconnects,
        next: AtomicU64::new(0),
        room: Arc::new(Semaphore::new(settings.limits.calls.min(Semaphore::MAX_PERMITS))),
        runtime: Handle::current(),
        server: Mutex::new(None),
    });
    tokio::spawn(Driver::new(dial, settings, Arc::clone(&shared), inbox, first));
    Client { posts, shared }
}

/// A call under way, taken back if its future is dropped.
struct Waiting<'c> {
    posts: &'c mpsc::UnboundedSender<Post>,
    number: u64,
    answer: Option<oneshot::Receiver<Result<Answer, Error>>>,
}

impl Waiting<'_> {
    async fn answer(mut self) -> Result<Answer, Error> {
        let Some(answer) = &mut self.answer else { return Err(over(Outcome::Unknown)) };
        let result = answer.await;
        self.answer = None;
        result.unwrap_or_else(|_| Err(over(Outcome::Unknown)))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.answer.take().is_some() {
            // A driver that has ended has nothing to take back.
            let _ = self.posts.send(Post::Cancel(self.number));
        }
    }
}

/// Whether the protocol can say it, and will answer it.
fn check(request: &Request) -> Result<(), Misuse> {
    request.check()?;
    match request.name().eq_ignore_ascii_case("CANCEL") {
        // Its caller would wait in vain, and the server would seem to owe an answer.
        true => Err(Misuse::new("CANCEL is never answered; drop the call's future to take a command back")),
        false => Ok(()),
    }
}

pub(crate) fn over(outcome: Outcome) -> Error {
    let why = "this client was closed, or the runtime on which it works has ended".to_owned();
    Error::Lost { why, outcome }
}

/// Moments are computed from it, and no clock reaches the end of time; the wire's Timeout has nine digits.
pub(crate) fn within_reason(timeout: Duration) -> Duration {
    timeout.min(LONGEST)
}

/// Thirty years.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
