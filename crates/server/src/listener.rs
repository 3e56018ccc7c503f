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
        // With SO_REUSEPORT a second server on the same port would steal from the first without a word:
        // the first socket therefore binds alone, and makes way for those that share.
        let first = bind_one(address, false)?;
        let address = first.local_addr()?;
        if !reuse_port || workers < 2 {
            return Ok(vec![first]);
        }
        drop(first);
        (0..workers).map(|_| bind_one(address, true)).collect()
    };
    bind_all().map_err(|source| BindError { address, source })
}

fn bind_one(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // What an earlier server left in TIME_WAIT does not keep its port. Windows means something else by it.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))))]
    socket.set_reuse_port(reuse_port)?;
    #[cfg(not(unix))]
    let _ = reuse_port;
    socket.bind(&address.into())?;
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
    fn a_foreign_address_is_refused_in_words() {
        let error = bind("192.0.2.1:0".parse().unwrap(), 1, false).unwrap_err();
        assert!(error.to_string().contains("192.0.2.1 is not an address of this machine"), "{error}");
    }
}
