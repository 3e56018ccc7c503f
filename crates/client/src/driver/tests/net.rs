//! A network in memory: each dial is either refused or leads to a server whose words the story writes.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pinwire_proto::certificate::Certificate;
use pinwire_proto::session::ClientSession;
use pinwire_proto::tls::{Layer, TlsFailure};
use pinwire_proto::trust;
use pinwire_testkit::{certificates, pair};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::super::Settings;
use crate::dial::{Dial, Dialing};
use crate::right::Right;
use crate::{Client, Error, KnownServers, Limits, client};

/// The network and the one server's address in it.
#[derive(Clone)]
pub(super) struct Net(Arc<Mutex<State>>);

struct State {
    /// What a dial comes to while nobody listens.
    refusal: Option<io::ErrorKind>,
    /// What every write over a connection that is made now comes to.
    broken: Option<io::ErrorKind>,
    shown: Vec<u8>,
    /// Connections that the story has not taken yet.
    accepted: VecDeque<Server>,
    waiting: Option<Waker>,
    dials: Vec<Instant>,
    forgotten: usize,
}

/// The server's end of one connection.
pub(super) struct Server {
    wire: Arc<Mutex<Wire>>,
    heard: String,
}

/// The client's end.
pub(super) struct Socket(Arc<Mutex<Wire>>);

struct Wire {
    up: Vec<u8>,
    down: VecDeque<u8>,
    /// Bytes that fit into the way up.
    room: usize,
    /// The server has closed its side.
    is_ended: bool,
    /// The client's end is gone.
    is_dropped: bool,
    /// What a write comes to.
    broken: Option<io::ErrorKind>,
    client: Option<Waker>,
    server: Option<Waker>,
}

impl Net {
    pub(super) fn new() -> Net {
        Net(Arc::new(Mutex::new(State {
            refusal: None,
            broken: None,
            shown: certificate(),
            accepted: VecDeque::new(),
            waiting: None,
            dials: Vec::new(),
            forgotten: 0,
        })))
    }

    /// From now on dials are refused so, or succeed.
    pub(super) fn refuse(&self, kind: Option<io::ErrorKind>) {
        self.state().refusal = kind;
    }

    /// From now on connections can be read and not written, or both again.
    pub(super) fn break_writes(&self, is_broken: bool) {
        self.state().broken = is_broken.then_some(io::ErrorKind::BrokenPipe);
    }

    /// From now on the server shows another certificate.
    pub(super) fn impostor(&self) {
        self.state().shown = certificate();
    }

    /// The moments of the dials.
    pub(super) fn dials(&self) -> Vec<Instant> {
        self.state().dials.clone()
    }

    /// How often the sessions were forgotten.
    pub(super) fn forgotten(&self) -> usize {
        self.state().forgotten
    }

    pub(super) fn settings(&self) -> Settings {
        let pin = trust::Pin::Spki(Certificate::parse(&self.state().shown).unwrap().digests.spki);
        let address = "server:1".parse().unwrap();
        let right = Right { address, known: KnownServers::default(), pins: vec![pin] };
        Settings { right, timeout: Duration::from_secs(30), limits: Limits::default(), reconnects: true }
    }

    /// A client whose connection was greeted.
    pub(super) async fn connected(&self) -> (Client, Server) {
        let (client, server) = self.connect(self.settings()).await;
        (client.unwrap(), server)
    }

    /// Connects, while the server says OK.
    pub(super) async fn connect(&self, settings: Settings) -> (Result<Client, Error>, Server) {
        let connecting = tokio::spawn(client::connect(self.clone(), settings));
        let server = self.greet().await;
        (connecting.await.unwrap(), server)
    }

    /// A client that does not connect before it is needed.
    pub(super) fn lazy(&self, change: impl FnOnce(&mut Settings)) -> Client {
        let mut settings = self.settings();
        change(&mut settings);
        client::start(self.clone(), settings, None)
    }

