//! Listening sockets: one a worker where the system spreads connections (SO_REUSEPORT), else one for all.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// The server cannot listen, in words that help.
#[derive(Debug)]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// Binds `workers` listeners to `address`; a single one if the system does not spread connections.
pub(crate) fn bind(
    address: SocketAddr,
    workers: usize,
    reuse_port: bool,
) -> Result<Vec<TcpListener>, BindError> {
    let bind_all = || -> io::Result<Vec<TcpListener>> {
        let first = bind_first(address, reuse_port && workers > 1)?;
        let address = first.local_addr()?;
        let others = if reuse_port { workers.saturating_sub(1) } else { 0 };
        let others = (0..others).map(|_| {
            let socket = socket(address)?;
            share_port(&socket)?;
            socket.bind(&address.into())?;
            listen(socket)
        });
        std::iter::once(Ok(first)).chain(others).collect()
    };
    bind_all().map_err(|source| BindError { address, source })
}

/// With SO_REUSEPORT a second server on the same port would steal from the first without a word: the first
/// socket therefore binds alone, and shares its port only once it has it.
fn bind_first(address: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.bind(&address.into())?;
    if is_shared {
        share_port(&socket)?;
    }
    listen(socket)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // What an earlier server left in TIME_WAIT does not keep its port. Windows means something else by it.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    Ok(socket)
}

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))))]
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin")))))]
fn share_port(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Connections that wait for accept; the kernel cuts it to its own limit.
const BACKLOG: i32 = 4_096;

impl BindError {
    /// What the system said.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        write!(f, "cannot listen on {address}: ")?;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "another program listens there; stop it, or choose another port")
            }
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "{} is not an address of this machine", address.ip())
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "no permission; ports below 1024 are for root, choose a higher one")
            }
            _ => write!(f, "{}", self.source),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_in_words_even_where_ports_are_shared() {
        let taken = bind("127.0.0.1:0".parse().unwrap(), 2, cfg!(target_os = "linux")).unwrap();
        let address = taken[0].local_addr().unwrap();
        let error = bind(address, 2, cfg!(target_os = "linux")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("another program listens there"), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_spreads_connections_over_a_shared_port() {
        let listeners = bind("127.0.0.1:0".parse().unwrap(), 2, true).unwrap();
        let address = listeners[0].local_addr().unwrap();
        // By a hash of both ends' ports: that 64 go the same way has a chance of one in 2^63.
        let clients: Vec<_> = (0..64).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let accepted: Vec<_> =
            listeners.iter().map(|listener| std::iter::from_fn(|| listener.accept().ok()).count()).collect();
        assert!(accepted[0] > 0 && accepted[1] > 0, "{accepted:?}");
        assert_eq!(accepted[0] + accepted[1], clients.len());
    }

    #[test]
    fn a_foreign_address_is_refused_in_words() {
        let error = bind("192.0.2.1:0".parse().unwrap(), 1, false).unwrap_err();
        assert!(error.to_string().contains("192.0.2.1 is not an address of this machine"), "{error}");
    }
}
