//! How a client reaches its server: a socket, and the session over it. The driver knows no more of either.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use pinwire_proto::session::ClientSession;
use pinwire_proto::tls::{ClientTls, TlsFailure};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::Address;

/// Makes connections to one server.
pub(crate) trait Dial: Send + Unpin + 'static {
    type Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    fn dial(&self) -> Dialing<Self::Socket>;

    /// The session over a socket that was made at `unix` seconds.
    fn session(&self, unix: i64) -> Result<ClientSession, TlsFailure>;

    /// The server did not let this client in: no session is resumed.
    fn forget_sessions(&self);
}

/// A socket on its way.
pub(crate) type Dialing<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

/// TCP and TLS.
#[derive(Debug)]
pub(crate) struct Tcp {
    pub(crate) address: Address,
    pub(crate) tls: ClientTls,
}

impl Dial for Tcp {
    type Socket = TcpStream;

    fn dial(&self) -> Dialing<TcpStream> {
        let address = self.address.clone();
        Box::pin(async move {
            let socket = TcpStream::connect((address.host(), address.port())).await?;
            tune(&socket)?;
            Ok(socket)
        })
    }

    fn session(&self, unix: i64) -> Result<ClientSession, TlsFailure> {
        ClientSession::new(&self.tls.at(unix))
    }

    fn forget_sessions(&self) {
        self.tls.forget_sessions();
    }
}

/// No waiting to fill packets: calls are batched already. A server that has gone is found while nobody calls.
fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    #[cfg(not(any(windows, target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
    let keepalive = keepalive.with_retries(KEEPALIVE_PROBES);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

/// As the server has them.
const KEEPALIVE: Duration = Duration::from_secs(60);
#[cfg(not(any(windows, target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
const KEEPALIVE_PROBES: u32 = 3;