    /// The next connection, let in.
    pub(super) async fn greet(&self) -> Server {
        let server = self.accept().await;
        server.says("OK\r\n");
        server
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> Server {
        std::future::poll_fn(|cx| {
            let mut state = self.state();
            state.waiting = Some(cx.waker().clone());
            state.accepted.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Dial for Net {
    type Socket = Socket;

    fn dial(&self) -> Dialing<Socket> {
        let mut state = self.state();
        state.dials.push(Instant::now());
        if let Some(kind) = state.refusal {
            return Box::pin(async move { Err(kind.into()) });
        }
        let wire = Arc::new(Mutex::new(Wire {
            up: Vec::new(),
            down: VecDeque::new(),
            room: usize::MAX,
            is_ended: false,
            is_dropped: false,
            broken: state.broken,
            client: None,
            server: None,
        }));
        state.accepted.push_back(Server { wire: Arc::clone(&wire), heard: String::new() });
        state.waiting.take().into_iter().for_each(Waker::wake);
        Box::pin(async move { Ok(Socket(wire)) })
    }

    fn session(&self, _: i64) -> Result<ClientSession, TlsFailure> {
        Ok(ClientSession::over(Layer::clear(Some(self.state().shown.clone()))))
    }

    fn forget_sessions(&self) {
        self.state().forgotten += 1;
    }
}

impl Server {
    pub(super) fn says(&self, bytes: impl AsRef<[u8]>) {
        self.change(|wire| wire.down.extend(bytes.as_ref()));
    }

    /// A FIN behind what was said.
    pub(super) fn ends(&self) {
        self.change(|wire| wire.is_ended = true);
    }

    /// The client's writes fail from now on.
    pub(super) fn breaks_writes(&self) {
        self.change(|wire| wire.broken = Some(io::ErrorKind::BrokenPipe));
    }

    /// No more than this many bytes fit into the way up until they are read.
    pub(super) fn room(&self, room: usize) {
        self.change(|wire| wire.room = room);
    }

    /// Waits until the client has said this, and for nothing more.
    pub(super) async fn hears(&mut self, words: &str) {
        self.until(|heard, _| heard.contains(words)).await;
    }

    /// Waits until the client is gone; everything it ever said.
    pub(super) async fn gone(&mut self) -> &str {
        self.until(|_, is_dropped| is_dropped).await;
        &self.heard
    }

    /// What the client has said so far.
    pub(super) fn heard(&mut self) -> &str {
        self.take();
        &self.heard
    }

    async fn until(&mut self, found: impl Fn(&str, bool) -> bool) {
        std::future::poll_fn(|cx| {
            let is_dropped = self.take();
            self.wire.lock().unwrap().server = Some(cx.waker().clone());
            if found(&self.heard, is_dropped) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn take(&mut self) -> bool {
        let mut wire = self.wire.lock().unwrap();
        self.heard += std::str::from_utf8(&std::mem::take(&mut wire.up)).unwrap();
        wire.client.take().into_iter().for_each(Waker::wake);
        wire.is_dropped
    }

    fn change(&self, change: impl FnOnce(&mut Wire)) {
        let mut wire = self.wire.lock().unwrap();
        change(&mut wire);
        wire.client.take().into_iter().for_each(Waker::wake);
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.lock().unwrap();
        if wire.down.is_empty() && !wire.is_ended {
            wire.client = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = wire.down.len().min(into.remaining());
        into.put_slice(&wire.down.drain(..length).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.0.lock().unwrap();
        if let Some(kind) = wire.broken {
            return Poll::Ready(Err(kind.into()));
        }
        let length = bytes.len().min(wire.room.saturating_sub(wire.up.len()));
        if length == 0 {
            wire.client = Some(cx.waker().clone());
            return Poll::Pending;
        }
        wire.up.extend_from_slice(&bytes[..length]);
        wire.server.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut wire = self.0.lock().unwrap();
        wire.is_dropped = true;
        wire.server.take().into_iter().for_each(Waker::wake);
    }
}

/// Runs a story on a clock that moves only when everybody waits.
pub(super) fn play(story: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(story);
}

pub(super) fn reply(sequence: u64, body: &str) -> String {
    format!("OK\r\nSequence: {sequence}\r\nSize: {}\r\n\r\n{body}", body.len())
}

/// A certificate of a new key, DER.
fn certificate() -> Vec<u8> {
    pair::identity(&certificates::good(pair::UNIX)).chain()[0].to_vec()
}
